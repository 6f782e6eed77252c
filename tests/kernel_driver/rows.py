"""Rows of every format with scales from the smallest to the loader's bound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import blocks, selftest
from oyez.engines.exact.blocks import INTEGER_BOUND, Matrix
from oyez.engines.exact.gguf import BLOCK_LAYOUT, BlockType
from oyez.protocol.errors import Invalid

KINDS = tuple(selftest.HALVES)
QUANTS = ("random", "random", "random", "largest", "smallest")
#: Exponent of a binary16 number's largest finite values.
TOP = 30


def build_matrix(
    rng: np.random.Generator,
    kind: BlockType,
    rows: int,
    columns: int,
    *,
    exponent: int | None = None,
    limit: int = INTEGER_BOUND,
) -> Matrix:
    """Return a matrix whose scales have the given exponent, or the largest below a bound.

    Args:
        rng: decides about all the rest.
        kind: the row format.
        rows: number of rows.
        columns: a multiple of the format's block.
        exponent: 0 to 30 of the binary16 numbers, 0 being subnormal; it is lowered until the
            bound holds, in the end to zeros; None starts with the largest.
        limit: what no partial sum may reach.
    """
    weights, size = BLOCK_LAYOUT[kind]
    count = rows * columns // weights
    fill = rng.choice(QUANTS)
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    if fill != "random":
        data[:] = 255 if fill == "largest" else 0
    fractions = [_draw_halves(rng, fill, count) for _ in selftest.HALVES[kind]]
    for power in range(TOP if exponent is None else exponent, -2, -1):
        for (at, _), bits in zip(selftest.HALVES[kind], fractions, strict=True):
            halves = bits + (power << 10) if power >= 0 else bits & 0x8000  # last of all, zeros
            data[:, at : at + 2] = halves.astype("<u2")[:, None].view(np.uint8)
        shaped = data.reshape(rows, -1).copy()
        try:
            bound = blocks.compute_row_bound("drawn", kind, shaped)
        except Invalid:
            continue
        if bound < limit:
            return Matrix("drawn", kind, rows, columns, shaped, bound)
    raise AssertionError("even zeros reach the bound")


def _draw_halves(rng: np.random.Generator, fill: str, count: int) -> NDArray[np.int64]:
    """Return signs and fractions of binary16 numbers."""
    if fill == "largest":
        return np.full(count, 0x3FF | int(rng.integers(0, 2)) << 15, np.int64)
    return rng.integers(0, 0x400, count) | rng.integers(0, 2, count) << 15
