"""What a call's output holds and computes: every lane is its step's, and the record the trace's."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest

from oyez.protocol import schema, trace, trace_records, transition
from oyez.protocol.assertions import compute_empty_outbox_root
from oyez.protocol.inner_kinds import count_lanes
from oyez.protocol.manifest import build_constants
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.state import State
from oyez.protocol.step import ChunkLanes
from oyez.protocol.types import Code, Expression, Field, FieldType, Manifest, Op, Role, Value
from oyez.testing.scripted import ScriptedEngine
from tests import output_calls
from tests.output_calls import HEIGHT, OPS
from tests.unit.protocol.actions import build_action, build_entry, build_header

#: Of batches that hold all of these examples together.
SEEDS = (2, 19, 40)
EXAMPLES = {
    *("NONE", "BAD_INPUT", "CONTEXT_OVERFLOW", "OUT_OF_TOKENS", "COMPUTE", "GUARD"),
    *("absent cell", "stored cell", "migrated cell", "guard"),
    *("empty string", "empty array", "negative integer", "text that is not ASCII"),
    *(f"WRITES {kind}" for kind in ("STRING", "ENUM", "BOOLEAN", "INTEGER")),
    *(f"WRITES array of {kind}" for kind in ("STRING", "ENUM", "BOOLEAN", "INTEGER")),
    *(f"COMPUTE {kind}" for kind in ("ENUM", "BOOLEAN", "INTEGER")),
}


def test_every_lane_from_the_scalars_on_is_that_of_its_step() -> None:
    """Rule: FRAME-52, FRAME-53, FRAME-54, FRAME-55, FRAME-56, FRAME-57, FRAME-58, FRAME-59
    Rule: FRAME-60, FRAME-61, FRAME-62, FRAME-63, FRAME-64, FRAME-65, FRAME-66, FRAME-67, FRAME-68
    Rule: FRAME-69, EXPR-1, EXPR-2, EXPR-3, EXPR-4, EXPR-5, EXPR-6
    """
    seen: Counter[str] = Counter()
    lanes: Counter[str] = Counter()
    for seed in SEEDS:
        for call in output_calls.run_calls(random.Random(seed), 10):
            seen.update(output_calls.describe(call))
            lanes += output_calls.check_call(call)
            first = (1 << HEIGHT) - 16
            record = [call.leaves.get_chunk(leaf) for leaf in range(first, 1 << HEIGHT)]
            assert record[3:] == [trace.PAD_CHUNK] * 13
            assert record[:3] == trace_records.build_epilogue_chunks(call.records.ending)[0]
    assert set(seen) >= EXAMPLES
    assert len(lanes) == len(OPS)
    assert min(lanes.values()) > 300


def build_numbers() -> Manifest:
    """Return an action that writes many scalars, and computes an option by its number."""
    integers = Field(
        b"a",
        FieldType.ARRAY,
        Role.WRITES,
        (),
        element=FieldType.INTEGER,
        items=64,
        low=-9,
        high=9,
        digits=2,
    )
    flags = Field(b"flags", FieldType.ARRAY, Role.WRITES, (), element=FieldType.BOOLEAN, items=4)
    number = Field(b"n", FieldType.INTEGER, Role.WRITES, 0, low=-9, high=9, digits=2)
    mood = Field(
        b"m", FieldType.ENUM, Role.COMPUTE, b"bad", options=(b"bad", b"good"), biases=(0, 0)
    )
    fields = (
        *(dataclasses.replace(integers, name=name) for name in (b"a", b"b", b"c")),
        *(flags, number, mood),
    )
    return build_action(
        fields=fields,
        constants=build_constants(fields, []),
        # the guard stands first and runs last: it sees the option's number
        expressions=(
            Expression(None, (Op(OpCode.NEW, 5),)),
            Expression(5, (Op(OpCode.NEW, 4),)),
        ),
        output_tokens=600,
        fixed_positions=640,
        segments=(),
    )


@pytest.mark.parametrize(
    ("number", "code", "detail"),
    [(1, Code.NONE, 0), (0, Code.GUARD, 0), (2, Code.COMPUTE, 1), (-1, Code.COMPUTE, 1)],
)
def test_outputs_of_many_scalars_are_counted_from_their_end(
    number: int, code: Code, detail: int
) -> None:
    """193 scalars take two leaves of the chain; an empty array of booleans ends without one.

    Rule: FRAME-52, FRAME-53, FRAME-55, FRAME-57, FRAME-65, FRAME-66
    """
    manifest = build_numbers()
    values: dict[int, Value] = {
        0: tuple(at % 19 - 9 for at in range(64)),
        1: tuple(-(at % 10) for at in range(64)),
        2: (5,) * 64,
        3: (),
        4: number,
    }
    call = output_calls.write_call(manifest, values)
    assert call.records.execution.code is code
    output_calls.check_call(call)

    def read(name: str, lane: int) -> int:
        region = call.leaves.layout.get(name)
        leaf, at = divmod(lane, count_lanes(region.type))
        return ChunkLanes(call.leaves.get_chunk(region.start + leaf))[at]

    end = len(call.records.execution.output) - 1
    assert [read("chain", lane) for lane in (0, 1)] == [end, 4 << 8]
    assert [read("chain", 2 * at + 1) for at in (1, 64, 65, 192)] == [
        *(2 << 8 | 63, 2 << 8, 1 << 8 | 63),
        0,
    ]
    # of the written fields 0 to 4, items and the place of the last one
    places = [(read("place", 62 - 2 * at), read("place", 63 - 2 * at)) for at in range(5)]
    assert places == [(129, 64), (65, 64), (1, 64), (1, 0), (0, 1)]
    for index, value in values.items():
        word = schema.compute_value_word(manifest.fields[index], value)
        assert read("written", index) == int.from_bytes(word, "big", signed=True)
    assert [read("output_head", lane) for lane in range(3)] == [1 + (code > 0), code, detail]
    assert read("op", 0) == number
    assert read("op", 64) == number


def test_an_input_that_is_bad_at_once_runs_nothing() -> None:
    """Rule: FRAME-67, TRANSITION-6"""
    manifest = build_numbers()
    entry = build_entry(manifest, input=b"\0")
    engine = ScriptedEngine(context=640)
    execution = transition.execute_call(entry=entry, manifest=manifest, cell=None, engine=engine)
    assert (execution.code, execution.detail) == (Code.BAD_INPUT, 0)
    (records,) = transition.list_call_records(
        state=State.empty(),
        header=build_header([entry]),
        executions=[execution],
        manifests={manifest.hash: manifest},
        outbox_root=compute_empty_outbox_root(),
    )
    output_calls.check_call(output_calls.build_call(0, manifest, engine.vocabulary, records))
