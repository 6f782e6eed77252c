"""Sampling at a temperature above 0: what each token's score gets on top of its logit.

Adding Gumbel noise to the scores and taking the highest draws a token with the softmax's
probabilities. The noise is a function of the call's seed, the position and the token alone, in
integers alone: no order, batch or cache can change it, and one token's noise can be computed
without any other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oyez.protocol import codec
from oyez.protocol.types import Hash32

#: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): multipliers, and what the key grows by.
PHILOX_ROUNDS = 10
PHILOX_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
PHILOX_WEYL = (0x9E3779B9, 0xBB67AE85)
#: (log2(1 + t) - t) / (t * (1 - t)) for t in [0, 1]: Q30, from t^0 on.
LOG2_POLYNOMIAL = (475339299, -299109448, 215580029, -159495552, 103499543, -46607445, 9995041)
#: ln(-ln(1 - v) / v) = v * (HALF + (1 - 2 * v) * polynomial in v) for v in [0, 1/2]: Q30.
TAIL_POLYNOMIAL = (-164569208, -105666929, -71822038, -97535303, 77014884, -207993235)
TAIL_HALF = 701441732
#: ln 2 in Q29 and -ln(ln 2) in Q32.
LN2 = 372130559
MEDIAN = 1574161007

_M32 = (1 << 32) - 1
#: 33 in Q28: the logarithm of 2^33, by which a draw's 33 bits are divided.
_DRAW_BITS = 33 << 28


@dataclass(frozen=True, slots=True)
class Noise:
    """The noise of one position of one call.

    Attributes:
        temperature: Q16, above 0.
        words: Philox key (two words of 32 bits), then the counter's three upper words.
    """

    temperature: int
    words: tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a call samples.

    Attributes:
        temperature: Q16, above 0.
        seed: of the call.
        start: trace position of the last prompt token, whose scores choose the first output token.
    """

    temperature: int
    seed: Hash32
    start: int

    def build_noise(self, output_tokens: int) -> Noise:
        """Return the noise of the token that follows so many output tokens."""
        return build_noise(self.temperature, self.seed, self.start + output_tokens)


def build_noise(temperature: int, seed: Hash32, position: int) -> Noise:
    """Return the noise of a position.

    Args:
        temperature: Q16, above 0.
        seed: of the call.
        position: trace position of the scores: that of the last token before the sampled one.

    Rule: SAMPLE-2
    """
    number = int.from_bytes(codec.H("NOISE", seed, position), "big")
    first, second, third, fourth, fifth = ((number >> 32 * word) & _M32 for word in range(5))
    return Noise(temperature, (first, second, third, fourth, fifth))


def compute_philox(counter: Sequence[int], key: Sequence[int]) -> tuple[int, int, int, int]:
    """Return Philox4x32-10 of a counter of four words under a key of two.

    Rule: SAMPLE-3
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(PHILOX_ROUNDS):
        left, right = PHILOX_MULTIPLIERS[0] * c0, PHILOX_MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = right >> 32 ^ c1 ^ k0, right & _M32, left >> 32 ^ c3 ^ k1, left & _M32
        k0, k1 = (k0 + PHILOX_WEYL[0]) & _M32, (k1 + PHILOX_WEYL[1]) & _M32
    return c0, c1, c2, c3


def draw(noise: Noise, token: int) -> int:
    """Return a token's 32 random bits r; they stand for u = (r + 1/2) / 2^32."""
    key, upper = noise.words[:2], noise.words[2:]
    return compute_philox((token >> 2, *upper), key)[token & 3]


def compute_log2(x: int) -> int:
    """Return log2(x) in Q28, at most 2^-21 off, for 0 < x < 2^53.

    Of x the 24 bits after the highest count. At powers of two it is exact; it never falls.

    Rule: SAMPLE-4
    """
    whole = x.bit_length() - 1
    t = ((x << 24) >> whole) - (1 << 24)
    value = 0
    for coefficient in reversed(LOG2_POLYNOMIAL):
        value = coefficient + ((value * t) >> 24)
    curve = t * ((1 << 24) - t)
    return (whole << 28) + (t << 4) + (((curve >> 18) * value) >> 32)


def compute_gumbel(r: int) -> int:
    """Return -ln(-ln u) in Q16 for u = (r + 1/2) / 2^32, total for 0 <= r < 2^32.

    Rule: SAMPLE-5
    """
    if r < 1 << 31:
        log = compute_log2(_DRAW_BITS - compute_log2(2 * r + 1)) - (28 << 28)
        exact = MEDIAN - ((log * LN2) >> 25)
    else:
        rest = 2 * (_M32 - r) + 1
        exact = (((_DRAW_BITS - compute_log2(rest)) * LN2) >> 25) - _compute_tail(rest >> 9)
    return (exact + (1 << 15)) >> 16


def _compute_tail(v: int) -> int:
    """Return ln(-ln(1 - v) / v) in Q32, for v in Q24 up to 1/2."""
    value = 0
    for coefficient in reversed(TAIL_POLYNOMIAL):
        value = coefficient + ((value * v) >> 24)
    curve = ((1 << 24) - 2 * v) * value
    return (v * (TAIL_HALF + (curve >> 24))) >> 22


def compute_score(noise: Noise, token: int, logit: int) -> int:
    """Return a token's score in Q32: of magnitude below 2^54, whatever the logit.

    Args:
        noise: of the position.
        token: its id.
        logit: Q16, biases included: a sum of two int32.

    Rule: SAMPLE-1
    """
    return (logit << 16) + compute_gumbel(draw(noise, token)) * noise.temperature


def find_best(noise: Noise | None, tokens: Sequence[int], logits: Sequence[int]) -> int:
    """Return the token with the highest score, the lowest id among equals.

    Args:
        noise: None at temperature 0, where the score is the logit.
        tokens: at least one, ascending.
        logits: Q16, biases included, one a token.
    """
    scores = (
        list(logits)
        if noise is None
        else [
            compute_score(noise, token, logit) for token, logit in zip(tokens, logits, strict=True)
        ]
    )
    return tokens[scores.index(max(scores))]
