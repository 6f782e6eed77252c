"""Which op stands at an address on chain: the layout of Python, leaf by leaf."""

from __future__ import annotations

import dataclasses
import functools

import pytest
from eth_utils.address import to_canonical_address

from oyez.chain import deploy
from oyez.protocol import inner, inner_frame, trace
from oyez.protocol.constants import LAST_POSITION, LAST_SLOT
from oyez.protocol.inner_frame import Frame
from oyez.protocol.types import Address, ModelShape
from tests.contracts import harness
from tests.contracts.harness import Contract, World, reverts
from tests.contracts.test_step_model import create, fabricate, tiny
from tests.real_calls import RealBatch, build_short_action

PATH = "contracts/StepTable.vy"
VERIFIER = "contracts/mocks/GivenVerifier.vy"
LEAVES = 1 << 12
WIDE = dataclasses.replace(
    harness.SHAPE, layers=16, width=2_048, feed_forward=8_192, heads=32, kv_heads=8, head_size=64
)


#: Shape, table, verifiers of layers, samplers, and what stands around the tokens.
Made = tuple[ModelShape, Contract, list[Address], list[Address], list[Address]]
FRAMES = [inner_frame.layout_frame(frame, 12) for frame in Frame]
FRAME_OPS = sum(len(layout.regions) for layout in FRAMES)


@functools.cache
def tables() -> dict[str, Made]:
    return {"135M": make(harness.SHAPE), "1B": make(WIDE)}


def make(shape: ModelShape) -> Made:
    root, proof = fabricate(shape)
    world = World(harness.settings(models=(deploy.ListedModel(root, shape),)))
    model = create(world, proof)
    # one contract an op, so that none stands for another
    made = [world.deploy(VERIFIER, model.address).address for _ in range(28 + 21 + FRAME_OPS)]
    given = made[:28], made[28:49], made[49:]
    table = world.deploy(PATH, model.address, *given)
    assert table.inner_height() == 12
    return shape, table, *given


def ask(table: Contract, record: int, leaf: int) -> tuple[Address, int, int]:
    verifier, op, kind = table.step_at(record, leaf)
    return Address(to_canonical_address(verifier)), op, kind


def at(call: int, position: int, slot: int) -> int:
    return trace.compute_outer_index(call, position, slot)


@pytest.mark.parametrize("name", ["135M", "1B"])
@pytest.mark.parametrize("sampler", [False, True])
def test_each_leaf_has_the_op_of_the_layout(name: str, sampler: bool) -> None:
    """Rule: INNER-72, INNER-73"""
    shape, table, layers, samplers, _ = tables()[name]
    layout = inner.layout_sampler(shape) if sampler else inner.layout_layer(shape)
    verifiers, first = (samplers, inner.SAMPLER_OPS) if sampler else (layers, 0)
    records = [at(255, LAST_POSITION - 1, LAST_SLOT), at(0, 0, LAST_SLOT)]
    if not sampler:
        records = [at(0, 1, 0), at(255, LAST_POSITION - 1, shape.layers - 1)]
    edges = {region.start + by for region in layout.regions for by in (-1, 0, 1)}
    ends = {region.start + region.leaves + by for region in layout.regions for by in (-1, 0, 1)}

    for record in records:
        for leaf in sorted((edges | ends | set(range(0, LEAVES, 37)) | {LEAVES - 1}) & ALL):
            region = layout.find(leaf)
            if region is None:
                assert ask(table, record, leaf) == (table.address, 255, 1), leaf
            else:
                stated = (verifiers[region.op - first], region.op, region.type)
                assert ask(table, record, leaf) == stated, leaf


ALL = set(range(LEAVES))


