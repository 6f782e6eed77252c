"""Prompts and outputs: Python and verifiers say the same of any world, and open nothing else."""

from __future__ import annotations

import bisect
import random
from collections import Counter

import pytest

from oyez.engines.exact.inner_leaves import LANES
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import get_record
from oyez.protocol.step import Address, ChunkLanes
from oyez.protocol.trace import PAD_CHUNK, Chunk, ChunkType
from tests import call_fuzz, prompt_calls, prompt_steps
from tests.prompt_calls import Call
from tests.prompt_steps import Case
from tests.steps import World

#: Paths that are rare, and must come up.
RARE = {
    96: (
        *("0 leaves, 0 rows: below 0", "1 leaves, 0 rows: dead", "1 leaves, 2 rows: alive"),
        *("2 leaves, 2 rows: alive", "3 leaves, 2 rows: alive", "4 leaves, 2 rows: alive"),
    ),
    97: ("1 leaves, 0 rows: dead", "2 leaves, 0 rows: filler", "3 leaves, 0 rows: alive"),
    98: ("1 leaves, 0 rows: dead", "2 leaves, 0 rows: dead", "2 leaves, 0 rows: alive"),
    112: ("1 leaves, 0 rows: below 0", "2 leaves, 0 rows: alive", "3 leaves, 0 rows: alive"),
    113: ("1 leaves, 0 rows: dead", "2 leaves, 0 rows: alive", "3 leaves, 0 rows: alive"),
    114: ("3 leaves, 0 rows: zero", "4 leaves, 0 rows: zero", "4 leaves, 1 rows: alive"),
    115: ("1 leaves, 0 rows: dead", "2 leaves, 0 rows: alive", "3 leaves, 0 rows: alive"),
}


@pytest.mark.parametrize("op", sorted(RARE))
def test_python_and_verifier_say_the_same(op: int) -> None:
    """Rule: FRAME-36, FRAME-39, FRAME-40, FRAME-41, FRAME-46, FRAME-47, FRAME-48, FRAME-49"""
    counts = prompt_steps.count_cases(random.Random(op), op, 500)

    assert counts[f"op {op}: proofs refused"] > 450
    assert [path for path in RARE[op] if not counts[f"op {op}: {path}"]] == []


def draw_real_case(draw: random.Random, call: Call) -> tuple[Case, int]:
    """Return the step of a lane of a call on the bench's engine, and what the trace holds."""
    given = prompt_steps.bench()
    op = draw.choice(list(prompt_steps.CONTRACTS))
    frame, region = prompt_steps.find_frame(op), prompt_steps.find_region(op)
    leaves = call.leaves[frame]
    leaf = draw.randrange(region.leaves)
    lane = draw.randrange(LANES[region.type])
    if draw.random() < 0.8:
        leaf, lane = draw.randrange(min(2, region.leaves)), lane % 40
    own = leaves.get_chunk(region.start + leaf)
    if own.type is ChunkType.PAD:
        own, lane, expected = Chunk(region.type, own.data), 0, DEAD
    else:
        expected = ChunkLanes(own)[lane]

    def make_outer(record: int, chunk: int) -> Chunk:
        chunks = call.outer.get(record, ())
        return chunks[chunk] if chunk < len(chunks) else PAD_CHUNK

    world = World(
        leaves.get_chunk,
        make_outer,
        lambda tensor, row: given.rows[tensor, row],
        given.manifests,
        lambda rest: bisect.bisect_right(given.sorted, rest) - 1,
    )
    address = Address(get_record(call.index, frame), region.start + leaf, lane)
    return prompt_steps.build_case(given, address, own, world, draw.getrandbits(32)), expected


def test_lanes_of_real_calls_are_proven_on_chain() -> None:
    """Rule: FRAME-3, FRAME-42, FRAME-51"""
    draw = random.Random(8)
    given = prompt_steps.bench()
    assert given.engine is not None
    entries = [call_fuzz.random_entry(draw, at, draw.choice(given.parsed)) for at in range(12)]
    manifests = {manifest.hash: manifest for manifest in given.parsed}
    calls = prompt_calls.run_calls(draw, given.engine, manifests, entries)
    seen: Counter[str] = Counter()
    for call in calls:
        for _ in range(80):
            case, expected = draw_real_case(draw, call)
            assert case.ask() == case.value == expected
            seen[prompt_steps.describe(case)] += 1
    assert len({call.records.execution.code for call in calls}) > 2
    assert sum(count for path, count in seen.items() if "alive" in path) > 100
