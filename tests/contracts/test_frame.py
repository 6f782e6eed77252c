"""What the frame's steps share: where records stand, lanes of dead leaves, preimages of digests."""

from __future__ import annotations

import functools
import itertools
import random
from dataclasses import replace

import pytest

from oyez.engines.exact.step_rows import prove_config
from oyez.protocol import codec, step_entry, trace
from oyez.protocol.constants import MAX_PREIMAGE_BYTES
from oyez.protocol.inner import DEAD
from tests import given_models
from tests.contracts.harness import Contract, World, reverts
from tests.contracts.test_step_model import create, tiny, world_of
from tests.machine_fuzz import MODEL


@functools.cache
def harness() -> Contract:
    engine, rows = tiny("mixed")
    world = world_of(engine)
    model = create(world, prove_config(rows, engine.shape.layers))
    return world.deploy("tests/contracts/FrameHarness.vy", model.address)


@functools.cache
def scanner(missing: bytes) -> Contract:
    """The same for a model that has no token for some bytes."""
    world = World()
    model = replace(MODEL, shape=replace(MODEL.shape, missing=missing))
    address = given_models.deploy_model(world, model).address
    return world.deploy("tests/contracts/FrameHarness.vy", address)


def test_records_around_the_model_stand_at_both_ends_of_a_call() -> None:
    """Rule: FRAME-1"""
    at = trace.compute_outer_index
    for call, position, slot in ((0, 0, 0), (7, 2_047, 1), (255, 2_047, 31), (3, 12, 5)):
        assert list(harness().places(at(call, position, slot), 77)) == [
            *(call, at(call, 0, 1), at(call, 2_047, 0)),
            *(at(call, 2_047, 1), at(call, 77, 31), (1 << 12) - 16),
        ]


def test_what_is_wanted_is_listed_in_order() -> None:
    """Rule: FRAME-1"""
    listed = harness().listed(4_095, (1 << 24) - 1, 15)

    assert list(listed.at) == [4_095, 1 << 64 | (1 << 28) - 1, 0]
    assert list(listed.types) == [1, 4, 3]


def test_a_dead_leaf_has_dead_lanes() -> None:
    """Audit 2 H2: no word looks like a dead leaf.

    Rule: INNER-7
    """
    assert list(harness().lane(b"", 3)) == [DEAD] * 3
    words = trace.encode_words([9, 8, 7, -6]).data
    assert list(harness().lane(words, 3)) == [0, -6, 0]


def test_a_preimage_is_what_its_digest_is_of() -> None:
    """Rule: FRAME-3"""
    draw = random.Random(1)
    for size in (0, 1, 64, 136, 512, MAX_PREIMAGE_BYTES):
        data = draw.randbytes(size)
        assert harness().preimage(data, codec.keccak(data)) == data
        with reverts("step: not the preimage"):
            harness().preimage(data + b"\0" if size < 2_048 else data[:-1], codec.keccak(data))


def test_an_h_is_told_by_its_tag_and_length() -> None:
    """Rule: FRAME-3"""
    words = codec.tag("CELL") + bytes(4 * 32)

    assert harness().is_tagged(words, 5)
    assert not harness().is_tagged(words, 6)
    assert not harness().is_tagged(words + bytes(1), 5)
    assert not harness().is_tagged(codec.tag("FIELD") + bytes(4 * 32), 5)


#: need | seen | bounds | bad, from the lowest bit; honest ones and others.
PARTS = (range(4), range(4), (0, 1, 2, 3, 4, 5, 15), (0, 1, 2, 1_024, 2_047))
STATES = [n | s << 2 | b << 4 | bad << 8 for n, s, b, bad in itertools.product(*PARTS)]


@pytest.mark.parametrize("at", [0, 1, 2, 700, 1_022, 1_023])
def test_any_byte_leads_from_any_state_where_it_does_in_python(at: int) -> None:
    """Rule: FRAME-14, FRAME-15"""
    missing, draw = b"\x85\xa0\xc3\xe1\xf4\xff", random.Random(at)
    wild = [draw.randrange(-(1 << 31), 1 << 31) for _ in range(20)] + [-1, -(1 << 31), 1 << 19]
    for state in [0, *draw.sample(STATES, 60), *wild]:
        expected = [step_entry.scan_byte(state, at, byte, missing) for byte in range(256)]
        assert list(scanner(missing).scanned(state, at)) == expected, state
        assert scanner(missing).fault(state, at + 1) == step_entry.find_fault(state, at + 1)
