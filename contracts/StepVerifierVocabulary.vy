# pragma version 0.4.3
"""
@title StepVerifierVocabulary
@notice Steps of a sampler that cut text into tokens: the forced run, the options of a choice, and which
        of those are left. The longest token that some bytes begin with is found between two neighbours
        of the sorted vocabulary, MODEL-15; which two is the proof's hint, and just one hint passes.
@dev Twin of oyez/protocol/step_vocabulary.py.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import published
from contracts.modules import step_model
from contracts.modules import vocabulary

implements: IStepOfModel
implements: IStepVerifier
initializes: step_model
initializes: openings[step_model := step_model]
initializes: published[step_model := step_model]
initializes: vocabulary[openings := openings, step_model := step_model]
exports: step_model.model

# ops, and what they read by its place among a sampler's regions
RUN_TOKENS_OP: constant(uint256) = 37
OPTIONS_OP: constant(uint256) = 38
CONTEXT: constant(uint256) = 1
MODE: constant(uint256) = 2
RUN_TEXT: constant(uint256) = 4
RUN_TOKENS: constant(uint256) = 5
OPTIONS: constant(uint256) = 6
# modes, and what a step takes for one where there is none
MODE_RUN: constant(int256) = 3
MODE_CHOICE: constant(int256) = 4
MODE_NONE: constant(int256) = -1

MOST: constant(uint256) = 3
OPTION_TOKENS: constant(uint256) = c.OPTION_LANES // 2
FILLER: constant(int256) = -(2**31)
NOT_LEFT: constant(int256) = -1
TEXT_END: constant(int256) = 1_024


# Bytes to match, from `start` on; `text` is wide enough to load a word at each of them.
struct Rest:
    text: Bytes[vocabulary.PADDED]
    start: int256
    end: uint256


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
    @notice Recompute one lane of the forced run's tokens, the options' tokens or the candidates.
    @custom:rule INNER-2
    @param step Where it stands, under which roots.
    @param raw The step's own leaf; the end of the token before is read there.
    @param proof What it reads, opened in order, and the record of the vocabulary.
    @return The lane's value; PAD where the leaf is dead.
    """
    leaves: DynArray[IStepVerifier.Opening, MOST] = []
    rows: DynArray[IStepVerifier.Row, vocabulary.MOST_ROWS] = []
    hint: uint256 = 0
    leaves, rows, hint = abi_decode(
        proof,
        (
            DynArray[IStepVerifier.Opening, MOST],
            DynArray[IStepVerifier.Row, vocabulary.MOST_ROWS],
            uint256,
        ),
    )
    value: int256 = lanes.PAD if step.lane == 0 else FILLER
    place: uint256 = unsafe_sub(step.leaf, step_model._sampler_start(step.op - c.FIRST_SAMPLER_OP))
    wanted: openings.Wanted = empty(openings.Wanted)
    rest: Rest = empty(Rest)
    if step.op == RUN_TOKENS_OP:
        wanted, rest = self._run(place, step.lane, raw, leaves)
    elif step.op == OPTIONS_OP:
        wanted, rest = self._option(place, step.lane, raw, leaves)
    else:
        wanted, value = self._candidate(step.lane, value, leaves)
    openings._check(step, leaves, wanted)

    if rest.start < 0 or rest.start >= convert(rest.end, int256):
        assert len(rows) == 0, "step: a row for no text"
        return value
    start: uint256 = convert(rest.start, uint256)
    match: vocabulary.Match = vocabulary._find(rest.text, start, rest.end, rows, hint)
    if not match.is_found:
        return value
    if step.lane & 1 == 1:
        return convert(start + match.length, int256)
    return convert(match.token, int256)


# --- INTERNAL ---


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
def _run(
    place: uint256,
    lane: uint256,
    raw: Bytes[c.CHUNK_BYTES],
    leaves: DynArray[IStepVerifier.Opening, MOST],
) -> (openings.Wanted, Rest):
    """
    @dev The text from the end of the token before up to its first zero.
         # rule: INNER-57
    """
    wanted: openings.Wanted = empty(openings.Wanted)
    rest: Rest = empty(Rest)
    n: uint256 = 0
    if lane >= 2:
        rest.start = lanes._read(raw, c.CHUNK_INT32, (lane & ~1) - 1)
    elif place > 0:
        wanted.at.append(self._at(RUN_TOKENS, place - 1))
        wanted.types.append(c.CHUNK_INT32)
        if len(leaves[0].data) == 0:
            return wanted, rest
        n = 1
        rest.start = lanes._read(leaves[0].data, c.CHUNK_INT32, c.INT32_PER_CHUNK - 1)
        if rest.start < 0:
            return wanted, rest
    elif lane == 0:
        wanted.at.append(self._at(MODE, 0))
        wanted.types.append(c.CHUNK_INT32)
        if self._mode(leaves[0]) != MODE_RUN:
            return wanted, rest
        n = 1
    wanted.at.append(self._at(RUN_TEXT, 0))
    wanted.types.append(c.CHUNK_TEXT)
    if len(leaves[n].data) == 0 or rest.start < 0 or rest.start >= TEXT_END:
        return wanted, rest
    rest.text = concat(leaves[n].data, empty(bytes32), empty(bytes32))
    rest.end = vocabulary._find_zero(rest.text, convert(rest.start, uint256))
    return wanted, rest


