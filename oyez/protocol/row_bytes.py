"""Decodes rows of a model's file in plain integers: groups of weights that share a scale.

A weight is `scale * quant + minimum` in integers of 2**-24 (ENGINE-2). Twin of the NumPy decoder in
`oyez/engines/exact/row_formats.py` and of contracts/modules/rows.vy, and total: a binary16 number
with the exponent of infinities is decoded like any other. No listed model has one (MODEL-3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Group(NamedTuple):
    """Weights scale * quant + minimum, integers of 2**-24; quants are unsigned."""

    scale: int
    minimum: int
    quants: Sequence[int]


@dataclass(frozen=True, slots=True)
class RowFormat:
    """A row format.

    Attributes:
        weights, size: of a block, in weights and bytes.
        decode: groups of one block, in order.
    """

    name: str
    weights: int
    size: int
    decode: Callable[[bytes], Iterator[Group]]


def decode_half(data: bytes, at: int) -> int:
    """Return the binary16 number at a place, an integer of 2**-24."""
    bits = data[at] | data[at + 1] << 8
    exponent, fraction = bits >> 10 & 31, bits & 1023
    magnitude = (fraction | 1024) << exponent - 1 if exponent else fraction
    return -magnitude if bits >> 15 else magnitude


def _split_nibbles(data: bytes) -> list[int]:
    """Return all low halves, then all high ones."""
    return [byte & 15 for byte in data] + [byte >> 4 for byte in data]


def _add_fifth(quants: Sequence[int], fifth: int) -> list[int]:
    """Add bit j of `fifth` to quant j as its fifth bit."""
    return [quant | (fifth >> j & 1) << 4 for j, quant in enumerate(quants)]


def _decode_f16(block: bytes) -> Iterator[Group]:
    yield Group(decode_half(block, 0), 0, (1,))


def _decode_q4_0(block: bytes) -> Iterator[Group]:
    scale = decode_half(block, 0)
    yield Group(scale, -8 * scale, _split_nibbles(block[2:]))


def _decode_q4_1(block: bytes) -> Iterator[Group]:
    yield Group(decode_half(block, 0), decode_half(block, 2), _split_nibbles(block[4:]))


def _decode_q5_0(block: bytes) -> Iterator[Group]:
    scale = decode_half(block, 0)
    fifth = int.from_bytes(block[2:6], "little")
    yield Group(scale, -16 * scale, _add_fifth(_split_nibbles(block[6:]), fifth))


def _decode_q5_1(block: bytes) -> Iterator[Group]:
    fifth = int.from_bytes(block[4:8], "little")
    quants = _add_fifth(_split_nibbles(block[8:]), fifth)
    yield Group(decode_half(block, 0), decode_half(block, 2), quants)


def _decode_q8_0(block: bytes) -> Iterator[Group]:
    scale = decode_half(block, 0)
    yield Group(scale, -128 * scale, [byte ^ 128 for byte in block[2:]])


def _read_six_bits(packed: bytes) -> Iterator[tuple[int, int]]:
    """Yield the eight 6-bit (scale, minimum) of Q4_K's and Q5_K's twelve bytes."""
    for j in range(4):
        yield packed[j] & 63, packed[4 + j] & 63
    for j in range(4):
        low = packed[8 + j]
        yield low & 15 | packed[j] >> 6 << 4, low >> 4 | packed[4 + j] >> 6 << 4


def _decode_k(block: bytes, has_fifth: bool) -> Iterator[Group]:
    scale, minimum = decode_half(block, 0), decode_half(block, 2)
    fifth, runs = block[16:48], block[-128:]
    for j, (small_scale, small_minimum) in enumerate(_read_six_bits(block[4:16])):
        run = runs[32 * (j >> 1) : 32 * (j >> 1) + 32]
        quants = [byte >> 4 * (j & 1) & 15 for byte in run]
        if has_fifth:
            quants = [q | (byte >> j & 1) << 4 for q, byte in zip(quants, fifth, strict=True)]
        yield Group(scale * small_scale, -minimum * small_minimum, quants)


def _decode_q4_k(block: bytes) -> Iterator[Group]:
    return _decode_k(block, has_fifth=False)


def _decode_q5_k(block: bytes) -> Iterator[Group]:
    return _decode_k(block, has_fifth=True)


def _decode_q6_k(block: bytes) -> Iterator[Group]:
    unit = decode_half(block, 208)
    for group in range(16):
        half, j, start = group >> 3, group >> 1 & 3, 16 * (group & 1)
        low = 64 * half + 32 * (j & 1) + start
        high = 128 + 32 * half + start
        quants = [
            block[low + i] >> 4 * (j >> 1) & 15 | (block[high + i] >> 2 * j & 3) << 4
            for i in range(16)
        ]
        small = block[192 + group]
        scale = unit * (small - 256 if small > 127 else small)
        yield Group(scale, -32 * scale, quants)


#: By row type, which is GGML's code.
ROW_FORMATS = {
    1: RowFormat("F16", 1, 2, _decode_f16),
    2: RowFormat("Q4_0", 32, 18, _decode_q4_0),
    3: RowFormat("Q4_1", 32, 20, _decode_q4_1),
    6: RowFormat("Q5_0", 32, 22, _decode_q5_0),
    7: RowFormat("Q5_1", 32, 24, _decode_q5_1),
    8: RowFormat("Q8_0", 32, 34, _decode_q8_0),
    12: RowFormat("Q4_K", 256, 144, _decode_q4_k),
    13: RowFormat("Q5_K", 256, 176, _decode_q5_k),
    14: RowFormat("Q6_K", 256, 210, _decode_q6_k),
}


def count_bytes(kind: int, columns: int) -> int:
    """Return the bytes of a row of so many columns, a multiple of the format's block."""
    made = ROW_FORMATS[kind]
    return columns // made.weights * made.size


def decode_row(kind: int, data: bytes) -> Iterator[Group]:
    """Yield a row's groups in order.

    Args:
        kind: row type, a key of ROW_FORMATS.
        data: whole blocks.

    Rule: ENGINE-2, MODEL-2
    """
    made = ROW_FORMATS[kind]
    for at in range(0, len(data), made.size):
        yield from made.decode(data[at : at + made.size])


def multiply_row(kind: int, data: bytes, lanes: Sequence[int]) -> int:
    """Return the exact sum of products of a row's weights with lanes, in units of 2**-24.

    Args:
        kind: row type.
        data: whole blocks, as many weights as there are lanes.
        lanes: any int16, fillers included.

    Raises:
        ValueError: there are more or fewer weights than lanes.

    Rule: INNER-11
    """
    total = at = 0
    for scale, minimum, quants in decode_row(kind, data):
        part = lanes[at : at + len(quants)]
        total += scale * sum(q * lane for q, lane in zip(quants, part, strict=True))
        total += minimum * sum(part)
        at += len(quants)
    if at != len(lanes):
        raise ValueError(f"{at} weights for {len(lanes)} lanes")
    return total


def decode_weight(kind: int, data: bytes, column: int) -> int:
    """Return one weight of a row, an integer of 2**-24."""
    made = ROW_FORMATS[kind]
    at = column // made.weights * made.size
    inner = column % made.weights
    groups = list(made.decode(data[at : at + made.size]))
    scale, minimum, quants = groups[inner // len(groups[0].quants)]
    return scale * quants[inner % len(quants)] + minimum
