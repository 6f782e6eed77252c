"""Steps of norms, attention and SwiGLU against the engine's arithmetic, region by region."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from oyez.engines.exact import spec
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.inner_leaves import LANES
from oyez.engines.exact.loading import load_engine
from oyez.engines.exact.spec import Activation, Int64
from oyez.engines.exact.step_rows import ModelRows, build_step_model
from oyez.protocol import step as steps
from oyez.protocol import step_attention, step_layer
from oyez.protocol.inner import DEAD
from oyez.protocol.step import FILLER, Address, Context
from oyez.protocol.trace import ChunkType, compute_outer_index
from tests.unit.engine import tiny

OPS = {**step_layer.OPS, **step_attention.OPS}
#: Key heads lie in two leaves, norms have two rows, the last words are half full.
SHAPE = tiny.Shape(
    seed=31, layers=2, width=544, feed_forward=608, heads=16, kv_heads=8, head_size=68, context=700
)
QUERIES = 16 * 68


class Given:
    """Lanes by leaf and by chunk, rows of the model."""

    def __init__(self, rows: ModelRows) -> None:
        self.inner: dict[int, Sequence[int]] = {}
        self.outer: dict[tuple[int, int], Sequence[int]] = {}
        self._rows = rows

    def read_inner(self, leaf: int, kind: ChunkType) -> Sequence[int] | None:
        return self.inner.get(leaf)

    def read_outer(self, record: int, chunk: int, kind: ChunkType) -> Sequence[int] | None:
        return self.outer.get((record, chunk))

    def read_row(self, tensor: int, row: int) -> bytes:
        return self._rows.get_row(tensor, row)

    def read_part(self, tensor: int, row: int, part: int, size: int) -> bytes:
        raise AssertionError("no step of a layer reads a part of a row")

    def read_manifest(self, manifest_hash: bytes) -> bytes:
        raise AssertionError("no step of a layer reads a manifest")

    def find_vocabulary(self, rest: bytes) -> int:
        raise AssertionError("no step of a layer looks into the vocabulary")

    def read_preimage(self, digest: bytes) -> bytes:
        raise AssertionError("no step of a layer reads a preimage")

    def get_context(self) -> Context:
        raise AssertionError("no step of a layer hangs on the batch")


class Trace:
    """An inner trace of which some regions are given and the others made by steps."""

    def __init__(self, engine: ExactEngine, position: int, slot: int) -> None:
        self.model = build_step_model(engine)
        self.record = compute_outer_index(9, position, slot)
        layout = self.model.get_layout(self.record)
        assert layout is not None
        self.layout = layout
        self.reads = Given(rows_of(engine))

    def give(self, name: str, lanes: Sequence[int]) -> None:
        region = self.layout.get(name)
        for leaf, filled in enumerate(fill(lanes, region.type)):
            self.reads.inner[region.start + leaf] = filled

    def make(self, name: str) -> list[int]:
        """Make all lanes of a region; a leaf that is dead has no lanes."""
        region = self.layout.get(name)
        found: list[int] = []
        for leaf in range(region.start, region.start + region.leaves):
            own: list[int] = []
            for lane in range(LANES[region.type]):
                at = Address(self.record, leaf, lane)
                own.append(steps.recompute(OPS, self.model, at, own, self.reads))
                if own[0] == DEAD:
                    break
            if own[0] != DEAD:
                self.reads.inner[leaf] = own
                found += own
        return found


def fill(lanes: Sequence[int], kind: ChunkType) -> list[list[int]]:
    size = LANES[kind]
    whole = [*lanes, *[FILLER[kind]] * (-len(lanes) % size)]
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> ExactEngine:
    path: Path = tmp_path_factory.mktemp("steps") / "model.gguf"
    return load_engine(tiny.write_model(path, SHAPE), sha256=None)


@functools.cache
def rows_of(engine: ExactEngine) -> ModelRows:
    return ModelRows(engine)


def draw_lanes(seed: int, count: int, bits: int, spread: bool = False) -> Int64:
    """Lanes of so many bits at most, an extreme now and then."""
    draw = np.random.default_rng(seed)
    most = (1 << bits) - 1
    lanes = draw.integers(-most, most, count, endpoint=True)
    if spread:
        lanes >>= draw.integers(0, bits, count)
    lanes[draw.random(count) < 0.02] = most
    lanes[draw.random(count) < 0.02] = -most
    return lanes


@pytest.mark.parametrize("bits", [1, 9, 20, 31])
@pytest.mark.parametrize("name", ["norm", "ffn_norm", "final"])
def test_norms_are_the_engines(engine: ExactEngine, name: str, bits: int) -> None:
    """Rule: INNER-24, INNER-25, INNER-26, INNER-27, ENGINE-5, ENGINE-6, ENGINE-7"""
    model, slot = engine.model, 31 if name == "final" else 1
    norm = {
        "norm": model.layers[1].attn_norm,
        "ffn_norm": model.layers[1].ffn_norm,
        "final": model.output_norm,
    }[name]
    made = Trace(engine, 7, slot)
    x = draw_lanes(bits, model.width, bits)
    if name == "ffn_norm":
        made.give("middle", x.tolist())
    else:
        before = compute_outer_index(9, 7, 1 if name == "final" else 0)
        for chunk, lanes in enumerate(fill(x.tolist(), ChunkType.INT32)):
            made.reads.outer[before, chunk] = lanes
    if name == "final":
        made.give("mode", [5])

    words = made.make(name.replace("final", "norm"))
    lanes = made.make("normed" if name != "ffn_norm" else "ffn_normed")

    expected = spec.normalise(model, x[None], norm)
    (root,) = spec.root_mean_square(x[None], model.epsilon)
    chunks = 3
    assert words[2 * chunks] == root
    assert lanes[: model.width] == expected.lanes[0].tolist()
    assert lanes[model.width :] == [-(1 << 15)] * (1_024 - model.width)
    exponent = norm.exponent + root.bit_length() + 7
    assert exponent - words[2 * chunks + 1] == expected.format[0]
    assert not any(words[2 * chunks + 2 :])


def test_zeros_are_normed_to_zeros(engine: ExactEngine) -> None:
    """Rule: INNER-25, INNER-26"""
    made = Trace(engine, 3, 0)
    made.give("embedding", [0] * engine.model.width)
    words = made.make("norm")
    assert words[7] == 0
    assert made.make("normed")[: engine.model.width] == [0] * engine.model.width


@pytest.mark.parametrize(("position", "bits"), [(1, 15), (2, 15), (300, 12), (512, 15), (513, 6)])
def test_attention_is_the_engines(engine: ExactEngine, position: int, bits: int) -> None:
    """Rule: INNER-32, INNER-33, INNER-34, INNER-35, INNER-36, INNER-37, INNER-38, INNER-39

    ENGINE-13, ENGINE-15 and ENGINE-16, with lanes as large as they may be.
    """
    model, layer, slot = engine.model, engine.model.layers[1], 1
    made = Trace(engine, position, slot)
    q = draw_lanes(position, QUERIES, bits)
    past = draw_lanes(position + 1, position * QUERIES, bits).reshape(position, QUERIES)
    made.give("query", q.tolist())
    made.give("key_value", past[-1].tolist())
    for at in range(position - 1):
        record = compute_outer_index(9, at + 1, slot)
        for chunk, lanes in enumerate(fill(past[at].tolist(), ChunkType.INT16_REVERSED)):
            made.reads.outer[record, 3 + chunk] = lanes

    keys, values = past.reshape(position, 2, 8, 68).transpose(1, 2, 0, 3)
    heads = [
        (spec.score(some, keys[head // 2], model, layer), values[head // 2])
        for head, some in enumerate(q.reshape(16, 68))
    ]
    mixed = np.concatenate([spec.attend(*head) for head in heads])
    expected = spec.compress(mixed[None], layer.v_format + 8)

    blocks = -(-position // 256)
    score = np.array(made.make("score")).reshape(16, 256 * blocks)[:, :position]
    assert score.tolist() == [scores.tolist() for scores, _ in heads]
    for name in ("maximum", "weight", "total", "value", "part"):
        made.make(name)
    assert made.make("mixed")[:QUERIES] == mixed.tolist()
    lengths = [bits for bits in made.make("mixed_bits") if bits != -(1 << 31)]
    assert layer.v_format + 8 - max(0, max(lengths) - 14) == expected.format[0]
    assert made.make("attention")[:QUERIES] == expected.lanes[0].tolist()
    assert made.make("record_key_value")[:QUERIES] == past[-1].tolist()


@pytest.mark.parametrize("bits", [3, 18, 31])
def test_swiglu_is_the_engines(engine: ExactEngine, bits: int) -> None:
    """Rule: INNER-28, INNER-29, INNER-30, INNER-31, ENGINE-16, ENGINE-17"""
    made = Trace(engine, 5, 0)
    gate, up = (draw_lanes(seed, SHAPE.feed_forward, bits, spread=True) for seed in (bits, 99))
    made.give("gate", gate.tolist())
    made.give("up", up.tolist())

    swish = np.array(made.make("swish")[: SHAPE.feed_forward])
    assert (swish * up).tolist() == spec.gated(gate, up).tolist()
    lengths = [length for length in made.make("gated_bits") if length != -(1 << 31)]
    expected: Activation = spec.compress(spec.gated(gate, up)[None], 32)
    assert 32 - max(0, max(lengths) - 14) == expected.format[0]
    assert made.make("gated")[: SHAPE.feed_forward] == expected.lanes[0].tolist()


def test_a_token_is_the_prompts_or_the_samplers(engine: ExactEngine) -> None:
    """Rule: INNER-23"""
    prompt = [11 * at for at in range(300)]

    def say(*lanes: int) -> list[int]:
        return fill(lanes, ChunkType.INT32)[0]

    def token(position: int, slot: int, ran: int, kind: int) -> list[int]:
        made = Trace(engine, position, slot)
        made.reads.outer[compute_outer_index(9, 0, 2), 0] = say(300, ran)
        for chunk, lanes in enumerate(fill(prompt, ChunkType.INT32)):
            made.reads.outer[compute_outer_index(9, 0, 2), 1 + chunk] = lanes
        made.reads.outer[compute_outer_index(9, position - 1, 31), 0] = say(kind, 77)
        return made.make("token")[:2]

    assert token(300, 0, 1, 0) == [11 * 299, -(1 << 31)]
    assert token(1, 0, 1, 0)[0] == 0
    assert [token(301, 0, 1, kind)[:1] for kind in range(-1, 6)] == [
        [],
        [],
        [77],
        [77],
        [77],
        [],
        [],
    ]
    assert token(300, 0, 0, 1) == token(300, 1, 1, 1) == token(301, 0, 2, 1) == []