@internal
@view
def _option(
    place: uint256,
    lane: uint256,
    raw: Bytes[c.CHUNK_BYTES],
    leaves: DynArray[IStepVerifier.Opening, MOST],
) -> (openings.Wanted, Rest):
    """
    @dev The text of an option, from the end of the token before.
         # rule: INNER-58
    """
    wanted: openings.Wanted = empty(openings.Wanted)
    rest: Rest = empty(Rest)
    n: uint256 = 0
    if lane == 0:
        wanted.at.append(self._at(MODE, 0))
        wanted.types.append(c.CHUNK_INT32)
        if self._mode(leaves[0]) != MODE_CHOICE:
            return wanted, rest
        n = 1
    wanted.at.append(self._at(CONTEXT, 0))
    wanted.types.append(c.CHUNK_BYTES32)
    if len(leaves[n].data) == 0:
        return wanted, rest
    option: uint256 = place * (c.INT32_PER_CHUNK // c.OPTION_LANES) + lane // c.OPTION_LANES
    state: uint256 = convert(extract32(leaves[n].data, 0), uint256)
    manifest: published.Published = published._open(extract32(leaves[n].data, 64))
    field: published.Written = published._find(manifest, (state >> 56) & c.M8)
    if option >= published._count_choices(field, state & c.M8):
        return wanted, rest
    if lane % c.OPTION_LANES >= 2:
        rest.start = lanes._read(raw, c.CHUNK_INT32, (lane & ~1) - 1)
    choices_at: uint256 = published._choices_at(manifest, field)
    text: Bytes[published.MAX_CHOICE_BYTES] = published._choice(manifest, field, choices_at, option)
    rest.end = len(text)
    rest.text = concat(text, empty(bytes32))
    return wanted, rest


@internal
@view
def _candidate(
    lane: uint256, otherwise: int256, leaves: DynArray[IStepVerifier.Opening, MOST]
) -> (openings.Wanted, int256):
    """
    @dev An option is left if it begins with the bytes so far and one of its tokens begins after them.
         # rule: INNER-59, DECODE-9
    """
    wanted: openings.Wanted = empty(openings.Wanted)
    n: uint256 = 0
    if lane == 0:
        wanted.at.append(self._at(MODE, 0))
        wanted.types.append(c.CHUNK_INT32)
        if self._mode(leaves[0]) != MODE_CHOICE:
            return wanted, otherwise
        n = 1
    wanted.at.append(self._at(CONTEXT, 0))
    wanted.types.append(c.CHUNK_BYTES32)
    if len(leaves[n].data) == 0:
        return wanted, otherwise
    state: uint256 = convert(extract32(leaves[n].data, 0), uint256)
    value: uint256 = convert(extract32(leaves[n].data, 32), uint256)
    manifest: published.Published = published._open(extract32(leaves[n].data, 64))
    field: published.Written = published._find(manifest, (state >> 56) & c.M8)
    count: uint256 = published._count_choices(field, state & c.M8)
    option: uint256 = lane // 2
    if option >= count:
        return wanted, otherwise
    if lane & 1 == 1:
        return wanted, published._bias(manifest, field, option)

    wanted.at.append(self._at(OPTIONS, option // (c.INT32_PER_CHUNK // c.OPTION_LANES)))
    wanted.types.append(c.CHUNK_INT32)
    if len(leaves[n + 1].data) == 0:
        return wanted, otherwise
    if value >= count:
        return wanted, NOT_LEFT
    length: uint256 = (state >> 40) & c.M16
    if length > 0 and option != value:
        at: uint256 = published._choices_at(manifest, field)
        so_far: Bytes[published.MAX_CHOICE_BYTES] = published._choice(manifest, field, at, value)
        shared: uint256 = min(length, len(so_far))
        text: Bytes[published.MAX_CHOICE_BYTES] = published._choice(manifest, field, at, option)
        if len(text) < shared or slice(text, 0, shared) != slice(so_far, 0, shared):
            return wanted, NOT_LEFT
    first: uint256 = (option % 2) * c.OPTION_LANES
    return wanted, self._next(leaves[n + 1].data, first, convert(length, int256))


@internal
@pure
def _next(data: Bytes[c.CHUNK_BYTES], first: uint256, length: int256) -> int256:
    """
    @dev The option's first token that begins after `length` bytes: at 0, or where another one ends.
    """
    at: uint256 = first
    if length > 0:
        at = 0
        for k: uint256 in range(OPTION_TOKENS - 1):
            end: uint256 = unsafe_add(first, unsafe_add(unsafe_mul(2, k), 1))
            if lanes._read(data, c.CHUNK_INT32, end) == length:
                at = unsafe_add(end, 1)
                break
        if at == 0:
            return NOT_LEFT
    return max(lanes._read(data, c.CHUNK_INT32, at), NOT_LEFT)
