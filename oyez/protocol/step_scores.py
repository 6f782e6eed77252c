"""Steps of a sampler that compare tokens: noise, the best of a block, an option's score, the top.

A token and its score are one number: score in Q32 times 2^24, plus 2^24 - 1 less the token's id. So
the highest number is the highest score, ties to the lowest id.
"""

from __future__ import annotations

from collections.abc import Mapping

from oyez.protocol import noise
from oyez.protocol.inner import MASK_TOKENS, MAX_CHOICES
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_machine import Mode, open_manifest
from oyez.protocol.step_vocabulary import read_mode
from oyez.protocol.trace import INT32_LANES, WORDS

#: No token: below every packed score.
NO_TOKEN = -(1 << 120)
#: Bits that a token's place takes in a packed score.
TOKEN_BITS = 24
_LAST = (1 << TOKEN_BITS) - 1
_MASK_LANES = INT32_LANES // MASK_TOKENS
_M32 = (1 << 32) - 1
#: Words of `context`.
_MANIFEST, _KEY = 2, 3


def pack_score(score: int, token: int) -> int:
    """Return a score in Q32 and its token as one number, the lowest id first among equals.

    Rule: INNER-52
    """
    return (score << TOKEN_BITS) + _LAST - token


def unpack_token(packed: int) -> int:
    """Return the token of a packed score; at NO_TOKEN there is none."""
    return _LAST - (packed & _LAST)


def compute_noise(step: Step) -> int:
    """Return the noise of one token, Q16, in -2^18..2^21; there is none at temperature 0.

    Rule: INNER-51
    """
    token = step.leaf * INT32_LANES + step.lane
    if token >= step.model.shape.vocabulary:
        return step.filler
    if step.lane == 0 and read_mode(step) not in (Mode.CHOICE, Mode.FREE):
        return step.filler
    context = step.read("context")
    if context is None:
        return step.filler
    published = open_manifest(step, context[_MANIFEST])
    if published is None or published.manifest.temperature == 0:
        return step.filler
    first, second, third, fourth, fifth = ((context[_KEY] >> 32 * at) & _M32 for at in range(5))
    words = (first, second, third, fourth, fifth)
    drawn = noise.draw(noise.Noise(published.manifest.temperature, words), token)
    return noise.compute_gumbel(drawn)


def compute_best(step: Step) -> int:
    """Return the highest packed score among the allowed tokens of a block of 256.

    Rule: INNER-52
    """
    block = step.leaf * WORDS + step.lane
    first, end = block * INT32_LANES, step.model.shape.vocabulary
    if step.lane == 0 and read_mode(step) is not Mode.FREE:
        return step.filler
    if first >= end:
        return NO_TOKEN
    logits = step.read("logits", block)
    if logits is None:
        return _get_dead(step)
    mask = step.read("mask", block // MASK_TOKENS)
    if mask is None:
        return _get_dead(step)
    temperature = _read_temperature(step)
    noises = step.read("noise", block) if temperature else None
    if temperature is None or (temperature and noises is None):
        return _get_dead(step)
    best = NO_TOKEN
    for lane in range(min(INT32_LANES, end - first)):
        bits = mask[block % MASK_TOKENS * _MASK_LANES + lane // MASK_TOKENS]
        if bits >> lane % MASK_TOKENS & 1:
            score = _compute_score(logits[lane], noises, lane, temperature)
            best = max(best, pack_score(score, first + lane))
    return best


def compute_choice(step: Step) -> int:
    """Return the packed score of the next token of one option that is left, its bias included.

    Rule: INNER-53, DECODE-9
    """
    option = step.leaf * WORDS + step.lane
    if step.lane == 0 and read_mode(step) is not Mode.CHOICE:
        return step.filler
    if option >= MAX_CHOICES:
        return NO_TOKEN
    candidates = step.read("candidates")
    if candidates is None:
        return _get_dead(step)
    token, bias = candidates[2 * option], candidates[2 * option + 1]
    if not 0 <= token < step.model.shape.vocabulary:
        return NO_TOKEN
    temperature = _read_temperature(step)
    if temperature is None:
        return _get_dead(step)
    block, lane = divmod(token, INT32_LANES)
    logits = step.read("logits", block)
    if logits is None:
        return _get_dead(step)
    noises = step.read("noise", block) if temperature else None
    if temperature and noises is None:
        return _get_dead(step)
    return pack_score(_compute_score(logits[lane] + bias, noises, lane, temperature), token)


def compute_top(step: Step) -> int:
    """Return the highest packed score of one leaf of blocks, or of options.

    Rule: INNER-54
    """
    mode = read_mode(step)
    if mode not in (Mode.CHOICE, Mode.FREE):
        return _get_dead(step)
    name = "choice" if mode is Mode.CHOICE else "best"
    if step.lane >= step.layout.get(name).leaves:
        return NO_TOKEN
    scores = step.read(name, step.lane)
    if scores is None:
        return _get_dead(step)
    return max(scores[word] for word in range(WORDS))


def _compute_score(logit: int, noises: Lanes | None, lane: int, temperature: int) -> int:
    """Return a score in Q32, of magnitude below 2^64 whatever the lanes hold."""
    return (logit << 16) + (0 if noises is None else noises[lane] * temperature)


def _read_temperature(step: Step) -> int | None:
    """Read the context, and return the temperature of the manifest that it names."""
    context = step.read("context")
    published = None if context is None else open_manifest(step, context[_MANIFEST])
    return None if published is None else published.manifest.temperature


def _get_dead(step: Step) -> int:
    """Return what a word says whose inputs are dead: of its leaf, or that there is no token."""
    return NO_TOKEN if step.lane else step.filler


OPS: Mapping[int, Op] = {44: compute_noise, 45: compute_best, 46: compute_choice, 47: compute_top}
