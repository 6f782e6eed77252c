"""Lanes of rows in honest traces of small models: the engine's, the steps' and the contracts'."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from oyez.dispute import step_proof
from oyez.dispute.step_proof import RecordedReads
from oyez.engines.exact import spec
from oyez.engines.exact.inner_layer import LayerInput, LayerTrace
from oyez.engines.exact.inner_leaves import LANES, InnerLeaves
from oyez.engines.exact.step_rows import ModelRows, build_step_model, prove_config
from oyez.protocol import inner, step, step_rows, trace
from oyez.protocol.constants import LAST_SLOT, OUTER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.inner import Region
from oyez.protocol.step import Address, ChunkLanes, StepModel
from oyez.protocol.trace import Chunk
from tests.contracts.harness import Contract
from tests.contracts.test_step_model import create, tiny, world_of
from tests.row_cases import ROWS
from tests.steps import SparseTree, World

POSITION = 5
#: A layer's record is the last chunks of its inner trace.
RECORD_LEAF = (1 << 12) - 16


@dataclass(frozen=True)
class Run:
    """A small model and the inner traces of one position: of its layers, then of its logits."""

    model: StepModel
    rows: ModelRows
    traces: tuple[InnerLeaves, ...]

    def list_regions(self) -> Iterator[tuple[int, InnerLeaves, Region]]:
        """Yield slot, leaves and region of each op of rows."""
        for at, leaves in enumerate(self.traces):
            is_last = at == len(self.traces) - 1
            for region in leaves.layout.regions:
                is_made = region.leaves > 0 and (region.name != "embedding" or at == 0)
                if region.op in step_rows.OPS and is_made:
                    yield LAST_SLOT if is_last else at, leaves, region

    def source_of(self, slot: int) -> World:
        """Return what a step of a record reads."""
        at = len(self.traces) - 1 if slot == LAST_SLOT else slot

        def get_outer(_record: int, chunk: int) -> Chunk:
            return self.traces[slot - 1].get_chunk(RECORD_LEAF + chunk)

        return World(self.traces[at].get_chunk, get_outer, self.rows.get_row)


@functools.cache
def run(name: str) -> Run:
    engine, rows = tiny(name)
    model = engine.model
    tokens = [37 * i % model.vocabulary for i in range(1, POSITION + 1)]
    past = np.zeros((0, len(model.layers), 2 * model.kv_heads * model.head_size), np.int64)
    residuals, lanes = spec.run(model, tokens, past)
    layout = inner.layout_layer(engine.shape)
    traces = []
    for layer in range(len(model.layers)):
        x = residuals[-1, layer - 1].astype(np.int32) if layer else None
        token = None if layer else tokens[-1]
        given = LayerInput(token, x, lanes[:-1, layer].astype(np.int16))
        traces.append(LayerTrace(model, layout, layer).build(given))

    x = residuals[-1:, -1]
    y = spec.normalise(model, x, model.output_norm)
    root = spec.root_mean_square(x, model.epsilon)[0]
    shifted = model.output_norm.exponent + root.bit_length() + 7 - int(y.format[0])
    chunks = -(-model.width // 256)
    leaves = InnerLeaves(inner.layout_sampler(engine.shape))
    leaves.put_words("norm", [1] * (2 * chunks) + [root, shifted])
    leaves.put("normed", y.lanes[0])
    leaves.put("logits", spec.compute_logits(model, x[0]))
    return Run(build_step_model(engine), rows, (*traces, leaves))


@functools.cache
def deploy(name: str) -> Contract:
    engine, rows = tiny(name)
    world = world_of(engine)
    model = create(world, prove_config(rows, engine.shape.layers))
    return world.deploy(ROWS, model.address)


@pytest.mark.parametrize("name", ["mixed", "halves", "super"])
def test_every_lane_that_the_engine_makes_is_its_steps(name: str) -> None:
    """Rule: INNER-11, INNER-13, INNER-14, INNER-15, ENGINE-4, ENGINE-8, ENGINE-11, ENGINE-18"""
    made = run(name)
    regions = set()
    for slot, leaves, region in made.list_regions():
        record = trace.compute_outer_index(2, POSITION, slot)
        source = made.source_of(slot)
        regions.add(region.name)
        for leaf in range(region.start, region.start + region.leaves):
            lanes = ChunkLanes(leaves.get_chunk(leaf))
            for lane in range(LANES[region.type]):
                address, reads = Address(record, leaf, lane), RecordedReads(source)
                answer = step.recompute(step_rows.OPS, made.model, address, lanes, reads)
                assert answer == lanes[lane], (region.name, address)
    assert len(regions) == 9


@pytest.mark.parametrize("name", ["mixed", "halves", "super"])
def test_so_it_is_on_chain_under_the_models_own_root(name: str) -> None:
    """Rule: INNER-8, INNER-9, INNER-11"""
    made, draw = run(name), random.Random(name)
    for slot, leaves, region in made.list_regions():
        for _ in range(3):
            leaf = region.start + draw.randrange(region.leaves)
            lane = draw.choice((0, 1, draw.randrange(30), LANES[region.type] - 1))
            record = trace.compute_outer_index(2, POSITION, slot)
            lanes = ChunkLanes(leaves.get_chunk(leaf))
            reads = RecordedReads(made.source_of(slot))
            address = Address(record, leaf, lane)
            step.recompute(step_rows.OPS, made.model, address, lanes, reads)
            assert ask(name, made, address, region.op, reads) == lanes[lane], region.name


def ask(name: str, made: Run, address: Address, op: int, reads: RecordedReads) -> int:
    found: dict[bool, dict[int, bytes]] = {False: {}, True: {}}
    for outer, index, chunk in reads.read.chunks:
        found[outer][index] = trace.compute_chunk_leaf(chunk)
    inner_tree = SparseTree(12, found[False], 1)
    outer_tree = SparseTree(OUTER_HEIGHT + RECORD_HEIGHT, found[True], 2)
    proof = step_proof.encode_proof(reads.read, inner_tree, outer_tree, made.rows)
    where = (outer_tree.root, inner_tree.root, *address, op, bytes(32), 1, bytes(32))
    answer: int = deploy(name).recompute(where, bytes(1_024), proof)
    return answer
