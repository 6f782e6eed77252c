"""Inner traces of layers: their last leaves are the outer record, the others lie in place."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.chain.duel_states import Leaf
from oyez.dispute.inner_tree import RecordTree
from oyez.engines.exact import blocks, gguf, inner_leaves, spec, trace, weights
from oyez.engines.exact.backend import Reference
from oyez.engines.exact.inner_layer import LayerInput, LayerTrace
from oyez.engines.exact.inner_leaves import FILLERS, LANES, InnerLeaves
from oyez.engines.exact.weights import Model
from oyez.protocol import inner, step
from oyez.protocol import trace as layouts
from oyez.protocol.constants import INNER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.inner import Layout
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.types import ModelShape
from tests.unit.engine import tiny

LAST = (1 << (INNER_HEIGHT - RECORD_HEIGHT)) - 1


def shape_of(model: Model) -> ModelShape:
    return ModelShape(
        layers=len(model.layers),
        width=model.width,
        feed_forward=model.feed_forward,
        heads=model.heads,
        kv_heads=model.kv_heads,
        head_size=model.head_size,
        vocabulary=model.vocabulary,
        context=model.context,
        position_cost=1,
        model_height=20,
        formats=1,
        missing=b"",
    )


def build(model: Model, layer: int, given: LayerInput) -> InnerLeaves:
    return LayerTrace(model, inner.layout_layer(shape_of(model)), layer).build(given)


@functools.cache
def run(model_path: Path, count: int) -> tuple[Model, list[int], spec.Int64, spec.Int64]:
    model = weights.load_model(gguf.open_gguf(model_path))
    draw = np.random.default_rng(5)
    tokens = [int(token) for token in draw.integers(0, model.vocabulary, count)]
    past = np.zeros((0, len(model.layers), 2 * model.kv_heads * model.head_size), np.int64)
    residuals, lanes = spec.run(model, tokens, past)
    return model, tokens, residuals, lanes


def input_of(path: Path, count: int, position: int, layer: int) -> LayerInput:
    _, tokens, residuals, lanes = run(path, count)
    before = residuals[position - 1, layer - 1].astype(np.int32) if layer else None
    token = None if layer else tokens[position - 1]
    return LayerInput(token, before, lanes[: position - 1, layer].astype(np.int16))


def read(leaves: InnerLeaves, name: str, leaf: int = 0) -> list[int]:
    region = leaves.layout.get(name)
    lanes = step.ChunkLanes(leaves.get_chunk(region.start + leaf))
    return [lanes[i] for i in range(LANES[region.type])]


@pytest.mark.parametrize("name", sorted(tiny.SHAPES))
def test_the_last_leaves_are_the_outer_record(name: str, tiny_paths: dict[str, Path]) -> None:
    """Rule: INNER-70, INNER-71"""
    path = tiny_paths[name]
    count = min(40, tiny.SHAPES[name].context)
    model, _, residuals, lanes = run(path, count)
    roots = trace.compute_roots(residuals.astype(np.int32), lanes.astype(np.int16))

    for layer in range(len(model.layers)):
        for position in (1, 2, count):
            tree = RecordTree(build(model, layer, input_of(path, count, position, layer)))
            assert tree.get_node(RECORD_HEIGHT, LAST) == roots[position - 1, layer].tobytes()


def test_long_contexts_and_wide_feed_forward_take_more_blocks(tmp_path: Path) -> None:
    """Rule: INNER-4, INNER-70"""
    count = 520
    shape = tiny.Shape(
        seed=20,
        layers=1,
        width=32,
        feed_forward=2_080,
        heads=8,
        kv_heads=1,
        head_size=132,
        context=600,
    )
    path = tiny.write_model(tmp_path / "wide.gguf", shape)
    model, _, residuals, lanes = run(path, count)
    roots = trace.compute_roots(residuals.astype(np.int32), lanes.astype(np.int16))

    for position in (256, 257, 512, 513, count):
        leaves = build(model, 0, input_of(path, count, position, 0))
        assert RecordTree(leaves).get_node(RECORD_HEIGHT, LAST) == roots[position - 1, 0].tobytes()
        for name in ("score", "weight", "value"):
            region = leaves.layout.get(name)
            size = LANES[region.type]
            per = inner.POSITIONS // size
            for leaf in range(region.leaves):
                alive = leaf % per * size < position
                kind = leaves.get_chunk(region.start + leaf).type
                assert kind == (region.type if alive else ChunkType.PAD), (name, leaf)
        gated = [lane for leaf in range(5) for lane in read(leaves, "gated", leaf)][:2_080]
        rows, attending = (
            blocks_of(matrix).tolist() for matrix in (model.layers[0].down, model.layers[0].output)
        )
        attention = [lane for leaf in range(3) for lane in read(leaves, "attention", leaf)][:1_056]
        for row in (0, 7, 31):
            parts = read(leaves, "attention_part", row // 16)[row % 16 * 2 :][:2]
            weighted = [w * y for w, y in zip(attending[row], attention, strict=True)]
            assert parts == [sum(weighted[:1_024]), sum(weighted[1_024:])]
            parts = read(leaves, "down_part", row // 8)[row % 8 * 4 :][:4]
            weighted = [w * y for w, y in zip(rows[row], gated, strict=True)]
            assert parts == [sum(weighted[at : at + 1_024]) for at in range(0, 4_096, 1_024)]


def blocks_of(matrix: blocks.Matrix) -> spec.Int64:
    return blocks.decode_weights(matrix, matrix.data)


def test_a_tree_is_over_all_leaves(tiny_paths: dict[str, Path]) -> None:
    """Rule: INNER-71"""
    path = next(iter(tiny_paths.values()))
    model = run(path, 3)[0]
    leaves = build(model, 0, input_of(path, 3, 3, 0))
    tree = RecordTree(leaves)

    level = [layouts.compute_chunk_leaf(leaves.get_chunk(i)) for i in range(1 << INNER_HEIGHT)]
    assert [tree.get_node(0, i) for i in range(len(level))] == level
    for height in range(1, INNER_HEIGHT + 1):
        pairs = zip(level[0::2], level[1::2], strict=True)
        level = [layouts.Hash32(hashlib.sha256(a + b).digest()) for a, b in pairs]
        assert [tree.get_node(height, i) for i in range(len(level))] == level
    assert tree.get_leaf(0) == Leaf(1, leaves.data[0].tobytes())
    assert tree.get_leaf(4_095) == Leaf(0, bytes(1_024))


@given(
    st.sampled_from(
        [ChunkType.INT32, ChunkType.INT16, ChunkType.INT16_REVERSED, ChunkType.BYTES32]
    ),
    st.integers(1, 1_100),
    st.integers(0, 2**32 - 1),
)
def test_chunks_are_encoded_as_the_trace_says(kind: ChunkType, count: int, seed: int) -> None:
    # Rule: INNER-70
    bits = {2: 15, 4: 31, 32: 62}[1_024 // LANES[kind]]
    lanes = np.random.default_rng(seed).integers(-(1 << bits), 1 << bits, (2, count))
    encoded = inner_leaves.encode(kind, lanes)

    for run_lanes, chunks in zip(lanes, encoded, strict=True):
        assert len(chunks) == -(-count // LANES[kind])
        for at, data in enumerate(chunks):
            found = step.ChunkLanes(Chunk(kind, data.tobytes()))
            expected = run_lanes[at * LANES[kind] :][: LANES[kind]].tolist()
            expected += [FILLERS[kind]] * (LANES[kind] - len(expected))
            assert [found[i] for i in range(LANES[kind])] == expected


def test_blocks_after_the_position_are_pad(tiny_paths: dict[str, Path]) -> None:
    """Rule: INNER-70, INNER-5"""
    model = run(path := next(iter(tiny_paths.values())), 5)[0]
    leaves = build(model, 1, input_of(path, 5, 5, 1))
    layout: Layout = leaves.layout

    alive = {name: layout.get(name) for name in ("score", "weight", "value")}
    for name, region in alive.items():
        per = inner.POSITIONS // LANES[region.type]
        for leaf in range(region.leaves):
            kind = leaves.get_chunk(region.start + leaf).type
            assert kind == (ChunkType.PAD if leaf % per else region.type), name
    assert read(leaves, "score")[5:] == [FILLERS[ChunkType.INT32]] * 251
    maximum, scores = read(leaves, "maximum"), read(leaves, "score")
    assert maximum[0] == max(scores[:5])
    assert maximum[1:8] == [FILLERS[ChunkType.INT32]] * 7
    assert read(leaves, "total")[0] == sum(read(leaves, "weight")[:5])
    assert leaves.get_chunk(layout.get("token").start).type is ChunkType.PAD
    assert leaves.get_chunk(layout.get("embedding").start).type is ChunkType.PAD


def test_what_a_trace_follows_from_is_checked(tiny_paths: dict[str, Path]) -> None:
    """Rule: INNER-70"""
    model = run(path := next(iter(tiny_paths.values())), 5)[0]
    given = input_of(path, 5, 5, 0)
    with pytest.raises(ValueError, match="a token or lanes"):
        build(model, 0, LayerInput(None, None, given.past))
    with pytest.raises(ValueError, match="beyond the context"):
        build(model, 0, LayerInput(1, None, np.repeat(given.past, 20, axis=0)))
    with pytest.raises(ValueError, match="token has 1 leaves"):
        InnerLeaves(inner.layout_layer(shape_of(model))).put("token", np.zeros(257, np.int64))


def test_a_record_of_the_real_model(model_path: Path, real_model: Model) -> None:
    """Rule: INNER-70"""
    count, layer = 3, 1
    draw = np.random.default_rng(5)
    tokens = [int(token) for token in draw.integers(0, real_model.vocabulary, count)]
    backend = Reference(real_model)
    cache = backend.new_cache()
    residuals, lanes = backend.run(cache, tokens)
    roots = trace.compute_roots(residuals, lanes)
    given = LayerInput(None, residuals[count - 1, layer - 1], lanes[: count - 1, layer])

    tree = RecordTree(build(real_model, layer, given))

    assert tree.get_node(RECORD_HEIGHT, LAST) == roots[count - 1, layer].tobytes()
