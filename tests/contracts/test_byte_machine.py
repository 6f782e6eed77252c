"""The byte machine on chain allows, forces and packs what the reference does, from any state."""

from __future__ import annotations

import random

import pytest
from eth_abi.abi import decode, encode

from oyez.dispute.step_proof import PROOF_TYPES
from oyez.protocol import machine_words
from oyez.protocol.machine import MachineState, Phase
from tests import machine_fuzz as fuzz
from tests import machine_steps
from tests.contracts.harness import reverts
from tests.manifests import BOUND


@pytest.mark.parametrize("seed", range(30))
def test_random_manifests(seed: int) -> None:
    """Rule: INNER-40, DECODE-1, DECODE-2, DECODE-4, DECODE-5, DECODE-6, DECODE-7, DECODE-13"""
    draw = random.Random(seed)
    fuzz.compare_manifest(draw, fuzz.random_case(draw))


@pytest.mark.parametrize("case", range(17))
def test_manifests_at_the_bounds(case: int) -> None:
    """Rule: INNER-40, DECODE-1, DECODE-4, DECODE-13"""
    fuzz.compare_manifest(random.Random(case), fuzz.awkward()[case], states=24)


@pytest.mark.parametrize("missing", fuzz.POOR)
def test_models_that_spell_few_characters(missing: bytes) -> None:
    """Rule: DECODE-3"""
    draw = random.Random(len(missing))
    for data in fuzz.awkward()[-5:-3]:
        fuzz.compare_manifest(draw, data, missing, states=20)


def test_what_is_no_step_of_theirs_is_refused() -> None:
    """Rule: INNER-2"""
    case = machine_steps.make_case(random.Random(1), 34)
    _, read = case.recompute()
    described, proof = case.prove(read)
    other = (*described[:5], 37, *described[6:])
    with reverts("step: no mode, no mask"):
        machine_steps.verifier("Mask").recompute(other, case.own.data, proof)
    with reverts("step: no run, no walk"):
        machine_steps.verifier("Machine").recompute(other, case.own.data, proof)


@pytest.mark.parametrize(
    ("op", "reason"), [(34, "step: wrong token rows"), (35, "step: the token's row")]
)
def test_no_row_comes_along_that_is_not_read(op: int, reason: str) -> None:
    """Rule: INNER-8"""
    case = machine_steps.make_case(random.Random(1), op)
    _, read = case.recompute()
    described, proof = case.prove(read)
    leaves, rows, hint = decode(PROOF_TYPES, proof)
    more = encode(PROOF_TYPES, (leaves, [*rows, (b"\x01\x00\x01a", [])], hint))
    with reverts(reason):
        case.ask(described, more)


def test_no_digit_makes_a_magnitude_overflow() -> None:
    """Rule: INNER-40, DECODE-6"""
    published = fuzz.lay_out(fuzz.publish(fuzz.awkward()[-6]))
    harness = fuzz.contract(fuzz.HARNESS)
    for number in range(len(published.written)):
        for magnitude in (BOUND, BOUND // 10, BOUND // 10 + 1, (2**256 - 1) // 10, -1, -BOUND - 1):
            for length in (0, 1, 76, 77):
                state = MachineState(Phase.INTEGER, number, length, value=magnitude)
                word = machine_words.pack_state(state)
                fuzz.compare_state(harness, published, word, magnitude)


@pytest.mark.parametrize("case", range(17))
def test_states_at_their_bounds(case: int) -> None:
    """Rule: INNER-40"""
    published = fuzz.lay_out(fuzz.publish(fuzz.awkward()[case]))
    edges = fuzz.list_edges(published)
    for word, magnitude in random.Random(case).sample(edges, min(len(edges), 120)):
        fuzz.compare_state(fuzz.contract(fuzz.HARNESS), published, word, magnitude)
