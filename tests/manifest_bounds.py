"""Every bound of a manifest: bytes at the bound, which are accepted, and one past it, refused.

Laid out by hand with `tests/contracts/manifests.py`; the parser and the contract judge both sides.
A manifest cannot have 16 segments: with five slots and no two adjacent literals eleven are most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from tests.contracts.harness import gate_check
from tests.contracts.manifests import (
    ADD,
    BALLOT,
    COMPUTE,
    CONST,
    GUARD,
    KEPT,
    NEW,
    OLD,
    Draft,
    Row,
    array,
    boolean,
    enum,
    integer,
    string,
)
from tests.manifests import refusal

MOOD = enum(b"mood", b"bad", b"good")
SMALL = Draft(rows=(MOOD,))
LEAST, MOST = -(2**255) + 1, 2**255 - 1
TIME, NOT = (6, 0), (9, 0)
PAST_ABI = "the ABI refuses more than 12,288 bytes"

#: Name of a bound, drafts at it, drafts one past it.
Bound = tuple[str, tuple[Draft, ...], tuple[Draft, ...]]


def rows(*fields: Row) -> Draft:
    return replace(SMALL, rows=fields)


def number(low: int, high: int, initial: int, digits: int) -> Draft:
    fields = (MOOD, integer(b"n", 0, digits, KEPT))
    return replace(SMALL, rows=fields, constants=(low, high, initial))


def ops(*code: tuple[int, int], target: int = GUARD) -> Draft:
    fields = (MOOD, boolean(b"flag", KEPT), string(b"text", 9))
    return replace(SMALL, rows=fields, constants=(1,), expressions=((target, code),))


def options(*names: bytes, initial: int = 0) -> Draft:
    return rows(enum(b"e", *names, initial=initial))


def story(text: bytes) -> Draft:
    return replace(SMALL, title=b"", story=text)


def flags(count: int) -> Draft:
    return rows(*(boolean(b"f%02d" % i) for i in range(count)))


def guards(count: int) -> Draft:
    return replace(SMALL, expressions=((GUARD, (TIME,)),) * count)


def long_state(last: int) -> Draft:
    """A state of 3,680 + last bytes: 14 of mood, 520 of each of seven, last + 8, 18 around."""
    kept = [string(b"s%d" % i, 512, KEPT) for i in range(7)]
    return rows(MOOD, *kept, string(b"s7", last, KEPT))


def list_header_bounds() -> Iterator[Bound]:
    room = 12_288 - len(story(b"").encode())
    yield "manifest bytes", (story(b"x" * room),), (story(b"x" * (room + 1)),)
    yield "version", (BALLOT,), (BALLOT.change(version=0), BALLOT.change(version=2))
    kinds = (BALLOT.change(cell_kind=1), BALLOT.change(cell_kind=3))
    yield "cell kind", kinds, (BALLOT.change(cell_kind=0), BALLOT.change(cell_kind=4))
    yield "seed rule", (BALLOT.change(seed_rule=1),), (BALLOT.change(seed_rule=2),)
    yield "seed under rule 0", (BALLOT,), (BALLOT.change(seed=bytes(31) + b"\1"),)
    yield "max input", (BALLOT.change(max_input=1_024),), (BALLOT.change(max_input=1_025),)
    yield "output tokens", (BALLOT.change(output_tokens=1),), (BALLOT.change(output_tokens=0),)
    need = BALLOT.need(64)
    yield "fixed, least", (BALLOT.change(fixed=need),), (BALLOT.change(fixed=need - 1),)
    yield "fixed, most", (BALLOT.change(fixed=2_046),), (BALLOT.change(fixed=2_047),)
    hot = BALLOT.change(temperature=2**32 - 1)
    yield "effects", (BALLOT, hot), (BALLOT.change(effects=1), hot.change(effects=1))
    whole = len(b"mood" + b"badgood" + b"abc")
    named = replace(SMALL, title=b"", story=b"abc")
    most = named.change(name_length=whole - len(b"moodbadgood"))
    yield "action's name", (most,), (named.change(name_length=4),)


def list_count_bounds() -> Iterator[Bound]:
    yield "fields", (flags(1), flags(32)), (flags(33), SMALL.change(fields=0))
    slots = ((0, 1), (1, 0), (0, 1), (2, 0), (0, 1), (3, 0), (0, 1), (4, 0), (0, 1), (5, 0), (0, 1))
    eleven = replace(SMALL, segments=slots, literals=(1,) * 6)
    yield "segments", (SMALL, eleven), (SMALL.change(segments=17),)
    longest, longer = (
        replace(SMALL, segments=((0, size),), literals=(7,) * size) for size in (1_536, 1_537)
    )
    yield "literal tokens", (longest,), (longer,)
    yield "expressions", (guards(32),), (guards(33),)
    yield "ops", (ops(TIME), ops(TIME, *(NOT,) * 63)), (ops(), ops(TIME, *(NOT,) * 64))
    full = (*(TIME,) * 16, *((ADD, 0),) * 15)
    yield "stack, most", (ops(*full),), (ops(TIME, *full, (ADD, 0)),)
    yield "stack, left", (ops(TIME),), (ops(TIME, TIME),)
    yield (
        "stack, taken",
        (ops(TIME, NOT), ops(TIME, TIME, (ADD, 0))),
        (ops(NOT), ops(TIME, (16, 0))),
    )
    yield "constant named", (ops((CONST, 0)),), (ops((CONST, 1)),)
    yield "field read", (ops((OLD, 1)), ops((NEW, 0))), (ops((OLD, 3)), ops((NEW, 2)))
    set_flag = replace(rows(MOOD, boolean(b"f", COMPUTE)), expressions=((1, (TIME,)),))
    past_target = replace(set_flag, expressions=((2, (TIME,)),))
    yield "target", (set_flag,), (past_target,)
    codes = (ops(TIME, TIME, (29, 0)), ops(TIME, TIME, TIME, (30, 0)), ops((1, 0)))
    yield "op codes", codes, (ops((0, 0)), ops(TIME, TIME, TIME, (31, 0)), ops((7, 0)))
    tokens = (replace(SMALL, segments=((0, 2),), literals=(0, 49_151)),)
    past = replace(SMALL, segments=((0, 2),), literals=(0, 49_152))
    yield "token", tokens, (past, replace(past, literals=(2**23, 0)))


def list_text_bounds() -> Iterator[Bound]:
    yield "text, lowest byte", (story(b"a\x20"),), (story(b"a\x1f"),)
    yield "text, delete", (story(b"a\x7e"),), (story(b"a\x7f"),)
    yield "text, quote", (story(b"a\x21"), story(b"a\x23")), (story(b"a\x22"),)
    yield "text, backslash", (story(b"a\x5b"), story(b"a\x5d")), (story(b"a\x5c"),)
    yield "text, two bytes", (story(b"a\xc2\x80"),), (story(b"a\xc1\xbf"), story(b"a\xc2\x7f"))
    yield "text, three bytes", (story(b"a\xe0\xa0\x80"),), (story(b"a\xe0\x9f\xbf"),)
    yield "text, surrogates", (story(b"a\xed\x9f\xbf"),), (story(b"a\xed\xa0\x80"),)
    yield "text, four bytes", (story(b"a\xf0\x90\x80\x80"),), (story(b"a\xf0\x8f\xbf\xbf"),)
    yield "text, last", (story(b"a\xf4\x8f\xbf\xbf"),), (story(b"a\xf4\x90\x80\x80"),)
    yield "text, missing", (story(b"a\xf0\xa0\x80\x80"),), (story(b"a\xf1\x80\x80\x80"),)


def list_field_bounds() -> Iterator[Bound]:
    yield (
        "field's name",
        (rows(enum(b"n", b"a")), rows(enum(b"n" * 32, b"a"))),
        (rows(enum(b"", b"a")), rows(enum(b"n" * 33, b"a"))),
    )
    yield (
        "type",
        (rows(MOOD, string(b"s", 9)),),
        (rows(MOOD, Row(b"s", 0)), rows(MOOD, Row(b"s", 6))),
    )
    yield "role", (rows(MOOD, string(b"s", 9, KEPT)),), (rows(MOOD, string(b"s", 9, role=3)),)
    yield "string's limit", (rows(string(b"s", 512)),), (rows(string(b"s", 513)),)
    yield (
        "string's initial",
        (rows(MOOD, string(b"s", 3, initial=b"two")), rows(MOOD, string(b"s", 0))),
        (rows(MOOD, string(b"s", 3, initial=b"four")), rows(MOOD, string(b"s", 0, initial=b"a"))),
    )
    many = tuple(b"o%02d" % i for i in range(65))
    yield "options", (options(b"a"), options(*many[:64])), (options(), options(*many))
    yield (
        "option's bytes",
        (options(b"a"), options(b"a" * 32)),
        (options(b"", b"b"), options(b"a" * 33)),
    )
    yield "option's order", (options(b"a", b"aa"),), (options(b"a", b"a"), options(b"aa", b"a"))
    yield "initial option", (options(b"a", b"b", initial=1),), (options(b"a", b"b", initial=2),)
    yield "initial boolean", (rows(boolean(b"f", initial=1)),), (rows(boolean(b"f", initial=2)),)
    yield "boolean's a", (rows(boolean(b"f")),), (rows(replace(boolean(b"f"), a=1)),)
    shared = replace(number(0, 1, 0, 1), constants=(0, 1, 0))
    yield "constants", (shared,), (replace(shared, constants=(0, 1)),)
    yield "low", (number(LEAST, 0, 0, 78),), (number(LEAST - 1, 0, 0, 78),)
    within = (number(3, 5, 3, 1), number(3, 5, 5, 1), number(4, 4, 4, 1))
    beyond = (number(3, 5, 2, 1), number(3, 5, 6, 1), number(5, 4, 5, 1), number(5, 4, 4, 1))
    yield "initial integer", within, beyond
    yield "digits, most", (number(0, MOST, 0, 78),), (number(0, MOST, 0, 79),)
    for size in (1, 2, 9, 76, 77):
        high, low = 10**size, -(10 ** (size - 1))
        at = [number(0, min(high - 1, MOST), 0, size), number(low + 1, 0, 0, size)]
        past = [number(low, 0, 0, size)] + [number(0, high, 0, size)] * (high <= MOST)
        yield f"digits {size}", tuple(at), tuple(past)
    yield "digits, least", (number(0, 0, 0, 1),), (number(0, 0, 0, 0),)
    yield (
        "items",
        (rows(array(1, string(b"a", 9))), rows(array(64, string(b"a", 11)))),
        (rows(array(0, string(b"a", 9))), rows(array(65, string(b"a", 9)))),
    )
    item = array(2, string(b"a", 9))
    elements = (rows(MOOD, item), rows(MOOD, replace(array(2, boolean(b"a")), element=3)))
    beside = tuple(rows(MOOD, replace(item, element=kind)) for kind in (0, 5))
    yield "element", elements, beside
    yield "item's limit", (rows(array(1, string(b"a", 512))),), (rows(array(1, string(b"a", 513))),)
    listed = (rows(array(1, string(b"a", 512)), string(b"b", 490)),)
    yield "output of an array", listed, (rows(array(1, string(b"a", 512)), string(b"b", 491)),)
    kept = (rows(MOOD, array(64, string(b"a", 59, KEPT))),)
    yield "state of an array", kept, (rows(MOOD, array(64, string(b"a", 60, KEPT))),)
    yield "state bytes", (long_state(416),), (long_state(417),)
    wide = (rows(string(b"a", 512), string(b"b", 494)),)
    yield "output bytes", wide, (rows(string(b"a", 512), string(b"b", 495)),)
    yield "written fields", (SMALL,), (rows(replace(MOOD, role=KEPT)),)


def list_bounds() -> list[Bound]:
    """All bounds."""
    lists = (list_header_bounds(), list_count_bounds(), list_text_bounds(), list_field_bounds())
    return [bound for part in lists for bound in part]


def count_bounds() -> Counter[str]:
    """Judge both sides of every bound by parser and contract; return how many."""
    counts: Counter[str] = Counter()
    for name, at, past in list_bounds():
        for draft in at:
            data = draft.encode()
            assert (refusal(data), gate_check(data)) == (None, None), (name, draft)
        for draft in past:
            rule, reason = refusal(draft.encode()), gate_check(draft.encode())
            assert rule is not None, (name, draft)
            assert reason is not None, (name, draft)
            assert reason.startswith("gate: ") or reason == PAST_ABI, (name, reason)
        counts += Counter({"bounds": 1, "bounds, at": len(at), "bounds, past": len(past)})
    return counts
