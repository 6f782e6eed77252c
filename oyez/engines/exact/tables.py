"""Computes the pinned integers of the arithmetic: rotation tables, score scale, exponential.

Everything here is integer arithmetic with `PRECISION` fractional bits, no libm and no fit, so the
tables are the same on every machine. A table entry is *defined* as the real number rounded half
up; an entry too near a tie for the precision to decide is refused, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from oyez.protocol.errors import Fatal

#: Fractional bits of the working precision, and how near a tie a result may not lie.
PRECISION = 160
GUARD_BITS = 40
ONE = 1 << PRECISION

#: Rotation tables hold cosines and sines in Q14.
ROPE_BITS = 14

#: 2**-f for f in Q16, result in Q30: c0 + (f(c1 + (f(c2 + (f c3 >> 16)) >> 16)) >> 16).
EXP_COEFFICIENTS = (1_073_682_383, -742_320_854, 247_912_732, -42_458_813)

#: round(log2(e) * 2**16): turns SwiGLU's exponent into a base-2 one.
LOG2E_Q16 = 94_548


def compute_score_scale(head_size: int) -> int:
    """Return round(2**18 * log2(e) / sqrt(head_size)), the factor that makes scores base-2.

    Rule: ENGINE-12
    """
    log2e = (ONE << PRECISION) // _compute_ln2()
    doubled = (log2e << 19) ** 2 // (head_size * ONE * ONE)
    return (math.isqrt(doubled) + 1) // 2


def compute_rope_tables(
    base: Fraction, head_size: int, positions: int, divisors: Sequence[Fraction] | None = None
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return the cosines and sines of `position * base**(-2 i / head_size) / divisor` in Q14.

    Rule: ENGINE-10

    Args:
        base: the file's rope.freq_base, exactly; above 1.
        head_size: even.
        positions: number of rows.
        divisors: of the angles, at least 1, one for each i; None means 1.

    Returns:
        Two int16 arrays [positions, head_size / 2]; values -16,384 to 16,384.

    Raises:
        Fatal: an entry lies too near a tie to be decided at this precision.
    """
    half = head_size // 2
    cosines = np.empty((positions, half), np.int16)
    sines = np.empty((positions, half), np.int16)
    ln_base = _compute_ln(base)
    for i in range(half):
        angle = _compute_exp_negative(ln_base * i // half)
        if divisors is not None:
            angle = angle * divisors[i].denominator // divisors[i].numerator
        step_cos, step_sin = _compute_cos_sin(angle)
        cos, sin = ONE, 0
        column_cos, column_sin = [], []
        for _ in range(positions):
            column_cos.append(_round_q14(cos))
            column_sin.append(_round_q14(sin))
            cos, sin = (
                (cos * step_cos - sin * step_sin) >> PRECISION,
                (cos * step_sin + sin * step_cos) >> PRECISION,
            )
        cosines[:, i] = column_cos
        sines[:, i] = column_sin
    return cosines, sines


def _round_q14(value: int) -> int:
    """Round a fixed-point number half up to Q14, or refuse it as undecided."""
    shift = PRECISION - ROPE_BITS
    raised = value + (1 << (shift - 1))
    if ((raised + (1 << (GUARD_BITS - 1))) & ((1 << shift) - 1)) < 1 << GUARD_BITS:
        raise Fatal("a rotation table entry is too near a tie: raise PRECISION in tables.py")
    return raised >> shift


def _compute_atanh(numerator: int, denominator: int) -> int:
    """Return atanh(numerator / denominator) for a ratio of at most 1/3, in fixed point."""
    power = (numerator << PRECISION) // denominator
    square = power * power >> PRECISION
    total, divisor = 0, 1
    while power:
        total += power // divisor
        power = power * square >> PRECISION
        divisor += 2
    return total


def _compute_ln2() -> int:
    """Return the natural logarithm of 2 in fixed point."""
    return 2 * _compute_atanh(1, 3)


def _compute_ln(value: Fraction) -> int:
    """Return the natural logarithm of a number above 1, in fixed point."""
    exponent = 0
    while value >= 2:
        value /= 2
        exponent += 1
    ratio = (value - 1) / (value + 1)
    return 2 * _compute_atanh(ratio.numerator, ratio.denominator) + exponent * _compute_ln2()


def _compute_exp_negative(value: int) -> int:
    """Return exp(-value) for a fixed-point value of at least 0, in fixed point."""
    halvings, rest = divmod(value, _compute_ln2())
    term, total, n = ONE, 0, 1
    while term:
        total += term if n % 2 else -term
        term = term * rest // (n * ONE)
        n += 1
    return total >> halvings


def _compute_cos_sin(angle: int) -> tuple[int, int]:
    """Return cosine and sine of a fixed-point angle of 0 to 1 radian, in fixed point."""
    cos, sin, term, n = 0, 0, ONE, 0
    while term:
        if n % 2 == 0:
            cos += term if n % 4 == 0 else -term
        else:
            sin += term if n % 4 == 1 else -term
        n += 1
        term = term * angle // (n * ONE)
    return cos, sin
