"""Stored answers for the kernels: two small models made of hashed bytes, run whole.

They take both row formats, in the embedding too, blocks of one to many tokens, head sizes with
and without a fast attention, rows that do not fill a tile. What only an extreme model reaches
(shifts of 63 bits, saturating ones) is for the tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import blocks, known, tables, weights
from oyez.engines.exact.backend import Backend
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.gguf import BLOCK_LAYOUT, BlockType
from oyez.engines.exact.weights import Layer, Model, Norm
from oyez.protocol.errors import Fatal

if TYPE_CHECKING:
    from oyez.engines.exact.kernels import Library

CONTEXT = 160
#: Blocks of tokens: long, single and in between, so that every tile product is used.
PARTS = (131, 1, 2, 3, 5, 1)


def build_models() -> Iterator[Model]:
    """Yield the two models."""
    yield _build(b"nibbles", BlockType.Q4_1, head_size=64, heads=2, vocabulary=100)
    yield _build(b"bytes", BlockType.Q8_0, head_size=12, heads=8, vocabulary=32)


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


def verify(library: Library) -> None:
    """Check the fastest and the portable path of a library against the stored answers.

    The portable one serves models whose sums float64 cannot hold, so it is never idle code.

    Rule: ENGINE-21

    Raises:
        Fatal: an answer differs, so the machine or the compiler is broken.
    """
    from oyez.engines.exact.kernels import PORTABLE, Kernels

    for model, expected in zip(build_models(), known.SELF_TEST, strict=True):
        for path in {library.fastest_path, PORTABLE}:
            if compute_answer(Kernels(library, model, path), model.vocabulary) != expected:
                raise Fatal(
                    "the compiled kernels give wrong answers: rebuild them with another compiler "
                    "(CC=clang python -m oyez.engines.exact.build)"
                )


def _build(name: bytes, kind: BlockType, *, head_size: int, heads: int, vocabulary: int) -> Model:
    """Return a model of two layers whose bytes are hashes of its name."""
    queries, keys = heads * head_size, heads * head_size // 2
    layers = []
    for index in range(2):
        tag = name + bytes([index])
        norms = [_norm(tag + part, 64) for part in (b"attn", b"ffn")]
        q, k, v = (
            _matrix(tag + part, kind, rows, 64)
            for part, rows in ((b"q", queries), (b"k", keys), (b"v", keys))
        )
        layers.append(
            Layer(
                attn_norm=norms[0],
                q=q,
                k=k,
                v=v,
                output=_matrix(tag + b"o", kind, 64, queries),
                ffn_norm=norms[1],
                gate=_matrix(tag + b"g", kind, 96, 64),
                up=_matrix(tag + b"u", kind, 96, 64),
                down=_matrix(tag + b"d", kind, 64, 96),
                q_format=weights.compute_format(q, norms[0], pairs=True),
                k_format=weights.compute_format(k, norms[0], pairs=True),
                v_format=weights.compute_format(v, norms[0], pairs=False),
            )
        )
    embedding = _matrix(name + b"e", kind, vocabulary, 64)
    cosines, sines = tables.compute_rope_tables(Fraction(10_000), head_size, CONTEXT)
    return Model(
        width=64,
        feed_forward=96,
        heads=heads,
        kv_heads=heads // 2,
        head_size=head_size,
        vocabulary=vocabulary,
        context=CONTEXT,
        epsilon=175_921_856,
        score_scale=tables.compute_score_scale(head_size),
        embedding=embedding,
        layers=tuple(layers),
        output_norm=_norm(name + b"n", 64),
        head=embedding,
        tied=True,
        cosines=cosines,
        sines=sines,
    )


def _matrix(name: bytes, kind: BlockType, rows: int, columns: int) -> Matrix:
    """Return a matrix of hashed quants, scales of 2**-9 to 2**-6 and larger minima."""
    weights_in, size = BLOCK_LAYOUT[kind]
    count = rows * columns // weights_in
    data = _hashed(name, count * size).reshape(count, size).copy()
    halves = 2 if kind is BlockType.Q4_1 else 1
    bits = data[:, : 2 * halves].view("<u2")
    bits[:] = (bits & 0x8FFF) | (0x1800 if kind is BlockType.Q4_1 else 0x0800)
    if halves == 2:
        bits[:, 1] += 0x0C00
    shaped = data.reshape(rows, -1)
    name_text = name.hex()
    return Matrix(
        name_text, kind, rows, columns, shaped, blocks.compute_row_bound(name_text, kind, shaped)
    )


def _norm(name: bytes, width: int) -> Norm:
    """Return hashed norm weights of 0.25 to 1.25."""
    raw = _hashed(name, 2 * width).view("<u2").astype(np.int32)
    return Norm(8_192 + (raw & 0x3FFF), 14)


def _hashed(name: bytes, size: int) -> NDArray[np.uint8]:
    """Return bytes that follow from a name."""
    return np.frombuffer(hashlib.shake_256(name).digest(size), np.uint8)
