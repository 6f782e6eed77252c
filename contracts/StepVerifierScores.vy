# pragma version 0.4.3
"""
@title StepVerifierScores
@notice Steps of a sampler that compare tokens: noise, the best of a block, an option's score, the top.
        A score and its token are one number: score in Q32 times 2**24, plus 2**24 - 1 less the token.
@dev Twin of oyez/protocol/step_scores.py. Lanes hold any int32, so a score is below 2**64.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import gumbel
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import published
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier
initializes: step_model
initializes: openings[step_model := step_model]
initializes: published[step_model := step_model]
exports: step_model.model

# ops, and what they read by its place among a sampler's regions
NOISE_OP: constant(uint256) = 44
BEST_OP: constant(uint256) = 45
CHOICE_OP: constant(uint256) = 46
CONTEXT: constant(uint256) = 1
MODE: constant(uint256) = 2
CANDIDATES: constant(uint256) = 7
LOGITS: constant(uint256) = 10
MASK: constant(uint256) = 11
NOISE: constant(uint256) = 12
BEST: constant(uint256) = 13
CHOICE: constant(uint256) = 14
TOP: constant(uint256) = 15
# modes, and what a step takes for one where there is none
MODE_CHOICE: constant(int256) = 4
MODE_FREE: constant(int256) = 5
MODE_NONE: constant(int256) = -1

UNKNOWN: constant(int256) = -1

MOST: constant(uint256) = 5
MAX_CHOICES: constant(uint256) = c.MAX_OPTIONS + 1
FILLER: constant(int256) = -(2**31)
# no token: below every packed score
NO_TOKEN: constant(int256) = -(2**120)
LAST: constant(int256) = 2**24 - 1
SIGN: constant(uint256) = 224


# What a step answers, and what it read for it.
struct Answer:
    value: int256
    wanted: openings.Wanted


@deploy
def __init__(model: address):
    """
    @param model StepModel.
    """
    step_model.__init__(model)


@view
@external
def recompute(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], proof: Bytes[c.MAX_STEP_PROOF_BYTES]
) -> int256:
    """
    @notice Recompute one lane of noise, block best, choice score or top.
    @custom:rule INNER-2
    @param step Where it stands, under which roots.
    @param raw The step's own leaf, of which nothing is read.
    @param proof What it reads, opened in order.
    @return The lane's value; PAD where the leaf is dead.
    """
    leaves: DynArray[IStepVerifier.Opening, MOST] = []
    rows: DynArray[bytes32, 1] = []
    hint: uint256 = 0
    leaves, rows, hint = abi_decode(
        proof, (DynArray[IStepVerifier.Opening, MOST], DynArray[bytes32, 1], uint256)
    )
    assert len(rows) == 0, "step: a score reads no row"

    place: uint256 = unsafe_sub(step.leaf, step_model._sampler_start(step.op - c.FIRST_SAMPLER_OP))
    answer: Answer = empty(Answer)
    if step.op == NOISE_OP:
        answer = self._noise(place * c.INT32_PER_CHUNK + step.lane, step.lane, leaves)
    elif step.op == BEST_OP:
        answer = self._best(place * c.CHUNK_WORDS + step.lane, step.lane, leaves)
    elif step.op == CHOICE_OP:
        answer = self._choice(place * c.CHUNK_WORDS + step.lane, step.lane, leaves)
    else:
        answer = self._top(step.lane, leaves)
    openings._check(step, leaves, answer.wanted)
    return answer.value


# --- INTERNAL ---


@internal
@pure
def _dead(lane: uint256, otherwise: int256) -> int256:
    return lanes.PAD if lane == 0 else otherwise


@internal
@view
def _at(region: uint256, place: uint256) -> uint256:
    return step_model._sampler_start(region) + place


@internal
@pure
def _mode(opening: IStepVerifier.Opening) -> int256:
    if len(opening.data) == 0:
        return MODE_NONE
    return lanes._read(opening.data, c.CHUNK_INT32, 0)


@internal
@view
def _temperature(context: IStepVerifier.Opening) -> int256:
    """
    @dev Of the manifest that a context names; UNKNOWN of a dead context or of no manifest.
    """
    if len(context.data) == 0:
        return UNKNOWN
    manifest: published.Published = published._open(extract32(context.data, 64))
    if manifest.pointer == empty(address):
        return UNKNOWN
    return convert(published._temperature(manifest.header), int256)


@internal
@view
def _noise(
    token: uint256, lane: uint256, leaves: DynArray[IStepVerifier.Opening, MOST]
) -> Answer:
    """
    @dev 5k gas but for the openings.
         # rule: INNER-51
    """
    answer: Answer = empty(Answer)
    answer.value = self._dead(lane, FILLER)
    if token >= step_model.TOKEN_COUNT:
        return answer
    n: uint256 = 0
    if lane == 0:
        answer.wanted.at.append(self._at(MODE, 0))
        answer.wanted.types.append(c.CHUNK_INT32)
        mode: int256 = self._mode(leaves[0])
        if mode != MODE_CHOICE and mode != MODE_FREE:
            return answer
        n = 1
    answer.wanted.at.append(self._at(CONTEXT, 0))
    answer.wanted.types.append(c.CHUNK_BYTES32)
    if self._temperature(leaves[n]) <= 0:
        return answer
    key: uint256 = convert(extract32(leaves[n].data, 96), uint256)
    answer.value = gumbel._gumbel(gumbel._draw(key, token))
    return answer


@internal
@view
def _best(group: uint256, lane: uint256, leaves: DynArray[IStepVerifier.Opening, MOST]) -> Answer:
    """
    @dev Up to 80k gas but for the openings.
         # rule: INNER-52
    """
    answer: Answer = empty(Answer)
    answer.value = self._dead(lane, NO_TOKEN)
    n: uint256 = 0
    if lane == 0:
        answer.wanted.at.append(self._at(MODE, 0))
        answer.wanted.types.append(c.CHUNK_INT32)
        if self._mode(leaves[0]) != MODE_FREE:
            return answer
        n = 1
    if group * c.INT32_PER_CHUNK >= step_model.TOKEN_COUNT:
        return answer
    answer.wanted.at.append(self._at(LOGITS, group))
    answer.wanted.types.append(c.CHUNK_INT32)
    if len(leaves[n].data) == 0:
        return answer
    answer.wanted.at.append(self._at(MASK, group // c.MASK_TOKENS))
    answer.wanted.types.append(c.CHUNK_INT32)
    if len(leaves[n + 1].data) == 0:
        return answer
    answer.wanted.at.append(self._at(CONTEXT, 0))
    answer.wanted.types.append(c.CHUNK_BYTES32)
    temperature: int256 = self._temperature(leaves[n + 2])
    if temperature == UNKNOWN:
        return answer
    noises: Bytes[c.CHUNK_BYTES] = b""
    if temperature != 0:
        answer.wanted.at.append(self._at(NOISE, group))
        answer.wanted.types.append(c.CHUNK_INT32)
        noises = leaves[n + 3].data
        if len(noises) == 0:
            return answer
    answer.value = self._scan(
        group, leaves[n].data, leaves[n + 1].data, noises, temperature
    )
    return answer


@internal
@view
def _scan(
    group: uint256,
    logits: Bytes[c.CHUNK_BYTES],
    mask: Bytes[c.CHUNK_BYTES],
    noises: Bytes[c.CHUNK_BYTES],
    temperature: int256,
) -> int256:
    """
    @dev Eight tokens a word of logits; their bits are one lane of the mask.
    """
    best: int256 = NO_TOKEN
    first: uint256 = group * c.INT32_PER_CHUNK
    left: uint256 = min(c.INT32_PER_CHUNK, step_model.TOKEN_COUNT - first)
    place: int256 = LAST - convert(first, int256)
    bits: uint256 = 0
    for i: uint256 in range(c.CHUNK_WORDS):
        if i & 7 == 0:
            # eight lanes of the mask, of tokens 64 i and on
            word: uint256 = (group & 7) * 4 + (i >> 3)
            bits = convert(extract32(mask, 32 * word), uint256)
        allowed: uint256 = bits & c.M8
        bits = bits >> 32
        at: uint256 = unsafe_mul(i, 8)
        if at >= left:
            break
        if left < unsafe_add(at, 8):
            allowed &= c.M8 >> unsafe_sub(unsafe_add(at, 8), left)
        if allowed == 0:
            continue
        x: uint256 = convert(extract32(logits, unsafe_mul(32, i)), uint256)
        y: uint256 = 0
        if temperature != 0:
            y = convert(extract32(noises, unsafe_mul(32, i)), uint256)
        packed_place: int256 = unsafe_sub(place, convert(at, int256))
        for _: uint256 in range(8):
            if allowed & 1 != 0:
                # both int32 lanes signed, at once times 2**40 and 2**24
                packed: int256 = unsafe_add(
                    unsafe_add(
                        convert(convert(x << SIGN, bytes32), int256) >> (SIGN - 40),
                        unsafe_mul(
                            convert(convert(y << SIGN, bytes32), int256) >> (SIGN - 24),
                            temperature,
                        ),
                    ),
                    packed_place,
                )
                if packed > best:
                    best = packed
            allowed = allowed >> 1
            x = x >> 32
            y = y >> 32
            packed_place = unsafe_sub(packed_place, 1)
    return best


@internal
@view
def _choice(
    option: uint256, lane: uint256, leaves: DynArray[IStepVerifier.Opening, MOST]
) -> Answer:
    """
    @dev The same number as in a group, for one token with its option's bias.
         # rule: INNER-53, DECODE-9
    """
    answer: Answer = empty(Answer)
    answer.value = self._dead(lane, NO_TOKEN)
    n: uint256 = 0
    if lane == 0:
        answer.wanted.at.append(self._at(MODE, 0))
        answer.wanted.types.append(c.CHUNK_INT32)
        if self._mode(leaves[0]) != MODE_CHOICE:
            return answer
        n = 1
    if option >= MAX_CHOICES:
        answer.value = NO_TOKEN
        return answer
    answer.wanted.at.append(self._at(CANDIDATES, 0))
    answer.wanted.types.append(c.CHUNK_INT32)
    if len(leaves[n].data) == 0:
        return answer
    candidate: int256 = lanes._read(leaves[n].data, c.CHUNK_INT32, 2 * option)
    bias: int256 = lanes._read(leaves[n].data, c.CHUNK_INT32, 2 * option + 1)
    if candidate < 0 or candidate >= convert(step_model.TOKEN_COUNT, int256):
        answer.value = NO_TOKEN
        return answer
    token: uint256 = convert(candidate, uint256)
    answer.wanted.at.append(self._at(CONTEXT, 0))
    answer.wanted.types.append(c.CHUNK_BYTES32)
    temperature: int256 = self._temperature(leaves[n + 1])
    if temperature == UNKNOWN:
        return answer
    answer.wanted.at.append(self._at(LOGITS, token // c.INT32_PER_CHUNK))
    answer.wanted.types.append(c.CHUNK_INT32)
    if len(leaves[n + 2].data) == 0:
        return answer
    at: uint256 = token % c.INT32_PER_CHUNK
    score: int256 = (lanes._read(leaves[n + 2].data, c.CHUNK_INT32, at) + bias) * 2**16
    if temperature != 0:
        answer.wanted.at.append(self._at(NOISE, token // c.INT32_PER_CHUNK))
        answer.wanted.types.append(c.CHUNK_INT32)
        if len(leaves[n + 3].data) == 0:
            return answer
        score += lanes._read(leaves[n + 3].data, c.CHUNK_INT32, at) * temperature
    answer.value = score * 2**24 + LAST - candidate
    return answer


@internal
@view
def _top(lane: uint256, leaves: DynArray[IStepVerifier.Opening, MOST]) -> Answer:
    """
    @dev Words of a leaf of bests or of choices, whatever they hold.
         # rule: INNER-54
    """
    answer: Answer = empty(Answer)
    answer.value = self._dead(lane, NO_TOKEN)
    answer.wanted.at.append(self._at(MODE, 0))
    answer.wanted.types.append(c.CHUNK_INT32)
    mode: int256 = self._mode(leaves[0])
    if mode != MODE_CHOICE and mode != MODE_FREE:
        return answer
    region: uint256 = BEST if mode == MODE_FREE else CHOICE
    # the next region begins where this one ends
    if self._at(region, lane) >= step_model._sampler_start(region + 1):
        answer.value = NO_TOKEN
        return answer
    answer.wanted.at.append(self._at(region, lane))
    answer.wanted.types.append(c.CHUNK_BYTES32)
    if len(leaves[1].data) == 0:
        return answer
    best: int256 = min_value(int256)
    for i: uint256 in range(c.CHUNK_WORDS):
        best = max(best, convert(extract32(leaves[1].data, 32 * i), int256))
    answer.value = best
    return answer
