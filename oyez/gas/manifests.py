"""Manifests for measuring: one that calls are sent to, and the dearest of 4 KB of three kinds.

Each kind fills 4,096 bytes with what its part of the gate checks one by one: token ids, options of
one byte each, or operations (two pushes to a SELECT, the dearest mixture).
"""

from __future__ import annotations

from dataclasses import replace

from oyez.protocol.constants import (
    MAX_EXPRESSION_OPS,
    MAX_EXPRESSIONS,
    MAX_INPUT_BYTES,
    MAX_OPTIONS,
    UPGRADE_IMMUTABLE,
)
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.types import (
    ZERO_HASH,
    CellKind,
    Expression,
    Field,
    FieldType,
    Manifest,
    Op,
    Role,
    SeedRule,
    Segment,
    SegmentKind,
)

SIZE = 4_096
OUTPUT_TOKENS = 64
INPUT_BYTES = 512
#: Bytes that one-byte options may be, in order: printable ASCII without quote and backslash.
LETTERS = bytes(byte for byte in range(0x23, 0x7F) if byte != 0x5C)
NOTE = Field(b"note", FieldType.STRING, Role.WRITES, b"", limit=40)
OPEN = Field(b"open", FieldType.BOOLEAN, Role.WRITES, False, biases=(0, 0))
LITERALS = tuple(range(100, 140))
#: Work of a call with that input: its positions, each of cost 1.
WORK = len(LITERALS) + OUTPUT_TOKENS + INPUT_BYTES


def build(
    fields: tuple[Field, ...],
    literals: tuple[int, ...] = (),
    expressions: tuple[Expression, ...] = (),
) -> Manifest:
    """Return a manifest of one model-written state whose prompt is literals and the input."""
    segments = (Segment(SegmentKind.LITERAL, literals),) if literals else ()
    return Manifest(
        model=0,
        cell_kind=CellKind.SHARED,
        upgrade_delay=UPGRADE_IMMUTABLE,
        temperature=0,
        seed_rule=SeedRule.BATCH,
        seed=ZERO_HASH,
        max_input=MAX_INPUT_BYTES,
        output_tokens=OUTPUT_TOKENS,
        fixed_positions=len(literals) + OUTPUT_TOKENS,
        fields=fields,
        segments=(*segments, Segment(SegmentKind.INPUT)),
        constants=(),
        expressions=expressions,
        name=b"gas",
        description=b"",
        state_bytes=0,
        output_bytes=0,
        hash=ZERO_HASH,
    )


def build_called() -> bytes:
    """Return the manifest of the action that calls are sent to."""
    return encode_manifest(build((NOTE, OPEN), LITERALS))


def build_literals() -> bytes:
    """Return 4 KB of token ids, three bytes each."""
    room = SIZE - len(encode_manifest(build((OPEN,), (1,)))) + 3
    return _fill(build((OPEN,), tuple(100 + i for i in range(room // 3))))


def build_options() -> bytes:
    """Return 4 KB of options: six bytes each, one of them text."""

    def with_options(count: int) -> Manifest:
        fields = []
        for start in range(0, count, MAX_OPTIONS):
            size = min(MAX_OPTIONS, count - start)
            options = tuple(bytes([byte]) for byte in LETTERS[:size])
            name = b"f%02d" % (start // MAX_OPTIONS)
            fields.append(
                Field(
                    name,
                    FieldType.ENUM,
                    Role.WRITES,
                    options[0],
                    options=options,
                    biases=(0,) * size,
                )
            )
        return build(tuple(fields))

    count = SIZE // 6
    while len(encode_manifest(with_options(count))) > SIZE:
        count -= 1
    return _fill(with_options(count))


def build_expressions() -> bytes:
    """Return 4 KB of operations, two bytes each, in guards as long as they may be."""

    def with_ops(count: int) -> Manifest:
        guards = []
        for start in range(0, count, MAX_EXPRESSION_OPS):
            size = min(MAX_EXPRESSION_OPS, count - start)
            run = [Op(OpCode.OLD, 0)]
            while len(run) + 3 <= size:
                run += [Op(OpCode.OLD, 0), Op(OpCode.NEW, 0), Op(OpCode.SELECT)]
            run += [Op(OpCode.NOT)] * (size - len(run))
            guards.append(Expression(None, tuple(run)))
        return build((OPEN,), expressions=tuple(guards))

    count = min(SIZE // 2, MAX_EXPRESSIONS * MAX_EXPRESSION_OPS)
    while len(encode_manifest(with_ops(count))) > SIZE:
        count -= 1
    return _fill(with_ops(count))


def _fill(manifest: Manifest) -> bytes:
    """Return the manifest's bytes, a description filling them up to exactly 4,096."""
    room = SIZE - len(encode_manifest(manifest))
    data = encode_manifest(replace(manifest, description=b"." * room))
    assert len(data) == SIZE
    return data
