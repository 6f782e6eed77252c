"""Steps of a real call, proven by a node, recomputed by the verifiers that were deployed."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

import pytest
from eth_utils.address import to_canonical_address

from oyez.chain import deploy, step_contracts
from oyez.dispute.machine import get_lane
from oyez.engines.exact.inner_leaves import LANES
from oyez.engines.exact.step_rows import prove_engine
from oyez.protocol import inner, trace
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.inner import Region
from oyez.protocol.manifest_encode import encode_manifest
from oyez.protocol.step import ChunkLanes
from oyez.protocol.step_machine import Mode
from oyez.protocol.trace import ChunkType
from oyez.protocol.types import Address, Field, FieldType, Role
from tests.contracts import harness
from tests.contracts.harness import AUTHOR, Contract, World
from tests.contracts.test_step_model import tiny
from tests.real_calls import RealBatch, build_short_action

at = trace.compute_outer_index
WARM = 52_429
#: Bytes of code, immutables included, that nodes take.
EIP_170 = 24_576
MOOD = Field(
    b"mood",
    FieldType.ENUM,
    Role.WRITES,
    b"good",
    options=(b"bad", b"badly made", b"good"),
    biases=(0, -70_000, 3),
)
NOTE = Field(b"note", FieldType.STRING, Role.WRITES, b"none", limit=5)
COUNT = Field(b"n", FieldType.INTEGER, Role.WRITES, 0, low=-12, high=120, digits=4)


@dataclass(frozen=True)
class Court:
    """A call that ran, and a deployment with the steps of its model."""

    batch: RealBatch
    world: World
    table: Contract

    def judge(self, record: int, leaf: int, lane: int) -> int:
        """Return what the table's verifier makes of a lane."""
        machine = self.batch.machine
        tree = machine.open_inner(1, record)
        proof = machine.prove_step(1, record, leaf, lane)
        verifier, op, _ = self.table.step_at(record, leaf)
        step = (
            self.batch.result.claim.trace_root,
            tree.get_node(tree.height, 0),
            record,
            leaf,
            lane,
            op,
            bytes(32),
            1,
            bytes(32),
        )
        contract = Contract(self.world, Address(to_canonical_address(verifier)))
        value = contract.recompute(step, tree.get_leaf(leaf).raw, proof)
        assert isinstance(value, int)
        return value


@functools.cache
def court(name: str) -> Court:
    engine = tiny(name)[0]
    action = build_short_action(
        engine,
        fields=(MOOD, NOTE, COUNT),
        temperature=WARM,
        output_tokens=52,
        fixed_positions=55,
        max_input=8,
    )
    batch = RealBatch(engine, action, [b"a day"])
    listed = deploy.ListedModel(engine.model_root, engine.shape)
    world = World(harness.settings(models=(listed,), proof=prove_engine(engine)))
    world.actions.publish(encode_manifest(action), sender=AUTHOR)
    return Court(batch, world, world.parts["StepTable"])


def list_lanes(here: Court, record: int, region: Region, draw: random.Random) -> list[int]:
    """Pick lanes of a leaf: the first ones, those around the last value, some in between."""
    tree = here.batch.machine.open_inner(1, record)
    chunk = tree.get_chunk(region.start)
    if chunk.type is ChunkType.PAD:
        return [0]
    count = LANES[region.type]
    return sorted({0, 1, 2, count - 1, draw.randrange(count), draw.randrange(min(count, 64))})


def find_modes(here: Court) -> dict[Mode, int]:
    """Return a sampler's record of each mode."""
    found: dict[Mode, int] = {}
    for record in here.batch.list_records(0):
        if inner.get_slot(record) == LAST_SLOT:
            tree = here.batch.machine.open_inner(1, record)
            leaf = tree.leaves.layout.get("mode").start
            found.setdefault(Mode(ChunkLanes(tree.get_chunk(leaf))[0]), record)
    return found


def check(here: Court, record: int, draw: random.Random) -> set[int]:
    """Judge some lanes of each region of a record; return the ops that were living."""
    layout = here.batch.machine.model.get_layout(record)
    assert layout is not None
    tree = here.batch.machine.open_inner(1, record)
    living = set()
    for region in layout.regions:
        if not region.leaves:
            continue
        for leaf in sorted({region.start, region.start + draw.randrange(region.leaves)}):
            chunk = tree.get_chunk(leaf)
            lanes = [0] if chunk.type is ChunkType.PAD else list_lanes(here, record, region, draw)
            for lane in lanes:
                where = (region.name, leaf - region.start, lane)
                assert here.judge(record, leaf, lane) == get_lane(chunk, lane), where
            if chunk.type is not ChunkType.PAD:
                living.add(region.op)
    return living


@pytest.mark.parametrize("name", ["mixed", "halves", "super"])
def test_layers_of_a_call(name: str) -> None:
    """Rule: INNER-72, INNER-75, INNER-8, INNER-9"""
    here, draw = court(name), random.Random(1)
    positions, layers = here.batch.executions[0].positions, here.batch.engine.shape.layers
    living = set()
    for record in (at(0, 1, 0), at(0, positions, layers - 1), at(0, 20, 0)):
        living |= check(here, record, draw)
    assert living == set(range(27)) - {24}  # no part of a row: it is short
    # no token stands there: each step opens what says so
    assert check(here, at(0, positions + 1, 0), draw) == set()


@pytest.mark.parametrize("name", ["mixed", "super"])
def test_samplers_of_a_call(name: str) -> None:
    """Rule: INNER-72, INNER-75"""
    here, draw = court(name), random.Random(2)
    modes, living = find_modes(here), set()
    assert set(modes) == set(Mode)
    for record in modes.values():
        living |= check(here, record, draw)
    assert living == set(range(32, 53))
    assert check(here, at(0, here.batch.executions[0].positions + 1, LAST_SLOT), draw) == set()
    assert check(here, at(0, 0, LAST_SLOT), draw) == set()


def test_what_is_deployed_fits() -> None:
    """Rule: INNER-72"""
    world = court("mixed").world
    assert list(world.parts) == list(court("mixed").world.settings.names)
    for name, part in world.parts.items():
        assert len(world.code(part.address)) <= EIP_170, name


def test_each_op_has_one_verifier() -> None:
    """Rule: INNER-72"""
    ops = sorted(op for ops in step_contracts.VERIFIERS.values() for op in ops)
    assert ops == [*range(27), *range(inner.SAMPLER_OPS, inner.SAMPLER_OPS + 21)]
