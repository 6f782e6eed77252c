"""The steps' shared arithmetic: total, the same in Python and on chain, and the engine's."""

from __future__ import annotations

import functools
import random

import numpy as np

from oyez.engines.exact import spec, tables
from oyez.protocol import step_integers as integers
from tests.contracts.harness import Contract, World

MOST = (1 << 254) - 1
LIMITS = (integers.SAT16, integers.SAT32, 1 << 40)
SHIFTS = (*range(-70, 70), 253, 254, 255, 256, 257, MOST, -253, -254, -255, -256, -(1 << 255))


@functools.cache
def harness() -> Contract:
    return World().deploy("tests/contracts/IntegersHarness.vy")


def numbers(pick: random.Random, most: int) -> int:
    bits = pick.randrange(1, most)
    value = pick.choice((1 << bits, pick.getrandbits(bits), (1 << bits) + 1, (1 << bits) - 1))
    return pick.choice((1, -1)) * value


def round_slowly(value: int, shift: int, limit: int) -> int:
    """The rule's words: the floor of a quotient with a half added, or a product."""
    far = min(max(shift, -300), 300)
    exact = (2 * value + (1 << far)) // (2 << far) if far > 0 else value * (1 << -far)
    return max(-limit, min(limit, exact))


def test_shifts_round_half_up_and_are_total() -> None:
    """Rule: INNER-20"""
    pick = random.Random(1)
    for limit in LIMITS:
        for _ in range(6):
            values = [numbers(pick, 254) for _ in range(200)] + [MOST, -MOST, 0, 1, -1]
            pairs = [(value, pick.choice(SHIFTS)) for value in values]
            expected = [integers.shift_right(*pair, limit) for pair in pairs]
            assert list(harness().shift(values, [s for _, s in pairs], limit)) == expected
            assert expected == [round_slowly(*pair, limit) for pair in pairs]


def test_shifts_are_the_engines() -> None:
    """Rule: INNER-20, ENGINE-1"""
    pick = random.Random(2)
    for limit in LIMITS:
        values = [numbers(pick, 61) for _ in range(500)]
        shifts = [pick.randrange(-70, 70) for _ in values]
        found = spec.rounding_shift(np.array(values), np.array(shifts), limit)
        ours = [integers.shift_right(v, s, limit) for v, s in zip(values, shifts, strict=True)]
        assert ours == found.tolist()


def test_exponentials_are_the_engines() -> None:
    """Rule: INNER-21, ENGINE-14"""
    pick = random.Random(3)
    edges = [whole << 16 | part for whole in range(33) for part in (0, 1, 0xFFFF)]
    values = edges + [pick.randrange(1 << pick.randrange(1, 34)) for _ in range(150)]
    ours = [integers.compute_exponential(z) for z in values]
    assert ours == spec.exponential(np.array(values)).tolist()
    assert list(harness().exponential(values)) == ours
    assert integers.EXPONENTIAL == tables.EXP_COEFFICIENTS


def test_lengths_and_roots_are_pythons() -> None:
    pick = random.Random(4)
    values = [0, (1 << 256) - 1]
    values += [(1 << bits) - low for bits in range(256) for low in (0, 1) if pick.random() < 0.4]
    assert list(harness().bits(values)) == [value.bit_length() for value in values]
    roots = [1, 2, 3, integers.WORD_LIMIT, *(pick.getrandbits(72) | 1 for _ in range(100))]
    ours = [integers.invert_root(r) for r in roots]
    assert list(harness().invert_root(roots)) == ours == [spec.reciprocal(r) for r in roots]
    assert min(ours) >= 1 << 15
    assert max(ours) <= 1 << 16
