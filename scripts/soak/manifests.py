"""Manifests from a grammar, changed one field at a time: contract and parser judge them alike."""

from __future__ import annotations

from scripts.soak.part import Block, Part, Result
from tests.manifest_bounds import count_bounds
from tests.manifest_fuzz import count_manifests


def run(block: Block) -> Result:
    """Judge so many manifests, and in the first block every bound at its value and one past."""
    counts = count_manifests(block.rng(), block.items)
    if block.number == 0:
        counts += count_bounds()
    return Result(counts)


PART = Part("manifests", "the gate and the parser on manifests from a grammar", run, 100, 1_000)
