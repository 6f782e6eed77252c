"""Stored answers for the kernels: five small models made of hashed bytes, run whole.

They take every row format, in the embedding too, blocks of one to many tokens, head sizes with
and without a fast attention, rows and columns that do not fill a tile. What only an extreme model
reaches (shifts of 63 bits, saturating ones) is for the tests.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import blocks, known, tables, trace, weights
from oyez.engines.exact.backend import Backend, Lanes, Residuals, Roots, Siblings
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.gguf import BLOCK_LAYOUT, BlockType
from oyez.engines.exact.weights import Layer, Model, Norm
from oyez.protocol.errors import Fatal

if TYPE_CHECKING:
    from oyez.engines.exact.library import Library

CONTEXT = 160
#: Blocks of tokens: long, single and in between, so that every tile product is used.
PARTS = (131, 1, 2, 3, 5, 1)


#: Row format => where its blocks hold binary16 numbers, and the exponent bits they get there: the
#: two lowest bits of the exponent stay hashed, so weights are about 2**-8 to 1.
HALVES = {
    BlockType.F16: ((0, 0x2000),),
    BlockType.Q4_0: ((0, 0x1800),),
    BlockType.Q4_1: ((0, 0x1800), (2, 0x2400)),
    BlockType.Q5_0: ((0, 0x1400),),
    BlockType.Q5_1: ((0, 0x1400), (2, 0x2000)),
    BlockType.Q8_0: ((0, 0x0800),),
    BlockType.Q4_K: ((0, 0x0400), (2, 0x0C00)),
    BlockType.Q5_K: ((0, 0x0000), (2, 0x0800)),
    BlockType.Q6_K: ((208, 0x0000),),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A model to build: sizes, and the row formats of embedding and matrices in turn."""

    name: bytes
    kinds: tuple[BlockType, ...]
    width: int
    feed_forward: int
    head_size: int
    heads: int
    vocabulary: int
    layers: int


PLANS = (
    Plan(b"nibbles", (BlockType.Q4_1,), 64, 96, 64, 2, 100, 2),
    Plan(b"bytes", (BlockType.Q8_0,), 64, 96, 12, 8, 32, 2),
    Plan(
        b"mixed",
        (BlockType.F16, BlockType.Q4_0, BlockType.Q5_1, BlockType.Q5_0),
        *(64, 96, 16, 4, 50, 2),
    ),
    Plan(b"super", (BlockType.Q6_K, BlockType.Q4_K, BlockType.Q5_K), 256, 256, 128, 2, 40, 1),
    Plan(b"halves", (BlockType.F16,), 36, 44, 20, 2, 30, 1),
)


def build_models() -> Iterator[Model]:
    """Yield the models."""
    return map(_build, PLANS)


def compute_answer(backend: Backend, vocabulary: int) -> str:
    """Return the digest of everything a backend computes on a fixed run."""
    digest = hashlib.sha256()
    cache, position = backend.new_cache(), 0
    for count in PARTS:
        tokens = [(7 * i * i + 3 * i) % vocabulary for i in range(position, position + count)]
        residuals, lanes = backend.run(cache, tokens)
        last = np.ascontiguousarray(residuals[-1, -1])
        some = np.array([0, vocabulary - 1], np.int32)
        for array, kind in (
            (residuals, "<i4"),
            (lanes, "<i2"),
            (backend.logits(last), "<i4"),
            (backend.logits_of(last, some), "<i4"),
        ):
            digest.update(array.astype(kind).tobytes())
        position += count
    return digest.hexdigest()


def verify(library: Library, paths: Collection[int]) -> None:
    """Check paths of a library against the stored answers.

    The portable one serves models whose sums float64 cannot hold, so it is checked always.

    Rule: ENGINE-21

    Raises:
        Fatal: an answer differs, so the machine or the compiler is broken.
    """
    from oyez.engines.exact.kernels import Kernels

    for model, expected in zip(build_models(), known.SELF_TEST, strict=True):
        for path in paths:
            kernels = Kernels(library, model, path)
            if compute_answer(kernels, model.vocabulary) != expected or not has_right_roots(
                kernels, len(model.layers)
            ):
                raise Fatal(
                    "the compiled kernels give wrong answers: rebuild them with another compiler "
                    "(CC=clang python -m oyez.engines.exact.build)"
                )


def has_right_roots(backend: Backend, layers: int) -> bool:
    """Tell whether a backend hashes records as the plain code does, on hashed lanes."""
    x, kept, roots, siblings = _hash_records(layers)
    return bool(
        (backend.compute_roots(x, kept) == roots).all()
        and (backend.compute_siblings(roots) == siblings).all()
    )