def test_a_slot_without_a_record_is_pad() -> None:
    """Invariant 7, Audit 2 M3: where nothing stands is PAD, for any model.

    Rule: INNER-73
    """
    _, table, *_ = tables()["135M"]
    for record in (
        at(0, 1, 30),
        at(0, 0, 3),
        at(0, 0, 30),
        at(7, LAST_POSITION, 2),
        at(7, LAST_POSITION, LAST_SLOT),
        at(255, LAST_POSITION, 30),
    ):
        for leaf in (0, 500, LEAVES - 16):
            assert ask(table, record, leaf) == (table.address, 255, 1)
    step = (bytes(32), bytes(32), 3, 0, 0, 255, bytes(32), 1, bytes(32))
    assert table.recompute(step, bytes(1_024), b"") == inner.DEAD


@pytest.mark.parametrize("frame", Frame)
def test_each_leaf_around_the_tokens_has_the_op_of_the_layout(frame: Frame) -> None:
    """Audit 1 M6: what names the call stands in no position of a prefix.

    Rule: FRAME-1, FRAME-2, INNER-72
    """
    _, table, _, _, verifiers = tables()["135M"]
    layout = inner_frame.layout_frame(frame, 12)
    ops = [region.op for each in FRAMES for region in each.regions]
    for call in (0, 3, 255):
        record = inner_frame.get_record(call, frame)
        for leaf in sorted({*range(0, 240, 1 if call == 3 else 17), *range(LEAVES - 18, LEAVES)}):
            region = layout.find(leaf)
            if region is None:
                assert ask(table, record, leaf) == (table.address, 255, 1), leaf
            else:
                stated = (verifiers[ops.index(region.op)], region.op, region.type)
                assert ask(table, record, leaf) == stated, leaf


def test_the_types_are_those_of_real_records() -> None:
    """Rule: INNER-72, TRACE-18, TRACE-19"""
    _, table, *_ = tables()["135M"]
    engine = tiny("mixed")[0]
    real = RealBatch(engine, build_short_action(engine), [b"hi there", b"\n"])
    for call in (0, 1):
        for frame in Frame:
            record = inner_frame.get_record(call, frame)
            tree = real.machine.open_inner(1, record)
            for leaf in range(LEAVES - 16, LEAVES):
                assert tree.get_leaf(leaf).type in (0, ask(table, record, leaf)[2])


def test_every_op_has_a_verifier() -> None:
    """Rule: INNER-72"""
    root, proof = fabricate(harness.SHAPE)
    world = World(harness.settings(models=(deploy.ListedModel(root, harness.SHAPE),)))
    model = create(world, proof).address
    there = world.deploy(VERIFIER, model).address
    for place in (0, 27):
        with reverts("table: a layer op unverified"):
            layers = [there] * 28
            layers[place] = Address(bytes(20))
            world.deploy(PATH, model, layers, [there] * 21, [there] * FRAME_OPS)
    for place in (0, 20):
        with reverts("table: a sampler op unverified"):
            samplers = [there] * 21
            samplers[place] = harness.STRANGER
            world.deploy(PATH, model, [there] * 28, samplers, [there] * FRAME_OPS)
    for place in (0, FRAME_OPS - 1):
        with reverts("table: a frame op unverified"):
            frames = [there] * FRAME_OPS
            frames[place] = harness.STRANGER
            world.deploy(PATH, model, [there] * 28, [there] * 21, frames)


def test_every_verifier_is_for_the_tables_model() -> None:
    """Invariant 6: steps of another model are none.

    Rule: INNER-72
    """
    root, proof = fabricate(harness.SHAPE)
    world = World(harness.settings(models=(deploy.ListedModel(root, harness.SHAPE),)))
    # the same model twice: another address is another model
    model, other = create(world, proof).address, create(world, proof).address
    good, bad = (world.deploy(VERIFIER, one).address for one in (model, other))

    def deploy_table(given: list[Address]) -> Contract:
        return world.deploy(PATH, model, given[:28], given[28:49], given[49:])

    all_good = [good] * (28 + 21 + FRAME_OPS)
    assert deploy_table(all_good).inner_height() == 12
    for place in range(len(all_good)):
        with reverts("table: steps of another model"):
            deploy_table([*all_good[:place], bad, *all_good[place + 1 :]])
    real = world.deploy("contracts/StepVerifierScores.vy", other).address
    with reverts("table: steps of another model"):
        deploy_table([*all_good[:-1], real])
