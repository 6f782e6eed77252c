"""What an output holds and computes: Python and verifiers on random worlds; calls held to steps."""

from __future__ import annotations

from collections import Counter

from scripts.soak.part import Block, Part, Result
from tests import output_calls, output_steps


def run(block: Block) -> Result:
    """Judge so many lanes of each kind on both sides; hold a fiftieth as many calls to steps."""
    rng, counts = block.rng(), Counter[str]()
    for op in sorted(output_calls.OPS):
        counts += output_steps.count_cases(rng, op, block.items * output_steps.count_kinds(op))
    for call in output_calls.run_calls(rng, max(1, block.items // 50)):
        counts.update(f"calls: {what}" for what in output_calls.describe(call))
        lanes = output_calls.check_call(call)
        counts["lanes of calls"] += lanes.total()
    return Result(counts)


PART = Part(
    "step_compute",
    "lanes of scalars, expressions and outcomes, in Python and on chain; calls held to steps",
    run,
    20,
    500,
)
