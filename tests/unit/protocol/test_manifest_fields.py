"""The manifest's text, fields and options: every bound from both sides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oyez.protocol import schema
from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.types import Field, FieldType, Role, Scalar
from tests.manifest_cases import SMALLEST, array, string, with_fields
from tests.manifests import (
    BOUND,
    LIMITS,
    changed,
    refusal,
)


def is_text(data: bytes) -> bool:
    """Say what the rule says, the plain way."""
    try:
        text = data.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return False
    return all(ord(c) >= 32 and c not in '"\\\x7f' for c in text) and not set(data) & set(
        LIMITS.missing
    )


def test_text_is_strict_utf8_of_allowed_bytes() -> None:
    """Rule: MANIFEST-9: each byte alone, and each after each kind of lead byte."""
    leads = [b"", b"\xc2", b"\xe0", b"\xe0\xa0", b"\xed", b"\xef", b"\xf0", b"\xf3\x80", b"\xf4"]
    for lead in leads:
        for byte in range(256):
            for tail in (b"", b"\x80", b"\x80\x80", b"a"):
                text = b"a" + lead + bytes([byte]) + tail
                expected = None if is_text(text) else "MANIFEST-9"
                assert refusal(encode_manifest(replace(SMALLEST, description=text))) == expected


def test_missing_bytes_depend_on_the_model() -> None:
    """Rule: MANIFEST-9."""
    data = encode_manifest(replace(SMALLEST, name="é".encode()))
    assert refusal(data, replace(LIMITS, missing=b"")) is None
    assert refusal(data, replace(LIMITS, missing=b"\xc3")) == "MANIFEST-9"
    assert refusal(data, replace(LIMITS, missing=b"\xa9")) == "MANIFEST-9"


def test_no_string_begins_inside_a_character() -> None:
    """Rule: MANIFEST-10: the pool is valid as a whole, a cut is not."""
    accents = "éé".encode()
    manifest = with_fields(
        [string(b"ab", 9, accents), replace(SMALLEST.fields[0], name=accents)], name=accents
    )
    assert refusal(encode_manifest(manifest)) is None
    for section, part, length in (
        ("FIELDS", "b", 3),
        ("FIELDS", "name length", 3),
        ("HEADER", "name_length", 3),
    ):
        nth = 1 if part == "name length" else 0
        assert refusal(changed(manifest, section, part, length, nth)) == "MANIFEST-10"
    options = Field(b"e", FieldType.ENUM, Role.WRITES, b"a", options=(b"a", accents), biases=(0, 0))
    assert refusal(encode_manifest(with_fields([options]))) is None
    assert refusal(changed(with_fields([options]), "OPTIONS", "length", 2)) == "MANIFEST-10"


def test_strings_stay_within_the_pool() -> None:
    """Rule: MANIFEST-10."""
    manifest = with_fields([string(b"a", 9, b"12")])
    assert refusal(changed(manifest, "FIELDS", "b", 3)) == "MANIFEST-10"
    assert refusal(changed(manifest, "FIELDS", "name length", 4)) == "MANIFEST-10"


def test_names_are_short_and_unique() -> None:
    """Rule: MANIFEST-11."""
    assert refusal(encode_manifest(with_fields([string(b"n" * 32, 1)]))) is None
    assert refusal(encode_manifest(with_fields([string(b"n" * 33, 1)]))) == "MANIFEST-11"
    assert refusal(encode_manifest(with_fields([string(b"", 1)]))) == "MANIFEST-11"
    twice = with_fields([string(b"a", 1), string(b"b", 1), string(b"a", 2)])
    assert refusal(encode_manifest(twice)) == "MANIFEST-11"


@pytest.mark.parametrize(
    ("nth", "part", "value", "rule"),
    [
        (0, "type", 0, "MANIFEST-12"),
        (0, "type", 6, "MANIFEST-12"),
        (0, "type", 5, "MANIFEST-13"),
        (0, "role", 3, "MANIFEST-12"),
        (0, "role", 2, "MANIFEST-12"),
        (0, "element", 1, "MANIFEST-12"),
        (0, "c", 1, "MANIFEST-12"),
        (0, "bias of true", 1, "MANIFEST-12"),
        (0, "bias of false", 1, "MANIFEST-12"),
        (2, "bias of false", 1, None),
        (2, "bias of true", 2**23, None),
        (0, "a", 4, None),
        (0, "a", 3, "MANIFEST-14"),
        (0, "a", 513, "MANIFEST-14"),
        (1, "b", 1, None),
        (1, "b", 2, "MANIFEST-15"),
        (1, "a", 0, "MANIFEST-15"),
        (1, "a", 65, "MANIFEST-15"),
        (2, "b", 1, None),
        (2, "b", 2, "MANIFEST-16"),
        (2, "a", 1, "MANIFEST-16"),
        (3, "a", 1, "MANIFEST-17"),
        (3, "b", 2, "MANIFEST-17"),
        (3, "b", 4, None),
        (3, "b", 78, None),
        (3, "b", 79, "MANIFEST-17"),
        (3, "b", 0, "MANIFEST-17"),
    ],
)
def test_field_bounds(nth: int, part: str, value: int, rule: str | None) -> None:
    """Rules: MANIFEST-12, MANIFEST-13, MANIFEST-14, MANIFEST-15, MANIFEST-16, MANIFEST-17."""
    fields = [
        string(b"s", 9, b"text"),
        Field(b"e", FieldType.ENUM, Role.KEPT, b"no", options=(b"no", b"yes"), biases=(1, -1)),
        Field(b"b", FieldType.BOOLEAN, Role.KEPT, False, biases=(0, 0)),
        Field(b"i", FieldType.INTEGER, Role.KEPT, 0, low=-9, high=100, digits=3),
    ]
    manifest = with_fields(fields)
    assert refusal(encode_manifest(manifest)) is None
    assert refusal(changed(manifest, "FIELDS", part, value, nth)) == rule


ARRAYS = [
    array(string(b"s", 9), 2),
    array(Field(b"e", FieldType.ENUM, Role.KEPT, b"a", options=(b"a", b"b"), biases=(1, -1)), 3),
    array(Field(b"b", FieldType.BOOLEAN, Role.WRITES, False, biases=(5, -5)), 64),
    array(Field(b"i", FieldType.INTEGER, Role.KEPT, 0, low=-9, high=100, digits=3), 1),
]


@pytest.mark.parametrize(
    ("nth", "part", "value", "rule"),
    [
        (0, "c", 0, "MANIFEST-13"),
        (0, "c", 1, None),
        (0, "c", 65, "MANIFEST-13"),
        (3, "c", 64, None),
        (3, "c", 65_535, "MANIFEST-13"),
        (0, "element", 0, "MANIFEST-13"),
        (0, "element", 5, "MANIFEST-13"),
        (0, "element", 6, "MANIFEST-13"),
        (0, "element", 255, "MANIFEST-13"),
        (0, "type", 1, "MANIFEST-12"),
        (0, "type", 6, "MANIFEST-12"),
        (0, "role", 0, None),
        (2, "role", 2, "MANIFEST-12"),
        (0, "role", 2, "MANIFEST-12"),
        (0, "role", 3, "MANIFEST-12"),
        (0, "b", 1, "MANIFEST-13"),
        (0, "a", 0, None),
        (0, "a", 513, "MANIFEST-14"),
        (0, "bias of true", 1, "MANIFEST-12"),
        (1, "bias of false", 1, "MANIFEST-12"),
        (2, "bias of false", 0, None),
        (3, "bias of false", 1, "MANIFEST-12"),
        (1, "a", 0, "MANIFEST-15"),
        (1, "a", 65, "MANIFEST-15"),
        (1, "b", 1, None),
        (1, "b", 2, "MANIFEST-15"),
        (2, "a", 1, "MANIFEST-16"),
        (2, "b", 1, None),
        (2, "b", 2, "MANIFEST-16"),
        (3, "a", 1, "MANIFEST-17"),
        (3, "b", 2, "MANIFEST-17"),
        (3, "b", 4, None),
        (3, "b", 79, "MANIFEST-17"),
    ],
)
def test_array_bounds(nth: int, part: str, value: int, rule: str | None) -> None:
    """Rules: MANIFEST-12, MANIFEST-13: and those of the element's type."""
    manifest = with_fields(ARRAYS)
    assert parse_manifest(encode_manifest(manifest), LIMITS).fields == manifest.fields
    data = changed(manifest, "FIELDS", part, value, nth)
    assert refusal(data) == rule
    if rule is None and part == "b":
        # what an element's initial value says is read by nobody
        assert all(not field.initial for field in parse_manifest(data, LIMITS).fields)


