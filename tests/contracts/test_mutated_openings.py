"""Openings that are true of something else, or of nothing: no verifier takes one for another."""

from __future__ import annotations

import random

import pytest

from tests.opening_fuzz import CLASSES, count_mutants


@pytest.mark.parametrize("name", ["mixed", "super"])
def test_no_mutated_opening_is_accepted(name: str) -> None:
    """Rule: INNER-7, INNER-8, INNER-9, INNER-56"""
    each = 12
    counts = count_mutants(random.Random(5), name, each)
    refused = {
        kind: sum(
            count
            for what, count in counts.items()
            if what.startswith(f"{kind}: ") and what != f"{kind}: harmless"
        )
        for kind in CLASSES
    }
    assert refused == dict.fromkeys(CLASSES, each)
    assert counts["true proofs"] > each
