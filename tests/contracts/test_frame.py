"""What the frame's steps share: where records stand, lanes of dead leaves, preimages of digests."""

from __future__ import annotations

import functools
import random

from oyez.engines.exact.step_rows import prove_config
from oyez.protocol import codec, trace
from oyez.protocol.constants import MAX_PREIMAGE_BYTES
from oyez.protocol.inner import DEAD
from tests.contracts.harness import Contract, reverts
from tests.contracts.test_step_model import create, tiny, world_of


@functools.cache
def harness() -> Contract:
    engine, rows = tiny("mixed")
    world = world_of(engine)
    model = create(world, prove_config(rows, engine.shape.layers))
    return world.deploy("tests/contracts/FrameHarness.vy", model.address)


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
