"""Types, words and the JSON of states and outputs."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oyez.protocol import codec, schema
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.types import Field, FieldType, Role, Value
from tests.manifest_cases import with_fields
from tests.manifests import BOUND, LIMITS, random_fields
from tests.unit.protocol.test_decoding import random_values
from tests.unit.protocol.test_machine import BOOLEAN, array, choice, integer, language, text

ARRAY = Field(
    b"a", FieldType.ARRAY, Role.KEPT, (), element=FieldType.INTEGER, low=-1, high=300, items=3
)
WORDS = Field(b"w", FieldType.ARRAY, Role.KEPT, (), element=FieldType.STRING, limit=5, items=64)


@pytest.mark.parametrize(
    ("field", "descriptor"),
    [
        (text(512), "010000000200"),
        (choice(b"a", "日".encode()), "020000000002016103e697a5"),
        (BOOLEAN, "03000000"),
        (integer(-1, 255), "04000000" + "ff" * 32 + "00" * 31 + "ff"),
        (ARRAY, "05040003" + "ff" * 32 + "00" * 30 + "012c"),
        (WORDS, "050100400005"),
    ],
)
def test_type_descriptors(field: Field, descriptor: str) -> None:
    """Rule: SCHEMA-1."""
    assert schema.encode_type(field).hex() == descriptor
    assert schema.compute_type_hash(field) == codec.keccak(bytes.fromhex(descriptor))


def test_what_is_no_part_of_a_type() -> None:
    """Rule: SCHEMA-1."""
    field = Field(b"n", FieldType.INTEGER, Role.KEPT, 3, low=0, high=9, digits=1, biases=())
    same = replace(field, name=b"m", role=Role.WRITES, initial=5, digits=78)
    assert schema.compute_type_hash(field) == schema.compute_type_hash(same)
    assert schema.encode_type(field) != schema.encode_type(replace(field, high=10))
    enum = choice(b"a", b"b")
    assert schema.encode_type(enum) == schema.encode_type(replace(enum, biases=(5, 6)))


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        (integer(-9, 9), -2, "ff" * 31 + "fe"),
        (integer(-BOUND, BOUND), BOUND, "7f" + "ff" * 31),
        (BOOLEAN, True, "00" * 31 + "01"),
        (BOOLEAN, False, "00" * 32),
        (text(3), b"abc", codec.keccak(b"abc").hex()),
        (text(3), b"", codec.keccak(b"").hex()),
        (choice(b"x", b"y"), b"y", codec.keccak(b"y").hex()),
        (ARRAY, (), codec.keccak(b"").hex()),
        (ARRAY, (1, -1), codec.keccak(bytes(31) + b"\x01" + b"\xff" * 32).hex()),
        (WORDS, (b"a",), codec.keccak(codec.keccak(b"a")).hex()),
    ],
)
def test_words(field: Field, value: Value, word: str) -> None:
    """Rule: SCHEMA-2."""
    assert schema.compute_value_word(field, value).hex() == word


@pytest.mark.parametrize(
    ("field", "value", "written"),
    [
        (text(9), 'é, {"'.encode()[:-1], '"é, {"'),
        (choice(b"x", b"y"), b"x", '"x"'),
        (BOOLEAN, True, "true"),
        (BOOLEAN, False, "false"),
        (integer(-9, 9), -3, "-3"),
        (integer(-9, 9), 0, "0"),
        (integer(0, BOUND), BOUND, str(BOUND)),
        (ARRAY, (), "[]"),
        (ARRAY, (1, -1), "[1, -1]"),
        (WORDS, (b"a", b""), '["a", ""]'),
    ],
)
def test_json_of_values(field: Field, value: Value, written: str) -> None:
    """Rule: SCHEMA-3."""
    assert schema.format_value(field, value).decode() == written


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (text(9), 1),
        (integer(0, 9), True),
        (integer(0, 9), b"1"),
        (BOOLEAN, 1),
        (choice(b"x"), 0),
        (text(9), (b"a",)),
        (ARRAY, 1),
        (ARRAY, (b"a",)),
    ],
)
def test_values_of_another_type_are_refused(field: Field, value: Value) -> None:
    """Rule: SCHEMA-2."""
    for function in (schema.compute_value_word, schema.format_value):
        with pytest.raises(Invalid) as caught:
            function(field, value)
        assert caught.value.rule == "SCHEMA-2"


def test_states_hold_all_fields_and_outputs_the_written_ones() -> None:
    """Rule: SCHEMA-4."""
    kept = replace(text(9, b"k"), role=Role.KEPT, initial=b"old")
    fields = [kept, integer(1, 9), ARRAY, BOOLEAN]
    assert schema.initial_values(fields) == (b"old", 1, (), False)
    state = schema.format_state(fields, schema.initial_values(fields))
    assert state == b'{"k": "old", "n": 1, "a": [], "b": false}'
    assert json.loads(state) == {"k": "old", "n": 1, "a": [], "b": False}
    assert schema.format_output(fields, {1: 5, 3: True}) == b'{"n": 5, "b": true}'
    with pytest.raises(Invalid, match="no value is given for the field b'b'"):
        schema.format_output(fields, {1: 5})


def show(value: Value) -> object:
    """Return a value as Python's own encoder takes it."""
    if isinstance(value, tuple):
        return [show(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_outputs_parse_back(seed: int) -> None:
    """Rule: SCHEMA-5: and are the JSON that Python's own encoder writes."""
    rng = random.Random(seed)
    fields = random_fields(rng)
    values = random_values(rng, fields)
    output = schema.format_output(fields, values)
    assert schema.parse_output(fields, output) == values
    plain = {fields[i].name.decode(): show(value) for i, value in values.items()}
    assert json.dumps(plain, ensure_ascii=False).encode() == output


FIELDS = [
    text(3),
    choice(b"x", b"yy"),
    BOOLEAN,
    integer(-20, 300),
    array(3, text(3), b"t"),
    array(2, choice(b"p", b"q"), b"o"),
    array(2, BOOLEAN, b"f"),
    array(3, integer(-5, 9), b"m"),
]
OUTPUT = (
    b'{"s": "ab", "e": "yy", "b": true, "n": -7, '
    b'"t": ["", "]"], "o": ["q"], "f": [], "m": [0, 9, -5]}'
)


PIECES = [
    b"",
    b"]",
    b"[",
    b", ",
    b"0",
    b"-",
    b"1",
    b'"',
    b" ",
    b"}",
    b"false",
    b"\xff",
    b"\xc3\xa9",
    b"\\",
    b"\x1f",
]


@given(st.integers(0, len(OUTPUT)), st.integers(0, 3), st.sampled_from(PIECES))
@settings(max_examples=500, deadline=None)
def test_damaged_outputs_parse_only_to_what_formats_back(at: int, cut: int, piece: bytes) -> None:
    """Rule: SCHEMA-5: total, and every parsed text is the canonical one."""
    changed = bytearray(OUTPUT)
    changed[at : at + cut] = piece
    try:
        values = schema.parse_output(FIELDS, bytes(changed))
    except Invalid as error:
        assert str(error).endswith("[SCHEMA-5]")  # noqa: PT017 - parsing may also succeed
        return
    assert schema.format_output(FIELDS, values) == bytes(changed)


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"{}",
        OUTPUT[:-1],
        OUTPUT + b" ",
        b" " + OUTPUT,
        OUTPUT.replace(b"-7", b"-0"),
        OUTPUT.replace(b"-7", b"07"),
        OUTPUT.replace(b"-7", b"301"),
        OUTPUT.replace(b"-7", b"-21"),
        OUTPUT.replace(b"-7", b"+7"),
        OUTPUT.replace(b"-7", b"-"),
        OUTPUT.replace(b"-7", b""),
        OUTPUT.replace(b"-7", b"9" * 5_000),
        OUTPUT.replace(b"-7", b"7.0"),
        OUTPUT.replace(b'"ab"', b'"abcd"'),
        OUTPUT.replace(b'"ab"', b'"a\\n"'),
        OUTPUT.replace(b'"ab"', b'"a\n"'),
        OUTPUT.replace(b'"ab"', b'"\xed\xa0\x80"'),
        OUTPUT.replace(b'"ab"', b"ab"),
        OUTPUT.replace(b'"ab"', b'"ab'),
        OUTPUT.replace(b'"yy"', b'"y"'),
        OUTPUT.replace(b'"yy"', b'""'),
        OUTPUT.replace(b"true", b"True"),
        OUTPUT.replace(b"true", b"1"),
        OUTPUT.replace(b", ", b","),
        OUTPUT.replace(b": ", b":"),
        OUTPUT.replace(b'"b"', b'"c"'),
        OUTPUT.replace(b"[]", b"[true, false, true]"),
        OUTPUT.replace(b"[]", b"[, true]"),
        OUTPUT.replace(b"[]", b"[true,]"),
        OUTPUT.replace(b"[]", b"[true, ]"),
        OUTPUT.replace(b"[]", b"[[]]"),
        OUTPUT.replace(b"[]", b"["),
        OUTPUT.replace(b"[]", b"true"),
        OUTPUT.replace(b"[]", b"[ ]"),
        OUTPUT.replace(b"[]", b"[true}"),
        OUTPUT.replace(b"-5]", b"-6]"),
        OUTPUT.replace(b"-5]", b"-5, 1]"),
        OUTPUT.replace(b"-5]", b"-5"),
        OUTPUT.replace(b"9, -5", b"9,-5"),
        OUTPUT.replace(b'["q"]', b'["r"]'),
        OUTPUT.replace(b'["q"]', b'["q" ]'),
        OUTPUT.replace(b'["", ', b'["four", '),
        OUTPUT.replace(b'["", ', b'["" , '),
    ],
)
def test_anything_else_is_refused(output: bytes) -> None:
    """Rule: SCHEMA-5."""
    with pytest.raises(Invalid) as caught:
        schema.parse_output(FIELDS, output)
    assert caught.value.rule == "SCHEMA-5"


