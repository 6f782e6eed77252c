"""Decodes the file's row formats: how each spells a group's scale, minimum and quants.

A weight is `scale * quant + minimum`, integers of 2**-24: a binary16 number is one, and so is its
product with the small integers that the K formats store. Nothing is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact.gguf import BLOCK_LAYOUT, BlockType
from oyez.protocol.errors import Invalid

Bytes = NDArray[np.uint8]
Int64 = NDArray[np.int64]

#: Row format => (weights that share a scale, largest quant).
GROUP_LAYOUT = {
    BlockType.F16: (1, 1),
    BlockType.Q4_0: (32, 15),
    BlockType.Q4_1: (32, 15),
    BlockType.Q5_0: (32, 31),
    BlockType.Q5_1: (32, 31),
    BlockType.Q8_0: (32, 255),
    BlockType.Q4_K: (32, 15),
    BlockType.Q5_K: (32, 31),
    BlockType.Q6_K: (16, 63),
}

#: Formats whose quants are signed in the file => what is added to make them unsigned.
OFFSETS = {BlockType.Q4_0: 8, BlockType.Q5_0: 16, BlockType.Q8_0: 128, BlockType.Q6_K: 32}


@dataclass(frozen=True, slots=True)
class Groups:
    """Decoded rows: weight = scale * quant + minimum.

    Attributes:
        scales, minima: int64 [rows, groups], integers of 2**-24 below 2**48.
        quants: uint8 [rows, groups, weights of a group], 0 to the format's largest quant.
    """

    scales: Int64
    minima: Int64
    quants: Bytes


@cache
def build_half_table() -> Int64:
    """Return every finite binary16 number as an integer of 2**-24, indexed by its bits.

    The entries of infinities and NaNs are unused: `decode_scales` refuses them before.
    """
    bits = np.arange(1 << 16, dtype=np.int64)
    exponent, fraction = (bits >> 10) & 31, bits & 1023
    magnitude = np.where(exponent == 0, fraction, (fraction | 1024) << np.maximum(exponent - 1, 0))
    return np.where(bits >> 15 == 1, -magnitude, magnitude)


def decode_scales(name: str, kind: BlockType, data: Bytes) -> tuple[Int64, Int64]:
    """Return the scales and minima of rows as integers of 2**-24.

    Rule: MODEL-3

    Takes uint8 [rows, bytes of a row], returns two int64 arrays [rows, groups]. In F16 each
    weight is its own group's scale, with quant 1 and minimum 0.

    Raises:
        Invalid: a scale or minimum is infinite or not a number.
    """
    blocks = _split_blocks(kind, data)
    minima = None
    if kind is BlockType.Q6_K:
        scales = _read_halves(name, blocks, 208) * blocks[:, :, 192:208].view(np.int8)
    elif kind in (BlockType.Q4_K, BlockType.Q5_K):
        small_scales, small_minima = _read_six_bits(blocks[:, :, 4:16])
        scales = _read_halves(name, blocks, 0) * small_scales
        minima = -_read_halves(name, blocks, 2) * small_minima
    elif kind in (BlockType.Q4_1, BlockType.Q5_1):
        scales, minima = _read_halves(name, blocks, 0), _read_halves(name, blocks, 2)
    else:
        scales = _read_halves(name, blocks, 0)
    if minima is None:
        minima = scales * -OFFSETS.get(kind, 0)
    return scales.reshape(len(data), -1), minima.reshape(len(data), -1)


def decode_rows(name: str, kind: BlockType, data: Bytes) -> Groups:
    """Decode rows, uint8 [rows, bytes of a row].

    Rule: ENGINE-2
    """
    scales, minima = decode_scales(name, kind, data)
    quants = _read_quants(kind, _split_blocks(kind, data))
    return Groups(scales, minima, quants.reshape(*scales.shape, GROUP_LAYOUT[kind][0]))


def _split_blocks(kind: BlockType, data: Bytes) -> Bytes:
    """Return rows as blocks, [rows, blocks, bytes of a block]."""
    return np.ascontiguousarray(data).reshape(len(data), -1, BLOCK_LAYOUT[kind][1])


def _read_halves(name: str, blocks: Bytes, at: int) -> Int64:
    """Return the binary16 number at a place of each block, [rows, blocks, 1]."""
    bits = np.ascontiguousarray(blocks[:, :, at : at + 2]).view("<u2")
    if ((bits & 0x7C00) == 0x7C00).any():
        raise Invalid(
            "MODEL-3", f"tensor {name} has an infinite or undefined scale; use another model file"
        )
    exact: Int64 = build_half_table()[bits]
    return exact


def _read_six_bits(packed: Bytes) -> tuple[Int64, Int64]:
    """Return the eight 6-bit scales and minima of Q4_K's and Q5_K's twelve bytes.

    Bytes 0 to 3 hold the first four scales in their low six bits, bytes 4 to 7 the first four
    minima; bytes 8 to 11 hold four low bits of each of the others (scale low, minimum high),
    whose two high bits are those of bytes 0 to 3 and 4 to 7.
    """
    wide = packed.astype(np.int64)
    first, second, third = wide[..., 0:4], wide[..., 4:8], wide[..., 8:12]
    scales = np.concatenate([first & 63, (third & 15) | (first >> 6 << 4)], axis=-1)
    minima = np.concatenate([second & 63, (third >> 4) | (second >> 6 << 4)], axis=-1)
    return scales, minima


def _read_quants(kind: BlockType, blocks: Bytes) -> Bytes:
    """Return the unsigned quants of blocks, [rows, blocks, weights of a block]."""
    quants: Bytes
    if kind is BlockType.F16:
        return np.ones((*blocks.shape[:2], 1), np.uint8)
    if kind is BlockType.Q8_0:
        quants = blocks[:, :, 2:] ^ np.uint8(128)
        return quants
    if kind in (BlockType.Q4_K, BlockType.Q5_K):
        # Four runs of 32 bytes: the low nibbles are one group, the high ones the next.
        runs = blocks[:, :, -128:].reshape(*blocks.shape[:2], 4, 32)
        quants = np.stack([runs & 15, runs >> 4], axis=3).reshape(*blocks.shape[:2], 8, 32)
        if kind is BlockType.Q5_K:
            # Bit j of the 32 bytes of fifth bits belongs to group j.
            shifts = np.arange(8, dtype=np.uint8)[:, None]
            quants |= (blocks[:, :, None, 16:48] >> shifts & np.uint8(1)) << np.uint8(4)
        return quants.reshape(*blocks.shape[:2], 256)
    if kind is BlockType.Q6_K:
        # Two halves of 128: of 64 bytes the low nibbles are quarters 0 and 1, the high ones 2
        # and 3; of 32 bytes, bits 2 j and 2 j + 1 are quarter j's high bits.
        low = blocks[:, :, :128].reshape(*blocks.shape[:2], 2, 64)
        high = blocks[:, :, 128:192].reshape(*blocks.shape[:2], 2, 1, 32)
        nibbles = np.concatenate([low & 15, low >> 4], axis=3).reshape(*blocks.shape[:2], 2, 4, 32)
        shifts = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
        quants = nibbles | (high >> shifts & 3) << 4
        return quants.reshape(*blocks.shape[:2], 256)
    packed = blocks[:, :, -16:]
    quants = np.concatenate([packed & 15, packed >> 4], axis=2)
    if kind in (BlockType.Q5_0, BlockType.Q5_1):
        fifth = np.unpackbits(blocks[:, :, -20:-16], axis=2, bitorder="little")
        quants |= fifth << np.uint8(4)
    return quants
