"""Mutated openings and preimages of proofs around a call's tokens: none accepted, by reason."""

from __future__ import annotations

from scripts.soak.part import Block, Part, Result
from tests.frame_courts import COURTS
from tests.frame_fuzz import count_mutants


def run(block: Block) -> Result:
    """Have so many mutants of each class refused, all of one batch's records.

    Raises:
        AssertionError: a verifier answered a mutant with another number than the true one.
    """
    names = list(COURTS)
    return Result(count_mutants(block.rng(), names[block.number % len(names)], block.items))


PART = Part("frame_openings", "the same of the records around calls, preimages too", run, 20, 250)
