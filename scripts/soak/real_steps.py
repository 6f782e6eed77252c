"""Real calls: every lane of layers held to its step, lanes of all kinds recomputed on chain."""

from __future__ import annotations

from collections import Counter

from scripts.soak.part import Block, Part, Result
from tests.courts import NAMES, count_judged, count_traced


def run_traces(block: Block) -> Result:
    """Hold the layers of so many calls to their steps, one model a block."""
    rng, counts = block.rng(), Counter[str]()
    for _ in range(block.items):
        counts += count_traced(rng, NAMES[block.number % len(NAMES)])
    return Result(counts)


def run_judged(block: Block) -> Result:
    """Have so many lanes of one model's call recomputed by its verifiers."""
    return Result(count_judged(block.rng(), NAMES[block.number % len(NAMES)], block.items))


PARTS = (
    Part("layer_traces", "layers of real calls, each lane its step's", run_traces, 8, 1),
    Part("real_steps", "lanes of real calls recomputed on chain", run_judged, 8, 2_500),
)
