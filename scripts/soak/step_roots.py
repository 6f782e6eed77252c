"""Steps of ENTRY, ROOTS and the last record: on chain as in Python, and of random calls' traces."""

from __future__ import annotations

from collections import Counter

from oyez.protocol.inner_frame import Frame, get_record
from scripts.soak.part import Block, Part, Result
from tests import frame_calls, frame_steps


def run_lanes(block: Block) -> Result:
    """Judge so many lanes of each op of ENTRY, ROOTS and the last record on both sides."""
    rng, counts = block.rng(), Counter[str]()
    for op in frame_steps.LANES:
        counts += frame_steps.count_cases(rng, op, block.items)
    return Result(counts)


def run_traces(block: Block) -> Result:
    """Hold every lane of these records of so many batches of random calls to its step."""
    rng, counts = block.rng(), Counter[str]()
    for _ in range(block.items):
        batch = frame_calls.run_batch(rng, 8, deep=rng.random() < 0.5)
        counts += frame_calls.list_examples([batch])
        for call in range(len(batch.calls)):
            counts += frame_calls.check_record(batch, get_record(call, Frame.ENTRY))
            counts += frame_calls.check_record(batch, get_record(call, Frame.ROOTS))
        counts += frame_calls.check_record(batch, get_record(0, Frame.LAST))
    return Result(counts)


PARTS = (
    Part(
        "step_roots",
        "lanes of entry, roots and last record, in Python and on chain",
        run_lanes,
        50,
        200,
    ),
    Part(
        "roots_traces",
        "entry, roots and last record of random calls, each lane its step's",
        run_traces,
        20,
        5,
    ),
)
