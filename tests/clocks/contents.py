"""What siblings and champions claim, as far as a duel can tell them apart.

A *content* is a batch's result: the truth, a lie that is false from one record on, or noise whose
trace nobody knows. An inner tree is the content's own, or has one garbage leaf before the lie's.
"""

from __future__ import annotations

TRUTH, NOISE, SAME_TRACE = 0, -1, 9
#: content => the first record that is false, and the number that stands there; none is true
LIES = {1: (2, -5), 2: (2, -6), 3: (3, -5)}
#: from here on contents are lies of one place, each with another number
FIRST_OF_MANY = 100
#: where in its record a lie is, and where garbage is: leaf and lane. Behind the leaf of bytes no
#: two numbers become one again, so that every lie reaches the record's root
LIE_AT, GARBAGE_AT = (5, 37), (1, 7)


def find_lie(content: int) -> tuple[int, int] | None:
    """The record and the number of a lie; None for what is none."""
    return LIES.get(content, (2, -content) if content >= FIRST_OF_MANY else None)


def find_record(one: int, other: int) -> int:
    """The first record in which two contents differ."""
    lies = [find_lie(content) for content in (one, other)]
    return min(lie[0] for lie in lies if lie is not None)


def is_wrong(content: int, record: int) -> bool:
    """Whether a content's step at its first difference from another is false by itself."""
    lie = find_lie(content)
    return lie is not None and lie[0] == record


def judge(contents: tuple[int, int], garbage: tuple[int, int]) -> tuple[bool, bool]:
    """Which of two opposed champions hold another value than the recomputed one."""
    if garbage[0] != garbage[1]:
        return garbage[0] != 0, garbage[1] != 0
    record = find_record(*contents)
    return is_wrong(contents[0], record), is_wrong(contents[1], record)
