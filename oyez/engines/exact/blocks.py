"""Matrices as the file holds them, their exact weights and the bound of their sums.

Weights are integers of 2**-24 (`row_formats`), so a row times a vector of integers is an integer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import row_formats
from oyez.engines.exact.gguf import BlockType
from oyez.protocol.errors import Invalid

#: Largest magnitude of a matrix's input lane: activations have 15 bits.
MAX_ACTIVATION = 1 << 14
#: Below this bound float64 sums are exact; from the second one on, int64 sums may wrap.
FLOAT_BOUND = 1 << 53
INTEGER_BOUND = 1 << 62


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix as the file holds it.

    Attributes:
        data: uint8 [rows, bytes of a row], a view of the mapped file.
        bound: no partial sum of a lane, in any order, exceeds this; in units of 2**-24.
    """

    name: str
    type: BlockType
    rows: int
    columns: int
    data: NDArray[np.uint8]
    bound: int


def decode_weights(matrix: Matrix, data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return some of a matrix's rows as exact weights, int64 [rows, columns], units of 2**-24."""
    groups = row_formats.decode_rows(matrix.name, matrix.type, data)
    weights = groups.scales[:, :, None] * groups.quants + groups.minima[:, :, None]
    return weights.reshape(data.shape[0], matrix.columns)


def compute_row_bound(name: str, kind: BlockType, data: NDArray[np.uint8]) -> int:
    """Return a bound of every partial sum of every lane of a matrix.

    Rule: ENGINE-3

    Summands are `scale * dot` and `minimum * sum` of a group, for activations of at most
    `MAX_ACTIVATION`; the bound is the largest sum of their magnitudes, so the order is free.

    Raises:
        Invalid: a sum may reach 2**62.
    """
    scales, minima = row_formats.decode_scales(name, kind, data)
    group, largest = row_formats.GROUP_LAYOUT[kind]
    # Below 2**55 a group; one alone that breaks the bound must not wrap the sum of the others.
    magnitudes = np.abs(scales) * largest + np.abs(minima)
    unit = group * MAX_ACTIVATION
    bound = int(magnitudes.max()) * unit
    if bound < INTEGER_BOUND:
        bound = int(magnitudes.sum(axis=1).max()) * unit
    if bound >= INTEGER_BOUND:
        raise Invalid(
            "ENGINE-3", f"the sums of tensor {name} may leave 62 bits; this model cannot be run"
        )
    return bound
