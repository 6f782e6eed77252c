# pragma version 0.4.3
"""
@title StepVerifierPrompt
@notice Steps of a prompt's record: token after token of the manifest's segments, a slot's text cut by
        the sorted vocabulary as StepVerifierVocabulary does. A cursor is segment 16 | offset 16; below 0
        it is -1 - n after n tokens.
@dev Twin of oyez/protocol/step_prompt.py: it opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import frame
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import prompt_text
from contracts.modules import published
from contracts.modules import step_model
from contracts.modules import vocabulary

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: frame[openings := openings, step_model := step_model]
initializes: published[step_model := step_model]
initializes: vocabulary[openings := openings, step_model := step_model]
exports: step_model.model

# --- Ops ---
CURSOR: constant(uint256) = 96
HEAD: constant(uint256) = 97
TOKENS: constant(uint256) = 98

# --- Where things stand ---
CURSOR_TOKENS: constant(uint256) = c.INT32_PER_CHUNK // 2
LAST_CURSOR: constant(uint256) = c.POSITIONS // CURSOR_TOKENS - 1
ENTRY_INPUT: constant(uint256) = 3
BAD: constant(uint256) = 3
MANIFEST: constant(uint256) = 7
STATE_JSON: constant(uint256) = 2
STATE_CHUNKS: constant(uint256) = c.MAX_STATE_BYTES // c.CHUNK_BYTES
INPUT_CHUNKS: constant(uint256) = c.MAX_INPUT_BYTES // c.CHUNK_BYTES
PROMPT_TOKENS: constant(uint256) = 0
RAN: constant(uint256) = 1

# A leaf before, the entry's words, and two chunks of text: behind a segment that is passed over the
# next one is read from its start.
MAX_READS: constant(uint256) = 4
# Where a prompt stands, and of those after it input and state may be passed over; no slot stands twice.
MAX_PASSED: constant(uint256) = 3
# So much of a text is looked at: whether a token is its last must be seen.
WINDOW: constant(uint256) = c.MAX_TOKEN_BYTES + 1


struct Proof:
    leaves: DynArray[IStepVerifier.Opening, MAX_READS]
    rows: DynArray[IStepVerifier.Row, vocabulary.MOST_ROWS]
    hint: uint256
    preimages: DynArray[Bytes[32], 1]


# What a step wants opened, and its answer if that is given. Where text is to be cut, it ends after
# `start`: a token begins there, `offset` bytes into a slot's text.
struct Found:
    wanted: uint256
    answer: int256
    text: Bytes[vocabulary.PADDED]
    start: uint256
    end: uint256
    segment: uint256
    offset: uint256


@deploy
def __init__(model: address):
    """
    @param model StepModel.
    """
    step_model.__init__(model)


@view
@external
def recompute(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    proof: Bytes[c.MAX_STEP_PROOF_BYTES],
) -> int256:
    """
    @notice One lane.
    @custom:rule FRAME-35
    @param step Where it stands.
    @param raw Its own leaf.
    @param proof What the step reads.
    @return The number, PAD if the leaf is dead.
    """
    opened: Proof = abi_decode(proof, Proof, unwrap_tuple=False)
    given: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS] = []
    for k: uint256 in range(MAX_READS):
        given.append(opened.leaves[k].data if k < len(opened.leaves) else b"")

    found: Found = empty(Found)
    if step.op == CURSOR:
        found = self._cursor(step, raw, given)
    elif step.op == HEAD:
        found = self._head(step, raw, given)
    else:
        assert step.op == TOKENS, "step: none of the prompt's"
        found = self._token(step, given)

    frame._check(step, opened.leaves, found.wanted)
    assert len(opened.preimages) == 0, "step: a preimage of nothing"
    if found.start == found.end:
        assert len(opened.rows) == 0, "step: a row for no prompt text"
        return found.answer
    length: uint256 = found.end - found.start
    match: vocabulary.Match = vocabulary._find(
        found.text,
        found.start,
        found.start + min(length, c.MAX_TOKEN_BYTES),
        opened.rows,
        opened.hint,
    )
    if not match.is_found:
        return frame.FILLER
    return self._answer(
        step.lane,
        convert(match.token, int256),
        found.segment,
        found.offset + match.length,
        match.length == length,
    )


# --- OPS ---


@internal
@view
def _cursor(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    given: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS],
) -> Found:
    """
    @dev A token of the prompt, or where the prompt stands after it (odd lanes).
         # rule: FRAME-36, FRAME-37
    """
    f: Found = empty(Found)
    f.answer = lanes.PAD if step.lane == 0 else frame.FILLER
    entry: uint256 = frame._first(step.record, frame.ENTRY)
    n: uint256 = 0
    cursor: int256 = 0
    if step.lane >= 2:
        cursor = lanes._read(raw, c.CHUNK_INT32, (step.lane | 1) - 2)
    elif step.leaf > 0:
        f.wanted = frame._leaf(0, step.leaf - 1, c.CHUNK_INT32)
        n = 1
        if len(given[0]) == 0:
            return f
        cursor = lanes._read(given[0], c.CHUNK_INT32, c.INT32_PER_CHUNK - 1)
    elif step.lane == 0:
        f.wanted = frame._chunk(0, entry, 0, c.CHUNK_INT32)
        n = 1
        if frame._int32(given[0], BAD) != -1:
            return f
    f.answer = frame.FILLER
    if cursor < 0:
        if step.lane & 1 == 1:
            f.answer = cursor
        return f

    words: uint256 = n
    f.wanted = frame._chunk(f.wanted, entry, 1, c.CHUNK_BYTES32)
    if len(given[words]) == 0:
        return f
    manifest: published.Published = published._open(extract32(given[words], 32 * MANIFEST))
    if manifest.pointer == empty(address):
        return f
    place: prompt_text.Place = prompt_text._begin(
        manifest.pointer, manifest.header, convert(cursor, uint256)
    )
    for _: uint256 in range(MAX_PASSED + 1):
        if place.segment >= place.segments:
            break
        f.segment = place.segment
        f.offset = place.offset
        if place.kind == prompt_text.LITERAL:
            if place.offset < place.count:
                token: uint256 = prompt_text._literal(manifest.pointer, place)
                f.answer = self._answer(
                    step.lane,
                    convert(token, int256),
                    place.segment,
                    place.offset + 1,
                    place.offset + 1 == place.count,
                )
                return f
        elif place.kind == prompt_text.STATE:
            state: uint256 = frame._first(step.record, frame.STATE)
            f, n = self._read(f, state, STATE_JSON, STATE_CHUNKS, n + 1, given)
        elif place.kind == prompt_text.INPUT:
            f, n = self._read(f, entry, ENTRY_INPUT, INPUT_CHUNKS, n + 1, given)
        else:
            text: Bytes[prompt_text.MAX_NUMBER] = prompt_text._format(place.kind, given[words])
            f.text = concat(text, empty(bytes32), empty(bytes32))
            f.end = len(text)
            f.start = min(place.offset, f.end)
        if f.start < f.end:
            return f
        place = prompt_text._next(manifest.pointer, place)

    # the prompt has ended
    # rule: FRAME-37
    if step.lane & 1 == 1:
        f.answer = -1 - convert(step.leaf * CURSOR_TOKENS + (step.lane >> 1), int256)
    return f


@internal
@view
def _head(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    given: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS],
) -> Found:
    """
    @dev The prompt's tokens if the model runs, and whether it does.
         # rule: FRAME-40, TRANSITION-6
    """
    f: Found = empty(Found)
    f.answer = frame.FILLER
    if step.lane == RAN:
        f.answer = 1 if lanes._read(raw, c.CHUNK_INT32, PROMPT_TOKENS) >= 0 else 0
        return f
    if step.lane > 0:
        return f
    f.wanted = frame._chunk(0, frame._first(step.record, frame.ENTRY), 0, c.CHUNK_INT32)
    if len(given[0]) == 0:
        f.answer = lanes.PAD
        return f
    f.wanted = frame._leaf(f.wanted, LAST_CURSOR, c.CHUNK_INT32)
    if len(given[1]) == 0:
        return f
    end: int256 = lanes._read(given[1], c.CHUNK_INT32, c.INT32_PER_CHUNK - 1)
    if end >= 0:
        return f
    f.wanted = frame._chunk(f.wanted, frame._first(step.record, frame.ENTRY), 1, c.CHUNK_BYTES32)
    if len(given[2]) == 0:
        return f
    manifest: published.Published = published._open(extract32(given[2], 32 * MANIFEST))
    if manifest.pointer == empty(address):
        return f
    count: int256 = -1 - end
    most: uint256 = published._output_tokens(manifest.header)
    if count + convert(most, int256) <= convert(step_model.CONTEXT, int256):
        f.answer = count
    return f


@internal
@view
def _token(
    step: IStepVerifier.Step, given: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS]
) -> Found:
    """
    @dev A token of the prompt, in a chunk that has any.
         # rule: FRAME-41
    """
    f: Found = empty(Found)
    f.answer = lanes.PAD if step.lane == 0 else frame.FILLER
    head: uint256 = frame._record_start()
    n: uint256 = 0
    if step.lane == 0:
        f.wanted = frame._leaf(0, head, c.CHUNK_INT32)
        if frame._int32(given[0], RAN) != 1:
            return f
        n = 1
    at: uint256 = (step.leaf - head - 1) * c.INT32_PER_CHUNK + step.lane
    f.wanted = frame._leaf(f.wanted, at // CURSOR_TOKENS, c.CHUNK_INT32)
    if len(given[n]) > 0:
        token: int256 = lanes._read(given[n], c.CHUNK_INT32, 2 * (at % CURSOR_TOKENS))
        if token >= 0:
            f.answer = token
    return f


# --- WHAT THEY SHARE ---


@internal
@pure
def _answer(
    lane: uint256, token: int256, segment: uint256, offset: uint256, is_last: bool
) -> int256:
    """
    @dev The token, or where the prompt stands after it.
         # rule: FRAME-35
    """
    if lane & 1 == 0:
        return token
    if is_last:
        return convert((segment + 1) << prompt_text.OFFSET_BITS, int256)
    return convert((segment << prompt_text.OFFSET_BITS) | offset, int256)


@internal
@pure
def _read(
    f: Found,
    record: uint256,
    first: uint256,
    chunks: uint256,
    n: uint256,
    given: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS],
) -> (Found, uint256):
    """
    @dev A text of so many chunks from the offset on, up to its first zero: as much of it as is looked at.
         And the number of the last leaf that is read.
         # rule: FRAME-38
    """
    g: Found = f
    g.start = 0
    g.end = 0
    chunk: uint256 = f.offset // c.CHUNK_BYTES
    start: uint256 = f.offset % c.CHUNK_BYTES
    if chunk >= chunks:
        return g, n - 1
    g.wanted = frame._chunk(g.wanted, record, first + chunk, c.CHUNK_TEXT)
    if len(given[n]) == 0:
        return g, n
    g.text = concat(given[n], empty(bytes32), empty(bytes32))
    g.start = start
    g.end = min(vocabulary._find_zero(g.text, start), start + WINDOW)
    if g.end < c.CHUNK_BYTES or start + WINDOW == c.CHUNK_BYTES or chunk + 1 == chunks:
        return g, n
    g.wanted = frame._chunk(g.wanted, record, first + chunk + 1, c.CHUNK_TEXT)
    if len(given[n + 1]) > 0:
        # the last bytes of one and the first of the other
        skipped: uint256 = c.CHUNK_BYTES - c.MAX_TOKEN_BYTES
        g.text = concat(
            slice(given[n], skipped, c.MAX_TOKEN_BYTES),
            slice(given[n + 1], 0, c.MAX_TOKEN_BYTES),
            empty(bytes32),
        )
        g.start = start - skipped
        g.end = min(vocabulary._find_zero(g.text, g.start), g.start + WINDOW)
    return g, n + 1
