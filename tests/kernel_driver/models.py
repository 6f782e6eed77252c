"""Whole models of any shape and extreme weights, and what spec.py answers on them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import selftest, spec, tables, weights
from oyez.engines.exact.backend import Cache, Reference
from oyez.engines.exact.blocks import FLOAT_BOUND, INTEGER_BOUND, Matrix
from oyez.engines.exact.gguf import BLOCK_LAYOUT, BlockType
from oyez.engines.exact.weights import Layer, Model, Norm
from oyez.protocol.errors import Invalid
from tests.kernel_driver.ops import draw_lanes
from tests.kernel_driver.rows import KINDS, build_matrix
from tests.kernel_driver.wire import EVERY_PATH, PORTABLE_ALONE, Array, ModelCase

CONTEXT = 192
#: Scales of a model's rows: as trained, the smallest, the largest below 2**53 or below 2**62.
SCALES = ("modest", "modest", "tiny", "float bound", "integer bound")
BLOCK = 128

Steps = tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a model is drawn for; its width and feed-forward width hold blocks of every format.

    Attributes:
        kinds: row formats of the matrices in turn, the embedding's first.
        scales: one of SCALES.
    """

    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    kinds: tuple[BlockType, ...]
    scales: str


def draw_sizes(rng: np.random.Generator) -> Sizes:
    """Return the sizes of a small model."""
    kv_heads, ratio = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    return Sizes(
        layers=int(rng.integers(1, 4)),
        width=int(rng.integers(8, 100)),
        feed_forward=int(rng.integers(8, 100)),
        heads=kv_heads * ratio,
        kv_heads=kv_heads,
        head_size=4 * int(rng.integers(8, 33)),
        vocabulary=int(rng.integers(17, 60)),
        kinds=tuple(KINDS[i] for i in rng.integers(0, len(KINDS), 3)),
        scales=str(rng.choice(SCALES)),
    )


def build_model(rng: np.random.Generator, sizes: Sizes) -> Model:
    """Return a model; a row format whose blocks do not fill a row gives way to a smaller one."""
    width, inner = sizes.width, sizes.feed_forward
    queries, keys = sizes.heads * sizes.head_size, sizes.kv_heads * sizes.head_size
    turn = iter(range(1 << 20))

    def matrix(rows: int, columns: int, lower: int = 0) -> Matrix:
        number = next(turn)
        kind = _fit(sizes.kinds[number % len(sizes.kinds)], columns)
        drawn = _draw_matrix(rng, kind, rows, columns, sizes.scales, lower)
        return replace(drawn, name=f"drawn {number}")  # kernels keep tiles by name

    def norm() -> Norm:
        return Norm(draw_lanes(rng, width, weights.SAT_NORM).astype(np.int32), _draw_exponent(rng))

    embedding = matrix(sizes.vocabulary, width)
    layers = []
    for _ in range(sizes.layers):
        attn_norm, ffn_norm = norm(), norm()
        q, q_format = _draw_projection(functools.partial(matrix, queries, width), attn_norm, True)
        k, k_format = _draw_projection(functools.partial(matrix, keys, width), attn_norm, True)
        v, v_format = _draw_projection(functools.partial(matrix, keys, width), attn_norm, False)
        layers.append(
            Layer(
                attn_norm=attn_norm,
                q=q,
                k=k,
                v=v,
                output=matrix(width, queries),
                ffn_norm=ffn_norm,
                gate=matrix(inner, width),
                up=matrix(inner, width),
                down=matrix(width, inner),
                q_format=q_format,
                k_format=k_format,
                v_format=v_format,
            )
        )
    tied = bool(rng.integers(2))
    cosines, sines = _compute_tables(sizes.head_size)
    return Model(
        width=width,
        feed_forward=inner,
        heads=sizes.heads,
        kv_heads=sizes.kv_heads,
        head_size=sizes.head_size,
        vocabulary=sizes.vocabulary,
        context=CONTEXT,
        epsilon=int(rng.choice([1, 175_921_856, 1 << 44])),
        score_scale=tables.compute_score_scale(sizes.head_size),
        embedding=embedding,
        layers=tuple(layers),
        output_norm=norm(),
        head=embedding if tied else matrix(sizes.vocabulary, width),
        tied=tied,
        cosines=cosines,
        sines=sines,
    )


