"""What siblings and champions claim, as far as a duel can tell them apart.

A *content* is a batch's result: the truth, a lie that is false from one record on, or noise whose
trace nobody knows. An inner tree is the content's own, or has one garbage leaf before the lie's.
"""

from __future__ import annotations

TRUTH, NOISE, SAME_TRACE = 0, -1, 9
#: content => the first record that is false, and the number that stands there
LIES = {1: (2, 5), 2: (2, 6), 3: (3, 5)}
#: where in its record a lie is, and where garbage is: leaf and lane
LIE_AT, GARBAGE_AT = (2, 37), (1, 7)


def find_record(one: int, other: int) -> int:
    """The first record in which two contents differ."""
    return min(LIES[content][0] for content in (one, other) if content in LIES)


def is_wrong(content: int, record: int) -> bool:
    """Whether a content's step at its first difference from another is false by itself."""
    return content in LIES and LIES[content][0] == record


def judge(contents: tuple[int, int], garbage: tuple[int, int]) -> tuple[bool, bool]:
    """Which of two opposed champions hold another value than the recomputed one."""
    if garbage[0] != garbage[1]:
        return garbage[0] != 0, garbage[1] != 0
    record = find_record(*contents)
    return is_wrong(contents[0], record), is_wrong(contents[1], record)
