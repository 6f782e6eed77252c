"""The noise of `oyez.protocol.noise` for a whole vocabulary at once, equal to it bit for bit."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from oyez.protocol import noise as protocol
from oyez.protocol.noise import Noise

Words = NDArray[np.int64]

_M32 = np.int64((1 << 32) - 1)
#: A draw's upper bits that bound its noise, and the lower ones that do not count there.
_COARSE_BITS = 12
_FINE = np.int64((1 << (32 - _COARSE_BITS)) - 1)
#: Up to this many tokens, bounding their noise first saves nothing.
_FEW = 512


def draw(noise: Noise, tokens: NDArray[np.int32]) -> Words:
    """Return the 32 random bits of each token; tokens ascend.

    Neighbours share a counter: it is run once, for the tokens 4 n to 4 n + 3.
    """
    blocks = tokens >> 2
    is_first = np.empty(len(blocks), bool)
    is_first[:1] = True
    np.not_equal(blocks[1:], blocks[:-1], out=is_first[1:])
    words = _compute_philox(noise.words, blocks[is_first])
    place = np.cumsum(is_first) - 1
    drawn: Words = words[tokens & 3, place].astype(np.int64)
    return drawn


def _compute_philox(words: tuple[int, ...], blocks: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Return the four words of each counter, (4, blocks)."""
    low = np.uint64(0xFFFF_FFFF)
    half = np.uint64(32)
    multipliers = np.array([[m] for m in protocol.PHILOX_MULTIPLIERS], np.uint64)
    # c0 and c2 are multiplied, c1 and c3 mixed in.
    even = np.empty((2, len(blocks)), np.uint64)
    odd = np.empty_like(even)
    even[0], even[1] = blocks.astype(np.uint64), words[3]
    odd[0], odd[1] = words[2], words[4]
    keys = list(words[:2])
    for _ in range(protocol.PHILOX_ROUNDS):
        even *= multipliers
        mixed = even >> half
        even &= low
        odd[0] ^= mixed[1]
        odd[0] ^= np.uint64(keys[0])
        odd[1] ^= mixed[0]
        odd[1] ^= np.uint64(keys[1])
        even, odd = odd, even[::-1]
        keys = [(k + w) & int(_M32) for k, w in zip(keys, protocol.PHILOX_WEYL, strict=True)]
    return np.stack([even[0], odd[0], even[1], odd[1]])


def _compute_log2(x: Words) -> Words:
    """Return log2 in Q28 of integers below 2^53, which a float64 holds exactly."""
    bits = x.astype(np.float64).view(np.int64)
    whole: Words = (bits >> 52) - 1_023
    t = (bits >> 28) & 0xFF_FFFF
    curve = ((t * ((1 << 24) - t)) >> 18) * _run_polynomial(protocol.LOG2_POLYNOMIAL, t)
    log: Words = (whole << 28) + (t << 4) + (curve >> 32)
    return log


def _run_polynomial(coefficients: tuple[int, ...], t: Words) -> Words:
    value = np.full_like(t, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value *= t
        value >>= 24
        value += coefficient
    return value


def _compute_tail(v: Words) -> Words:
    """Return ln(-ln(1 - v) / v) in Q32, for v in Q24 up to 1/2."""
    curve = ((1 << 24) - 2 * v) * _run_polynomial(protocol.TAIL_POLYNOMIAL, v)
    tail: Words = (v * (protocol.TAIL_HALF + (curve >> 24))) >> 22
    return tail


def compute_gumbel(r: Words) -> Words:
    """Return -ln(-ln u) in Q16 of each draw."""
    exact = np.empty_like(r)
    is_low = r < 1 << 31
    log = _compute_log2((33 << 28) - _compute_log2(2 * r[is_low] + 1)) - (28 << 28)
    exact[is_low] = protocol.MEDIAN - ((log * protocol.LN2) >> 25)
    rest = 2 * (_M32 - r[~is_low]) + 1
    log = (33 << 28) - _compute_log2(rest)
    exact[~is_low] = ((log * protocol.LN2) >> 25) - _compute_tail(rest >> 9)
    noise: Words = (exact + (1 << 15)) >> 16
    return noise


@functools.cache
def _get_bounds() -> Words:
    """Return the most noise that a draw can have, by its upper bits: noise grows with the draw."""
    upper = np.arange(1 << _COARSE_BITS, dtype=np.int64) << (32 - _COARSE_BITS)
    return compute_gumbel(upper | _FINE)


def find_best(noise: Noise, tokens: NDArray[np.int32], logits: NDArray[np.int32]) -> int:
    """Return the token with the highest score, the lowest id among equals.

    Only tokens that may win have their noise computed in full.

    Args:
        noise: of the position.
        tokens: (n,) ascending ids, at least one.
        logits: (n,) Q16.
    """
    draws = draw(noise, tokens)
    base = logits.astype(np.int64) << 16
    if len(tokens) > _FEW:
        bounds = _get_bounds()[draws >> (32 - _COARSE_BITS)]
        bounds *= noise.temperature
        bounds += base
        first = bounds.argmax()
        reached = base[first] + noise.temperature * compute_gumbel(draws[first : first + 1])
        kept = np.flatnonzero(bounds >= reached)
        tokens, base, draws = tokens[kept], base[kept], draws[kept]
    scores = base + noise.temperature * compute_gumbel(draws)
    # argmax takes the first of equals, and the tokens ascend.
    return int(tokens[scores.argmax()])
