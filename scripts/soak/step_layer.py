"""Steps of layers on chain as in Python: random lanes of every op and shape, damaged proofs."""

from __future__ import annotations

from collections import Counter

from scripts.soak.part import Block, Part, Result
from tests import layer_steps


def run(block: Block) -> Result:
    """Judge so many lanes of each op and shape in Python and on chain; damage each proof once."""
    counts: Counter[str] = Counter()
    draw = block.rng()
    for name in layer_steps.SHAPES:
        for op in layer_steps.ALL:
            for _ in range(block.items):
                case = layer_steps.check_agreement(name, op, draw)
                counts[f"op {op}: {layer_steps.describe(case.answer)}"] += 1
                counts[f"refused: {layer_steps.check_refused(case, draw)}"] += 1
    return Result(counts)


PART = Part(
    "step_layer",
    "lanes of norms, attention and SwiGLU, extreme contents: Python's on chain; damage refused",
    run,
    100,
    20,
)
