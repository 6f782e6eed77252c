"""Steps of a real call, proven by a node, recomputed by the verifiers that were deployed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from oyez.chain import step_contracts
from oyez.dispute.machine import get_lane
from oyez.engines.exact.inner_leaves import LANES
from oyez.engines.exact.loading import load_engine
from oyez.protocol import inner, trace
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.inner import Region
from oyez.protocol.inner_frame import Frame, layout_frame
from oyez.protocol.step import ChunkLanes
from oyez.protocol.step_machine import Mode
from oyez.protocol.trace import ChunkType
from tests.courts import PREFIX, REAL, Court, build_court, count_judged, court
from tests.real_calls import check_record
from tests.unit.engine import tiny as models

at = trace.compute_outer_index
#: Bytes of code, immutables included, that nodes take.
CODE_BYTES = 24_000


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
    assert living == set(range(28)) - {16, 25}  # no part of a row: it is short
    # no token stands there: each step opens what says so
    assert check(here, at(0, positions + 1, 0), draw) == set()


def test_wide_rows_are_cut_into_parts(tmp_path: Path) -> None:
    """Beyond 512 positions, too. Rule: INNER-4, INNER-72, INNER-75"""
    shape = models.Shape(
        seed=20,
        layers=1,
        width=32,
        feed_forward=2_080,
        heads=8,
        kv_heads=1,
        head_size=132,
        context=640,
    )
    path = models.write_model(tmp_path / "wide.gguf", shape)
    here, draw = build_court(load_engine(path, sha256=None), 520), random.Random(3)
    last = here.batch.executions[0].positions
    living = check(here, at(0, 3, 0), draw) | check(here, at(0, last, 0), draw)
    assert living == set(range(28))
    for record in (at(0, 513, 0), at(0, last, 0)):
        check_record(here.batch.machine, record, stride=97)


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
        assert len(world.code(part.address)) <= CODE_BYTES, name


def test_each_op_has_one_verifier() -> None:
    """Rule: INNER-72"""
    ops = sorted(op for ops in step_contracts.VERIFIERS.values() for op in ops)
    around = [region.op for frame in Frame for region in layout_frame(frame, 12).regions]
    assert ops == [*range(28), *range(inner.SAMPLER_OPS, inner.SAMPLER_OPS + 21), *around]


@pytest.mark.parametrize("name", ["mixed", "halves", "super"])
def test_every_lane_of_a_layer_is_its_steps(name: str) -> None:
    """Rule: INNER-70, INNER-2"""
    batch = court(name).batch
    last, layers = batch.executions[0].positions, batch.engine.shape.layers
    for record in (at(0, 1, 0), at(0, 3, layers - 1), at(0, last, layers - 1)):
        assert check_record(batch.machine, record) > 5_000


def test_layers_of_the_real_model_obey_their_steps() -> None:
    """A few of the lanes at position 1, at the prefix's end, and beyond 1,000. Rule: INNER-70"""
    batch = court(REAL).batch
    for number, position in enumerate((1, PREFIX, batch.executions[0].positions)):
        for slot in (0, 29):
            check_record(batch.machine, at(0, position, slot), stride=997, offset=number)


def test_lanes_of_the_real_model_are_recomputed_on_chain() -> None:
    """Rule: INNER-72, INNER-75"""
    counts = count_judged(random.Random(5), REAL, 90)
    assert counts.total() >= 90