def test_the_machines_language_is_what_parses() -> None:
    """Rule: SCHEMA-5."""
    fields = [choice(b"x", b"xy", b"y"), integer(-3, 12), BOOLEAN]
    for output in language(fields):
        assert schema.format_output(fields, schema.parse_output(fields, output)) == output


def test_arrays_of_0_to_the_most_items_parse() -> None:
    """Rule: SCHEMA-5."""
    values: dict[int, Value] = {0: b"ab", 1: b"yy", 2: True, 3: -7}
    values |= {4: (b"", b"]"), 5: (b"q",), 6: (), 7: (0, 9, -5)}
    assert schema.parse_output(FIELDS, OUTPUT) == values
    assert schema.format_output(FIELDS, values) == OUTPUT
    with pytest.raises(Invalid):
        schema.parse_output([ARRAY], b"{}")


@given(st.binary(max_size=6))
def test_strings(value: bytes) -> None:
    """Rule: SCHEMA-6."""
    try:
        characters = value.decode("utf-8", "strict")
    except UnicodeDecodeError:
        characters = "\x00"
    expected = not any(ord(c) < 32 or c in '"\\\x7f' for c in characters)
    assert schema.is_string(value) == expected


def test_an_upgrade_never_flips_a_stored_verdict() -> None:
    """Audit 2 H9: an option more or a byte less is another type, and initial again."""
    before, after = (
        parse_manifest(encode_manifest(with_fields(fields)), LIMITS)
        for fields in (
            [choice(b"allow", b"deny"), text(40)],
            [replace(choice(b"abstain", b"allow", b"deny"), initial=b"abstain"), text(8)],
        )
    )
    found = schema.migrate_values(before, (b"deny", b"x" * 40), after)
    assert found == (b"abstain", after.fields[1].initial)


