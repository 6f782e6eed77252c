# pragma version 0.4.3
"""
@title StepVerifierOutput
@notice Steps that read a call's output off its samplers: where its tokens end, which of them holds a
        byte, and that byte.
@dev Twin of oyez/protocol/step_output.py: it opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import frame
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: frame[openings := openings, step_model := step_model]
exports: step_model.model

# --- Ops ---
ENDS: constant(uint256) = 112
OWNER: constant(uint256) = 113
TEXT: constant(uint256) = 114

# --- The first leaf of *output_owner* ---
OWNER_START: constant(uint256) = 5
MOST_TOKENS: constant(int256) = 1_280

# --- What heads say ---
PROMPT_TOKENS: constant(uint256) = 0
RAN: constant(uint256) = 1
KIND: constant(uint256) = 0
TOKEN: constant(uint256) = 1
BYTES: constant(uint256) = 3
FIRST_KIND: constant(int256) = 1
LAST_KIND: constant(int256) = 3

# A token's row: type 1 | length 2 | bytes.
TOKEN_HEADER: constant(uint256) = 3
MAX_READS: constant(uint256) = 4
NO_TOKEN: constant(int256) = -1


struct Proof:
    leaves: DynArray[IStepVerifier.Opening, MAX_READS]
    rows: DynArray[IStepVerifier.Row, 1]
    hint: uint256
    preimages: DynArray[Bytes[32], 1]


# What a step wants opened, and its answer if that is given; of a token's row, so many bytes before its
# end stands what is asked for.
struct Found:
    wanted: uint256
    answer: int256
    token: int256
    left: uint256


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
    @custom:rule FRAME-45
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
    if step.op == ENDS:
        found = self._end(step, raw, given)
    elif step.op == OWNER:
        found = self._owner(step, raw, given)
    else:
        assert step.op == TEXT, "step: none of the output's"
        found = self._byte(step, given)

    frame._check(step, opened.leaves, found.wanted)
    assert len(opened.preimages) == 0, "step: a preimage for an output"
    if found.token == NO_TOKEN:
        assert len(opened.rows) == 0, "step: a row of no token"
        return found.answer
    assert len(opened.rows) == 1, "step: an output token's row"
    token: uint256 = convert(found.token, uint256)
    row: Bytes[c.MAX_ROW_BYTES] = opened.rows[0].data
    header: bytes32 = openings._header(step_model.TOKENS, token, step_model.TOKEN_TYPE)
    openings._check_row(
        sha256(concat(header, row)), opened.rows[0].siblings, step_model.TOKENS, token
    )
    if found.left + TOKEN_HEADER > len(row):
        return 0
    return convert(convert(slice(row, len(row) - found.left, 1), uint256), int256)


# --- OPS ---


@internal
@view
def _end(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    given: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS],
) -> Found:
    """
    @dev The bytes of output after a token, -1 - n after the last of n.
         # rule: FRAME-46
    """
    f: Found = self._begin(step)
    f.answer = lanes.PAD if step.lane == 0 else frame.FILLER
    if len(given[0]) == 0:
        return f
    n: uint256 = 1
    before: int256 = 0
    f, before, n = self._before(f, step, raw, step.leaf, n, given)
    if before < 0:
        # of a dead leaf too
        f.answer = before
        return f
    number: int256 = convert(step.leaf * c.INT32_PER_CHUNK + step.lane, int256)
    f.answer = -1 - number
    if lanes._read(given[0], c.CHUNK_INT32, RAN) != 1:
        return f
    position: int256 = self._position(given[0], number)
    if position < 0:
        return f
    f = self._sampler(f, step, position)
    kind: int256 = frame._int32(given[n], KIND)
    if kind >= FIRST_KIND and kind <= LAST_KIND:
        f.answer = lanes._read(given[n], c.CHUNK_INT32, BYTES)
    return f


@internal
@view
def _owner(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    given: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS],
) -> Found:
    """
    @dev The output token that holds a byte: that of the byte before, or the next one.
         # rule: FRAME-47
    """
    leaf: uint256 = step.leaf - OWNER_START
    byte: int256 = convert(leaf * c.INT32_PER_CHUNK + step.lane, int256)
    f: Found = self._begin(step)
    n: uint256 = 0
    if byte == 0:
        if len(given[0]) == 0:
            f.answer = lanes.PAD
            return f
        n = 1
    else:
        f.wanted = 0
    before: int256 = 0
    f, before, n = self._before(f, step, raw, leaf, n, given)
    f.answer = lanes.PAD if before == lanes.PAD else frame.FILLER
    if before < 0 or before >= MOST_TOKENS:
        return f
    place: uint256 = convert(before, uint256)
    f = self._ends(f, place)
    if frame._int32(given[n], place % c.INT32_PER_CHUNK) > byte:
        f.answer = before
        return f
    place += 1
    if byte == 0 or before + 1 == MOST_TOKENS:
        return f
    if place % c.INT32_PER_CHUNK == 0:
        f = self._ends(f, place)
        n += 1
    if frame._int32(given[n], place % c.INT32_PER_CHUNK) > byte:
        f.answer = before + 1
    return f


@internal
@view
def _byte(
    step: IStepVerifier.Step, given: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS]
) -> Found:
    """
    @dev A byte of the output, 0 past its end.
         # rule: FRAME-48
    """
    f: Found = self._begin(step)
    if len(given[0]) == 0:
        if step.lane == 0:
            f.answer = lanes.PAD
        return f
    f.wanted = frame._leaf(
        f.wanted, OWNER_START + step.lane // c.INT32_PER_CHUNK, c.CHUNK_INT32
    )
    owner: int256 = frame._int32(given[1], step.lane % c.INT32_PER_CHUNK)
    if owner < 0 or owner >= MOST_TOKENS:
        return f
    place: uint256 = convert(owner, uint256)
    f = self._ends(f, place)
    end: int256 = frame._int32(given[2], place % c.INT32_PER_CHUNK)
    byte: int256 = convert(step.lane, int256)
    if end <= byte:
        return f
    position: int256 = self._position(given[0], owner)
    if position < 0:
        return f
    f = self._sampler(f, step, position)
    token: int256 = frame._int32(given[3], TOKEN)
    if token >= 0 and token < convert(step_model.TOKEN_COUNT, int256):
        f.token = token
        f.left = convert(end - byte, uint256)
    return f


# --- WHAT THEY READ ---


@internal
@view
def _begin(step: IStepVerifier.Step) -> Found:
    """
    @dev The prompt's head is wanted.
    """
    prompt: uint256 = frame._first(step.record, frame.PROMPT)
    return Found(
        wanted=frame._chunk(0, prompt, 0, c.CHUNK_INT32), answer=0, token=NO_TOKEN, left=0
    )


@internal
@view
def _before(
    f: Found,
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    leaf: uint256,
    n: uint256,
    given: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS],
) -> (Found, int256, uint256):
    """
    @dev The lane before this one, of the leaf before too: PAD if that is dead, 0 at the region's first.
         And how many leaves are read by then.
         # rule: FRAME-45
    """
    g: Found = f
    if step.lane > 0:
        return g, lanes._read(raw, c.CHUNK_INT32, step.lane - 1), n
    if leaf == 0:
        return g, 0, n
    g.wanted = frame._leaf(g.wanted, step.leaf - 1, c.CHUNK_INT32)
    return g, frame._int32(given[n], c.INT32_PER_CHUNK - 1), n + 1


@internal
@view
def _ends(f: Found, token: uint256) -> Found:
    """
    @dev The leaf of `ends` that holds a token's lane.
    """
    g: Found = f
    g.wanted = frame._leaf(g.wanted, token // c.INT32_PER_CHUNK, c.CHUNK_INT32)
    return g


@internal
@pure
def _position(head: Bytes[c.CHUNK_BYTES], number: int256) -> int256:
    """
    @dev Position of the sampler that chose an output token; below 0 where there is none.
         # rule: TRANSITION-8
    """
    count: int256 = lanes._read(head, c.CHUNK_INT32, PROMPT_TOKENS)
    position: int256 = count + number
    if count < 0 or position >= convert(frame.LAST_POSITION, int256):
        return -1
    return position


@internal
@view
def _sampler(f: Found, step: IStepVerifier.Step, position: int256) -> Found:
    g: Found = f
    sampler: uint256 = frame._sampler(step.record, convert(position, uint256))
    g.wanted = frame._chunk(g.wanted, sampler, 0, c.CHUNK_INT32)
    return g