@cache
def _hash_records(layers: int) -> tuple[Residuals, Lanes, Roots, Siblings]:
    """Return hashed lanes of some tokens, and what the plain code makes of them."""
    count, width, kv = 3, 600, 700
    residuals = _hashed(b"x", 4 * count * layers * width).view("<i4").astype(np.int32)
    lanes = _hashed(b"kv", 2 * count * layers * kv).view("<i2").astype(np.int16)
    x, kept = residuals.reshape(count, layers, width), lanes.reshape(count, layers, kv)
    roots = trace.compute_roots(x, kept)
    return x, kept, roots, trace.compute_siblings(roots)


def build_rope_tables(head_size: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return the tables of base 10,000 that `tables.compute_rope_tables` defines, soon.

    No entry of these lies within 1e-6 of a tie, and float64 errs by less than 1e-8.
    """
    exponents = np.arange(head_size // 2) / (head_size // 2)
    angles = np.arange(CONTEXT)[:, None] * 10_000.0**-exponents
    scale = 1 << tables.ROPE_BITS
    cosines, sines = (
        np.floor(part * scale + 0.5).astype(np.int16) for part in (np.cos(angles), np.sin(angles))
    )
    return cosines, sines


def _build(plan: Plan) -> Model:
    """Return a model whose bytes are hashes of its name."""
    width, inner = plan.width, plan.feed_forward
    queries, keys = plan.heads * plan.head_size, plan.heads * plan.head_size // 2
    kinds = itertools.cycle(plan.kinds)
    embedding = _matrix(plan.name + b"e", next(kinds), plan.vocabulary, width)
    layers = []
    for index in range(plan.layers):
        tag = plan.name + bytes([index])
        norms = [_norm(tag + part, width) for part in (b"attn", b"ffn")]
        q, k, v, output, gate, up, down = (
            _matrix(tag + part, next(kinds), rows, columns)
            for part, rows, columns in (
                (b"q", queries, width),
                (b"k", keys, width),
                (b"v", keys, width),
                (b"o", width, queries),
                (b"g", inner, width),
                (b"u", inner, width),
                (b"d", width, inner),
            )
        )
        layers.append(
            Layer(
                attn_norm=norms[0],
                q=q,
                k=k,
                v=v,
                output=output,
                ffn_norm=norms[1],
                gate=gate,
                up=up,
                down=down,
                q_format=weights.compute_format(q, norms[0], pairs=True),
                k_format=weights.compute_format(k, norms[0], pairs=True),
                v_format=weights.compute_format(v, norms[0], pairs=False),
            )
        )
    cosines, sines = build_rope_tables(plan.head_size)
    return Model(
        width=width,
        feed_forward=inner,
        heads=plan.heads,
        kv_heads=plan.heads // 2,
        head_size=plan.head_size,
        vocabulary=plan.vocabulary,
        context=CONTEXT,
        epsilon=175_921_856,
        score_scale=tables.compute_score_scale(plan.head_size),
        embedding=embedding,
        layers=tuple(layers),
        output_norm=_norm(plan.name + b"n", width),
        head=embedding,
        tied=True,
        cosines=cosines,
        sines=sines,
    )


def _matrix(name: bytes, kind: BlockType, rows: int, columns: int) -> Matrix:
    """Return a matrix of hashed bytes with binary16 numbers of modest size."""
    weights_in, size = BLOCK_LAYOUT[kind]
    count = rows * columns // weights_in
    data = _hashed(name, count * size).reshape(count, size).copy()
    for at, exponent in HALVES[kind]:
        bits = np.ascontiguousarray(data[:, at : at + 2]).view("<u2")
        data[:, at : at + 2] = ((bits & 0x8FFF) + exponent).astype("<u2").view(np.uint8)
    shaped = data.reshape(rows, -1)
    text = name.hex()
    return Matrix(text, kind, rows, columns, shaped, blocks.compute_row_bound(text, kind, shaped))


def _norm(name: bytes, width: int) -> Norm:
    """Return hashed norm weights of 0.25 to 1.25."""
    raw = _hashed(name, 2 * width).view("<u2").astype(np.int32)
    return Norm(8_192 + (raw & 0x3FFF), 14)


def _hashed(name: bytes, size: int) -> NDArray[np.uint8]:
    """Return bytes that follow from a name."""
    return np.frombuffer(hashlib.shake_256(name).digest(size), np.uint8)
