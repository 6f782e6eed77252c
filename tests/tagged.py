"""An action whose model writes arrays of all four kinds, and a later version of it, as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from oyez.protocol import manifest_layout
from oyez.protocol.manifest import ModelLimits, build_constants, encode_manifest, parse_manifest
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.types import Expression, Field, FieldType, Op, Role
from oyez.testing.scripted import ScriptedEngine
from tests.local_rollup import build_counter

MOODS = Field(
    b"moods",
    FieldType.ARRAY,
    Role.WRITES,
    (),
    element=FieldType.ENUM,
    items=3,
    options=(b"bad", b"good"),
    biases=(0, 0),
)
WORDS = Field(b"words", FieldType.ARRAY, Role.WRITES, (), FieldType.STRING, items=2, limit=6)
FLAGS = Field(
    b"flags",
    FieldType.ARRAY,
    Role.WRITES,
    (),
    element=FieldType.BOOLEAN,
    items=2,
    biases=(1 << 16, 0),
)
MARKS = Field(
    b"marks",
    FieldType.ARRAY,
    Role.WRITES,
    (),
    element=FieldType.INTEGER,
    items=2,
    low=-1,
    high=99,
    digits=2,
)
CALLS = Field(b"calls", FieldType.INTEGER, Role.COMPUTE, 0, low=0, high=99, digits=2)
NOTES = Field(b"notes", FieldType.ARRAY, Role.WRITES, (), FieldType.STRING, items=2, limit=6)


def build(fields: Sequence[Field], *, delay: int) -> bytes:
    """Return an action over these fields; each call adds one to `calls`."""
    shape = ScriptedEngine().shape
    counter = parse_manifest(
        build_counter(), ModelLimits(shape.vocabulary, shape.context, shape.missing)
    )
    index = fields.index(CALLS)
    constants = build_constants(fields, [1])
    add = (Op(OpCode.OLD, index), Op(OpCode.CONST, constants.index(1)), Op(OpCode.ADD))
    tokens = manifest_layout.compute_output_bytes(fields)
    return encode_manifest(
        replace(
            counter,
            name=b"tags",
            upgrade_delay=delay,
            fields=tuple(fields),
            constants=constants,
            expressions=(Expression(index, add),),
            output_tokens=tokens,
            fixed_positions=4 + manifest_layout.compute_json_bytes(fields) + tokens,
        )
    )


def build_tags(*, delay: int = 60) -> bytes:
    """Return the first version: four arrays and a count."""
    return build((MOODS, WORDS, FLAGS, MARKS, CALLS), delay=delay)


def build_later_tags() -> bytes:
    """Return a version that keeps `moods`, `flags` and `calls`, widens `words`, drops `marks`."""
    kept = (replace(FLAGS, role=Role.KEPT), replace(MOODS, role=Role.KEPT, biases=(5, 6)))
    wider = replace(WORDS, role=Role.KEPT, items=3)
    return build((NOTES, *kept, wider, CALLS), delay=60)
