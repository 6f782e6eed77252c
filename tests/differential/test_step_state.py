"""A state's record: Python and verifiers say the same of any world, and take no other proof."""

from __future__ import annotations

import random

import pytest

from tests import state_steps

#: Paths that are rare, and must come up.
RARE = {
    80: ("1 opened, 1 known: alive", "2 opened, 1 known: filler", "1 opened, 0 known: dead"),
    81: ("0 opened, 1 known: filler", "2 opened, 1 known: alive", "1 opened, 0 known: dead"),
    82: ("1 opened, 1 known: filler", "2 opened, 0 known: filler", "2 opened, 1 known: alive"),
    83: ("1 opened, 1 known: filler", "2 opened, 0 known: filler", "2 opened, 1 known: alive"),
    84: ("1 opened, 1 known: filler", "2 opened, 0 known: filler", "2 opened, 1 known: alive"),
    85: ("3 opened, 0 known: alive", "4 opened, 0 known: alive", "5 opened, 0 known: alive"),
    86: ("2 opened, 1 known: alive", "3 opened, 1 known: dead", "3 opened, 0 known: alive"),
    87: ("2 opened, 1 known: alive", "3 opened, 1 known: alive", "1 opened, 0 known: alive"),
    88: ("3 opened, 1 known: alive", "4 opened, 1 known: alive", "2 opened, 0 known: alive"),
    89: ("2 opened, 0 known: alive", "4 opened, 0 known: alive", "3 opened, 0 known: dead"),
    90: ("2 opened, 0 known: alive", "3 opened, 0 known: alive", "0 opened, 0 known: alive"),
    91: ("1 opened, 0 known: dead", "2 opened, 0 known: alive", "2 opened, 0 known: dead"),
    92: ("1 opened, 0 known: dead", "2 opened, 0 known: alive", "2 opened, 0 known: dead"),
    93: ("5 opened, 1 known: alive", "4 opened, 0 known: alive", "5 opened, 0 known: alive"),
}


@pytest.mark.parametrize("op", sorted(state_steps.VERIFIERS))
def test_python_and_verifier_say_the_same(op: int) -> None:
    """Audit 2 H9: a word is kept under the same name and type alone.

    Rule: FRAME-20, FRAME-21, FRAME-22, FRAME-23, FRAME-24, FRAME-25, FRAME-26, FRAME-27

    Rule: FRAME-28, FRAME-29, FRAME-30, FRAME-31, FRAME-32
    """
    counts = state_steps.count_cases(random.Random(op), op, 240)

    assert counts[f"op {op}: proofs refused"] > 200
    assert [path for path in RARE[op] if not counts[f"op {op}: {path}"]] == []
