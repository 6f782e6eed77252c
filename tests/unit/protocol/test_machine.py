"""The byte machine's language is the set of output texts, exactly."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oyez.protocol import schema
from oyez.protocol.errors import Invalid
from oyez.protocol.machine import Machine, MachineState, Phase
from oyez.protocol.types import Field, FieldType, Role, Scalar, Value
from tests.manifests import BOUND, MISSING, RANGES, random_fields, random_range


def integer(low: int, high: int, name: bytes = b"n") -> Field:
    """Return a written INTEGER field."""
    return Field(name, FieldType.INTEGER, Role.WRITES, low, low=low, high=high, digits=78)


def text(limit: int, name: bytes = b"s") -> Field:
    """Return a written STRING field."""
    return Field(name, FieldType.STRING, Role.WRITES, b"", limit=limit)


def choice(*options: bytes, name: bytes = b"e") -> Field:
    """Return a written ENUM field."""
    return Field(name, FieldType.ENUM, Role.WRITES, options[0], options=options)


def array(items: int, element: Field, name: bytes = b"a") -> Field:
    """Return a written ARRAY of so many items like a field."""
    return replace(
        element, name=name, type=FieldType.ARRAY, element=element.type, items=items, initial=()
    )


BOOLEAN = Field(b"b", FieldType.BOOLEAN, Role.WRITES, False)


def reach(machine: Machine, output: bytes) -> MachineState | None:
    """Return the state after the bytes, or None if one of them is not allowed."""
    state: MachineState | None = machine.start()
    for byte in output:
        if state is None:
            return None
        state = machine.step(state, byte)
    return state


def after(machine: Machine, output: bytes) -> MachineState:
    """Return the state after bytes that are allowed."""
    return machine.walk(machine.start(), output)


def language(fields: Sequence[Field]) -> set[bytes]:
    """Return every whole output, by walking all allowed bytes; no state is a dead end."""
    machine = Machine(fields, MISSING)
    outputs: set[bytes] = set()
    stack = [(machine.start(), b"")]
    while stack:
        state, output = stack.pop()
        if machine.is_end(state):
            outputs.add(output)
            continue
        allowed = machine.allowed_bytes(state)
        assert allowed, output
        stack += [(follower, output + bytes([byte])) for byte, follower in allowed.items()]
    return outputs


SMALL_RANGES = [(low, high) for low, high in RANGES if high - low < 3_000 and abs(high) < BOUND]


@pytest.mark.parametrize("seed", range(6))
def test_integer_languages_are_their_values(seed: int) -> None:
    """Rules: DECODE-4, DECODE-6."""
    rng = random.Random(seed)
    ranges = [sorted((rng.randint(-3_000, 3_000), rng.randint(-3_000, 3_000))) for _ in range(6)]
    for low, high in [*ranges, *SMALL_RANGES[seed::6]]:
        expected = {b'{"n": %d}' % value for value in range(low, high + 1)}
        assert language([integer(low, high)]) == expected


def test_every_tiny_integer_range() -> None:
    """Rules: DECODE-4, DECODE-6."""
    edges = [-101, -100, -99, -11, -10, -9, -1, 0, 1, 9, 10, 11, 12, 99, 100, 101, 199, 200]
    for low, high in itertools.combinations_with_replacement(edges, 2):
        expected = {b'{"n": %d}' % value for value in range(low, high + 1)}
        assert language([integer(low, high)]) == expected


def can_complete(low: int, high: int, prefix: str) -> bool:
    """Say the plain way whether some integer of the range begins with the prefix."""
    if prefix in ("", "-"):
        return prefix == "" or low < 0
    if "-" in prefix[1:] or str(int(prefix)) != prefix:
        return False
    least = most = int(prefix)
    sign = -1 if prefix.startswith("-") else 1
    for _ in range(80):
        if max(low, min(least, most)) <= min(high, max(least, most)):
            return True
        if least == 0:
            return False
        least, most = least * 10, most * 10 + 9 * sign
    return False


@given(st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_wide_integers_agree_with_the_plain_rule(seed: int) -> None:
    """Rules: DECODE-4, DECODE-6: each next byte after beginnings of numbers near the ends."""
    rng = random.Random(seed)
    low, high = random_range(rng)
    machine = Machine([integer(low, high)], MISSING)
    value = rng.choice([low, high, rng.randint(low, high), low + 10 ** rng.randint(0, 60)])
    written = str(value)[: rng.randint(0, 78)]
    if not can_complete(low, high, written):
        assert reach(machine, b'{"n": ' + written.encode()) is None
        return
    state = after(machine, b'{"n": ' + written.encode())
    expected = {c for c in "0123456789-" if can_complete(low, high, written + c)}
    if written not in ("", "-") and low <= int(written) <= high:
        expected.add("}")
    assert {chr(byte) for byte in machine.allowed_bytes(state)} == expected


def test_strings_are_strict_utf8_of_allowed_bytes() -> None:
    """Rule: DECODE-2: against Python's decoder, for all strings over the edges of every range."""
    machine = Machine([text(4)], MISSING)
    edges = [0x1F, 0x20, 0x22, 0x41, 0x5C, 0x7E, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1]
    edges += [0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]
    alive = {b"": after(machine, b'{"s": "')}
    strings = 0
    for _ in range(4):
        longer: dict[bytes, MachineState] = {}
        for (beginning, before), byte in itertools.product(alive.items(), edges):
            string = beginning + bytes([byte])
            state = machine.step(before, byte)
            if state is not None and state.phase is Phase.STRING:
                longer[string] = state
            whole = string in longer and machine.step(longer[string], 0x22) is not None
            expected = schema.is_string(string) and not set(string) & set(MISSING)
            assert whole == expected, string
            strings += 1
        alive = longer
    assert strings > 16_000
    assert all(string.decode() for string in alive)  # no room is left for half a character


