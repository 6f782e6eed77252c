"""A random model of any shape, of which only what a duel touches is computed.

All layers share one set of random weights. A position's lanes are drawn, but for a few records that
are computed from their inputs: those that are disputed. So a call over a model of a billion weights
takes seconds, and every number that a duel opens, every tree and every root is sound.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import blocks, kernels, tables, weights
from oyez.engines.exact.backend import Cache, Lanes, Residuals, Roots, Siblings
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.engine import ExactEngine, build_shape
from oyez.engines.exact.gguf import BLOCK_LAYOUT, BlockType
from oyez.engines.exact.inner_layer import LayerInput, LayerTrace
from oyez.engines.exact.inner_leaves import Int64
from oyez.engines.exact.session import BLOCK
from oyez.engines.exact.tokens import TokenizerMetadata, TokenType
from oyez.engines.exact.weights import Layer, Model, Norm
from oyez.protocol import inner
from oyez.protocol.inner import Layout
from oyez.protocol.types import ModelShape
from oyez.protocol.vocabulary import Vocabulary

KIND = BlockType.Q8_0
#: High byte of a positive binary16 number from 2**-12 on, and the bits of it that are drawn.
SCALE_BYTE, SCALE_BITS = 0x0C, 0x03
#: Typical lanes of a residual (Q14), and of keys and values.
RESIDUAL, LANE = 1 << 17, 1 << 12
NORM_EXPONENT = 14
#: Of a timing.
ROUNDS = 5
PIECES = b"abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Plan:
    """A model's shape; every matrix is of Q8_0, the output is the embedding.

    Attributes:
        position: of the call's last prompt token, where layers' records are computed.
    """

    layers: int = 16
    width: int = 2_048
    heads: int = 32
    kv_heads: int = 8
    head_size: int = 64
    feed_forward: int = 8_192
    vocabulary: int = 262_144
    context: int = 2_046
    position: int = 2_000


def build_engine(plan: Plan) -> tuple[ExactEngine, SparseBackend]:
    """Return the engine over a random model, and its backend.

    2 GB and half a minute for a billion weights.
    """
    model, vocabulary = _build_model(plan), build_vocabulary(plan.vocabulary)
    spelled = tuple((data or b"").decode("latin-1") for data in vocabulary.tokens)
    types = (TokenType.NORMAL,) * plan.vocabulary
    tokenizer = TokenizerMetadata(spelled, types, (), "gpt2", "random")
    backend = SparseBackend(model, build_shape(model, vocabulary), plan.position)
    return ExactEngine(model, tokenizer, backend, vocabulary=vocabulary), backend


def build_vocabulary(size: int) -> Vocabulary:
    """Return every byte, and words of 2 to 12 letters up to so many tokens."""
    draw = random.Random(1)
    tokens = {bytes([byte]): None for byte in range(256)}
    while len(tokens) < size:
        tokens[bytes(draw.choices(PIECES, k=draw.randint(2, 12)))] = None
    return Vocabulary(list(tokens))


def _build_model(plan: Plan) -> Model:
    rng = np.random.default_rng(1)
    width, keys = plan.width, plan.kv_heads * plan.head_size
    queries, fed = plan.heads * plan.head_size, plan.feed_forward

    def norm() -> Norm:
        return Norm(rng.integers(1 << 13, 1 << 15, width).astype(np.int32), NORM_EXPONENT)

    attn_norm, ffn_norm = norm(), norm()
    q, k, v, output, gate, up, down = (
        _draw_matrix(rng, name, rows, columns)
        for name, rows, columns in (
            ("q", queries, width),
            ("k", keys, width),
            ("v", keys, width),
            ("output", width, queries),
            ("gate", fed, width),
            ("up", fed, width),
            ("down", width, fed),
        )
    )
    layer = Layer(
        attn_norm=attn_norm,
        q=q,
        k=k,
        v=v,
        output=output,
        ffn_norm=ffn_norm,
        gate=gate,
        up=up,
        down=down,
        q_format=weights.compute_format(q, attn_norm, pairs=True),
        k_format=weights.compute_format(k, attn_norm, pairs=True),
        v_format=weights.compute_format(v, attn_norm, pairs=False),
    )
    embedding = _draw_matrix(rng, "embedding", plan.vocabulary, width)
    cosines, sines = tables.compute_rope_tables(Fraction(500_000), plan.head_size, plan.context)
    return Model(
        width=width,
        feed_forward=fed,
        heads=plan.heads,
        kv_heads=plan.kv_heads,
        head_size=plan.head_size,
        vocabulary=plan.vocabulary,
        context=plan.context,
        epsilon=(1 << 44) // 100_000,
        score_scale=tables.compute_score_scale(plan.head_size),
        embedding=embedding,
        layers=(layer,) * plan.layers,
        output_norm=norm(),
        head=embedding,
        tied=True,
        cosines=cosines,
        sines=sines,
    )


def _draw_matrix(rng: np.random.Generator, name: str, rows: int, columns: int) -> Matrix:
    """Return random rows whose scales, a block's first number, are about 2**-12."""
    block, size = BLOCK_LAYOUT[KIND]
    count = columns // block
    data = np.frombuffer(rng.bytes(rows * count * size), np.uint8).reshape(rows, count, size).copy()
    data[:, :, 1] = SCALE_BYTE | data[:, :, 1] & SCALE_BITS
    drawn = data.reshape(rows, count * size)
    return Matrix(name, KIND, rows, columns, drawn, blocks.compute_row_bound(name, KIND, drawn))


