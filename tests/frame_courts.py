"""A batch of calls on several cells with mixed ends, before the verifiers of its model."""

from __future__ import annotations

import functools

from oyez.protocol.manifest_encode import build_constants
from oyez.protocol.manifest_layout import GUARD_TARGET, OpCode
from oyez.protocol.types import (
    CellKind,
    Expression,
    Field,
    FieldType,
    Manifest,
    Op,
    Role,
    Segment,
    SegmentKind,
)
from tests.contracts.test_step_model import tiny
from tests.courts import MOOD, Court, open_batch
from tests.real_calls import RealBatch, build_short_action

NOTE = Field(b"note", FieldType.STRING, Role.WRITES, b"none", limit=4)
TAGS = Field(b"tags", FieldType.ARRAY, Role.WRITES, (), element=FieldType.STRING, limit=2, items=2)
TOTAL = Field(b"total", FieldType.INTEGER, Role.COMPUTE, 0, low=0, high=999, digits=3)
STEP = 60
#: A guard refuses a call after which the total would be this.
MOST = 3 * STEP
#: Input and cell of each call: cells are met again after an accepted call, after a refused one.
CALLS = (
    (b"a day", b"one"),
    (b"and more", b"two"),
    (b"x", b"three"),
    (b"\n\x00", b"one"),
    (b"a third", b"one"),
    (b"a day", b"one"),
)


#: Name of a court -> the fields beside the total, whether the prompt shows them, bytes of both.
COURTS = {"shown": ((NOTE,), True, 31, 18), "arrays": ((MOOD, NOTE, TAGS), False, 0, 46)}


def build_action(name: str) -> Manifest:
    """Return an action on named cells that writes its fields and adds to a total."""
    engine = tiny("mixed")[0]
    written, shown, state, output = COURTS[name]
    fields, total = (*written, TOTAL), len(written)
    constants = build_constants(fields, [STEP, MOST])
    one, most = constants.index(STEP), constants.index(MOST)
    grow = (Op(OpCode.OLD, total), Op(OpCode.CONST, one), Op(OpCode.ADD))
    guard = (Op(OpCode.NEW, total), Op(OpCode.CONST, most), Op(OpCode.EQ), Op(OpCode.NOT))
    return build_short_action(
        engine,
        cell_kind=CellKind.NAMED,
        fields=fields,
        constants=constants,
        expressions=(Expression(total, grow), Expression(GUARD_TARGET, guard)),
        segments=(
            Segment(SegmentKind.LITERAL, (40, 41)),
            *[Segment(SegmentKind.STATE)] * shown,
            Segment(SegmentKind.INPUT),
        ),
        output_tokens=output,
        fixed_positions=2 + state + output,
    )


@functools.cache
def open_court(name: str) -> Court:
    """Return the court of the batch, on the tiny model of many formats."""
    inputs, cells = zip(*CALLS, strict=True)
    engine = tiny("mixed")[0]
    return open_batch(RealBatch(engine, build_action(name), inputs, cells=cells))
