"""Encoder of the canonical manifest: the inverse of the parser, for authors' tools and tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from oyez.protocol import codec
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest_layout import GUARD_TARGET, HEADER_LAYOUT
from oyez.protocol.types import Field, FieldType, Manifest


def build_constants(fields: Iterable[Field], values: Iterable[int] = ()) -> tuple[int, ...]:
    """Return a constants section for these INTEGER fields and CONST operands.

    Each field needs its low, high and initial value in a row; rows and values are shared.
    """
    constants: list[int] = []
    for field in fields:
        if field.base is FieldType.INTEGER and _find_row(constants, field) is None:
            constants += _compute_row(field)
    for value in values:
        if value not in constants:
            constants.append(value)
    return tuple(constants)


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the canonical bytes; `state_bytes`, `output_bytes` and `hash` are not read.

    Checks only what must hold for bytes to exist; `parse_manifest` checks the rest. An INTEGER
    field names the first of its rows among the constants, and constants nobody names stay.

    Rule: MANIFEST-27

    Raises:
        Invalid: MANIFEST-27 if a part does not fit its bits or an INTEGER field has no row.
    """
    text, options = bytearray(), bytearray()
    fields = b"".join(_encode_field(field, manifest.constants) for field in manifest.fields)
    for field in manifest.fields:
        text += field.name
        if field.type is FieldType.STRING:
            text += _get_initial_string(field)
        elif field.base is FieldType.ENUM:
            for option, bias in zip(field.options, _get_biases(field), strict=True):
                text += option
                options += _pack(len(option), 1) + _pack(bias, 4, signed=True)
    text += manifest.name + manifest.description
    segments = b"".join(_pack(s.kind, 1) + _pack(len(s.tokens), 2) for s in manifest.segments)
    literals = b"".join(_pack(token, 3) for s in manifest.segments for token in s.tokens)
    heads = b"".join(
        _pack(GUARD_TARGET if e.target is None else e.target, 1) + _pack(len(e.ops), 1)
        for e in manifest.expressions
    )
    ops = b"".join(
        _pack(op.code, 1) + _pack(op.operand, 1) for e in manifest.expressions for op in e.ops
    )
    header = _encode_header(
        manifest, text_bytes=len(text), literal_tokens=len(literals) // 3, ops=len(ops) // 2
    )
    constants = b"".join(_pack(constant, 32, signed=True) for constant in manifest.constants)
    return b"".join((header, constants, text, fields, options, segments, literals, heads, ops))


def _encode_header(manifest: Manifest, *, text_bytes: int, literal_tokens: int, ops: int) -> bytes:
    """Return the two header words."""
    parts = {
        "version": 1,
        "model": manifest.model,
        "cell_kind": manifest.cell_kind,
        "upgrade_delay": manifest.upgrade_delay,
        "temperature": manifest.temperature,
        "seed_rule": manifest.seed_rule,
        "max_input": manifest.max_input,
        "output_tokens": manifest.output_tokens,
        "fixed_positions": manifest.fixed_positions,
        "fields": len(manifest.fields),
        "segments": len(manifest.segments),
        "literal_tokens": literal_tokens,
        "constants": len(manifest.constants),
        "expressions": len(manifest.expressions),
        "ops": ops,
        "text_bytes": text_bytes,
        "name_length": len(manifest.name),
        "effects": 0,
    }
    header = b"".join(_pack(parts[name], bits // 8) for name, bits in HEADER_LAYOUT)
    return header + codec.encode_word(manifest.seed)


def _encode_field(field: Field, constants: Sequence[int]) -> bytes:
    """Return one 16-byte record of the FIELDS section."""
    is_array = field.type is FieldType.ARRAY
    a = b = 0
    biases = bytes(6)
    if field.base is FieldType.STRING:
        a, b = field.limit, 0 if is_array else len(_get_initial_string(field))
    elif field.base is FieldType.ENUM:
        a, b = len(field.options), 0 if is_array else _find_initial_option(field)
    elif field.base is FieldType.BOOLEAN:
        b = int(field.initial is True)
        biases = b"".join(_pack(bias, 3, signed=True) for bias in _get_biases(field))
    else:
        row = _find_row(constants, field)
        if row is None:
            raise Invalid("MANIFEST-27", f"no constants in a row for {field.name!r}")
        a, b = row, field.digits
    parts = [(len(field.name), 1), (field.type, 1), (field.element or 0, 1), (field.role, 1)]
    parts += [(a, 2), (b, 2), (field.items, 2)]
    return b"".join(_pack(part, size) for part, size in parts) + biases


def _get_biases(field: Field) -> tuple[int, ...]:
    """Return one bias per option, (false, true) for a BOOLEAN; none given means zeros."""
    count = {FieldType.ENUM: len(field.options), FieldType.BOOLEAN: 2}.get(field.base, 0)
    biases = field.biases or (0,) * count
    if len(biases) != count:
        raise Invalid("MANIFEST-27", f"{field.name!r} has {len(biases)} biases, not {count}")
    return biases


def _get_initial_string(field: Field) -> bytes:
    """Return what a STRING field begins with."""
    if not isinstance(field.initial, bytes):
        raise Invalid("MANIFEST-27", f"string {field.name!r} begins with bytes")
    return field.initial


def _find_initial_option(field: Field) -> int:
    """Return the index of the option an ENUM field begins with."""
    if not isinstance(field.initial, bytes) or field.initial not in field.options:
        raise Invalid("MANIFEST-27", f"{field.initial!r} is no option of {field.name!r}")
    return field.options.index(field.initial)


def _compute_row(field: Field) -> list[int]:
    """Return an INTEGER field's constants: low, high, initial; low again for an array."""
    if field.type is FieldType.ARRAY:
        return [field.low, field.high, field.low]
    if not isinstance(field.initial, int):
        raise Invalid("MANIFEST-27", f"integer {field.name!r} begins with a number")
    return [field.low, field.high, field.initial]


def _find_row(constants: Sequence[int], field: Field) -> int | None:
    """Return where a field's row begins among the constants, the first such place, or None.

    An array has no initial number: the row of any integer of its range serves.
    """
    row = _compute_row(field)
    for at in range(len(constants) - 2):
        low, high, initial = constants[at : at + 3]
        fits = low <= initial <= high if field.type is FieldType.ARRAY else initial == row[2]
        if [low, high] == row[:2] and fits:
            return at
    return None


def _pack(number: int, size: int, *, signed: bool = False) -> bytes:
    """Return an integer in `size` big-endian bytes.

    Raises:
        Invalid: MANIFEST-27 if it does not fit.
    """
    try:
        return int(number).to_bytes(size, "big", signed=signed)
    except OverflowError as error:
        raise Invalid("MANIFEST-27", f"{number} does not fit {size} bytes") from error
