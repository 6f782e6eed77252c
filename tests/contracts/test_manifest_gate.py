"""ManifestGate refuses each broken rule with its own reason, and nothing that is legal.

Rule: REGISTRY-3
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from tests.contracts.harness import SHAPE, gate_check
from tests.contracts.manifests import (
    ADD,
    ARRAY,
    BALLOT,
    BOOLEAN,
    COMPUTE,
    CONST,
    ENUM,
    GUARD,
    INTEGER,
    KEPT,
    NEW,
    OLD,
    STRING,
    WRITES,
    Draft,
    Row,
    array,
    boolean,
    enum,
    integer,
    string,
)

MOOD = enum(b"mood", b"bad", b"good")
SMALL = Draft(rows=(MOOD,))
MIN, MAX = -(2**255), 2**255 - 1


def of_rows(*rows: Row, **changes: object) -> Draft:
    return replace(SMALL, rows=rows, **changes)  # type: ignore[arg-type]  # test shorthand


def of_integer(low: int, high: int, initial: int, digits: int) -> Draft:
    return of_rows(MOOD, integer(b"n", 0, digits, KEPT), constants=(low, high, initial))


def of_ops(*ops: tuple[int, int], target: int = GUARD) -> Draft:
    return of_rows(
        MOOD,
        boolean(b"flag", KEPT),
        string(b"text", 9),
        constants=(1,),
        expressions=((target, ops),),
    )


PUSHES = ((6, 0),)


def of_list(low: int, high: int, initial: int, digits: int = 1, role: int = WRITES) -> Draft:
    return of_rows(MOOD, array(2, integer(b"n", 0, digits, role)), constants=(low, high, initial))


def reads(row: Row) -> Draft:
    return of_rows(MOOD, row, expressions=((GUARD, ((OLD, 1),)),))


LONG = tuple(string(b"s%d" % i, 512, KEPT) for i in range(8))
FLAG = boolean(b"f", COMPUTE)

REFUSED: list[tuple[str, Draft]] = [
    ("gate: version not 1", BALLOT.change(version=2)),
    ("gate: version not 1", BALLOT.change(version=0)),
    ("gate: cell kind not 1 to 3", BALLOT.change(cell_kind=0)),
    ("gate: cell kind not 1 to 3", BALLOT.change(cell_kind=4)),
    ("gate: seed rule not 0 or 1", BALLOT.change(seed_rule=2)),
    ("gate: seed under rule 0", BALLOT.change(seed=bytes(31) + b"\1")),
    ("gate: input above 1024 bytes", BALLOT.change(max_input=1_025)),
    ("gate: no output tokens", BALLOT.change(output_tokens=0)),
    ("gate: fixed above 2046", BALLOT.change(fixed=2_047)),
    ("gate: fields not 1 to 32", BALLOT.change(fields=0)),
    ("gate: fields not 1 to 32", BALLOT.change(fields=33)),
    ("gate: segments above 16", BALLOT.change(segments=17)),
    ("gate: literals above 1536", BALLOT.change(literal_tokens=1_537)),
    ("gate: expressions above 32", BALLOT.change(expressions=33)),
    ("gate: effects not built yet", BALLOT.change(effects=1)),
    ("gate: cut short before options", BALLOT.change(text=65_535)),
    ("gate: cut short before options", BALLOT.change(constants=255)),
    ("gate: trailing bytes", replace(BALLOT, tail=b"\0")),
    ("gate: cut short after options", BALLOT.change(segments=4)),
    ("gate: cut short after options", BALLOT.change(ops=13)),
    ("gate: fixed below its parts", BALLOT.change(fixed=BALLOT.need(64) - 1)),
    # text
    ("gate: text byte forbidden", replace(SMALL, story=b'say "x"')),
    ("gate: text byte forbidden", replace(SMALL, story=b"a\\b")),
    ("gate: text byte forbidden", replace(SMALL, story=b"line\n")),
    ("gate: text byte forbidden", replace(SMALL, story=b"\x7f")),
    ("gate: text byte forbidden", replace(SMALL, story=b"x" * 500 + b"\0" + b"y" * 500)),
    ("gate: text not clean UTF-8", replace(SMALL, story=b"\xc0\x80")),
    ("gate: text not clean UTF-8", replace(SMALL, story=b"\xed\xa0\x80")),
    ("gate: text not clean UTF-8", replace(SMALL, story=b"\xe0\x9f\xbf")),
    ("gate: text not clean UTF-8", replace(SMALL, story=b"\xf0\x8f\xbf\xbf")),
    ("gate: text not clean UTF-8", replace(SMALL, story=b"\xf4\x90\x80\x80")),
    ("gate: text not clean UTF-8", replace(SMALL, story=b"\xf1\x80\x80\x80")),  # missing
    ("gate: text not clean UTF-8", replace(SMALL, story="é".encode() + b"\x80")),
    ("gate: text not clean UTF-8", replace(SMALL, story=b"x" * 13 + b"\xc3")),
    ("gate: text ends in a character", replace(SMALL, title=b"", story=b"x" * 20 + b"\xc3")),
    ("gate: text ends in a character", replace(SMALL, title=b"", story=b"x" * 19 + b"\xe2\x82")),
    # names
    ("gate: name not 1 to 32 bytes", of_rows(enum(b"", b"a"))),
    ("gate: name not 1 to 32 bytes", of_rows(enum(b"n" * 33, b"a"))),
    ("gate: name beyond the text", of_rows(MOOD, replace(string(b"z", 9), name_length=32))),
    ("gate: name inside a character", of_rows(string(b"s\xc3", 9), boolean(b"\xa9"))),
    ("gate: name used twice", of_rows(MOOD, boolean(b"mood"))),
    ("gate: name used twice", of_rows(*(boolean(b"f%d" % i) for i in range(31)), boolean(b"f3"))),
    # rows
    ("gate: element not 1 to 4", of_rows(MOOD, Row(b"list", ARRAY, a=9, c=3, element=0))),
    ("gate: element not 1 to 4", of_rows(MOOD, Row(b"list", ARRAY, a=9, c=3, element=ARRAY))),
    ("gate: element not 1 to 4", of_rows(MOOD, Row(b"list", ARRAY, a=9, c=3, element=255))),
    ("gate: items not 1 to 64", of_rows(array(0, string(b"a", 9)))),
    ("gate: items not 1 to 64", of_rows(array(65, string(b"a", 9)))),
    ("gate: items not 1 to 64", of_rows(array(65_535, boolean(b"a")))),
    ("gate: initial in an array", of_rows(array(2, string(b"a", 9, initial=b"x")))),
    ("gate: initial above its limit", of_rows(array(2, replace(string(b"a", 9), b=10)))),
    ("gate: bias without boolean", of_rows(array(2, replace(MOOD, biases=(1, 0))))),
    ("gate: bias without boolean", of_rows(array(2, replace(string(b"a", 9), biases=(0, 1))))),
    ("gate: string above 512 bytes", of_rows(array(1, string(b"a", 513)))),
    ("gate: options not 1 to 64", of_rows(array(2, enum(b"e")))),
    ("gate: no such initial option", of_rows(array(2, enum(b"e", b"a", initial=1)))),
    ("gate: options not ascending", of_rows(array(2, enum(b"e", b"b", b"a")))),
    ("gate: boolean not 0 or 1", of_rows(array(2, boolean(b"f", initial=2)))),
    ("gate: boolean not 0 or 1", of_rows(array(2, replace(boolean(b"f"), a=1)))),
    ("gate: integer beyond constants", of_rows(MOOD, array(2, integer(b"n", 0, 1, WRITES)))),
    ("gate: initial outside range", of_list(0, 1, 2)),
    ("gate: high exceeds its digits", of_list(0, 10, 2)),
    ("gate: role not 0 to 2", of_rows(MOOD, array(2, string(b"s", 9, role=3)))),
    ("gate: computed string or array", of_rows(MOOD, array(2, string(b"s", 9, role=COMPUTE)))),
    ("gate: computed string or array", of_rows(MOOD, array(2, boolean(b"f", COMPUTE)))),
    ("gate: computed string or array", of_list(0, 1, 0, role=COMPUTE)),
    ("gate: output above 1024 bytes", of_rows(array(64, string(b"a", 12)))),
    ("gate: output above 1024 bytes", of_rows(array(1, string(b"a", 512)), string(b"b", 491))),
    ("gate: state above 4096 bytes", of_rows(MOOD, array(64, string(b"a", 60, KEPT)))),
    ("gate: element without array", of_rows(replace(MOOD, element=1))),
    ("gate: items without array", of_rows(replace(MOOD, c=1))),
    ("gate: role not 0 to 2", of_rows(MOOD, string(b"s", 9, role=3))),
    ("gate: unknown type", of_rows(MOOD, Row(b"s", 0))),
    ("gate: unknown type", of_rows(MOOD, Row(b"s", 6))),
    ("gate: bias without boolean", of_rows(replace(MOOD, biases=(1, 0)))),
    ("gate: bias without boolean", of_rows(MOOD, replace(string(b"s", 9), biases=(0, 1)))),
    ("gate: bias without boolean", of_rows(MOOD, Row(b"n", INTEGER, b=1, biases=(0, -1)))),
    ("gate: string above 512 bytes", of_rows(string(b"s", 513))),
    ("gate: initial above its limit", of_rows(string(b"s", 3, initial=b"four"))),
    ("gate: initial beyond the text", of_rows(MOOD, Row(b"s", STRING, WRITES, a=99, b=99))),
    ("gate: initial inside a character", of_rows(string(b"s\xc3", 9, initial=b"\xa9"))),
    ("gate: options not 1 to 64", of_rows(enum(b"e"))),
    ("gate: options not 1 to 64", of_rows(enum(b"e", *(b"o%02d" % i for i in range(65))))),
    ("gate: no such initial option", of_rows(enum(b"e", b"a", b"b", initial=2))),
    ("gate: cut short in options", of_rows(replace(MOOD, a=64))),
    ("gate: option not 1 to 32 bytes", of_rows(enum(b"e", b"", b"b"))),
    ("gate: option not 1 to 32 bytes", of_rows(enum(b"e", b"a" * 33))),
    ("gate: option beyond the text", of_rows(replace(enum(b"e", b"a" * 9, b"z"), name_length=28))),
    ("gate: option inside a character", of_rows(enum(b"e", b"a\xc3", b"\xa9"))),
    ("gate: options not ascending", of_rows(enum(b"e", b"b", b"a"))),
    ("gate: options not ascending", of_rows(enum(b"e", b"a", b"a"))),
    ("gate: options not ascending", of_rows(enum(b"e", b"ab", b"a"))),
    ("gate: boolean not 0 or 1", of_rows(replace(boolean(b"f", WRITES), a=1))),
    ("gate: boolean not 0 or 1", of_rows(boolean(b"f", WRITES, initial=2))),
    ("gate: integer beyond constants", of_rows(integer(b"n", 1, 1), constants=(0, 1, 0))),
    ("gate: integer low too low", of_integer(MIN, 0, 0, 78)),
    ("gate: initial outside range", of_integer(3, 5, 2, 1)),
    ("gate: initial outside range", of_integer(3, 5, 6, 1)),
    ("gate: initial outside range", of_integer(5, 3, 4, 1)),
    ("gate: digits not 1 to 78", of_integer(0, 1, 0, 0)),
    ("gate: digits not 1 to 78", of_integer(0, 1, 0, 79)),
    ("gate: high exceeds its digits", of_integer(0, 10, 0, 1)),
    ("gate: high exceeds its digits", of_integer(0, 10**76, 0, 76)),
    ("gate: no room for the sign", of_integer(-1, 1, 0, 1)),
    ("gate: low exceeds its digits", of_integer(-10, 1, 0, 2)),
    ("gate: low exceeds its digits", of_integer(-(10**76), 1, 0, 77)),
    ("gate: computed string or array", of_rows(MOOD, string(b"s", 9, role=COMPUTE))),
    ("gate: state above 4096 bytes", of_rows(MOOD, *LONG)),
    ("gate: the model writes nothing", of_rows(replace(MOOD, role=KEPT))),
    ("gate: output above 1024 bytes", of_rows(string(b"a", 512), string(b"b", 495))),
    # title
    ("gate: title beyond the text", SMALL.change(name_length=200)),
    ("gate: title inside a character", of_rows(MOOD, string(b"s\xc3", 9), title=b"\xa9")),
    ("gate: story inside a character", replace(SMALL, title="é".encode()).change(name_length=1)),
    # prompt
    ("gate: empty literal", replace(BALLOT, segments=((0, 7), (2, 0), (0, 0)))),
    ("gate: adjacent literals", replace(BALLOT, segments=((0, 3), (0, 4)))),
    ("gate: unknown slot", replace(BALLOT, segments=((0, 7), (6, 0)))),
    ("gate: tokens in a slot", replace(BALLOT, segments=((0, 7), (2, 1)))),
    ("gate: slot used twice", replace(BALLOT, segments=((2, 0), (0, 7), (2, 0)))),
    ("gate: literal tokens miscounted", replace(BALLOT, segments=((0, 6),))),
    ("gate: literal tokens miscounted", replace(BALLOT, segments=())),
    ("gate: token id not in vocabulary", replace(BALLOT, literals=(1, 2, 3, 49_152, 5, 6, 0))),
    ("gate: token id not in vocabulary", replace(BALLOT, literals=(2**23 - 1, 2, 3, 4, 5, 6, 0))),
    ("gate: token id above 2^23", replace(BALLOT, literals=(1, 2, 3, 4, 5, 6, 2**23))),
    ("gate: token id above 2^23", replace(BALLOT, literals=(2**24 - 1, 2, 3, 4, 5, 6, 7))),
    # expressions
    ("gate: ops not 1 to 64", of_ops()),
    ("gate: ops not 1 to 64", of_ops(*PUSHES * 65)),
    ("gate: more ops than declared", of_ops((6, 0), (9, 0)).change(expressions=2, ops=1)),
    ("gate: fewer ops than declared", replace(of_ops((6, 0)), tail=b"\6\0").change(ops=2)),
    ("gate: no such target", of_ops((6, 0), target=3)),
    ("gate: target not to be computed", of_ops((6, 0), target=1)),
    ("gate: target not to be computed", of_rows(MOOD, FLAG, expressions=((1, PUSHES),) * 2)),
    ("gate: computed field never set", of_rows(MOOD, FLAG)),
    ("gate: unknown opcode", of_ops((0, 0))),
    ("gate: unknown opcode", of_ops((6, 0), (7, 0))),
    ("gate: unknown opcode", of_ops((6, 0), (10, 0))),
    ("gate: unknown opcode", of_ops((6, 0), (15, 0))),
    ("gate: unknown opcode", of_ops((6, 0), (31, 0))),
    ("gate: unknown opcode", of_ops((6, 0), (255, 0))),
    ("gate: no such constant", of_ops((CONST, 1))),
    ("gate: no such field", of_ops((OLD, 3))),
    ("gate: no such field", of_ops((NEW, 255))),
    ("gate: field without a number", of_ops((OLD, 2))),
    ("gate: field without a number", reads(array(1, boolean(b"f")))),
    ("gate: field without a number", reads(array(1, enum(b"e", b"a")))),
    ("gate: target not to be computed", of_rows(array(1, MOOD), expressions=((0, PUSHES),))),
    ("gate: operand not 0", of_ops((6, 1))),
    ("gate: operand not 0", of_ops((6, 0), (9, 1))),
    ("gate: stack underflow", of_ops((9, 0))),
    ("gate: stack underflow", of_ops((6, 0), (ADD, 0))),
    ("gate: stack underflow", of_ops((6, 0), (6, 0), (30, 0))),
    ("gate: stack above 16", of_ops(*PUSHES * 17, *((ADD, 0),) * 16)),
    ("gate: stack does not end at 1", of_ops((6, 0), (6, 0))),
]  # fmt: skip

ACCEPTED: list[Draft] = [
    BALLOT,
    SMALL,
    BALLOT.change(cell_kind=2),
    BALLOT.change(cell_kind=3),
    BALLOT.change(seed_rule=1, seed=b"\xff" * 32),
    BALLOT.change(seed_rule=1),
    BALLOT.change(max_input=1_024),
    BALLOT.change(max_input=0),
    BALLOT.change(output_tokens=1),
    BALLOT.change(fixed=2_046),
    BALLOT.change(delay=0),
    BALLOT.change(temperature=1),
    BALLOT.change(temperature=2**32 - 1),
    replace(SMALL, title=b"", story=b""),
    replace(SMALL, title="größe".encode(), story="数える。€𐍈".encode()),
    replace(SMALL, title=b"", story="€".encode() * 3_000),
    of_rows(enum(b"e", *(b"o%02d" % i for i in range(64)), initial=63)),
    of_rows(enum(b"n" * 32, b"a" * 32, b"b" * 32)),
    of_rows(enum(b"e", b"a", b"aa", b"ab")),
    of_rows(replace(MOOD, option_bias=-(2**31))),
    of_rows(string(b"a", 512), string(b"b", 494)),
    of_rows(string(b"s", 0)),
    of_rows(string(b"s", 3, initial=b"two"), boolean(b"f", KEPT, initial=1)),
    of_rows(MOOD, *LONG[:7]),
    of_rows(*(boolean(b"f%d" % i) for i in range(32))),
    of_rows(array(64, string(b"a", 11))),
    of_rows(array(1, string(b"a", 512)), string(b"b", 490)),
    of_rows(MOOD, array(64, string(b"a", 59, KEPT))),
    of_rows(array(1, string(b"a", 0)), MOOD),
    of_rows(array(3, MOOD), enum(b"next", b"a", b"b")),
    of_rows(array(3, enum(b"e", b"a", b"b", initial=1)), boolean(b"f", KEPT)),
    of_rows(array(64, boolean(b"f", initial=1))),
    of_rows(array(9, integer(b"n", 0, 3, WRITES)), constants=(-9, 999, 5)),
    of_rows(MOOD, array(64, integer(b"n", 0, 1, KEPT)), constants=(0, 9, 0)),
    of_integer(0, 9, 9, 1),
    of_integer(-9, 9, -9, 2),
    of_integer(-9, 9, 0, 78),
    of_integer(MIN + 1, MAX, 0, 78),
    of_integer(-(10**76) + 1, MAX, 0, 77),
    of_integer(-3, -3, -3, 2),
    replace(BALLOT, segments=((1, 0), (2, 0), (0, 7), (3, 0), (4, 0), (5, 0))),
    replace(BALLOT, segments=(), literals=()),
    replace(SMALL, segments=((0, 1_536),), literals=tuple(range(1_536))),
    of_ops(*PUSHES * 16, *((ADD, 0),) * 15),
    of_ops((CONST, 0), (OLD, 1), (NEW, 0), (30, 0)),
    of_ops(*((6, 0), *((9, 0),) * 63)),
    of_rows(MOOD, boolean(b"f", COMPUTE), expressions=((GUARD, PUSHES),) * 31 + ((1, PUSHES),)),
    *(of_ops((6, 0), (6, 0), (code, 0)) for code in range(16, 30)),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "draft"), REFUSED)
def test_each_broken_rule_has_its_reason(reason: str, draft: Draft) -> None:
    """Audit 2 M4: every bound of the gate."""
    assert gate_check(draft.encode()) == reason


@pytest.mark.parametrize("draft", ACCEPTED)
def test_what_is_legal_passes(draft: Draft) -> None:
    assert gate_check(draft.encode()) is None


def test_every_shorter_manifest_is_refused() -> None:
    """Audit 1 M5: no read past the end."""
    manifest = BALLOT.encode()
    assert gate_check(manifest[:63]) == "gate: shorter than its header"
    for length in range(len(manifest)):
        refusal = gate_check(manifest[:length])
        assert refusal is not None, length
        assert refusal.startswith("gate: "), refusal


def test_the_model_bounds_positions_and_tokens() -> None:
    small = replace(SHAPE, context=BALLOT.need(64))
    assert gate_check(BALLOT.encode(), small) is None
    assert gate_check(BALLOT.encode(), replace(small, context=small.context - 1)) == (
        "gate: fixed above the context"
    )
    assert gate_check(BALLOT.encode(), replace(SHAPE, vocabulary=49_151)) == (
        "gate: token id not in vocabulary"
    )
    assert gate_check(BALLOT.encode(), replace(SHAPE, vocabulary=2**23 - 1)) is None


def test_any_missing_byte_is_refused_and_others_pass() -> None:
    """Audit 1 H7, Audit 2 M4: nor may a manifest hold them."""
    planet = replace(SMALL, story="🪐".encode()).encode()
    assert gate_check(planet) is None
    assert gate_check(planet, replace(SHAPE, missing=b"\xf0")) == "gate: text not clean UTF-8"
    many = replace(SHAPE, missing=bytes(range(0xC2, 0xE2)))
    assert gate_check(planet, many) is None
    for code in ("\u00a2", "\u03a9", "\u0800"):
        letter = replace(SMALL, story=code.encode()).encode()
        assert gate_check(letter, many) == "gate: text not clean UTF-8"


def legal(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(b >= 0x20 and b not in (0x22, 0x5C, 0x7F, *SHAPE.missing) for b in data)


PIECES = st.sampled_from(
    [c.encode() for c in "aé€𐍈~\u07ff\u0800\uffff\U00010000\ud7ff\ue000\U0010ffff"]
    + [bytes([b]) for b in (0, 0x1F, 0x22, 0x5C, 0x7F, 0x80, 0xBF, 0xC1, 0xC2, 0xDF)]
    + [bytes([b]) for b in (0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF)]
    + [b"x" * 29, b"\xed\x9f", b"\xe0\xa0", b"\xf0\x90\x80", b"\xf4\x8f\xbf"]
)


@budget(max_examples=600, deadline=None)
@given(st.lists(PIECES, max_size=12), st.integers(0, 31))
def test_text_is_what_strict_python_decodes(pieces: list[bytes], shift: int) -> None:
    """32 bytes at a time the gate sees what `bytes.decode` and a byte set see."""
    story = b"." + b"-" * shift + b"".join(pieces)
    draft = replace(SMALL, title=b"", story=story)

    assert (gate_check(draft.encode()) is None) == legal(story)


def test_the_ascii_edge_of_every_lane_of_a_word() -> None:
    for at in range(33):
        for byte in (*range(0x1E, 0x24), 0x5B, 0x5C, 0x5D, 0x7E, 0x7F, 0x80):
            story = b"a" + b"x" * at + bytes([byte]) + b"x" * 40
            draft = replace(SMALL, title=b"", story=story)
            assert (gate_check(draft.encode()) is None) == legal(story)


@pytest.mark.parametrize("lead", [0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF3, 0xF4])
def test_every_second_byte_at_every_lane_and_over_word_ends(lead: int) -> None:
    """The bounds after e0, ed, f0 and f4 also hold when the next byte opens the next word."""
    length = 2 + (lead >= 0xE0) + (lead >= 0xF0)
    for shift in range(32):
        for second in (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0):
            story = b"." + b"-" * shift + bytes([lead, second]) + b"\x80" * (length - 2) + b"end"
            draft = replace(SMALL, title=b"", story=story)
            assert (gate_check(draft.encode()) is None) == legal(story), story


@pytest.mark.parametrize("slot", [1, 2, 3, 4, 5])
def test_each_slot_takes_its_positions(slot: int) -> None:
    """Audit 2 H4, Audit 2 M5: declared positions are computed on chain."""
    draft = replace(BALLOT, segments=((slot, 0), (0, 7)))
    assert gate_check(draft.encode()) is None
    less = draft.change(fixed=draft.need(64) - 1)
    assert gate_check(less.encode()) == "gate: fixed below its parts"
    assert draft.need(64) == 71 + {1: draft.state_bytes(), 2: 0, 3: 42, 4: 78, 5: 20}[slot]


@budget(max_examples=300, deadline=None)
@given(st.data())
def test_no_bytes_whatsoever_leave_the_gate_without_an_answer(data: st.DataObject) -> None:
    """Audit 1 C7: the gate is total."""
    manifest = bytearray(data.draw(st.sampled_from(ACCEPTED)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(manifest) - 1))
        manifest[at] = data.draw(st.integers(0, 255))

    refusal = gate_check(bytes(manifest))

    assert refusal is None or refusal.startswith("gate: "), refusal


@pytest.mark.parametrize("type", [ENUM, BOOLEAN, INTEGER])
def test_a_computed_field_of_each_type(type: int) -> None:
    row = Row(b"n", type, COMPUTE, b=1 if type == INTEGER else 0)
    if type == ENUM:
        row = replace(row, a=2, options=(b"a", b"b"))
    draft = of_rows(MOOD, row, constants=(0, 1, 0), expressions=((1, PUSHES),))

    assert gate_check(draft.encode()) is None
