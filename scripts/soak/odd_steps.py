"""Odd models: lanes of random calls recomputed on chain, one model a block."""

from __future__ import annotations

from collections import Counter

from scripts.soak.part import Block, Part, Result
from tests.odd_courts import SHAPES, count_judged


def run(block: Block) -> Result:
    """Have so many lanes of one model's calls recomputed by its verifiers."""
    name = [*SHAPES][block.number % len(SHAPES)]
    found = count_judged(block.rng(), name, block.items)
    return Result(Counter({f"{name}, {region}": count for region, count in found.items()}))


PART = Part("odd_steps", "lanes of odd models' random calls recomputed on chain", run, 9, 12_000)
