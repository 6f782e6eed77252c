from __future__ import annotations

import math
from fractions import Fraction

import pytest

from oyez.protocol import codec, noise
from oyez.protocol.noise import LN2, MEDIAN, Noise, Sampling
from oyez.protocol.types import Hash32

SEED = Hash32(bytes(range(32)))
ONE = 65_536
LAST = (1 << 32) - 1


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((LAST,) * 4, (LAST,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers_of_random123(
    counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """Rule: SAMPLE-3."""
    assert noise.compute_philox(counter, key) == expected


def test_key_and_counter_are_cut_from_one_hash_of_seed_and_position() -> None:
    """Rule: SAMPLE-2."""
    preimage = codec.keccak(b"oyez.noise.v1") + SEED + (7).to_bytes(32, "big")
    number = codec.keccak(preimage)
    words = [int.from_bytes(number[28 - 4 * i : 32 - 4 * i], "big") for i in range(5)]
    built = noise.build_noise(ONE, SEED, 7)
    assert built == Noise(ONE, tuple(words))  # type: ignore[arg-type]  # five of them
    for token in (0, 1, 2, 3, 4, 49_151):
        block = noise.compute_philox((token // 4, *words[2:]), words[:2])
        assert noise.draw(built, token) == block[token % 4]


def test_another_seed_position_or_token_is_another_draw() -> None:
    """Rule: SAMPLE-2."""
    seeds = [SEED, Hash32(bytes(32))]
    draws = {
        noise.draw(noise.build_noise(ONE, seed, position), token)
        for seed in seeds
        for position in range(20)
        for token in range(50)
    }
    assert len(draws) == 2_000
    assert Sampling(ONE, SEED, 5).build_noise(3) == noise.build_noise(ONE, SEED, 8)


def test_logarithms_are_exact_at_powers_of_two_and_near_elsewhere() -> None:
    """Rule: SAMPLE-4."""
    for bits in range(53):
        assert noise.compute_log2(1 << bits) == bits << 28
    for x in [3, 5, 7, 1_000, LAST, (1 << 33) - 1, (1 << 53) - 1, 33 << 28]:
        assert abs(noise.compute_log2(x) / (1 << 28) - math.log2(x)) < 2**-21


def get_true_noise(r: int) -> float:
    """-ln(-ln u) from the nearer end, where float64 is good."""
    rest = Fraction(2 * (LAST - r) + 1, 1 << 33)
    log = math.log1p(-float(rest)) if rest < Fraction(1, 2) else math.log(float(1 - rest))
    return -math.log(-log)


def test_noise_is_near_the_true_one_at_ends_seams_and_between() -> None:
    """Rule: SAMPLE-5."""
    near = [0, 1, 2, LAST - 2, LAST - 1, LAST]
    near += [(1 << bits) + d for bits in range(2, 32) for d in (-1, 0, 1)]
    near += [LAST - (1 << bits) + d for bits in range(2, 31) for d in (-1, 0, 1)]
    near += [at * 0x9E3779B9 & LAST for at in range(20_000)]
    for r in near:
        assert abs(noise.compute_gumbel(r) - get_true_noise(r) * ONE) <= 0.53, r
    assert (noise.compute_gumbel(0), noise.compute_gumbel(LAST)) == (-205_127, 1_499_061)
    assert round(math.log(2) * 2**29) == LN2
    assert round(-math.log(math.log(2)) * 2**32) == MEDIAN


def test_a_score_fits_an_int64_whatever_it_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: SAMPLE-1."""
    hottest = noise.build_noise((1 << 32) - 1, SEED, 0)
    for r in (0, LAST):
        monkeypatch.setattr(noise, "draw", lambda _noise, _token, r=r: r)
        for logit in (-(2**32), 2**32 - 2):
            score = noise.compute_score(hottest, 0, logit)
            assert score == (logit << 16) + noise.compute_gumbel(r) * hottest.temperature
            assert abs(score) < 1 << 54


def test_the_best_score_wins_and_the_lowest_of_equals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: SAMPLE-1."""
    some = noise.build_noise(ONE, SEED, 3)
    tokens, logits = [2, 5, 9, 11], [0, 300, -20, 300]
    scores = [noise.compute_score(some, t, v) for t, v in zip(tokens, logits, strict=True)]
    assert noise.find_best(some, tokens, logits) == tokens[scores.index(max(scores))]
    assert noise.find_best(None, tokens, logits) == 5
    monkeypatch.setattr(noise, "draw", lambda _noise, _token: 1 << 30)
    assert noise.find_best(some, tokens, logits) == 5
    assert noise.find_best(some, tokens, [7] * 4) == 2
