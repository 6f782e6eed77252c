"""What the verifiers of layers refuse, each with its reason, and what their lanes cost."""

from __future__ import annotations

import random
from typing import Any

from eth_abi.abi import decode, encode

from oyez.dispute import step_proof
from tests import layer_steps
from tests.contracts.harness import reverts
from tests.layer_steps import Case


def find(op: int, lane: int, dead: bool = False) -> Case:
    """Draw until a step of an op is at a lane, with or without dead inputs."""
    draw = random.Random(op)
    while True:
        case = layer_steps.make_case("odd", op, draw)
        kinds = [chunk.type for _, _, chunk in case.read.chunks]
        if case.address.lane == lane and kinds and (0 in kinds) == dead:
            return case


def ask(case: Case, op: int | None = None, rows: list[Any] | None = None) -> int:
    outer, inner, proof = case.prove()
    leaves, given, hint = decode(step_proof.PROOF_TYPES, proof)
    proof = encode(step_proof.PROOF_TYPES, (leaves, given if rows is None else rows, hint))
    step = (outer, inner, *case.address, case.op if op is None else op, bytes(32), 1, bytes(32))
    answer: int = case.place.verifier(case.op).recompute(step, case.raw, proof)
    return answer


def test_each_wrong_row_has_its_reason() -> None:
    """Rule: INNER-22, INNER-25"""
    row: list[Any] = [(b"", [])]
    squares, peaks, scores = find(2, 1), find(2, 3), find(7, 0)

    assert [ask(case) for case in (squares, peaks, scores)] == [
        case.answer for case in (squares, peaks, scores)
    ]
    with reverts("step: a row is not read"):
        ask(squares, rows=row)
    with reverts("step: one row of weights"):
        ask(peaks, rows=[])
    with reverts("step: the dead read no row"):
        ask(find(2, 3, dead=True), rows=row)
    with reverts("step: attention reads no row"):
        ask(scores, rows=row)


def test_ops_of_other_verifiers_are_refused() -> None:
    """Rule: INNER-72"""
    with reverts("step: no op of a layer"):
        ask(find(2, 1), op=1)
    with reverts("step: no op of attention"):
        ask(find(7, 0), op=6)
