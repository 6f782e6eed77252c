"""A state's types and values: type hashes, value words, and the one JSON text of a state.

The JSON has separators ", " and ": ", raw UTF-8, fields in manifest order and integers without
leading zeros or -0. An output holds the written fields only, in the same order. Every value thus
has one text and every text one value, so outputs are compared as bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from oyez.protocol import codec
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Field, FieldType, Hash32, Manifest, Role, Scalar, Value

_BOOLEANS = {b"false": False, b"true": True}


def encode_type(field: Field) -> bytes:
    """Return the type descriptor that the type hash is over.

    type 1 byte, element 1, items 2 (both 0 unless ARRAY), then the scalar's body: STRING limit 2;
    ENUM count 2 and per option its length 1 and bytes; BOOLEAN nothing; INTEGER low 32, high 32.
    Initial values, biases, digits and roles are not part of a type.

    Rule: SCHEMA-1
    """
    element = 0 if field.element is None else int(field.element)
    head = bytes([field.type, element]) + field.items.to_bytes(2, "big")
    if field.base is FieldType.STRING:
        return head + field.limit.to_bytes(2, "big")
    if field.base is FieldType.ENUM:
        options = b"".join(bytes([len(option)]) + option for option in field.options)
        return head + len(field.options).to_bytes(2, "big") + options
    if field.base is FieldType.BOOLEAN:
        return head
    return head + codec.encode_word(field.low) + codec.encode_word(field.high)


def compute_type_hash(field: Field) -> Hash32:
    """Return the Keccak-256 of the type descriptor."""
    return codec.keccak(encode_type(field))


def compute_value_word(field: Field, value: Value) -> Hash32:
    """Return the 32-byte word that a field's leaf commits for its value.

    An integer or boolean as int256; else the Keccak-256 of an option's or string's bytes, or of
    an array's item words joined in order.

    Rule: SCHEMA-2

    Raises:
        Invalid: SCHEMA-2 if the value's Python type is not the field's.
    """
    if isinstance(value, tuple):
        if field.type is not FieldType.ARRAY:
            raise _wrong_type(field, value)
        return codec.keccak(b"".join(_scalar_word(field, item) for item in value))
    if field.type is FieldType.ARRAY:
        raise _wrong_type(field, value)
    return _scalar_word(field, value)


def _scalar_word(field: Field, value: Scalar) -> Hash32:
    """Return the word of one scalar."""
    _verify_scalar_type(field, value)
    if isinstance(value, bytes):
        return codec.keccak(value)
    return Hash32(codec.encode_word(int(value)))


def format_value(field: Field, value: Value) -> bytes:
    """Return the JSON text of one value.

    Rule: SCHEMA-3

    Raises:
        Invalid: SCHEMA-2 if the value's Python type is not the field's.
    """
    if isinstance(value, tuple):
        if field.type is not FieldType.ARRAY:
            raise _wrong_type(field, value)
        return b"[" + b", ".join(_format_scalar(field, item) for item in value) + b"]"
    if field.type is FieldType.ARRAY:
        raise _wrong_type(field, value)
    return _format_scalar(field, value)


def _format_scalar(field: Field, value: Scalar) -> bytes:
    """Return the JSON text of one scalar."""
    _verify_scalar_type(field, value)
    if isinstance(value, bytes):
        return b'"' + value + b'"'
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return b"%d" % value


def format_state(fields: Sequence[Field], values: Sequence[Value]) -> bytes:
    """Return the JSON of a whole state, one value per field.

    Rule: SCHEMA-4
    """
    return _format_object(zip(fields, values, strict=True))


def format_output(fields: Sequence[Field], values: Mapping[int, Value]) -> bytes:
    """Return the output JSON of the written fields.

    Args:
        fields: the state's fields, all of them.
        values: by field index; at least one for each written field.

    Raises:
        Invalid: SCHEMA-4 if a written field has no value, SCHEMA-2 if one is of another type.
    """
    pairs: list[tuple[Field, Value]] = []
    for index, field in enumerate(fields):
        if field.role is Role.WRITES:
            if index not in values:
                raise Invalid("SCHEMA-4", f"no value is given for the field {field.name!r}")
            pairs.append((field, values[index]))
    return _format_object(pairs)


def _format_object(pairs: Iterable[tuple[Field, Value]]) -> bytes:
    """Return a JSON object of these members."""
    members = (b'"%s": %s' % (field.name, format_value(field, value)) for field, value in pairs)
    return b"{" + b", ".join(members) + b"}"


def parse_output(fields: Sequence[Field], output: bytes) -> dict[int, Value]:
    """Parse an output JSON into the written fields' values, by field index.

    Accepts exactly the texts that `format_output` makes of values within the fields' bounds.
    (Bytes that a model has no token for are the byte machine's concern, not JSON's.)

    Rule: SCHEMA-5

    Raises:
        Invalid: SCHEMA-5; nothing else, whatever the bytes.
    """
    values: dict[int, Value] = {}
    at = 0
    for index, field in enumerate(fields):
        if field.role is not Role.WRITES:
            continue
        head = b'%s"%s": ' % (b", " if values else b"{", field.name)
        if not output.startswith(head, at):
            raise _malformed(field, at)
        at += len(head)
        at, values[index] = _parse_value(field, output, at)
    if not values or output[at:] != b"}":
        raise Invalid("SCHEMA-5", f"the output does not end with }} at offset {at}")
    return values


def _parse_value(field: Field, output: bytes, at: int) -> tuple[int, Value]:
    """Return the offset after a value and the value."""
    if field.type is not FieldType.ARRAY:
        return _parse_scalar(field, output, at)
    if output.startswith(b"[]", at):
        return at + 2, ()
    items: list[Scalar] = []
    while len(items) < field.items:
        head = b", " if items else b"["
        if not output.startswith(head, at):
            break
        at, item = _parse_scalar(field, output, at + len(head))
        items.append(item)
    if not items or output[at : at + 1] != b"]":
        raise _malformed(field, at)
    return at + 1, tuple(items)


def _parse_scalar(field: Field, output: bytes, at: int) -> tuple[int, Scalar]:
    """Return the offset after a scalar and its value."""
    if field.base is FieldType.BOOLEAN:
        for text, boolean in _BOOLEANS.items():
            if output.startswith(text, at):
                return at + len(text), boolean
        raise _malformed(field, at)
    if field.base is FieldType.INTEGER:
        return _parse_integer(field, output, at)
    end = output.find(b'"', at + 1)
    if end < 0 or output[at : at + 1] != b'"':
        raise _malformed(field, at)
    value = output[at + 1 : end]
    if field.base is FieldType.ENUM:
        if value not in field.options:
            raise _malformed(field, at)
    elif len(value) > field.limit or not is_string(value):
        raise _malformed(field, at)
    return end + 1, value


def _parse_integer(field: Field, output: bytes, at: int) -> tuple[int, Scalar]:
    """Return the offset after a canonical integer in range, and the integer."""
    end = at + (output[at : at + 1] == b"-")
    # One digit more than any int256 has: a longer run is out of range anyhow.
    while end < min(len(output), at + 80) and 0x30 <= output[end] <= 0x39:
        end += 1
    text = output[at:end]
    if text in (b"", b"-"):
        raise _malformed(field, at)
    value = int(text)
    if b"%d" % value != text or not field.low <= value <= field.high:
        raise _malformed(field, at)
    return end, value


def is_string(value: bytes) -> bool:
    """Say whether bytes may stand in a JSON string: strict UTF-8, no control, quote, backslash.

    Rule: SCHEMA-6
    """
    try:
        value.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return False
    return all(byte >= 0x20 and byte not in b'"\\\x7f' for byte in value)


def initial_values(fields: Sequence[Field]) -> tuple[Value, ...]:
    """Return the values of an absent cell."""
    return tuple(field.initial for field in fields)


def migrate_values(old: Manifest, values: Sequence[Value], new: Manifest) -> tuple[Value, ...]:
    """Return a cell's values under a new manifest.

    A field survives if its name and its type hash are equal; every other field of the new
    manifest takes its initial value.

    Rule: SCHEMA-7
    """
    if old.hash == new.hash:
        return tuple(values)
    survivors = {
        (field.name, compute_type_hash(field)): value
        for field, value in zip(old.fields, values, strict=True)
    }
    return tuple(
        survivors.get((field.name, compute_type_hash(field)), field.initial) for field in new.fields
    )


def _verify_scalar_type(field: Field, value: Scalar) -> None:
    """Check that a scalar's Python type is the field's; bool is no int here.

    Raises:
        Invalid: SCHEMA-2.
    """
    expected: type = bytes
    if field.base is FieldType.BOOLEAN:
        expected = bool
    elif field.base is FieldType.INTEGER:
        expected = int
    if type(value) is not expected:
        raise _wrong_type(field, value)


def _wrong_type(field: Field, value: Value) -> Invalid:
    """Build the refusal of a value of another type."""
    return Invalid("SCHEMA-2", f"{value!r} is no {field.type.name} for field {field.name!r}")


def _malformed(field: Field, at: int) -> Invalid:
    """Build the refusal of an output text."""
    return Invalid("SCHEMA-5", f"the output has no value of {field.name!r} at offset {at}")
