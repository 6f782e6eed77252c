"""ENTRY, ROOTS, last record: Python and verifiers agree on any world, and on no other proof."""

from __future__ import annotations

import random

import pytest

from tests import frame_steps

#: Paths that are rare, and must come up: chunks opened, preimages asked for, what is answered.
RARE = {
    64: ((0, 1, "alive"), (0, 1, "dead")),
    65: ((1, 9, "alive"), (1, 0, "dead"), (0, 0, "alive"), (1, 0, "alive")),
    66: ((2, 1, "alive"), (1, 1, "0"), (2, 0, "dead")),
    67: ((3, 0, "alive"), (2, 0, "dead"), (1, 0, "filler")),
    68: ((3, 1, "alive"), (2, 1, "alive"), (1, 1, "0"), (2, 0, "dead")),
    69: ((2, 1, "0"), (2, 1, "filler"), (1, 1, "alive"), (2, 0, "dead")),
    70: ((2, 2, "alive"), (2, 1, "alive"), (0, 1, "alive"), (2, 2, "0")),
    71: ((2, 1, "alive"), (1, 1, "0")),
    72: ((2, 0, "alive"), (2, 0, "dead")),
    144: ((2, 0, "alive"), (1, 0, "alive"), (1, 0, "0"), (2, 0, "dead")),
    145: ((3, 0, "alive"), (2, 0, "dead"), (1, 0, "0"), (0, 0, "alive")),
    146: ((4, 0, "alive"), (3, 0, "alive"), (0, 1, "alive"), (1, 0, "alive")),
    147: ((3, 1, "alive"), (2, 1, "alive"), (1, 1, "0"), (2, 0, "dead")),
    148: ((3, 1, "alive"), (3, 1, "0"), (2, 1, "alive"), (1, 0, "alive")),
    149: ((2, 1, "alive"), (1, 1, "alive"), (1, 0, "alive"), (2, 0, "filler")),
    150: ((3, 1, "alive"), (2, 1, "alive"), (3, 1, "dead"), (2, 1, "0")),
    151: ((5, 0, "alive"), (5, 0, "dead"), (3, 0, "alive"), (2, 0, "alive")),
    152: ((1, 0, "alive"), (1, 0, "dead"), (0, 0, "filler")),
    153: ((2, 0, "alive"), (1, 0, "alive"), (0, 0, "0")),
    160: ((1, 1, "alive"), (1, 1, "dead"), (0, 0, "0")),
}


@pytest.mark.parametrize("op", sorted(frame_steps.LANES))
def test_python_and_verifiers_say_the_same(op: int) -> None:
    """Rule: FRAME-10, FRAME-11, FRAME-12, FRAME-13, FRAME-14, FRAME-15, FRAME-16, FRAME-17
    Rule: FRAME-18, FRAME-19, FRAME-70, FRAME-71, FRAME-72, FRAME-73, FRAME-74, FRAME-75
    Rule: FRAME-76, FRAME-77, FRAME-78, FRAME-79, FRAME-85
    """
    counts = frame_steps.count_cases(random.Random(op), op, 200)

    assert counts[f"op {op}: proofs refused"] == 200
    paths = [f"op {op}: {opened} opened, {asked} asked: {said}" for opened, asked, said in RARE[op]]
    assert [path for path in paths if not counts[path]] == []
