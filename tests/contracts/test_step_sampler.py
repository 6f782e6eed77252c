"""The sampler's frame on chain: what it takes no proof for, and what a step of it costs."""

from __future__ import annotations

import random

from eth_abi.abi import decode, encode

from oyez.dispute import step_proof
from tests import sampler_steps
from tests.contracts.harness import reverts
from tests.sampler_steps import Case

#: Of a whole transaction that asks one step and nothing else; a duel's resolve adds its own.
MOST_GAS = 270_000


def find_case(op: int, rows: int) -> Case:
    """Return the first case of an op that reads so many rows, and some leaf."""
    draw = random.Random(op)
    while True:
        case = sampler_steps.draw_case(draw, op)
        if len(case.read.rows) == rows and case.read.chunks:
            return case


def test_a_row_is_given_where_one_is_read_and_nowhere_else() -> None:
    """Rule: INNER-63"""
    with_row, without = find_case(50, 1), find_case(50, 0)
    leaves, rows, hint = decode(step_proof.PROOF_TYPES, with_row.proof)

    def give(case: Case, given: tuple[object, ...]) -> None:
        own, _, _ = decode(step_proof.PROOF_TYPES, case.proof)
        case.ask(proof=encode(step_proof.PROOF_TYPES, (own, given, hint)))

    assert with_row.ask() == with_row.value
    with reverts("step: the next token's row"):
        give(with_row, ())
    with reverts("step: no row of the sampler"):
        give(without, rows)
    ((data, siblings),) = rows
    with reverts("step: not under the model root"):
        give(with_row, ((data + b"\0", siblings),))
    with reverts("step: wrong openings"):
        with_row.ask(proof=encode(step_proof.PROOF_TYPES, (leaves[:-1], rows, hint)))


def test_each_step_is_cheap_as_a_transaction() -> None:
    """Rule: INNER-65"""
    for op in sampler_steps.LANES:
        assert 40_000 < sampler_steps.find_gas(random.Random(op), op, 150) < MOST_GAS, op
