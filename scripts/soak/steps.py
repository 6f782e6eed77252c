"""Steps of inner traces: Python and verifiers on random worlds; made traces held to their steps."""

from __future__ import annotations

from collections import Counter

from scripts.soak.part import Block, Part, Result
from tests import sampler_steps
from tests.sampler_traces import count_traces


def run_sampler(block: Block) -> Result:
    """Judge so many lanes of each op of the sampler's frame on both sides."""
    rng, counts = block.rng(), Counter[str]()
    for op in sampler_steps.LANES:
        counts += sampler_steps.count_cases(rng, op, block.items)
    return Result(counts)


def run_traces(block: Block) -> Result:
    """Hold the samplers of so many calls of random actions to their steps."""
    rng, counts = block.rng(), Counter[str]()
    for _ in range(block.items):
        counts += count_traces(rng)
    return Result(counts)


PARTS = (
    Part(
        "step_sampler", "lanes of the sampler's frame, in Python and on chain", run_sampler, 20, 500
    ),
    Part("sampler_traces", "samplers of random calls, each lane its step's", run_traces, 20, 10),
)
