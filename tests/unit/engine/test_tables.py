from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from oyez.engines.exact import tables
from oyez.protocol.errors import Fatal


@pytest.mark.parametrize("size", [4, 32, 64, 80, 128, 256])
def test_score_scale_is_the_rounded_real_number(size: int) -> None:
    # Rule: ENGINE-12
    assert tables.compute_score_scale(size) == round(2**18 * math.log2(math.e) / math.sqrt(size))


def test_score_scale_of_head_size_64() -> None:
    assert tables.compute_score_scale(64) == 47_274


@pytest.mark.parametrize(("base", "size", "count"), [(100_000, 64, 2_046), (10_000, 20, 300)])
def test_rope_tables_are_the_rounded_real_numbers(base: int, size: int, count: int) -> None:
    """libm agrees wherever it is not near a tie; it is a witness here, never a source."""
    # Rule: ENGINE-10
    cosines, sines = tables.compute_rope_tables(Fraction(base), size, count)
    angles = np.outer(np.arange(count), float(base) ** (-np.arange(0, size, 2) / size))
    for actual, real in ((cosines, np.cos(angles)), (sines, np.sin(angles))):
        scaled = real * 16_384
        near_a_tie = np.abs(scaled - np.floor(scaled) - 0.5) < 1e-6
        assert near_a_tie.sum() < 5
        assert ((actual == np.floor(scaled + 0.5)) | near_a_tie).all()


def test_divided_angles() -> None:
    """Linear scaling and llama3's factors divide each pair's angle."""
    # Rule: ENGINE-10
    divisors = [Fraction(1), Fraction(float(np.float32(1.7))), Fraction(8), Fraction(65_536)]
    cosines, sines = tables.compute_rope_tables(Fraction(500_000), 8, 200, divisors)
    turns = 500_000.0 ** (-np.arange(4) / 4) / np.array([float(d) for d in divisors])
    angles = np.outer(np.arange(200), turns)
    assert (cosines == np.floor(np.cos(angles) * 16_384 + 0.5)).all()
    assert (sines == np.floor(np.sin(angles) * 16_384 + 0.5)).all()


def test_table_entry_near_a_tie_is_refused() -> None:
    tie = 3 << (tables.PRECISION - tables.ROPE_BITS - 1)
    for value in (tie, tie - 1, tie + 1):
        with pytest.raises(Fatal, match="near a tie"):
            tables._round_q14(value)
    assert tables._round_q14(tables.ONE) == 16_384
    assert tables._round_q14(-tables.ONE) == -16_384


def test_log2e_constant() -> None:
    assert round(math.log2(math.e) * 2**16) == tables.LOG2E_Q16


def test_elementary_functions_at_full_precision() -> None:
    one = tables.ONE
    assert abs(tables._compute_ln(Fraction(10)) / one - math.log(10)) < 1e-15
    assert abs(tables._compute_exp_negative(3 * one) / one - math.exp(-3)) < 1e-16
    # ln(a b) = ln a + ln b, and cos^2 + sin^2 = 1, to the last few bits.
    split = tables._compute_ln(Fraction(7)) + tables._compute_ln(Fraction(11))
    assert abs(tables._compute_ln(Fraction(77)) - split) < 1 << 10
    cos, sin = tables._compute_cos_sin(one * 2 // 3)
    assert abs(cos * cos + sin * sin - one * one) >> tables.PRECISION < 1 << 10
