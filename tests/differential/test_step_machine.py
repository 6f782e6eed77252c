"""The byte machine's steps are worth on chain what Python says, and nothing else opens them."""

from __future__ import annotations

import functools
import itertools
import random
from collections import Counter
from collections.abc import Callable

import pytest
from eth_abi.abi import decode, encode

from oyez.dispute.step_proof import PROOF_TYPES
from oyez.engines.exact.loading import load_engine
from oyez.engines.exact.locate import find_model
from oyez.engines.exact.step_rows import ModelRows, build_step_model
from oyez.protocol import inner, machine_words, masks, step_machine, trace
from oyez.protocol.constants import MAX_TOKEN_BYTES
from oyez.protocol.errors import Invalid
from oyez.protocol.inner import Layout
from oyez.protocol.machine import SAMPLED_PHASES, MachineState
from oyez.protocol.step import Address, StepModel
from oyez.protocol.step_machine import Mode
from oyez.protocol.trace import Chunk
from oyez.protocol.vocabulary import Vocabulary
from tests import machine_steps
from tests.contracts.harness import Reverted
from tests.machine_steps import Walked
from tests.steps import World

#: Different lanes of 200 random steps of each op, at least.
KINDS = {34: 8, 35: 15, 36: 50, 43: 10, 49: 15}


@pytest.mark.parametrize("op", list(machine_steps.OPS))
def test_a_lane_is_worth_the_same_on_chain(op: int) -> None:
    """Rule: INNER-40, INNER-41, INNER-42, INNER-43, INNER-44, INNER-45, INNER-46"""
    draw = random.Random(op)
    seen: Counter[int] = Counter()
    for number in range(200):
        case = machine_steps.make_case(draw, op)
        seen[machine_steps.check(case, number)] += 1
    assert len(seen) >= KINDS[op]


@pytest.mark.parametrize("op", list(machine_steps.OPS))
def test_nothing_else_opens_a_step(op: int) -> None:
    """Rule: INNER-8, INNER-9"""
    draw = random.Random(op)
    for number in range(60):
        machine_steps.check_refused(draw, machine_steps.make_case(draw, op), number)


def test_each_of_eight_rows_is_opened() -> None:
    """Rule: INNER-9"""
    draw = random.Random(43)
    case = machine_steps.make_case(draw, 43)
    while len(case.recompute()[1].rows) < 8:
        case = machine_steps.make_case(draw, 43)
    described, proof = case.prove(case.recompute()[1])
    leaves, rows, hint = decode(PROOF_TYPES, proof)
    for at, part in itertools.product(range(8), range(2)):
        damaged = [list(row) for row in rows]
        if part == 0:
            damaged[at][0] += b"a"
        elif damaged[at][1]:
            damaged[at][1] = (bytes(32), *damaged[at][1][1:])
        else:
            continue
        with pytest.raises(Reverted, match=r"^step: "):
            case.ask(described, encode(PROOF_TYPES, (leaves, damaged, hint)))


def place_machine(walked: Walked, state: MachineState) -> Callable[[int], Chunk]:
    """Leaves of a sampler that samples in this state."""
    context = [
        machine_words.pack_state(state),
        state.value,
        int.from_bytes(walked.published.manifest.hash, "big"),
    ]

    def make(leaf: int) -> Chunk:
        is_mode = leaf == layout().get("mode").start
        return trace.encode_int32([Mode.FREE]) if is_mode else trace.encode_words(context)

    return make


def layout() -> Layout:
    return inner.layout_sampler(real()[0].shape)


@functools.cache
def real() -> tuple[StepModel, ModelRows, Vocabulary]:
    engine = load_engine(find_model())
    return build_step_model(engine), ModelRows(engine), engine.vocabulary


@pytest.mark.parametrize("number", range(8))
def test_the_mask_is_the_references_over_a_whole_vocabulary(number: int) -> None:
    """Rule: INNER-45, DECODE-8"""
    model, rows, vocabulary = real()
    draw = random.Random(number)
    phase = SAMPLED_PHASES[number % 4]
    walked, state = draw.choice(
        [(w, s) for w in machine_steps.walks() for s in w.states if s.phase is phase]
    )
    machine = walked.published.machine
    allowed = masks.allowed_tokens(machine, state, vocabulary)
    data = [token or b"" for token in vocabulary.tokens]
    assert allowed == [i for i, d in enumerate(data) if step_machine.may_sample(machine, state, d)]

    world = World(place_machine(walked, state), lambda *_: trace.PAD_CHUNK, rows.get_row)
    world.manifests[walked.published.manifest.hash] = walked.data
    some = [token // 8 for token in allowed]
    for lane in (*draw.sample(some, min(len(some), 8)), *draw.sample(range(6_144), 8), 0, 6_143):
        leaf = layout().get("mask").start + lane // 256
        at = Address(3 << 16 | 9 << 5 | 31, leaf, lane % 256)
        case = machine_steps.Case(43, at, trace.encode_int32([]), world, model, rows)
        value, read = case.recompute()
        bits = sum(1 << token % 8 for token in allowed if token // 8 == lane)
        assert case.ask(*case.prove(read)) == value == bits


def test_longer_tokens_are_refused_by_name() -> None:
    """Rule: INNER-47"""
    step_machine.verify_tokens(Vocabulary([b"a" * MAX_TOKEN_BYTES, None]))
    with pytest.raises(Invalid, match="token 1 has 129 bytes"):
        step_machine.verify_tokens(Vocabulary([None, b"a" * (MAX_TOKEN_BYTES + 1)]))