def test_string_and_enum_limits_are_exact() -> None:
    """Rules: MANIFEST-14, MANIFEST-15."""
    assert refusal(encode_manifest(with_fields([string(b"s", 512, b"x" * 512)]))) is None
    assert refusal(encode_manifest(with_fields([string(b"s", 513)]))) == "MANIFEST-14"
    for length, rule in ((32, None), (33, "MANIFEST-15")):
        option = b"o" * length
        field = Field(b"e", FieldType.ENUM, Role.WRITES, option, options=(option,))
        assert refusal(encode_manifest(with_fields([field]))) == rule
    for options in ((b"a", b"a"), (b"b", b"a"), (b"ab", b"a"), (b"", b"a")):
        field = Field(b"e", FieldType.ENUM, Role.WRITES, options[0], options=options)
        assert refusal(encode_manifest(with_fields([field]))) == "MANIFEST-15"


@pytest.mark.parametrize(
    ("low", "high", "initial", "digits", "rule"),
    [
        (-BOUND, BOUND, 0, 78, None),
        (-BOUND, BOUND, 0, 77, "MANIFEST-17"),
        (0, BOUND, 0, 77, None),
        (0, BOUND, 0, 76, "MANIFEST-17"),
        (-BOUND - 1, 0, 0, 78, "MANIFEST-17"),
        (-(10**75) + 1, 0, 0, 76, None),
        (-(10**75), 0, 0, 76, "MANIFEST-17"),
        (0, 9, 9, 1, None),
        (0, 10, 9, 1, "MANIFEST-17"),
        (-9, 0, 0, 2, None),
        (-10, 0, 0, 2, "MANIFEST-17"),
        (-1, 0, 0, 1, "MANIFEST-17"),
        (5, 4, 5, 1, "MANIFEST-17"),
        (5, 9, 4, 1, "MANIFEST-17"),
        (5, 9, 10, 2, "MANIFEST-17"),
    ],
)
def test_integer_bounds(low: int, high: int, initial: int, digits: int, rule: str | None) -> None:
    """Rule: MANIFEST-17."""
    field = Field(b"i", FieldType.INTEGER, Role.WRITES, initial, low=low, high=high, digits=digits)
    assert refusal(encode_manifest(with_fields([field]))) == rule


