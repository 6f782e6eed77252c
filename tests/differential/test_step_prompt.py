"""Prompts and outputs: Python and verifiers say the same of any world, and open nothing else."""

from __future__ import annotations

import random

import pytest

from tests import prompt_steps

#: Paths that are rare, and must come up.
RARE = {
    96: (
        *("0 leaves, 0 rows: below 0", "1 leaves, 0 rows: dead", "1 leaves, 2 rows: alive"),
        *("2 leaves, 2 rows: alive", "3 leaves, 2 rows: alive", "4 leaves, 2 rows: alive"),
    ),
    97: ("1 leaves, 0 rows: dead", "2 leaves, 0 rows: filler", "3 leaves, 0 rows: alive"),
    98: ("1 leaves, 0 rows: dead", "2 leaves, 0 rows: dead", "2 leaves, 0 rows: alive"),
    112: ("1 leaves, 0 rows: below 0", "2 leaves, 0 rows: alive", "3 leaves, 0 rows: alive"),
    113: ("1 leaves, 0 rows: dead", "2 leaves, 0 rows: alive", "3 leaves, 0 rows: alive"),
    114: ("3 leaves, 0 rows: zero", "4 leaves, 0 rows: zero", "4 leaves, 1 rows: alive"),
    115: ("1 leaves, 0 rows: dead", "2 leaves, 0 rows: alive", "3 leaves, 0 rows: alive"),
}


@pytest.mark.parametrize("op", sorted(RARE))
def test_python_and_verifier_say_the_same(op: int) -> None:
    """Rule: FRAME-36, FRAME-39, FRAME-40, FRAME-41, FRAME-46, FRAME-47, FRAME-48, FRAME-49"""
    counts = prompt_steps.count_cases(random.Random(op), op, 500)

    assert counts[f"op {op}: proofs refused"] > 450
    assert [path for path in RARE[op] if not counts[f"op {op}: {path}"]] == []
