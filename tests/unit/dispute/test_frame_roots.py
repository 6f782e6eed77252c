"""Entry, roots and last record: each lane is its step's, the record is the outer trace's."""

from __future__ import annotations

import random

import pytest

from oyez.dispute.frame.entry import list_scan
from oyez.dispute.frame.facts import Preimages
from oyez.protocol import codec, step_entry, trace
from oyez.protocol import step as steps
from oyez.protocol.constants import CHUNKS_PER_RECORD, RECEIPTS_HEIGHT
from oyez.protocol.execution import check_input
from oyez.protocol.inner_frame import Frame, find_frame, get_record, layout_frame
from oyez.protocol.merkle import Frontier
from oyez.protocol.step import Address
from oyez.protocol.trace import PAD_CHUNK, Chunk
from oyez.protocol.trace_records import build_epilogue_chunks, build_prologue_chunks
from oyez.testing.scripted import MISSING, ScriptedEngine
from tests import frame_calls, fuzzed_inputs
from tests.frame_calls import FrameBatch
from tests.output_calls import HEIGHT, build_model
from tests.steps import World

#: What batches of seeds 0 to 5 hold together.
EXAMPLES = {
    *("NONE", "BAD_INPUT", "CONTEXT_OVERFLOW", "OUT_OF_TOKENS", "COMPUTE", "GUARD"),
    *("stored cell", "migrated cell", "deep", "text that is not ASCII", "empty input"),
    *(
        f"absent cell, {what} met: {end}"
        for what in ("nothing", "another")
        for end in (0 > 1, 1 > 0)
    ),
    *(f"cell {kind}" for kind in ("SHARED", "PER_CALLER", "NAMED")),
    *("seed BATCH", "seed CONSTANT"),
}


def run(seed: int) -> FrameBatch:
    number, cells = (1, 0) if seed == 0 else (2, 12)
    rng = random.Random(seed)
    return frame_calls.run_batch(rng, 8, cells=cells, deep=seed % 2 == 1, number=number)


def test_every_lane_of_entry_roots_and_last_record_is_that_of_its_step() -> None:
    """Rule: FRAME-10, FRAME-11, FRAME-12, FRAME-13, FRAME-14, FRAME-15, FRAME-16, FRAME-17
    Rule: FRAME-18, FRAME-19, FRAME-70, FRAME-71, FRAME-72, FRAME-73, FRAME-74, FRAME-75
    Rule: FRAME-76, FRAME-77, FRAME-78, FRAME-79, FRAME-80, FRAME-85
    """
    batches = [run(seed) for seed in range(6)]
    for batch in batches:
        records = [
            *(get_record(call, Frame.ENTRY) for call in range(8)),
            *(get_record(call, Frame.ROOTS) for call in range(8)),
            get_record(0, Frame.LAST),
        ]
        for record in records:
            counts = frame_calls.check_record(batch, record)
            frame = find_frame(record)
            assert frame is not None
            assert set(counts) == {r.name for r in layout_frame(frame, HEIGHT).regions}
    assert set(frame_calls.list_examples(batches)) >= EXAMPLES


@pytest.mark.parametrize("call", [8, 9, 255])
def test_a_call_that_is_not_there_is_padding(call: int) -> None:
    """Rule: FRAME-10, FRAME-70"""
    batch = run(1)
    for frame in (Frame.ENTRY, Frame.ROOTS):
        counts = frame_calls.check_record(batch, get_record(call, frame))
        assert counts.total() == sum(r.leaves for r in layout_frame(frame, HEIGHT).regions)


def test_records_are_those_of_the_outer_trace() -> None:
    """Rule: FRAME-80, TRACE-18, TRACE-19, TRACE-13"""
    batch = run(2)
    for index, facts in enumerate(batch.calls):
        for frame, chunks in (
            (Frame.ENTRY, build_prologue_chunks(facts.prologue)[0]),
            (Frame.ROOTS, build_epilogue_chunks(facts.epilogue)[1]),
            (Frame.LAST, None),
        ):
            leaves = batch.build(index, frame, Preimages())
            first = (1 << HEIGHT) - CHUNKS_PER_RECORD
            record = [leaves.get_chunk(first + at) for at in range(CHUNKS_PER_RECORD)]
            if chunks is not None:
                assert record == chunks + [PAD_CHUNK] * (CHUNKS_PER_RECORD - len(chunks))
            else:
                ending = batch.calls[-1].epilogue
                roots = (ending.state_root, ending.outbox_root, ending.receipts.root)
                assert trace.compute_record_root(record) == trace.build_last_record(*roots)


