"""The reference mask against the rule said plainly, token by token."""

from __future__ import annotations

import random
import re
from collections import Counter

from oyez.protocol.machine import Machine, MachineState, Phase
from oyez.protocol.masks import allowed_tokens
from oyez.protocol.types import Field, FieldType, Role
from tests.manifests import MISSING, random_fields
from tests.scripted_session import VOCABULARY
from tests.unit.protocol.test_machine import BOOLEAN, after, array, choice, integer, text

#: What a token may look like, by where it begins: nothing past the end of one scalar.
STRING, INTEGER = rb'[^"]*"?', rb"-?[0-9]*[],}]?"
FIRST = {
    FieldType.STRING: rb'\]|"[^"]*"?',
    FieldType.ENUM: rb'[]"]',
    FieldType.INTEGER: rb"\]|-?[0-9]+[],]?|-",
}


def get_shape(machine: Machine, state: MachineState) -> re.Pattern[bytes]:
    """Return what a token sampled here may look like."""
    shapes = {Phase.STRING: STRING, Phase.INTEGER: INTEGER, Phase.NEXT: rb"[],]"}
    base = machine.get_field(state).base
    return re.compile(FIRST[base] if state.phase is Phase.FIRST else shapes[state.phase], re.DOTALL)


def is_allowed(machine: Machine, state: MachineState, data: bytes) -> bool:
    """Say whether a token may be sampled: its bytes are allowed, and it looks as the rule says."""
    at: MachineState | None = state
    for byte in data:
        at = machine.step(at, byte) if at is not None else None
    return at is not None and get_shape(machine, state).fullmatch(data) is not None


def plain_mask(machine: Machine, state: MachineState) -> list[int]:
    """Try every token."""
    return [
        token
        for token, data in enumerate(VOCABULARY.tokens)
        if data is not None and is_allowed(machine, state, data)
    ]


def spell(fields: list[Field], output: bytes) -> set[bytes]:
    """Return the bytes of the tokens allowed after an output."""
    machine = Machine(fields, MISSING)
    ids = allowed_tokens(machine, after(machine, output), VOCABULARY)
    return {VOCABULARY.bytes_of(token) for token in ids}


def test_masks_agree_with_trying_every_token() -> None:
    """Rule: DECODE-8: on every sampled state of random walks over random schemas."""
    rng = random.Random(7)
    sampled: Counter[Phase] = Counter()
    for _ in range(160):
        machine = Machine(random_fields(rng, most=6), MISSING)
        state = machine.start()
        while not machine.is_end(state):
            mask = allowed_tokens(machine, state, VOCABULARY)
            if state.phase in (Phase.STRING, Phase.INTEGER, Phase.FIRST, Phase.NEXT):
                assert mask == plain_mask(machine, state)
                assert mask
                sampled[state.phase] += 1
            else:
                assert mask == []
            allowed = machine.allowed_bytes(state)
            closing = [byte for byte in allowed if byte in b'",}']
            state = allowed[rng.choice(closing if closing and rng.random() < 0.3 else [*allowed])]
    assert sampled.total() > 500
    assert min(sampled[Phase.FIRST], sampled[Phase.NEXT]) > 30


def test_a_token_ends_with_its_scalar() -> None:
    """Rule: DECODE-8."""
    string = spell([text(9), text(9, b"t")], b'{"s": "a')
    assert {b'"', b'od"', 'é"'.encode(), b"abc", b"{"} <= string
    assert not {b'"}', b'", "', b'""', b'",'} & string
    number = spell([integer(0, 999), BOOLEAN], b'{"n": 5')
    assert {b"1", b"00", b"12", b","} <= number
    assert not {b"5, ", b", ", b"}", b"1}", b"100", b'e, "'} & number
    assert b"0," in number
    last = spell([integer(0, 999)], b'{"n": 5')
    assert {b"}", b"1}", b"0}"} <= last
    assert not {b",", b"}}", b"}\n"} & last


def test_where_a_first_item_may_stand() -> None:
    """Rules: DECODE-8, DECODE-13: the bracket alone, or an item's beginning."""
    strings = spell([array(2, text(3))], b'{"a": [')
    assert strings == {
        b"]",
        b'"',
        b'""',
        b'"]',
        b'"}',
        b'","',
        b'", "',
        b'", ',
        b'": ',
        b'"a',
        b'"ab"',
        b'"]}',
    }
    assert spell([array(2, choice(b"x"))], b'{"a": [') == {b"]", b'"'}
    numbers = spell([array(2, integer(-1, 12))], b'{"a": [')
    assert {b"]", b"-", b"-1", b"0", b"10", b"12", b"0,", b"1"} <= numbers
    assert not {b"0}", b"1}", b'"]', b"99", b"00", b"5, "} & numbers
    assert spell([array(2, BOOLEAN)], b'{"a": [') == set()


def test_after_an_item_comma_and_bracket_stand_alone() -> None:
    """Rules: DECODE-8, DECODE-13."""
    for element, item in ((text(3), b'"x"'), (choice(b"x"), b'"x"'), (BOOLEAN, b"true")):
        fields = [array(2, element)]
        assert spell(fields, b'{"a": [' + item) == {b",", b"]"}
        assert spell(fields, b'{"a": [%b, %b' % (item, item)) == {b"]"}
    inside = spell([array(2, integer(0, 12))], b'{"a": [1')
    assert {b",", b"]", b"0,", b"0", b"2"} - inside == {b"]"} - inside
    assert {b",", b"0,"} <= inside
    assert not {b"}", b"0}", b", "} & inside
    last = spell([array(2, integer(0, 12))], b'{"a": [1, 1')
    assert b"]" in last
    assert not {b",", b"0,", b"}"} & last


def test_a_token_may_leave_a_character_open_if_it_can_be_ended() -> None:
    """Rule: DECODE-8."""
    three = spell([text(3)], b'{"s": "')
    assert {b"\xe6\x97", "日".encode(), b"a\xc3"} <= three
    assert b"\xf0\x9f" not in three
    assert spell([text(3)], b'{"s": "\xe6') == {
        *(bytes([byte]) for byte in range(0x80, 0xC0)),
        b"\x97\xa5",
    }
    assert b'\xa9"' in spell([text(3)], b'{"s": "\xc3')


def test_equal_bytes_are_all_allowed_and_control_tokens_never() -> None:
    """Rule: DECODE-8."""
    machine = Machine([text(9)], MISSING)
    mask = allowed_tokens(machine, after(machine, b'{"s": "'), VOCABULARY)
    assert set(VOCABULARY.ids_by_bytes[b"a"]) <= set(mask)
    assert len(VOCABULARY.ids_by_bytes[b"a"]) == 2
    assert all(VOCABULARY.tokens[token] is not None for token in mask)


def test_nothing_is_sampled_in_choices_and_forced_runs() -> None:
    """Rule: DECODE-8."""
    machine = Machine([choice(b"x", b"y"), BOOLEAN], MISSING)
    for output in (b"", b'{"e": "', b'{"e": "x', b'{"e": "x", "b": ', b'{"e": "x", "b": true'):
        assert allowed_tokens(machine, after(machine, output), VOCABULARY) == []


def test_a_kept_field_is_not_written() -> None:
    """Rule: DECODE-1."""
    kept = Field(b"k", FieldType.STRING, Role.KEPT, b"", limit=3)
    assert Machine([kept, BOOLEAN], MISSING).forced_run(
        Machine([kept, BOOLEAN], MISSING).start()
    ) == (b'{"b": ', MachineState(Phase.CHOICE, 0))