class SparseCache:
    """Keys and values of the positions so far, a block of them after another."""

    def __init__(self, parts: tuple[Lanes, ...]) -> None:
        """Hold these blocks."""
        self.parts = parts

    @property
    def count(self) -> int:
        """Positions held."""
        return sum(len(part) for part in self.parts)

    def fork(self) -> SparseCache:
        """Return an independent copy; blocks are never written in place."""
        return SparseCache(self.parts)

    def fill(self, lanes: Lanes) -> None:
        """Take over the lanes of positions that ran before."""
        self.parts = (lanes,)

    def get_lanes(self) -> Lanes:
        """Return the lanes of all positions."""
        return np.concatenate(self.parts)


class SparseBackend:
    """A backend whose lanes are drawn by position, but for the records that are computed.

    Computed are the first and the middle layer at the plan's position, and every logit.
    """

    kernel = "sparse"
    threads = 1

    def __init__(self, model: Model, shape: ModelShape, position: int) -> None:
        """Take the model and the position; the output matrix is prepared for logits."""
        self._model, self._position = model, position
        self._layout = inner.layout_layer(shape)
        #: What was computed, by layer and token.
        self._computed: dict[tuple[int, int], tuple[Int64, Int64]] = {}
        # logits and roots of records need no layer; the fastest kernels serve them
        self._whole = kernels.open_backend(replace(model, layers=model.layers[:1]))

    def new_cache(self) -> SparseCache:
        """Return an empty cache."""
        model = self._model
        return SparseCache(
            (np.zeros((0, len(model.layers), 2 * model.kv_heads * model.head_size), np.int16),)
        )

    def run(self, cache: Cache, tokens: Sequence[int]) -> tuple[Residuals, Lanes]:
        """Append tokens to a cache; see `Backend.run`."""
        assert isinstance(cache, SparseCache)
        first = cache.count + 1
        drawn = [self._draw(position) for position in range(first, first + len(tokens))]
        residuals = np.stack([x for x, _ in drawn])
        lanes = np.stack([kv for _, kv in drawn])
        at = self._position - first
        if 0 <= at < len(tokens):
            past = np.concatenate([cache.get_lanes(), lanes[:at]])
            for layer in {0, len(self._model.layers) // 2}:
                given = LayerInput(
                    None if layer else tokens[at],
                    residuals[at, layer - 1] if layer else None,
                    past[:, layer],
                )
                key = layer, tokens[at]
                if key not in self._computed:
                    self._computed[key] = self._compute(layer, given)
                residuals[at, layer], lanes[at, layer] = self._computed[key]
        cache.parts = (*cache.parts, lanes)
        return residuals, lanes

    def run_together(self, parts: Sequence[tuple[Cache, Sequence[int]]]) -> tuple[Residuals, Lanes]:
        """Append tokens to several caches, one after another; see `Backend.run_together`."""
        done = [self.run(cache, tokens) for cache, tokens in parts]
        return np.concatenate([x for x, _ in done]), np.concatenate([kv for _, kv in done])

    def logits(self, x: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return all logits; see `Backend.logits`."""
        return self._whole.logits(x)

    def logits_of(self, x: NDArray[np.int32], tokens: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return some logits; see `Backend.logits_of`."""
        return self._whole.logits_of(x, tokens)

    def compute_roots(self, residuals: Residuals, lanes: Lanes) -> Roots:
        """Return record roots; see `Backend.compute_roots`."""
        return self._whole.compute_roots(residuals, lanes)

    def compute_siblings(self, roots: Roots) -> Siblings:
        """Return siblings; see `Backend.compute_siblings`."""
        return self._whole.compute_siblings(roots)

    def time_block(self) -> float:
        """Return the seconds that a full block of tokens takes in one layer at best."""
        taken = []
        for _ in range(ROUNDS):
            cache, begun = self._whole.new_cache(), time.perf_counter()
            self._whole.run(cache, range(BLOCK))
            taken.append(time.perf_counter() - begun)
        return min(taken)

    def _draw(self, position: int) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
        """Return a position's lanes: the same whenever they are asked for."""
        rng, model = np.random.default_rng((7, position)), self._model
        keys = 2 * model.kv_heads * model.head_size
        x = rng.integers(-RESIDUAL, RESIDUAL, (len(model.layers), model.width), np.int32)
        return x, rng.integers(-LANE, LANE, (len(model.layers), keys), np.int16)

    def _compute(self, layer: int, given: LayerInput) -> tuple[Int64, Int64]:
        """Return the output, keys and values of one layer at one position."""
        made = _Kept(self._model, self._layout, layer)
        made.build(given)
        return made.kept["output"], made.kept["record_key_value"]


class _Kept(LayerTrace):
    """An inner trace whose regions are kept as numbers."""

    def __init__(self, model: Model, layout: Layout, layer: int) -> None:
        """Begin with none."""
        super().__init__(model, layout, layer)
        self.kept: dict[str, Int64] = {}

    def alter(self, name: str, lanes: Int64) -> Int64:
        """Keep a region's lanes, and change nothing."""
        self.kept[name] = lanes
        return lanes
