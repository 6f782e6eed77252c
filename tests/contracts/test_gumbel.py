"""The noise of one token on chain: the same integers as in Python, and what a lane costs."""

from __future__ import annotations

import functools
import random

from oyez.protocol import noise
from oyez.protocol.types import Hash32
from tests.contracts.harness import Contract, World

LAST = (1 << 32) - 1


@functools.cache
def harness() -> Contract:
    return World().deploy("tests/contracts/GumbelHarness.vy")


def key_of(some: noise.Noise) -> int:
    return sum(word << 32 * at for at, word in enumerate(some.words))


def test_keys_and_draws_are_pythons() -> None:
    """Rule: SAMPLE-2, SAMPLE-3."""
    pick = random.Random(1)
    for _ in range(20):
        seed, position = Hash32(pick.randbytes(32)), pick.randrange(2_047)
        some = noise.build_noise(1, seed, position)
        key = harness().key(seed, position)
        assert key & (1 << 160) - 1 == key_of(some)
        for token in (pick.randrange(1 << 23), pick.randrange(8), (1 << 23) - 1):
            assert harness().draw(key, token) == noise.draw(some, token)


def test_logarithms_are_pythons() -> None:
    """Rule: SAMPLE-4."""
    pick = random.Random(2)
    near = [(1 << bits) + d for bits in range(1, 53) for d in (-1, 0, 1)]
    for x in [*near, *(pick.randrange(1, 1 << pick.randrange(1, 54)) for _ in range(200))]:
        assert harness().log2(x) == noise.compute_log2(x), x


def test_noises_are_pythons() -> None:
    """Rule: SAMPLE-5."""
    pick = random.Random(3)
    draws = [0, 1, LAST - 1, LAST]
    draws += [(1 << bits) + d for bits in range(1, 32) for d in (-1, 0, 1)]
    draws += [LAST - (1 << bits) + d for bits in range(2, 32) for d in (-1, 0, 1)]
    draws += [pick.getrandbits(32) for _ in range(2_000)]
    for at in range(0, len(draws), 256):
        some = draws[at : at + 256]
        assert list(harness().noises(some)) == [noise.compute_gumbel(r) for r in some]


#: Draws and logarithms at which a constant of the curves that is one more, or one less, shows.
TELLING_DRAWS = [
    *(2_345_607_794, 3_103_609_871, 3_180_666_889, 2_972_085_773, 2_343_702_019, 3_790_217_449),
    *(2_548_270_456, 2_961_097_868, 3_712_450_345, 3_471_201_421, 2_674_223_299, 4_132_679_339),
    *(3_484_916_712, 382_608_082, 43_096_965, 666_799_829, 1_645_360_408),
]
TELLING_LOGARITHMS = [
    *(7_339_778_840_585_985, 8_501_366_304_992_538, 8_520_254_379_453_699, 7_752_109_893_024_653),
    *(8_307_182_613_108_603, 7_608_767_762_834_192, 7_932_978_462_008_083, 8_812_136_216_459_299),
    *(8_177_446_110_658_643, 7_274_060_525_435_699, 7_606_216_135_002_349, 6_518_967_858_002_366),
    *(7_982_465_959_083_736, 6_587_358_760_503_034),
]


def test_each_constant_counts() -> None:
    """Rule: SAMPLE-4, SAMPLE-5"""
    found = list(harness().noises(TELLING_DRAWS))
    assert found == [noise.compute_gumbel(r) for r in TELLING_DRAWS]
    for x in TELLING_LOGARITHMS:
        assert harness().log2(x) == noise.compute_log2(x)


def test_scores_are_pythons() -> None:
    """Rule: SAMPLE-1."""
    pick = random.Random(4)
    for temperature in (1, 52_429, (1 << 32) - 1):
        some = noise.build_noise(temperature, Hash32(pick.randbytes(32)), 9)
        for logit in (-(1 << 32), (1 << 32) - 2, 0, pick.randrange(-(1 << 31), 1 << 31)):
            token = pick.randrange(49_152)
            expected = noise.compute_score(some, token, logit)
            assert harness().score(logit, key_of(some), token, temperature) == expected


def test_a_lane_is_cheap_enough_to_check() -> None:
    """One lane, and a block of 128 with a draw for each four of them.

    Rule: SAMPLE-5
    """
    pick = random.Random(5)
    costs = [harness().measure(pick.getrandbits(160), pick.randrange(49_152)) for _ in range(200)]
    draw, gumbel = (max(cost[at] for cost in costs) for at in (0, 1))
    means = [sum(cost[at] for cost in costs) / len(costs) for at in (0, 1)]
    print(f"gas of a draw: {draw}, of its noise: at most {gumbel}, mean {means[1]:.0f}")
    assert draw + gumbel < 4_300
    assert 32 * draw + 128 * means[1] < 260_000