def test_sums_of_json_bytes_are_those_of_the_longest_texts() -> None:
    """Rule: MANIFEST-24."""
    fields = [
        string("é".encode(), 9, b"text"),
        Field(b"e", FieldType.ENUM, Role.KEPT, b"no", options=(b"no", b"yes")),
        Field(b"b", FieldType.BOOLEAN, Role.WRITES, False),
        Field(b"i", FieldType.INTEGER, Role.WRITES, 0, low=-9, high=100, digits=3),
    ]
    manifest = parse_manifest(encode_manifest(with_fields(fields)), LIMITS)
    longest = '{"é": "123456789", "e": "yes", "b": false, "i": 100}'.encode()
    output = '{"é": "123456789", "b": false, "i": 100}'.encode()
    assert [manifest.state_bytes, manifest.output_bytes] == [len(longest), len(output)]


@pytest.mark.parametrize(
    ("field", "item"), [*zip(ARRAYS, (b"x" * 9, b"a", False, 100), strict=True)]
)
def test_an_array_is_counted_a_comma_and_a_space_for_each_item(field: Field, item: Scalar) -> None:
    """Rule: MANIFEST-24: so two bytes more than its longest text."""
    written = replace(field, role=Role.WRITES)
    manifest = parse_manifest(encode_manifest(with_fields([written])), LIMITS)
    longest = schema.format_output([written], {0: (item,) * field.items})
    assert manifest.output_bytes == manifest.state_bytes == len(longest) + 2


@pytest.mark.parametrize(
    ("items", "limit", "rule"),
    # 2 + 1 + 4 + 2 + items * (limit + 4) <= 1,024
    [
        (64, 11, None),
        (64, 12, "MANIFEST-25"),
        (1, 512, None),
        (35, 25, None),
        (36, 25, "MANIFEST-25"),
    ],
)
def test_written_arrays_fit_the_output(items: int, limit: int, rule: str | None) -> None:
    """Rules: MANIFEST-13, MANIFEST-25."""
    written = with_fields([array(string(b"a", limit), items)])
    assert refusal(encode_manifest(written)) == rule
    kept = with_fields([SMALLEST.fields[0], array(string(b"a", limit, role=Role.KEPT), items)])
    assert refusal(encode_manifest(kept)) is None


def test_state_and_output_have_bounds() -> None:
    """Rule: MANIFEST-25."""
    kept = [string(b"k%d" % i, 500, role=Role.KEPT) for i in range(7)]
    for limit, rule in ((505, None), (506, "MANIFEST-25")):
        state = [SMALLEST.fields[0], *kept, string(b"x", limit, role=Role.KEPT)]
        assert refusal(encode_manifest(with_fields(state))) == rule
    for second, rule in ((494, None), (495, "MANIFEST-25")):
        output = [string(b"a", 512), string(b"b", second)]
        assert refusal(encode_manifest(with_fields(output))) == rule
    nothing = with_fields([string(b"a", 1, role=Role.KEPT)])
    assert refusal(encode_manifest(nothing)) == "MANIFEST-25"
