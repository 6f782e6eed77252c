"""Arithmetic that the steps share, total over all integers that they can meet.

The twin of contracts/modules/integers.vy, which computes with int256.
"""

from __future__ import annotations

#: The minimum of int16 and int32 says "no value here"; arithmetic never answers it.
SAT16 = (1 << 15) - 1
SAT32 = (1 << 31) - 1
#: From here on a shift to the right leaves nothing of any number below 2**254.
LAST_SHIFT = 254
#: Words that count something are cut to this before use: honest ones are far below.
WORD_LIMIT = 1 << 72
#: 2**-f for f in Q16, in Q30 (ENGINE-14).
EXPONENTIAL = (1_073_682_383, -742_320_854, 247_912_732, -42_458_813)


def clip(value: int, low: int, high: int) -> int:
    """Return the value, or the end of the range that it is beyond."""
    return max(low, min(high, value))


def shift_right(value: int, shift: int, limit: int) -> int:
    """Return value / 2**shift, rounded half up, cut to +-limit; shift <= 0 multiplies.

    Args:
        value: below 2**254 in absolute value.
        shift: any.
        limit: at least 0.

    Rule: INNER-20
    """
    if shift > LAST_SHIFT:
        return 0
    if shift > 0:
        return clip((value + (1 << (shift - 1))) >> shift, -limit, limit)
    left = min(-shift, LAST_SHIFT)
    if abs(value) > limit >> left:
        return limit if value > 0 else -limit
    return value << left


def compute_exponential(z: int) -> int:
    """Return 2**-z in Q30 for z >= 0 in Q16: the cubic of ENGINE-14, 0 from z = 31 on.

    Rule: INNER-21
    """
    whole, fraction = z >> 16, z & 0xFFFF
    if whole >= 31:
        return 0
    c0, c1, c2, c3 = EXPONENTIAL
    result = c2 + ((fraction * c3) >> 16)
    result = c1 + ((fraction * result) >> 16)
    result = c0 + ((fraction * result) >> 16)
    return result >> whole


def invert_root(r: int) -> int:
    """Return R = floor(2**(k + 15) / r), k the bit length of r (ENGINE-6); r is at least 1."""
    return (1 << (r.bit_length() + 15)) // r
