"""Mutated openings of real proofs before the verifiers: none accepted, by class and reason."""

from __future__ import annotations

from scripts.soak.part import Block, Part, Result
from tests.courts import NAMES
from tests.opening_fuzz import count_mutants


def run(block: Block) -> Result:
    """Have so many mutants of each class refused, all of one model's lanes.

    Raises:
        AssertionError: a verifier answered a mutant with another number than the true one.
    """
    return Result(count_mutants(block.rng(), NAMES[block.number % len(NAMES)], block.items))


PART = Part("openings", "mutated openings of real proofs, by class and reason", run, 20, 313)