def test_migration_keeps_fields_of_the_same_name_and_type() -> None:
    """Rule: SCHEMA-7."""
    old_fields = [
        text(5),
        integer(0, 9),
        replace(BOOLEAN, initial=True),
        choice(b"x", b"y"),
    ]
    new_fields = [
        replace(choice(b"x", b"y"), biases=(7, 8), role=Role.WRITES, initial=b"x"),
        replace(integer(0, 10), initial=4),
        replace(text(5), role=Role.KEPT, initial=b"new"),
        replace(text(6, b"more"), initial=b"more"),
    ]
    old, new = (
        parse_manifest(encode_manifest(with_fields(fields)), LIMITS)
        for fields in (old_fields, new_fields)
    )
    values = (b"kept", 7, False, b"y")
    assert schema.migrate_values(old, values, new) == (b"y", 4, b"kept", b"more")
    assert schema.migrate_values(old, values, old) == values
    assert schema.migrate_values(new, schema.initial_values(new.fields), old) == (
        b"new",
        0,
        True,
        b"x",
    )


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (array(3, integer(0, 9)), True),
        (replace(array(3, integer(0, 9)), role=Role.KEPT, digits=9), True),
        (array(4, integer(0, 9)), False),
        (array(2, integer(0, 9)), False),
        (array(3, integer(0, 8)), False),
        (array(3, BOOLEAN), False),
        (array(3, integer(0, 9), b"b"), False),
        (replace(integer(0, 9), name=b"a"), False),
    ],
)
def test_an_array_is_kept_iff_element_and_most_items_are_equal(change: Field, kept: bool) -> None:
    """Rule: SCHEMA-7."""
    old, new = (
        parse_manifest(encode_manifest(with_fields([text(1), field])), LIMITS)
        for field in (array(3, integer(0, 9)), change)
    )
    migrated = schema.migrate_values(old, (b"x", (1, 2)), new)
    assert migrated == (b"x", (1, 2) if kept else change.initial)