@pytest.mark.parametrize("limit", range(6))
def test_a_character_needs_room_for_all_its_bytes(limit: int) -> None:
    """Rule: DECODE-2: at every count before the limit, the widths that fit are those allowed."""
    machine = Machine([text(limit)], MISSING)
    for count in range(limit + 1):
        allowed = machine.allowed_bytes(after(machine, b'{"s": "' + b"a" * count))
        room = limit - count
        leads = {1: 0x41, 2: 0xC3, 3: 0xE6, 4: 0xF0}
        assert [width for width, lead in leads.items() if lead in allowed] == [
            width for width in leads if width <= room
        ]
        assert 0x22 in allowed


def test_leads_that_missing_bytes_leave_without_an_end_are_not_allowed() -> None:
    """Rule: DECODE-3."""

    def leads(missing: bytes) -> set[int]:
        machine = Machine([text(4)], missing)
        return {b for b in machine.allowed_bytes(after(machine, b'{"s": "')) if b >= 0x80}

    everything = {*range(0xC2, 0xF5)}
    assert leads(b"") == everything
    assert leads(MISSING) == everything - {0xF1, 0xF2}
    assert leads(bytes(range(0x80, 0x90))) == everything - {0xF4}
    assert leads(bytes(range(0xA0, 0xC0))) == everything - {0xE0}
    assert leads(bytes(range(0x80, 0xC0))) == set()
    machine = Machine([text(4)], bytes([0x85]))
    assert 0x85 not in machine.allowed_bytes(after(machine, b'{"s": "\xc2'))


def test_outputs_of_small_schemas_are_enumerated() -> None:
    """Rules: DECODE-1, DECODE-5: the language is what format_output makes of all values."""
    options = (b"a", b"ab", "a日".encode(), b"b")
    kept = Field(b"k", FieldType.STRING, Role.KEPT, b"", limit=3)
    fields = [choice(*options), kept, BOOLEAN, integer(-1, 10), text(0), choice(b"one", name=b"o")]
    expected = {
        schema.format_output(fields, {0: option, 2: flag, 3: number, 4: b"", 5: b"one"})
        for option in options
        for flag in (False, True)
        for number in range(-1, 11)
    }
    assert language(fields) == expected
    assert Machine(fields, MISSING).written == (0, 2, 3, 4, 5)


