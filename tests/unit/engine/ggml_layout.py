"""GGML's row formats from their C declarations, a weight at a time, in fractions: an oracle.

Written from ggml-common.h's structures and the loops of ggml-quants.c, sharing no code with the
engine. A decoder takes one block's bytes and returns its weights as exact real numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction


def half(data: bytes, at: int) -> Fraction:
    return Fraction(struct.unpack_from("<e", data, at)[0])


def q4_0(x: bytes) -> Iterator[Fraction]:
    # struct { half d; uint8 qs[16]; }
    yield from (half(x, 0) * ((x[2 + j] & 0xF) - 8) for j in range(16))
    yield from (half(x, 0) * ((x[2 + j] >> 4) - 8) for j in range(16))


def q4_1(x: bytes) -> Iterator[Fraction]:
    # struct { half d, m; uint8 qs[16]; }
    yield from (half(x, 0) * (x[4 + j] & 0xF) + half(x, 2) for j in range(16))
    yield from (half(x, 0) * (x[4 + j] >> 4) + half(x, 2) for j in range(16))


def q5_0(x: bytes) -> Iterator[Fraction]:
    # struct { half d; uint8 qh[4]; uint8 qs[16]; }
    (qh,) = struct.unpack_from("<I", x, 2)
    for j in range(16):
        yield half(x, 0) * (((x[6 + j] & 0x0F) | ((qh >> j) << 4) & 0x10) - 16)
    for j in range(16):
        yield half(x, 0) * (((x[6 + j] >> 4) | (qh >> (j + 12)) & 0x10) - 16)


def q5_1(x: bytes) -> Iterator[Fraction]:
    # struct { half d, m; uint8 qh[4]; uint8 qs[16]; }
    (qh,) = struct.unpack_from("<I", x, 4)
    for j in range(16):
        yield half(x, 0) * ((x[8 + j] & 0x0F) | ((qh >> j) << 4) & 0x10) + half(x, 2)
    for j in range(16):
        yield half(x, 0) * ((x[8 + j] >> 4) | (qh >> (j + 12)) & 0x10) + half(x, 2)


def q8_0(x: bytes) -> Iterator[Fraction]:
    # struct { half d; int8 qs[32]; }
    yield from (half(x, 0) * q for q in struct.unpack_from("<32b", x, 2))


def scale_min_k4(j: int, q: bytes) -> tuple[int, int]:
    if j < 4:
        return q[j] & 63, q[j + 4] & 63
    d = (q[j + 4] & 0xF) | ((q[j - 4] >> 6) << 4)
    return d, (q[j + 4] >> 4) | ((q[j - 0] >> 6) << 4)


def q4_k(x: bytes) -> Iterator[Fraction]:
    # struct { half d, dmin; uint8 scales[12]; uint8 qs[128]; }
    d, least, scales, q = half(x, 0), half(x, 2), x[4:16], x[16:]
    for run in range(4):
        for part in range(2):
            sc, m = scale_min_k4(2 * run + part, scales)
            for byte in q[32 * run : 32 * run + 32]:
                yield d * sc * (byte >> 4 if part else byte & 0xF) - least * m


def q5_k(x: bytes) -> Iterator[Fraction]:
    # struct { half d, dmin; uint8 scales[12]; uint8 qh[32]; uint8 qs[128]; }
    d, least, scales, qh, ql = half(x, 0), half(x, 2), x[4:16], x[16:48], x[48:]
    bit = 1
    for run in range(4):
        for part in range(2):
            sc, m = scale_min_k4(2 * run + part, scales)
            for low, high in zip(ql[32 * run : 32 * run + 32], qh, strict=True):
                q = (low >> 4 if part else low & 0xF) + (16 if high & bit else 0)
                yield d * sc * q - least * m
            bit <<= 1


def q6_k(x: bytes) -> Iterator[Fraction]:
    # struct { uint8 ql[128]; uint8 qh[64]; int8 scales[16]; half d; }
    d, scales = half(x, 208), struct.unpack_from("<16b", x, 192)
    weights: list[Fraction] = [Fraction(0)] * 256
    for n in range(2):
        ql, qh, sc = x[64 * n : 64 * n + 64], x[128 + 32 * n : 160 + 32 * n], scales[8 * n :]
        y = 128 * n
        for lane in range(32):
            i = lane // 16
            q1 = ((ql[lane] & 0xF) | ((qh[lane] >> 0) & 3) << 4) - 32
            q2 = ((ql[lane + 32] & 0xF) | ((qh[lane] >> 2) & 3) << 4) - 32
            q3 = ((ql[lane] >> 4) | ((qh[lane] >> 4) & 3) << 4) - 32
            q4 = ((ql[lane + 32] >> 4) | ((qh[lane] >> 6) & 3) << 4) - 32
            weights[y + lane] = d * sc[i] * q1
            weights[y + lane + 32] = d * sc[i + 2] * q2
            weights[y + lane + 64] = d * sc[i + 4] * q3
            weights[y + lane + 96] = d * sc[i + 6] * q4
    yield from weights


def f16(x: bytes) -> Iterator[Fraction]:
    yield half(x, 0)


#: name => (bytes a block, decoder)
DECODERS: dict[str, tuple[int, Callable[[bytes], Iterator[Fraction]]]] = {
    "F16": (2, f16),
    "Q4_0": (18, q4_0),
    "Q4_1": (20, q4_1),
    "Q5_0": (22, q5_0),
    "Q5_1": (24, q5_1),
    "Q8_0": (34, q8_0),
    "Q4_K": (144, q4_k),
    "Q5_K": (176, q5_k),
    "Q6_K": (210, q6_k),
}


def decode(name: str, row: bytes) -> list[Fraction]:
    """Return one row's weights."""
    size, decoder = DECODERS[name]
    assert len(row) % size == 0
    return [w for at in range(0, len(row), size) for w in decoder(row[at : at + size])]
