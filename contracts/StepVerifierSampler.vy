# pragma version 0.4.3
"""
@title StepVerifierSampler
@notice Steps of a sampler's frame: what came before it, what comes next, its record. Twin of
        oyez/protocol/step_sampler.py: it opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import published
from contracts.modules import sampler_reads
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: published[step_model := step_model]
initializes: sampler_reads[published := published, step_model := step_model]
exports: step_model.model

# --- Ops, and regions that they read ---
BEFORE: constant(uint256) = 32
CONTEXT: constant(uint256) = 33
MODE: constant(uint256) = 34
RUN_TOKENS: constant(uint256) = 37
OPTIONS: constant(uint256) = 38
CANDIDATES: constant(uint256) = 39
NEXT: constant(uint256) = 48
WALK: constant(uint256) = 49
ENDING: constant(uint256) = 50
STATE: constant(uint256) = 51
QUEUE: constant(uint256) = 52

# --- What lanes say ---
SOURCE_PROMPT: constant(int256) = 0
SOURCE_START: constant(int256) = 1
SOURCE_OUTPUT: constant(int256) = 2
MODE_PROMPT: constant(int256) = 0
MODE_QUEUE: constant(int256) = 1
MODE_END: constant(int256) = 2
MODE_RUN: constant(int256) = 3
MODE_CHOICE: constant(int256) = 4
MODE_FREE: constant(int256) = 5
KIND_PROMPT: constant(int256) = 0
KIND_FORCED: constant(int256) = 1
KIND_CHOSEN: constant(int256) = 3
KIND_END: constant(int256) = 4

# --- Places ---
ENTRY: constant(uint256) = 0
PROMPT: constant(uint256) = 2
PROMPT_TOKENS: constant(uint256) = 0
RAN: constant(uint256) = 1
CALL_MANIFEST: constant(uint256) = 7
CALL_SEED: constant(uint256) = 8
ALIVE: constant(int256) = 2**80
NOT_BYTE: constant(int256) = -1 - 255 * 2**72
WALK_BYTES: constant(uint256) = c.CHUNK_WORDS // 2
QUEUE_CHUNK: constant(uint256) = 2
MAX_READS: constant(uint256) = 6


struct Proof:
    leaves: DynArray[IStepVerifier.Opening, MAX_READS]
    rows: DynArray[IStepVerifier.Row, 1]
    hint: uint256


# What is given: data of the leaves in order, empty where dead or missing.
struct Given:
    x: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS]
    token_length: uint256


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
    @param step Where it stands.
    @param raw Its own leaf.
    @param proof What the step reads.
    @return The number, PAD if the leaf is dead.
    """
    opened: Proof = abi_decode(proof, Proof, unwrap_tuple=False)
    given: Given = empty(Given)
    for k: uint256 in range(MAX_READS):
        given.x.append(opened.leaves[k].data if k < len(opened.leaves) else b"")
    if len(opened.rows) == 1 and len(opened.rows[0].data) >= 3:
        given.token_length = convert(slice(opened.rows[0].data, 1, 2), uint256)

    found: sampler_reads.Found = empty(sampler_reads.Found)
    if step.op == BEFORE:
        found = self._before(step, raw, given)
    elif step.op == CONTEXT:
        found = self._context(step, raw, given)
    elif step.op == NEXT:
        found = self._next(step, given)
    elif step.op == ENDING:
        found = self._ending(step, given)
    elif step.op == STATE:
        found = self._state(step, given)
    else:
        found = self._queue(step, given)

    openings._check(step, opened.leaves, sampler_reads._list(found.wanted))
    if found.token == sampler_reads.NO_ROW:
        assert len(opened.rows) == 0, "step: no row of the sampler"
    else:
        assert len(opened.rows) == 1, "step: the next token's row"
        header: bytes32 = openings._header(
            step_model.TOKENS, found.token, step_model.TOKEN_TYPE
        )
        leaf: bytes32 = sha256(concat(header, opened.rows[0].data))
        openings._check_row(leaf, opened.rows[0].siblings, step_model.TOKENS, found.token)
    return found.answer


# --- OPS ---


@internal
@view
def _before(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], given: Given
) -> sampler_reads.Found:
    """
    @dev Source, and the output's tokens and bytes so far.
         # rule: INNER-60
    """
    f: sampler_reads.Found = sampler_reads._nothing()
    if step.lane > 2:
        f.answer = sampler_reads.FILLER
        return f
    if step.lane > 0:
        source: int256 = lanes._read(raw, c.CHUNK_INT32, 0)
        if source == SOURCE_OUTPUT:
            f.wanted = sampler_reads._last(f.wanted, step.record, 0, c.CHUNK_INT32)
            f.answer = sampler_reads._int32(given.x[0], step.lane + 1)
        elif source != SOURCE_START:
            f.answer = sampler_reads.FILLER
        return f

    f.wanted = sampler_reads._prologue(f.wanted, step.record, PROMPT, 0, c.CHUNK_INT32)
    f.answer = lanes.PAD
    if sampler_reads._int32(given.x[0], RAN) != 1:
        return f
    position: int256 = convert((step.record >> sampler_reads.SLOT_BITS) % c.POSITIONS, int256)
    count: int256 = sampler_reads._int32(given.x[0], PROMPT_TOKENS)
    if position == count:
        f.answer = SOURCE_START
    elif position > 0 and position < count:
        f.answer = SOURCE_PROMPT
    elif position > 0:
        f.wanted = sampler_reads._last(f.wanted, step.record, 0, c.CHUNK_INT32)
        kind: int256 = sampler_reads._int32(given.x[1], 0)
        if kind >= KIND_FORCED and kind <= KIND_CHOSEN:
            f.answer = SOURCE_OUTPUT
    return f


