"""What an output holds and computes: Python and verifiers agree, and take no other opening."""

from __future__ import annotations

import random

import pytest

from tests import output_calls, output_steps

#: Paths that are rare, and must come up.
RARE = {
    116: ("1 opened: dead", "2 opened: alive", "3 opened: alive"),
    117: ("0 opened: filler", "1 opened: filler", "2 opened: dead", "2 opened: alive"),
    118: ("1 opened: dead", "2 opened: alive", "2 opened: dead", "3 opened: alive"),
    119: ("1 opened: dead", "1 opened: filler", "2 opened: alive", "2 opened: filler"),
    120: ("1 opened: dead", "2 opened: zero", "3 opened: alive", "4 opened: alive"),
    121: ("1 opened: alive", "2 opened: alive", "2 opened: dead", "4 opened: alive"),
    122: ("1 opened: filler", "2 opened: alive", "2 opened: dead", "3 opened: zero"),
    123: ("0 opened: alive", "1 opened: alive", "4 opened: zero", "4 opened: alive"),
    124: ("1 opened: dead", "2 opened: alive", "3 opened: zero", "3 opened: alive"),
    125: ("0 opened: zero", "1 opened: dead", "1 opened: alive", "2 opened: alive"),
    126: ("1 opened: dead", "2 opened: zero", "3 opened: alive"),
    127: ("1 opened: dead", "1 opened: alive", "2 opened: alive"),
}


@pytest.mark.parametrize("op", sorted(output_calls.OPS))
def test_python_and_verifier_say_the_same(op: int) -> None:
    """Rule: FRAME-52, FRAME-53, FRAME-54, FRAME-55, FRAME-56, FRAME-57, FRAME-60, FRAME-61
    Rule: FRAME-62, FRAME-63, FRAME-64, FRAME-65, FRAME-66, FRAME-67, FRAME-68, FRAME-69
    """
    cases = 200 * output_steps.count_kinds(op)
    counts = output_steps.count_cases(random.Random(op), op, cases)

    assert counts[f"op {op}: lanes"] == cases
    assert counts[f"op {op}: step: wrong openings"] > 10
    assert [path for path in RARE[op] if not counts[f"op {op}: {path}"]] == []
