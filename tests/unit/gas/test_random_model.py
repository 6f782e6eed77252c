"""A random model: lanes that follow from the position alone, records that are computed."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from oyez.engines.exact import spec
from oyez.engines.exact.backend import Reference
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.inner_layer import LayerInput, LayerTrace
from oyez.engines.exact.inner_leaves import LANES
from oyez.gas import detection, random_model
from oyez.gas.random_model import Plan, SparseBackend
from oyez.protocol import inner
from oyez.protocol.step import ChunkLanes

PLAN = Plan(
    layers=3,
    width=96,
    heads=4,
    kv_heads=2,
    head_size=16,
    feed_forward=64,
    vocabulary=600,
    position=20,
)
TOKENS = [(7 * at) % 600 for at in range(40)]


@functools.cache
def build() -> tuple[ExactEngine, SparseBackend]:
    return random_model.build_engine(PLAN)


def read(engine: ExactEngine, layer: int, given: LayerInput, name: str, count: int) -> list[int]:
    layout = inner.layout_layer(engine.shape)
    leaves, region = LayerTrace(engine.model, layout, layer).build(given), layout.get(name)
    chunks = [leaves.get_chunk(region.start + leaf) for leaf in range(region.leaves)]
    return [lane for c in chunks for lane in map(ChunkLanes(c).__getitem__, range(LANES[c.type]))][
        :count
    ]


def test_however_tokens_are_cut_their_lanes_are_the_same() -> None:
    backend = build()[1]
    residuals, lanes = backend.run(backend.new_cache(), TOKENS)
    assert residuals.shape == (40, 3, 96)
    assert lanes.shape == (40, 3, 64)
    for size in (1, 7, 19, 20):
        cache = backend.new_cache()
        found = [backend.run(cache, TOKENS[at : at + size]) for at in range(0, 40, size)]
        assert (np.concatenate([x for x, _ in found]) == residuals).all()
        assert (np.concatenate([kv for _, kv in found]) == lanes).all()
        assert cache.count == 40
        assert (cache.get_lanes() == lanes).all()
    filled = backend.new_cache()
    filled.fill(lanes[:15])
    (x, _), (y, _) = (backend.run(one, TOKENS[15:]) for one in (filled.fork(), filled))
    assert (x == residuals[15:]).all()
    assert (x == y).all()


@pytest.mark.parametrize("layer", [0, 1])
def test_two_records_of_the_position_are_computed(layer: int) -> None:
    """Both are what an inner trace, and the engine's own arithmetic, make of their inputs."""
    engine, backend = build()
    residuals, lanes = backend.run(backend.new_cache(), TOKENS)
    given = LayerInput(
        None if layer else TOKENS[19], residuals[19, 0] if layer else None, lanes[:19, layer]
    )
    assert read(engine, layer, given, "output", 96) == residuals[19, layer].tolist()
    assert read(engine, layer, given, "record_key_value", 64) == lanes[19, layer].tolist()
    if layer == 0:
        past = lanes[:19].astype(np.int64)
        found, fresh = spec.run(engine.model, TOKENS[19:20], past)
        assert (found[0, 0] == residuals[19, 0]).all()
        assert (fresh[0, 0] == lanes[19, 0]).all()


def test_scores_are_the_engines() -> None:
    engine, backend = build()
    x = backend.run(backend.new_cache(), TOKENS)[0][5, -1]
    expected = Reference(engine.model).logits(x)
    assert (backend.logits(x) == expected).all()
    some = np.array([0, 3, 599], np.int32)
    assert (backend.logits_of(x, some) == expected[some]).all()


def test_a_longer_inference_makes_detection_relatively_shorter() -> None:
    engine, _ = build()
    assert detection.estimate_ratio(engine, 1e6) == 1.0
    assert detection.estimate_ratio(engine, 1e-9) > 1.0