@internal
@view
def _context(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], given: Given
) -> sampler_reads.Found:
    """
    @dev The machine before this position, the manifest's hash, and the key of the noise.
         # rule: INNER-61
    """
    f: sampler_reads.Found = sampler_reads._nothing()
    if step.lane < 2:
        f.wanted = sampler_reads._leaf(f.wanted, BEFORE, 0, c.CHUNK_INT32)
        source: int256 = sampler_reads._int32(given.x[0], 0)
        if source == lanes.PAD or source == SOURCE_PROMPT:
            f.answer = lanes.PAD
        elif source != SOURCE_START:
            f.wanted = sampler_reads._last(f.wanted, step.record, 1, c.CHUNK_BYTES32)
            f.answer = sampler_reads._word(given.x[1], step.lane)
        elif step.lane == 0:
            f.answer = ALIVE
    elif step.lane == 2:
        f.wanted = sampler_reads._prologue(f.wanted, step.record, ENTRY, 1, c.CHUNK_BYTES32)
        f.answer = sampler_reads._word(given.x[0], CALL_MANIFEST)
    elif step.lane == 3:
        if published._temperature(sampler_reads._header_of(raw)) == 0:
            return f
        f.wanted = sampler_reads._prologue(f.wanted, step.record, ENTRY, 1, c.CHUNK_BYTES32)
        f.answer = lanes.PAD
        if len(given.x[0]) > 0:
            position: uint256 = (step.record >> sampler_reads.SLOT_BITS) % c.POSITIONS
            seed: bytes32 = extract32(given.x[0], 32 * CALL_SEED)
            key: bytes32 = keccak256(concat(c.NOISE, seed, convert(position, bytes32)))
            f.answer = convert(key, int256)
    return f


@internal
@view
def _next(step: IStepVerifier.Step, given: Given) -> sampler_reads.Found:
    """
    @dev Where the next token comes from, and the token.
         # rule: INNER-62
    """
    f: sampler_reads.Found = sampler_reads._nothing()
    f.answer = sampler_reads.FILLER
    if step.lane > 1:
        return f
    is_kind: bool = step.lane == 0
    f.wanted = sampler_reads._leaf(f.wanted, MODE, 0, c.CHUNK_INT32)
    mode: int256 = sampler_reads._int32(given.x[0], 0)
    if mode < MODE_PROMPT or mode > MODE_FREE:
        f.answer = lanes.PAD
    elif mode == MODE_PROMPT:
        if is_kind:
            f.answer = KIND_PROMPT
    elif mode == MODE_END:
        if is_kind:
            f.answer = KIND_END
    elif mode == MODE_FREE:
        f = sampler_reads._top(f, given.x[1], is_kind)
    elif mode == MODE_CHOICE:
        f.wanted = sampler_reads._leaf(f.wanted, CANDIDATES, 0, c.CHUNK_INT32)
        left: uint256 = 0
        option: uint256 = 0
        left, option = sampler_reads._find_left(given.x[1])
        if len(given.x[1]) == 0:
            f.answer = lanes.PAD
        elif left == 1:
            f.answer = KIND_FORCED if is_kind else sampler_reads._int32(given.x[1], 2 * option)
        elif is_kind:
            f.answer = KIND_CHOSEN
        else:
            f = sampler_reads._top(f, given.x[2], False)
    elif is_kind:
        f.answer = KIND_FORCED
    else:
        if mode == MODE_QUEUE:
            f.wanted = sampler_reads._last(f.wanted, step.record, QUEUE_CHUNK, c.CHUNK_INT32)
        else:
            f.wanted = sampler_reads._leaf(f.wanted, RUN_TOKENS, 0, c.CHUNK_INT32)
        f.answer = sampler_reads._int32(given.x[1], 0)
    return f


