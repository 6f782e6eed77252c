# pragma version 0.4.3
"""
@title StepVerifierLayer
@notice Steps of a layer's token, norms, SwiGLU and record, and of the sampler's norm. Twin of
        oyez/protocol/step_layer.py: it opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import integers
from contracts.modules import lanes
from contracts.modules import norms
from contracts.modules import openings
from contracts.modules import reads
from contracts.modules import step_model
from contracts.modules import vectors

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: reads[step_model := step_model]
exports: step_model.model

# --- Ops, and regions that they read ---
TOKEN: constant(uint256) = 0
EMBEDDING: constant(uint256) = 1
NORM: constant(uint256) = 2
NORMED: constant(uint256) = 3
KEY_VALUE: constant(uint256) = 6
MIDDLE: constant(uint256) = 17
FFN_NORM: constant(uint256) = 18
FFN_NORMED: constant(uint256) = 19
GATE: constant(uint256) = 20
UP: constant(uint256) = 21
SWISH: constant(uint256) = 22
GATED_BITS: constant(uint256) = 23
GATED: constant(uint256) = 24
RECORD_KEY_VALUE: constant(uint256) = 27
MODE: constant(uint256) = 34
LAST_NORM: constant(uint256) = 40
LAST_NORMED: constant(uint256) = 41

# --- The prompt's and the sampler's lanes ---
PROMPT_SLOT: constant(uint256) = 2
PROMPT_TOKENS: constant(uint256) = 0
RAN: constant(uint256) = 1
FIRST_KIND: constant(int256) = 1
LAST_KIND: constant(int256) = 3
MODE_CHOICE: constant(int256) = 4
MODE_FREE: constant(int256) = 5

# --- Sizes ---
ROW_BYTES: constant(uint256) = 2 * c.INT16_PER_CHUNK
MAX_ROWS: constant(uint256) = 1


struct NormRow:
    data: Bytes[ROW_BYTES]
    siblings: DynArray[bytes32, c.MAX_STEP_SIBLINGS]


struct Proof:
    leaves: DynArray[IStepVerifier.Opening, reads.MAX_READS]
    rows: DynArray[NormRow, MAX_ROWS]
    hint: uint256


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
    given: Proof = abi_decode(proof, Proof, unwrap_tuple=False)
    living: uint256 = reads._living(given.leaves)
    x: Bytes[c.CHUNK_BYTES] = b""
    if living > 0:
        x = given.leaves[0].data
    wanted: openings.Wanted = self._list(step, x)
    count: uint256 = len(wanted.at)
    openings._check(step, given.leaves, reads._cut(wanted, living))
    if living < count:
        assert len(given.rows) == 0, "step: the dead read no row"
        if self._is_norm(step.op):
            return reads._filler(step.lane, 0)
        return lanes.PAD

    weights: Bytes[vectors.NORM_BYTES] = b""
    if self._is_weighted(step, count):
        assert len(given.rows) == 1, "step: one row of weights"
        header: bytes32 = openings._header(
            step_model.CONFIG, self._norm_row(step), step_model.NORM_TYPE
        )
        weights = concat(header, given.rows[0].data)
        openings._check_row(
            sha256(weights), given.rows[0].siblings, step_model.CONFIG, self._norm_row(step)
        )
    else:
        assert len(given.rows) == 0, "step: a row is not read"

    y: Bytes[c.CHUNK_BYTES] = b""
    z: Bytes[c.CHUNK_BYTES] = b""
    if count > 1:
        y = given.leaves[1].data
    if count > 2:
        z = given.leaves[2].data
    if self._is_norm(step.op):
        return self._norm(step, count, raw, x, y, weights)
    if count == 0:
        return reads._filler(step.lane, self._minimum(step.op))
    if step.op == TOKEN:
        return self._token(step, count, x, y)
    if step.op == NORMED or step.op == FFN_NORMED:
        return self._normed(step, x, y, weights)
    if step.op == LAST_NORMED:
        return self._normed(step, y, x, weights)
    if step.op == SWISH:
        return norms._swish(self._int32(x, step.lane))
    if step.op == GATED_BITS:
        first: uint256 = c.INT32_PER_CHUNK * step.lane
        left: uint256 = min(c.INT32_PER_CHUNK, step_model.FEED_FORWARD - first)
        return integers._bits(vectors._largest_product(x, y, left))
    if step.op == GATED:
        return self._gated(step.lane % c.INT32_PER_CHUNK, x, y, z)
    return lanes._read(x, c.CHUNK_REVERSED, step.lane)


# --- WHAT IS READ ---


@internal
@view
def _list(step: IStepVerifier.Step, first: Bytes[c.CHUNK_BYTES]) -> openings.Wanted:
    """
    @dev Leaves and their types, in order. Where the first of them decides what else is read, it is
         given: nothing if it is dead.
    """
    op: uint256 = step.op
    lane: uint256 = self._lane(step)
    at: DynArray[uint256, c.MAX_STEP_OPENINGS] = []
    types: DynArray[uint256, c.MAX_STEP_OPENINGS] = [c.CHUNK_INT32, c.CHUNK_INT32, c.CHUNK_INT32]
    if op == TOKEN:
        if step.lane == 0 and reads._slot(step.record) == 0:
            at = [openings._outer(reads._record(step.record, 0, PROMPT_SLOT), 0)]
            if len(first) > 0 and self._int32(first, RAN) == 1:
                at.append(self._token_source(step, first))
    elif self._is_norm(op):
        chunks: uint256 = reads._chunks(step_model.WIDTH)
        if op == LAST_NORM and step.lane == 0:
            at = [self._sampler_leaf(MODE)]
            if len(first) == 0 or not self._asks(first):
                return openings.Wanted(at=at, types=[c.CHUNK_INT32])
        if step.lane < 2 * chunks:
            at.append(self._source(step, step.lane % chunks))
    elif op == NORMED or op == FFN_NORMED:
        if lane < step_model.WIDTH:
            source: uint256 = self._source(step, lane // c.INT32_PER_CHUNK)
            at = [source, reads._leaf(op - 1, 0)]
            types = [c.CHUNK_INT32, c.CHUNK_BYTES32]
    elif op == LAST_NORMED:
        if lane < step_model.WIDTH:
            at = [self._sampler_leaf(LAST_NORM), self._source(step, lane // c.INT32_PER_CHUNK)]
            types = [c.CHUNK_BYTES32, c.CHUNK_INT32]
    elif op == SWISH:
        if lane < step_model.FEED_FORWARD:
            at = [reads._leaf(GATE, lane // c.INT32_PER_CHUNK)]
    elif op == GATED_BITS:
        if c.INT32_PER_CHUNK * step.lane < step_model.FEED_FORWARD:
            at = [reads._leaf(SWISH, step.lane), reads._leaf(UP, step.lane)]
    elif op == GATED:
        if lane < step_model.FEED_FORWARD:
            leaf: uint256 = lane // c.INT32_PER_CHUNK
            at = [reads._leaf(SWISH, leaf), reads._leaf(UP, leaf), reads._leaf(GATED_BITS, 0)]
    else:
        assert op == RECORD_KEY_VALUE, "step: no op of a layer"
        at = [reads._leaf(KEY_VALUE, lane // c.INT16_PER_CHUNK)]
        types = [c.CHUNK_REVERSED]
    for k: uint256 in range(len(types) - len(at), bound=c.MAX_STEP_OPENINGS):
        types.pop()
    return openings.Wanted(at=at, types=types)


@internal
@view
def _lane(step: IStepVerifier.Step) -> uint256:
    """
    @dev The lane in its region, where that is more than one leaf.
    """
    op: uint256 = step.op
    if op == LAST_NORMED:
        return c.INT16_PER_CHUNK * (step.leaf - self._sampler_leaf(op)) + step.lane
    if op == SWISH:
        return c.INT32_PER_CHUNK * (step.leaf - reads._leaf(op, 0)) + step.lane
    if op == NORMED or op == FFN_NORMED or op == GATED or op == RECORD_KEY_VALUE:
        return c.INT16_PER_CHUNK * (step.leaf - reads._leaf(op, 0)) + step.lane
    return step.lane


@internal
@view
def _sampler_leaf(op: uint256) -> uint256:
    return step_model._sampler_start(op - c.FIRST_SAMPLER_OP)


@internal
@pure
def _is_norm(op: uint256) -> bool:
    return op == NORM or op == FFN_NORM or op == LAST_NORM


@internal
@pure
def _minimum(op: uint256) -> int256:
    """
    @dev What lanes without a value hold.
    """
    if op == TOKEN or op == SWISH or op == GATED_BITS:
        return reads.NO_INT32
    return reads.NO_INT16


@internal
@view
def _source(step: IStepVerifier.Step, chunk: uint256) -> uint256:
    """
    @dev Address of a chunk of what a norm is over.
         # rule: INNER-24
    """
    slot: uint256 = reads._slot(step.record)
    if step.op == FFN_NORM or step.op == FFN_NORMED:
        return reads._leaf(MIDDLE, chunk)
    if slot == 0:
        return reads._leaf(EMBEDDING, chunk)
    before: uint256 = slot - 1
    if slot == reads.LAST_SLOT:
        before = step_model.LAYER_COUNT - 1
    position: uint256 = reads._position(step.record)
    return openings._outer(reads._record(step.record, position, before), chunk)


@internal
@view
def _is_weighted(step: IStepVerifier.Step, count: uint256) -> bool:
    """
    @dev Whether weights of a norm are read, all of `count` leaves being alive.
    """
    if self._is_norm(step.op):
        chunks: uint256 = reads._chunks(step_model.WIDTH)
        return step.lane >= chunks and step.lane < 2 * chunks
    is_normed: bool = step.op == NORMED or step.op == FFN_NORMED or step.op == LAST_NORMED
    return is_normed and count > 0


@internal
@view
def _norm_row(step: IStepVerifier.Step) -> uint256:
    """
    @dev Config row of the weights that a lane needs.
    """
    norm: uint256 = 2 * reads._slot(step.record)
    if step.op == FFN_NORM or step.op == FFN_NORMED:
        norm += 1
    elif step.op == LAST_NORM or step.op == LAST_NORMED:
        norm = 2 * step_model.LAYER_COUNT
    if self._is_norm(step.op):
        chunks: uint256 = reads._chunks(step_model.WIDTH)
        return step_model._norm_row(norm, (step.lane - chunks) >> 1)
    return step_model._norm_row(norm, self._lane(step) // c.INT16_PER_CHUNK)


# --- TOKENS ---


@internal
@view
def _token_source(step: IStepVerifier.Step, head: Bytes[c.CHUNK_BYTES]) -> uint256:
    """
    @dev Where the token is stated: among the prompt's, or by the sampler before it.
         # rule: INNER-23
    """
    before: uint256 = reads._position(step.record) - 1
    if convert(before, int256) < self._int32(head, PROMPT_TOKENS):
        prompt: uint256 = reads._record(step.record, 0, PROMPT_SLOT)
        return openings._outer(prompt, 1 + before // c.INT32_PER_CHUNK)
    return openings._outer(reads._record(step.record, before, reads.LAST_SLOT), 0)


@internal
@pure
def _token(
    step: IStepVerifier.Step,
    count: uint256,
    head: Bytes[c.CHUNK_BYTES],
    source: Bytes[c.CHUNK_BYTES],
) -> int256:
    """
    @dev # rule: INNER-23
    """
    if count == 1:
        return lanes.PAD
    before: uint256 = reads._position(step.record) - 1
    if convert(before, int256) < self._int32(head, PROMPT_TOKENS):
        return self._int32(source, before % c.INT32_PER_CHUNK)
    kind: int256 = self._int32(source, 0)
    if kind < FIRST_KIND or kind > LAST_KIND:
        return lanes.PAD
    return self._int32(source, 1)


# --- NORMS ---


@internal
@pure
def _asks(mode: Bytes[c.CHUNK_BYTES]) -> bool:
    """
    @dev Whether a sampler asks for logits.
         # rule: INNER-27
    """
    found: int256 = self._int32(mode, 0)
    return found == MODE_CHOICE or found == MODE_FREE


@internal
@view
def _norm(
    step: IStepVerifier.Step,
    count: uint256,
    raw: Bytes[c.CHUNK_BYTES],
    first: Bytes[c.CHUNK_BYTES],
    second: Bytes[c.CHUNK_BYTES],
    weights: Bytes[vectors.NORM_BYTES],
) -> int256:
    """
    @dev Sums of squares, largest products, the root, the shift.
         # rule: INNER-25, INNER-27
    """
    chunks: uint256 = reads._chunks(step_model.WIDTH)
    if step.lane < 2 * chunks:
        chunk: uint256 = step.lane % chunks
        left: uint256 = step_model.WIDTH - c.INT32_PER_CHUNK * chunk
        left = min(c.INT32_PER_CHUNK, left)
        if step.lane >= chunks:
            at: uint256 = c.INT32_PER_CHUNK * (chunk & 1)
            return convert(vectors._peak(first, weights, at, left), int256)
        if step.op == LAST_NORM and step.lane == 0:
            if count == 1:
                return lanes.PAD
            return convert(vectors._squares(second, left), int256)
        return convert(vectors._squares(first, left), int256)
    if step.lane == 2 * chunks:
        return norms._root(raw, chunks, step_model.WIDTH, step_model.EPSILON)
    if step.lane == 2 * chunks + 1:
        return norms._cut(raw, chunks)
    return 0


@internal
@view
def _normed(
    step: IStepVerifier.Step,
    x: Bytes[c.CHUNK_BYTES],
    words: Bytes[c.CHUNK_BYTES],
    weights: Bytes[vectors.NORM_BYTES],
) -> int256:
    """
    @dev # rule: INNER-26, INNER-27
    """
    chunks: uint256 = reads._chunks(step_model.WIDTH)
    product: int256 = self._int32(x, step.lane % c.INT32_PER_CHUNK)
    product = product * vectors._weight(weights, step.lane) * norms._inverse(words, chunks)
    return integers._shift(product, norms._word(words, 2 * chunks + 1), integers.SAT16)


# --- SWIGLU ---


@internal
@view
def _gated(
    lane: uint256,
    swish: Bytes[c.CHUNK_BYTES],
    up: Bytes[c.CHUNK_BYTES],
    bits: Bytes[c.CHUNK_BYTES],
) -> int256:
    """
    @dev # rule: INNER-30
    """
    cut: int256 = vectors._input_shift(bits, reads._chunks(step_model.FEED_FORWARD))
    return integers._shift(self._int32(swish, lane) * self._int32(up, lane), cut, integers.SAT16)


# --- LANES AND WORDS ---


@internal
@pure
def _int32(data: Bytes[c.CHUNK_BYTES], lane: uint256) -> int256:
    return lanes._read(data, c.CHUNK_INT32, lane)
