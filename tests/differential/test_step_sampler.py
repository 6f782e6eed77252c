"""The sampler's frame: Python and verifier say the same of any world, and take no other opening."""

from __future__ import annotations

import random

import pytest

from tests import sampler_steps

#: Paths that are rare, and must come up.
RARE = {
    32: ("0 opened: alive", "1 opened: dead", "2 opened: dead", "2 opened: alive"),
    33: ("0 opened: alive", "1 opened: dead", "2 opened: dead", "2 opened: alive"),
    48: ("1 opened: dead", "2 opened: dead", "2 opened: filler", "3 opened: alive"),
    50: ("1 opened: dead", "1 opened: filler", "2 opened: dead", "2 opened: alive"),
    51: ("1 opened: dead", "2 opened: dead", "2 opened: alive"),
    52: ("3 opened: alive", "5 opened: alive", "6 opened: alive"),
}


@pytest.mark.parametrize("op", sorted(sampler_steps.LANES))
def test_python_and_verifier_say_the_same(op: int) -> None:
    """Rule: INNER-60, INNER-61, INNER-62, INNER-63, INNER-64, INNER-65"""
    counts = sampler_steps.count_cases(random.Random(op), op, 600)

    assert counts[f"op {op}: proofs refused"] > 500
    assert [path for path in RARE[op] if not counts[f"op {op}: {path}"]] == []