@internal
@view
def _ending(step: IStepVerifier.Step, given: Given) -> sampler_reads.Found:
    """
    @dev The record's first chunk: kind, token, tokens and bytes with it.
         # rule: INNER-63
    """
    f: sampler_reads.Found = sampler_reads._nothing()
    f.answer = sampler_reads.FILLER
    if step.lane > 3:
        return f
    f.wanted = sampler_reads._leaf(f.wanted, NEXT, 0, c.CHUNK_INT32)
    kind: int256 = sampler_reads._int32(given.x[0], 0)
    if kind == lanes.PAD or step.lane < 2:
        f.answer = sampler_reads._int32(given.x[0], step.lane)
        return f
    if kind == KIND_PROMPT:
        return f
    f.wanted = sampler_reads._leaf(f.wanted, BEFORE, 0, c.CHUNK_INT32)
    f.answer = sampler_reads._int32(given.x[1], step.lane - 1)
    if len(given.x[1]) == 0 or kind == KIND_END:
        return f
    more: uint256 = 1
    if step.lane == 3:
        f.token = sampler_reads._row_of(given.x[0])
        more = 0 if f.token == sampler_reads.NO_ROW else given.token_length
    f.answer += convert(more, int256)
    return f


@internal
@view
def _state(step: IStepVerifier.Step, given: Given) -> sampler_reads.Found:
    """
    @dev The record's second chunk: the machine after the next token.
         # rule: INNER-64
    """
    f: sampler_reads.Found = sampler_reads._nothing()
    if step.lane > 1:
        return f
    f.wanted = sampler_reads._leaf(f.wanted, NEXT, 0, c.CHUNK_INT32)
    f.answer = lanes.PAD
    kind: int256 = sampler_reads._int32(given.x[0], 0)
    if kind == lanes.PAD or kind == KIND_PROMPT:
        return f
    if kind == KIND_END:
        f.wanted = sampler_reads._leaf(f.wanted, CONTEXT, 0, c.CHUNK_BYTES32)
        f.answer = sampler_reads._word(given.x[1], step.lane)
        return f
    f.token = sampler_reads._row_of(given.x[0])
    if f.token == sampler_reads.NO_ROW:
        return f
    length: uint256 = given.token_length
    if length == 0:
        return f
    last: uint256 = length - 1
    f.wanted = sampler_reads._leaf(f.wanted, WALK, last // WALK_BYTES, c.CHUNK_BYTES32)
    f.answer = sampler_reads._word(given.x[1], 2 * (last % WALK_BYTES) + step.lane)
    if step.lane == 0 and len(given.x[1]) > 0:
        f.answer = f.answer & NOT_BYTE
    return f


@internal
@view
def _queue(step: IStepVerifier.Step, given: Given) -> sampler_reads.Found:
    """
    @dev What follows the next token in the same run, or in the last option.
         # rule: INNER-65
    """
    f: sampler_reads.Found = sampler_reads._nothing()
    f.answer = lanes.PAD
    f.wanted = sampler_reads._leaf(f.wanted, NEXT, 0, c.CHUNK_INT32)
    if sampler_reads._int32(given.x[0], 0) != KIND_FORCED:
        return f
    if step.lane > 0:
        f.answer = sampler_reads.FILLER
    f.wanted = sampler_reads._leaf(f.wanted, MODE, 0, c.CHUNK_INT32)
    leaf: uint256 = step.leaf - step_model._sampler_start(QUEUE - c.FIRST_SAMPLER_OP)
    after: uint256 = c.INT32_PER_CHUNK * leaf + step.lane + 1
    mode: int256 = sampler_reads._int32(given.x[1], 0)
    if after >= c.MAX_OUTPUT_BYTES or not (
        mode == MODE_QUEUE or mode == MODE_RUN or mode == MODE_CHOICE
    ):
        return f
    found: int256 = lanes.PAD
    if mode == MODE_QUEUE:
        chunk: uint256 = QUEUE_CHUNK + after // c.INT32_PER_CHUNK
        f.wanted = sampler_reads._last(f.wanted, step.record, chunk, c.CHUNK_INT32)
        found = sampler_reads._int32(given.x[2], after % c.INT32_PER_CHUNK)
    else:
        f.wanted = sampler_reads._leaf(f.wanted, BEFORE, 0, c.CHUNK_INT32)
        if len(given.x[2]) == 0:
            return f
        f.wanted = sampler_reads._leaf(f.wanted, CONTEXT, 0, c.CHUNK_BYTES32)
        if len(given.x[3]) == 0 or not sampler_reads._has_room(given.x[2], given.x[3], after):
            return f
        if mode == MODE_RUN:
            at: uint256 = 2 * after
            f.wanted = sampler_reads._leaf(
                f.wanted, RUN_TOKENS, at // c.INT32_PER_CHUNK, c.CHUNK_INT32
            )
            found = sampler_reads._int32(given.x[4], at % c.INT32_PER_CHUNK)
        else:
            f.wanted = sampler_reads._leaf(f.wanted, CANDIDATES, 0, c.CHUNK_INT32)
            left: uint256 = 0
            option: uint256 = 0
            left, option = sampler_reads._find_left(given.x[4])
            if left == 0:
                return f
            f.wanted = sampler_reads._leaf(f.wanted, OPTIONS, option // 2, c.CHUNK_INT32)
            if len(given.x[5]) == 0:
                return f
            found = sampler_reads._find_option_token(given.x[5], option, given.x[3], after)
    if found >= 0:
        f.answer = found
    return f
