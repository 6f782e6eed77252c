"""The sampler's frame on chain: what it takes no proof for, and what a step of it costs."""

from __future__ import annotations

import random

import pytest
from eth_abi.abi import decode, encode

from oyez.dispute import step_proof
from oyez.protocol import machine_words, trace
from oyez.protocol.inner import DEAD
from oyez.protocol.machine import MachineState, Phase
from oyez.protocol.step import Address
from oyez.protocol.step_machine import Mode
from oyez.protocol.step_scores import NO_TOKEN
from oyez.protocol.trace import PAD_INT32, Chunk, encode_int32, encode_words
from tests import sampler_steps
from tests.contracts.harness import reverts
from tests.sampler_steps import Case
from tests.steps import World

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


def build_world(**chunks: Chunk) -> World:
    """Return a world of these leaves of a sampler, and nothing else."""
    layout = sampler_steps.bench().layout
    made = {layout.get(name).start: chunk for name, chunk in chunks.items()}
    world = World(made.__getitem__, lambda *_: trace.PAD_CHUNK, lambda *_: b"")
    world.manifests = sampler_steps.bench().manifests
    return world


def ask(world: World, name: str, lane: int) -> int:
    """Return what both sides say of a lane in a region's first leaf."""
    start = sampler_steps.bench().layout.get(name).start
    address = Address(2 << 16 | 9 << 5 | 31, start, lane)
    case = sampler_steps.build_case(random.Random(lane), address, bytes(1_024), world)
    assert case.ask() == case.value
    return case.value


@pytest.mark.parametrize(
    ("best", "answers"),
    [
        (NO_TOKEN - 1, [2, 0]),
        (NO_TOKEN, [4, PAD_INT32]),
        (NO_TOKEN + 1, [2, 2**24 - 2]),
        ((7 << 24) + 5, [2, 2**24 - 6]),
    ],
)
def test_only_one_number_says_that_no_token_is_allowed(best: int, answers: list[int]) -> None:
    """Rule: INNER-62"""
    world = build_world(mode=encode_int32([Mode.FREE]), top=encode_words([best] * 32))
    assert [ask(world, "next", lane) for lane in (0, 1)] == answers


@pytest.mark.parametrize(("so_far", "alive"), [(36, 4), (37, 3), (38, 2), (39, 1)])
def test_a_queue_ends_at_the_limit(so_far: int, alive: int) -> None:
    """The next token is one more; the output has 40 at most.

    Rule: INNER-65
    """
    limited = next(iter(sampler_steps.bench().manifests))
    state = machine_words.pack_state(MachineState(Phase.CHOICE, 0, 5))
    context = encode_words([state, 0, limited])
    before = encode_int32([2, so_far, 99])
    run = [lane for token in range(100, 110) for lane in (token, token)]
    # of the second option tokens end at 2, 5 (where the value stands), 6, 7, ...
    ends = [2, 5, *range(6, 20)]
    option = [lane for token, end in enumerate(ends, 98) for lane in (token, end)]
    shared = {"next": encode_int32([1, 100]), "before": before, "context": context}
    worlds = (
        build_world(mode=encode_int32([Mode.RUN]), run_tokens=encode_int32(run), **shared),
        build_world(
            mode=encode_int32([Mode.CHOICE]),
            candidates=encode_int32([-1, 0, 100, 0, -1, 0] + [PAD_INT32] * 250),
            options=encode_int32([PAD_INT32] * 128 + option),
            **shared,
        ),
    )
    expected = ([101, 102, 103, 104, 105][: alive - 1] + [PAD_INT32] * 5)[:5]
    for world in worlds:
        found = [ask(world, "queue", lane) for lane in range(5)]
        assert found == [DEAD if alive < 2 else expected[0], *expected[1:]]


def test_each_step_is_cheap_as_a_transaction() -> None:
    """Rule: INNER-65"""
    for op in sampler_steps.LANES:
        assert 40_000 < sampler_steps.find_gas(random.Random(op), op, 150) < MOST_GAS, op