@given(st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_random_walks_end_in_outputs_that_parse(seed: int) -> None:
    """Rule: DECODE-1: no dead ends, and what ends parses and is formatted to the same bytes."""
    rng = random.Random(seed)
    fields = random_fields(rng, most=5)
    machine = Machine(fields, MISSING)
    state, output = machine.start(), bytearray()
    while not machine.is_end(state):
        allowed = machine.allowed_bytes(state)
        closing = [byte for byte in allowed if byte in b'",}']
        byte = rng.choice(closing if closing and rng.random() < 0.2 else sorted(allowed))
        output.append(byte)
        state = allowed[byte]
        assert len(output) <= 1_024
    values = schema.parse_output(fields, bytes(output))
    assert schema.format_output(fields, values) == bytes(output)
    assert machine.allowed_bytes(state) == {}
    assert machine.forced_run(state) == (b"", state)


def list_items(element: Field) -> list[Scalar]:
    """Return every value of a small field without characters of several bytes."""
    if element.type is FieldType.STRING:
        letters = [bytes([b]) for b in range(0x20, 0x7F) if b not in b'"\\']
        return [b"", *(letters if element.limit else [])]
    if element.type is FieldType.ENUM:
        return list(element.options)
    if element.type is FieldType.BOOLEAN:
        return [False, True]
    return list(range(element.low, element.high + 1))


ELEMENTS = [
    (text(0), 3),
    (text(1), 1),
    (choice(b"a", b"ab", b"b"), 3),
    (choice(b"]"), 2),
    (BOOLEAN, 4),
    (integer(-12, 11), 2),
    (integer(0, 1), 4),
    (integer(7, 7), 3),
    (integer(-1, -1), 1),
]


def build_outputs(
    element: Field, most: int, ends: Sequence[Field]
) -> tuple[list[Field], set[bytes]]:
    """Return fields around an array, and all their outputs made by format_output alone."""
    fields = [*ends, array(most, element), *(replace(end, name=b"z") for end in ends)]
    values: list[Sequence[Value]] = [list_items(field) for field in fields]
    values[len(ends)] = [
        items for count in range(most + 1) for items in product(list_items(element), repeat=count)
    ]
    outputs = {schema.format_output(fields, dict(enumerate(chosen))) for chosen in product(*values)}
    return fields, outputs


@pytest.mark.parametrize("ends", [[], [choice(b"x")], [integer(8, 9)], [BOOLEAN]])
@pytest.mark.parametrize(("element", "most"), ELEMENTS)
def test_array_languages_are_their_values(element: Field, most: int, ends: list[Field]) -> None:
    """Rules: DECODE-1, DECODE-13: of every element, 0 to the most items, alone and between."""
    fields, outputs = build_outputs(element, most, ends)
    assert language(fields) == outputs
    assert all(
        schema.format_output(fields, schema.parse_output(fields, o)) == o for o in sorted(outputs)
    )


@pytest.mark.parametrize(("element", "most"), ELEMENTS)
def test_a_byte_is_allowed_iff_some_whole_output_begins_so(element: Field, most: int) -> None:
    """Rules: DECODE-1, DECODE-13: every byte after every beginning of every output."""
    fields, outputs = build_outputs(element, most, [])
    follow: dict[bytes, set[int]] = {output: set() for output in outputs}
    for output in outputs:
        for at, byte in enumerate(output):
            follow.setdefault(output[:at], set()).add(byte)
    machine = Machine(fields, bytes(range(0x80, 0x100)))
    states = {b"": machine.start()}
    for beginning in sorted(follow, key=len):
        state = states.pop(beginning)
        for byte in range(256):
            after_byte = machine.step(state, byte)
            assert (after_byte is not None) == (byte in follow[beginning]), (beginning, byte)
            if after_byte is not None:
                states[beginning + bytes([byte])] = after_byte
        assert set(machine.allowed_bytes(state)) == follow[beginning]
    assert not states


def run_after(fields: Sequence[Field], output: bytes) -> bytes:
    """Return the forced run after the bytes."""
    machine = Machine(fields, MISSING)
    run, end = machine.forced_run(after(machine, output))
    assert end == after(machine, output + run)
    return run


@pytest.mark.parametrize(
    ("fields", "output", "run"),
    [
        ([text(3)], b"", b'{"s": "'),
        ([text(3)], b'{"s": "', b""),
        ([text(3)], b'{"s": "abc', b'"}'),
        ([text(3)], b'{"s": "ab', b""),
        ([text(0), text(2, b"t")], b"", b'{"s": "", "t": "'),
        ([text(0), BOOLEAN], b"", b'{"s": "", "b": '),
        ([choice(b"only"), text(1)], b"", b'{"e": "'),
        ([choice(b"only"), text(1)], b'{"e": "only"', b', "s": "'),
        ([BOOLEAN], b'{"b": ', b""),
        ([BOOLEAN], b'{"b": true', b"}"),
        ([integer(7, 7)], b"", b'{"n": 7}'),
        ([integer(-9, -1)], b"", b'{"n": -'),
        ([integer(-5, -5), text(1)], b'{"n": ', b'-5, "s": "'),
        ([integer(0, 100)], b'{"n": 0', b"}"),
        ([integer(0, 100)], b'{"n": 10', b""),
        ([integer(0, 100)], b'{"n": 100', b"}"),
        ([integer(0, 100), text(1)], b'{"n": 5,', b' "s": "'),
        ([integer(95, 105)], b'{"n": 1', b"0"),
        ([integer(0, 1_000)], b"", b'{"n": '),
        ([array(2, text(3))], b"", b'{"a": ['),
        ([array(2, text(3))], b'{"a": [', b""),
        ([array(2, text(3))], b'{"a": ["abc', b'"'),
        ([array(2, text(0))], b'{"a": ["', b'"'),
        ([array(2, text(3))], b'{"a": ["x"', b""),
        ([array(2, text(3))], b'{"a": ["x",', b' "'),
        ([array(2, text(3))], b'{"a": ["x", "y"', b"]}"),
        ([array(2, text(3)), text(1)], b'{"a": ["x", "y"', b'], "s": "'),
        ([array(2, text(3)), BOOLEAN], b'{"a": []', b', "b": '),
        ([array(1, choice(b"only"))], b"", b'{"a": ['),
        ([array(1, choice(b"only"))], b'{"a": ["', b""),
        ([array(2, choice(b"only"))], b'{"a": ["only"', b""),
        ([array(2, choice(b"only"))], b'{"a": ["only",', b' "'),
        ([array(2, BOOLEAN)], b'{"a": [', b""),
        ([array(2, BOOLEAN)], b'{"a": [true,', b" "),
        ([array(2, BOOLEAN)], b'{"a": [true, false', b"]}"),
        ([array(2, integer(7, 7))], b'{"a": [', b""),
        ([array(2, integer(7, 7))], b'{"a": [7', b""),
        ([array(2, integer(7, 7))], b'{"a": [7,', b" 7]}"),
        ([array(2, integer(-9, -1))], b'{"a": [-1,', b" -"),
        ([array(2, integer(0, 100))], b'{"a": [5, 100', b"]}"),
    ],
)
def test_forced_runs(fields: list[Field], output: bytes, run: bytes) -> None:
    """Rule: DECODE-7."""
    assert run_after(fields, output) == run


def test_the_first_written_field_not_ended() -> None:
    """Rule: DECODE-11."""
    kept = Field(b"k", FieldType.BOOLEAN, Role.KEPT, False)
    fields = [kept, text(3), choice(b"x", b"y"), kept, integer(1, 99), BOOLEAN]
    machine = Machine(fields, MISSING)
    for output, index in (
        (b"", 1),
        (b'{"s": "ab', 1),
        (b'{"s": "ab"', 2),
        (b'{"s": "ab", "e": "x', 2),
        (b'{"s": "ab", "e": "x"', 4),
        (b'{"s": "ab", "e": "x", "n": 1', 4),
        (b'{"s": "ab", "e": "x", "n": 1,', 5),
        (b'{"s": "ab", "e": "x", "n": 1, "b": tru', 5),
        (b'{"s": "ab", "e": "x", "n": 1, "b": true', 5),
    ):
        assert machine.compute_unended(after(machine, output)) == index
    for element, item in ((text(3), b'"x"'), (choice(b"x"), b'"x"'), (BOOLEAN, b"true")):
        machine = Machine([kept, array(2, element), BOOLEAN], MISSING)
        for output in (b'{"a": [', b'{"a": [' + item, b'{"a": [%b, %b' % (item, item)):
            assert machine.compute_unended(after(machine, output)) == 1
            assert machine.compute_unended(after(machine, b'{"a": [' + item + b"]")) == 2
    numbers = Machine([array(2, integer(0, 99)), BOOLEAN], MISSING)
    assert numbers.compute_unended(after(numbers, b'{"a": [1, 2')) == 0
    assert numbers.compute_unended(after(numbers, b'{"a": [1,')) == 0
    assert numbers.compute_unended(after(numbers, b'{"a": [1]')) == 1
    last = Machine([integer(1, 9), kept], MISSING)
    assert last.compute_unended(after(last, b'{"n": 5')) == 0


def test_braces_names_and_separators_are_as_they_are() -> None:
    """Rule: DECODE-1: each other byte, everywhere between values and after the end."""
    fields = [choice(b"x"), BOOLEAN]
    machine = Machine(fields, MISSING)
    output = b'{"e": "x", "b": true}'
    for at in range(len(output) + 1):
        state = machine.walk(machine.start(), output[:at])
        allowed = {byte for byte in range(256) if machine.step(state, byte) is not None}
        assert allowed == set(machine.allowed_bytes(state))
        assert allowed == (set(b"tf") if output[at:] == b"true}" else set(output[at : at + 1]))
    with pytest.raises(Invalid, match="leaves the schema at its byte 6") as caught:
        machine.walk(machine.start(), b'{"e": x')
    assert caught.value.rule == "DECODE-1"


def test_states_are_hashable_values() -> None:
    """Rule: DECODE-1."""
    machine = Machine([text(9)], MISSING)
    first, second = after(machine, b'{"s": "ab'), after(machine, b'{"s": "zz')
    assert first == second
    assert {first: 1}[second] == 1


def test_a_machine_needs_a_written_field() -> None:
    """Rule: MANIFEST-25."""
    with pytest.raises(Invalid, match="writes no field"):
        Machine([Field(b"k", FieldType.BOOLEAN, Role.KEPT, False)], b"")