def draw_steps(rng: np.random.Generator, vocabulary: int, most: int = BLOCK) -> Steps:
    """Return a long block of one session, single tokens, and several sessions together."""
    first = int(rng.choice([1, 5, 64, most]))
    plan = [
        [(0, min(first, most))],
        [(0, 1)],
        [(0, 2), (1, 3)],
        [(session, 1) for session in range(int(rng.integers(1, 8)))],
        [(0, 1), (2, min(int(rng.integers(1, 40)), most // 2))],
    ]
    return tuple(
        tuple((who, tuple(rng.integers(0, vocabulary, count).tolist())) for who, count in parts)
        for parts in plan
    )


def build_model_case(
    label: str, model: Model, steps: Steps, threads: int, mask: int | None = None
) -> ModelCase:
    """Return a case with the answers of the plain arithmetic."""
    reference = Reference(model)
    caches: dict[int, Cache] = {}
    expected: list[tuple[Array, ...]] = []
    for step in steps:
        parts = [(caches.setdefault(who, reference.new_cache()), ids) for who, ids in step]
        residuals, lanes = reference.run_together(parts)
        logits = compute_logits(model, residuals)
        rows = model.head.rows
        some = logits[-1, [0, rows // 2, rows - 1]]
        expected.append((residuals, lanes, logits, some))
    if mask is None:
        mask = EVERY_PATH if model.bound < FLOAT_BOUND else PORTABLE_ALONE
    return ModelCase(label, model, threads, steps, tuple(expected), mask)


def compute_logits(model: Model, residuals: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the logits after each token of a block, [tokens, vocabulary]."""
    last = residuals[:, -1].astype(np.int64)
    return spec.compute_logits(model, last).astype(np.int32)


def _fit(kind: BlockType, columns: int) -> BlockType:
    """Return the format, or one whose blocks fill a row of so many columns."""
    if columns % BLOCK_LAYOUT[kind][0] == 0:
        return kind
    return BlockType.Q4_1 if columns % 32 == 0 else BlockType.F16


def _draw_matrix(
    rng: np.random.Generator, kind: BlockType, rows: int, columns: int, scales: str, lower: int
) -> Matrix:
    if scales == "modest":
        exponent = (selftest.HALVES[kind][0][1] >> 10) + int(rng.integers(0, 4)) - lower
        return build_matrix(rng, kind, rows, columns, exponent=max(exponent, 0), limit=FLOAT_BOUND)
    if scales == "tiny":
        return build_matrix(rng, kind, rows, columns, exponent=int(rng.integers(0, 2)))
    limit = (FLOAT_BOUND if scales == "float bound" else INTEGER_BOUND) >> lower
    return build_matrix(rng, kind, rows, columns, limit=limit)


def _draw_projection(
    draw: functools.partial[Matrix], norm: Norm, pairs: bool
) -> tuple[Matrix, int]:
    """Return q, k or v with its format, its scales lowered until 16 bits hold its lanes."""
    for lower in range(0, 62, 3):
        matrix = draw(lower)
        try:
            return matrix, weights.compute_format(matrix, norm, pairs=pairs)
        except Invalid:
            continue
    raise AssertionError("no scales are small enough for 16 bits")


def _draw_exponent(rng: np.random.Generator) -> int:
    return int(rng.choice([0, 12, 14, 15, 24]))


@functools.cache
def _compute_tables(head_size: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    return tables.compute_rope_tables(Fraction(10_000), head_size, CONTEXT)


def build_fixed_cases(models: Sequence[tuple[str, Model]]) -> list[ModelCase]:
    """Return cases of given models: a block and single tokens, with one thread and three."""
    cases = []
    for label, model in models:
        rng = np.random.default_rng(len(label))
        most = min(BLOCK, model.context // 3)
        for threads in (1, 3):
            steps = draw_steps(rng, model.vocabulary, most)
            cases.append(build_model_case(label, model, steps, threads))
    return cases
