"""Reads the file's quantised rows as exact integers.

A weight is `d * q + m` where d and m are binary16 numbers, hence integers of 2**-24, and q an
unsigned integer. Nothing is rounded: a row times a vector of integers is an integer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact.gguf import BLOCK_LAYOUT, BlockType
from oyez.protocol.errors import Invalid

#: Weights that share a scale.
GROUP = 32
#: Largest magnitude of a matrix's input lane: activations have 15 bits.
MAX_ACTIVATION = 1 << 14
#: Below this bound float64 sums are exact; from the second one on, int64 sums may wrap.
FLOAT_BOUND = 1 << 53
INTEGER_BOUND = 1 << 62


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix as the file holds it.

    Attributes:
        columns: a multiple of 32.
        data: uint8 [rows, bytes of a row], a view of the mapped file.
        bound: no partial sum of a lane, in any order, exceeds this; in units of 2**-24.
    """

    name: str
    type: BlockType
    rows: int
    columns: int
    data: NDArray[np.uint8]
    bound: int


@dataclass(frozen=True, slots=True)
class Groups:
    """Decoded rows: weight = scale * quant + minimum, integers of 2**-24.

    Attributes:
        scales, minima: int64 [rows, groups].
        quants: uint8 [rows, groups, 32]; 0 to 15 (Q4_1) or 0 to 255 (Q8_0, raised by 128).
    """

    scales: NDArray[np.int64]
    minima: NDArray[np.int64]
    quants: NDArray[np.uint8]


@cache
def build_half_table() -> NDArray[np.int64]:
    """Return every finite binary16 number as an integer of 2**-24, indexed by its bits.

    The entries of infinities and NaNs are unused: `decode_scales` refuses them before.
    """
    bits = np.arange(1 << 16, dtype=np.int64)
    exponent, fraction = (bits >> 10) & 31, bits & 1023
    magnitude = np.where(exponent == 0, fraction, (fraction | 1024) << np.maximum(exponent - 1, 0))
    return np.where(bits >> 15 == 1, -magnitude, magnitude)


def decode_scales(
    name: str, kind: BlockType, data: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the scales and minima of rows as integers of 2**-24.

    Rule: MODEL-3

    Takes uint8 [rows, bytes of a row], returns two int64 arrays [rows, groups] with magnitudes
    below 2**40 (minima of Q8_0: 2**47).

    Raises:
        Invalid: a scale or minimum is infinite or not a number.
    """
    block_bytes = BLOCK_LAYOUT[kind][1]
    blocks = data.reshape(data.shape[0], -1, block_bytes)
    halves = 2 if kind is BlockType.Q4_1 else 1
    bits = np.ascontiguousarray(blocks[:, :, : 2 * halves]).view("<u2")
    if ((bits & 0x7C00) == 0x7C00).any():
        raise Invalid(
            "MODEL-3", f"tensor {name} has an infinite or undefined scale; use another model file"
        )
    exact = build_half_table()[bits]
    scales = exact[:, :, 0]
    return scales, exact[:, :, 1] if halves == 2 else scales * -128


def decode_rows(matrix: Matrix, data: NDArray[np.uint8]) -> Groups:
    """Decode some of a matrix's rows.

    Rule: ENGINE-2
    """
    scales, minima = decode_scales(matrix.name, matrix.type, data)
    blocks = data.reshape(data.shape[0], -1, BLOCK_LAYOUT[matrix.type][1])
    if matrix.type is BlockType.Q4_1:
        packed = blocks[:, :, 4:]
        quants = np.concatenate([packed & 15, packed >> 4], axis=2)
    else:
        quants = blocks[:, :, 2:] ^ 128
    return Groups(scales, minima, quants)


def decode_weights(matrix: Matrix, data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return rows as exact weights, int64 [rows, columns], units of 2**-24."""
    groups = decode_rows(matrix, data)
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
    scales, minima = decode_scales(name, kind, data)
    largest = 15 if kind is BlockType.Q4_1 else 255
    # At most 2**48 a group; rows have far fewer than 2**14 groups.
    groups = np.abs(scales) * largest + np.abs(minima)
    bound = int(groups.sum(axis=1).max()) * GROUP * MAX_ACTIVATION
    if bound >= INTEGER_BOUND:
        raise Invalid(
            "ENGINE-3", f"the sums of tensor {name} may leave 62 bits; this model cannot be run"
        )
    return bound