@pytest.mark.parametrize("depth", [0, 31, 32, 63, 200, 254, 255])
def test_a_new_cell_parts_from_a_neighbour_at_any_depth(depth: int) -> None:
    """Rule: FRAME-81, FRAME-74, FRAME-75, FRAME-76, FRAME-77"""
    for is_stored in (False, True):
        batch = frame_calls.meet_neighbour(random.Random(depth), depth, is_stored)
        frame_calls.check_record(batch, get_record(0, Frame.ENTRY))
        frame_calls.check_record(batch, get_record(0, Frame.ROOTS))
        facts = batch.calls[0]
        after = facts.after.find_path(facts.prologue.cell_key)
        assert len(after.branches) == depth + 1
        before = facts.before.find_path(facts.prologue.cell_key)
        assert len(before.branches) == (depth + 1 if is_stored else 0)


def test_the_scan_finds_what_execution_refuses() -> None:
    """Rule: FRAME-14, FRAME-15, TRANSITION-5"""
    draw = random.Random(5)
    pieces = (b"\x80", b"\xbf", b"\xe0", b"\xa0", b"\xed", b"\x9f", b"\xf0", b"\x90", b"\xf4")
    pieces += (
        b"\x8f",
        b"\xc2",
        b"\xdf",
        b"\xf1",
        b"\xac",
        b"a",
        b"\x7f",
        b"\x1f",
        b"\xff",
        b"\xe2",
    )
    pieces += (*fuzzed_inputs.HOSTILE, b"\xe2", "ä€😀".encode(), "€".encode(), "😀".encode())
    for case in range(3_000):
        data = b"".join(draw.choices(pieces, k=draw.randrange(1, 6)))
        if case % 10 == 0:
            data = fuzzed_inputs.random_input(draw, 1_024) or b"a"
        if case % 50 == 0:
            data = data.rjust(1_024, b"a")[-1_024:]
        missing = draw.choice((MISSING, b"", b"\x80\xac\xe2"))
        state, states = 0, []
        for at, byte in enumerate(data.ljust(1_024, b"\0")):
            state = step_entry.scan_byte(state, at, byte, missing)
            states.append(state)
        bad = check_input(data, missing)
        found = step_entry.find_fault(states[len(data) - 1], len(data))
        assert found == (-1 if bad is None else bad), (data, missing)
        if case % 10 == 0:
            assert list_scan(data, missing) == states


def none(record: int, chunk: int) -> Chunk:
    raise AssertionError(f"chunk {chunk} of record {record} is not read here")


def test_receipts_grow_as_their_tree_does() -> None:
    """Rule: FRAME-78, FRAME-79"""
    draw = random.Random(3)
    before = Frontier.empty(RECEIPTS_HEIGHT)
    model = build_model(ScriptedEngine().shape)
    layout = layout_frame(Frame.ROOTS, HEIGHT)
    for call in range(256):
        receipt = draw.randbytes(32)
        after = before.append(codec.keccak(receipt))
        words = [0, 0, before.root, *before.nodes[:RECEIPTS_HEIGHT]]
        chunks = {
            layout.get("cell_after").start: trace.encode_words([0, 0, 0, codec.keccak(receipt)])
        }
        assert after.count == call + 1

        outer = {(get_record(call, Frame.ENTRY), 0): trace.encode_int32([1])}
        if call:
            outer[get_record(call - 1, Frame.ROOTS), 1] = trace.encode_words(words)
        world = World(chunks.__getitem__, none, lambda *_: b"", outer=outer)
        reads = frame_calls.QuickReads(world)  # type: ignore[arg-type]  # it reads as much
        leaf = layout.get("roots_words").start
        record = get_record(call, Frame.ROOTS)
        found = [
            steps.recompute(frame_calls.OPS, model, Address(record, leaf, lane), [], reads)
            for lane in range(2, 11)
        ]
        expected = (after.root, *after.nodes[:RECEIPTS_HEIGHT])
        assert found == [int.from_bytes(word, "big", signed=True) for word in expected]
        before = after
