# pragma version 0.4.3
"""
@title StepVerifierAttention
@notice Steps of attention, from scores to the output matrix's input. Twin of
        oyez/protocol/step_attention.py: it opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import attention
from contracts.modules import integers
from contracts.modules import lanes
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
QUERY: constant(uint256) = 5
KEY_VALUE: constant(uint256) = 6
SCORE: constant(uint256) = 7
MAXIMUM: constant(uint256) = 8
WEIGHT: constant(uint256) = 9
TOTAL: constant(uint256) = 10
VALUE: constant(uint256) = 11
PART: constant(uint256) = 12
MIXED: constant(uint256) = 13
MIXED_BITS: constant(uint256) = 14
ATTENTION: constant(uint256) = 15

# formats of a layer, by byte
Q_FORMAT: constant(uint256) = 0
K_FORMAT: constant(uint256) = 1


struct Row:
    data: Bytes[1]
    siblings: DynArray[bytes32, 1]


struct Proof:
    leaves: DynArray[IStepVerifier.Opening, reads.MAX_READS]
    rows: DynArray[Row, 1]
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
    @param raw Its own leaf, of which no step of attention reads.
    @param proof What the step reads.
    @return The number, PAD if the leaf is dead.
    """
    given: Proof = abi_decode(proof, Proof, unwrap_tuple=False)
    assert len(given.rows) == 0, "step: attention reads no row"
    wanted: openings.Wanted = self._list(step)
    count: uint256 = len(wanted.at)
    living: uint256 = reads._living(given.leaves)
    openings._check(step, given.leaves, reads._cut(wanted, living))
    if living < count:
        if step.op == PART:
            return reads._filler(step.lane, 0)
        return lanes.PAD
    if count == 0:
        return reads._filler(step.lane, self._minimum(step.op))

    x: Bytes[c.CHUNK_BYTES] = given.leaves[0].data
    y: Bytes[c.CHUNK_BYTES] = b""
    if count > 1:
        y = given.leaves[1].data
    if step.op == SCORE:
        return self._score(step, given.leaves)
    if step.op == MAXIMUM or step.op == TOTAL:
        return self._reduce(step, x)
    if step.op == WEIGHT:
        return self._weight(step, x, y)
    if step.op == VALUE:
        lane: uint256 = self._value_lane(step) % c.INT16_PER_CHUNK
        return lanes._read(given.leaves[count - 1].data, c.CHUNK_REVERSED, lane)
    if step.op == PART:
        return attention._part(self._part_count(step), x, y, given.leaves[count - 1].data)
    if step.op == MIXED:
        lane: uint256 = self._lane(step)
        return attention._quotient(lane, lane // step_model.HEAD_SIZE, x, y)
    if step.op == MIXED_BITS:
        return self._mixed_bits(step.lane, x)
    return self._attention(step.lane, x, y)


# --- WHAT IS READ ---


@internal
@view
def _list(step: IStepVerifier.Step) -> openings.Wanted:
    """
    @dev Leaves and their types, in order.
    """
    op: uint256 = step.op
    lane: uint256 = self._lane(step)
    at: DynArray[uint256, c.MAX_STEP_OPENINGS] = []
    types: DynArray[uint256, c.MAX_STEP_OPENINGS] = []
    if op == SCORE:
        return self._list_score(step)
    if op == PART:
        return self._list_part(step)
    if op == VALUE:
        number: uint256 = self._place(step) % attention.VALUE_BLOCKS
        position: uint256 = c.INT16_PER_CHUNK * number + step.lane + 1
        if position <= reads._position(step.record):
            chunk: uint256 = self._value_lane(step) // c.INT16_PER_CHUNK
            if step.lane == 0 and position < reads._position(step.record):
                at = [reads._leaf(KEY_VALUE, chunk)]
            at.append(self._key_value(step, position, chunk))
            types = [c.CHUNK_REVERSED, c.CHUNK_REVERSED]
    elif op == MAXIMUM or op == TOTAL:
        is_head: bool = step.lane < attention.SCORE_BLOCKS * step_model.HEADS
        if is_head and self._block_count(step) > 0:
            at = [reads._leaf(op - 1, step.lane)]
            types = [c.CHUNK_INT32]
    elif op == WEIGHT:
        if self._block_count(step) > step.lane:
            at = [reads._leaf(SCORE, step.leaf - reads._leaf(WEIGHT, 0)), reads._leaf(MAXIMUM, 0)]
            types = [c.CHUNK_INT32, c.CHUNK_INT32]
    elif op == MIXED:
        if lane < self._queries():
            part: uint256 = attention.VALUE_BLOCKS * lane // c.CHUNK_WORDS
            at = [reads._leaf(TOTAL, 0), reads._leaf(PART, part)]
            types = [c.CHUNK_INT32, c.CHUNK_BYTES32]
    elif op == MIXED_BITS:
        if c.INT32_PER_CHUNK * lane < self._queries():
            at = [reads._leaf(MIXED, lane)]
            types = [c.CHUNK_INT32]
    else:
        assert op == ATTENTION, "step: no op of attention"
        if lane < self._queries():
            at = [reads._leaf(MIXED, lane // c.INT32_PER_CHUNK), reads._leaf(MIXED_BITS, 0)]
            types = [c.CHUNK_INT32, c.CHUNK_INT32]
    for k: uint256 in range(len(types) - len(at), bound=c.MAX_STEP_OPENINGS):
        types.pop()
    return openings.Wanted(at=at, types=types)


@internal
@view
def _list_score(step: IStepVerifier.Step) -> openings.Wanted:
    """
    @dev The head's query lanes, in one leaf or two, then the position's key lanes.
         # rule: INNER-33
    """
    wanted: openings.Wanted = openings.Wanted(at=[], types=[])
    number: uint256 = self._place(step) % attention.SCORE_BLOCKS
    position: uint256 = c.INT32_PER_CHUNK * number + step.lane + 1
    if position > reads._position(step.record):
        return wanted
    query: uint256 = self._query_lane(step)
    last: uint256 = (query + step_model.HEAD_SIZE - 1) // c.INT16_PER_CHUNK
    wanted.at.append(reads._leaf(QUERY, query // c.INT16_PER_CHUNK))
    wanted.types.append(c.CHUNK_INT16)
    if last > query // c.INT16_PER_CHUNK:
        wanted.at.append(reads._leaf(QUERY, last))
        wanted.types.append(c.CHUNK_INT16)
    key: uint256 = self._key_lane(step)
    last = (key + step_model.HEAD_SIZE - 1) // c.INT16_PER_CHUNK
    wanted.at.append(self._key_value(step, position, key // c.INT16_PER_CHUNK))
    wanted.types.append(c.CHUNK_REVERSED)
    if last > key // c.INT16_PER_CHUNK:
        wanted.at.append(self._key_value(step, position, last))
        wanted.types.append(c.CHUNK_REVERSED)
    return wanted


@internal
@view
def _list_part(step: IStepVerifier.Step) -> openings.Wanted:
    """
    @dev The head's weights over the positions, in one leaf or two, then the lane's values.
         # rule: INNER-37
    """
    wanted: openings.Wanted = openings.Wanted(at=[], types=[])
    count: uint256 = self._part_count(step)
    lane: uint256 = self._lane(step) // attention.VALUE_BLOCKS
    if count == 0 or lane >= self._queries():
        return wanted
    number: uint256 = self._lane(step) % attention.VALUE_BLOCKS
    head: uint256 = lane // step_model.HEAD_SIZE
    weights: uint256 = reads._leaf(WEIGHT, attention.SCORE_BLOCKS * head + 2 * number)
    wanted.at.append(weights)
    wanted.types.append(c.CHUNK_INT32)
    if count > c.INT32_PER_CHUNK:
        wanted.at.append(weights + 1)
        wanted.types.append(c.CHUNK_INT32)
    value: uint256 = self._group(head) * step_model.HEAD_SIZE + lane % step_model.HEAD_SIZE
    wanted.at.append(reads._leaf(VALUE, attention.VALUE_BLOCKS * value + number))
    wanted.types.append(c.CHUNK_INT16)
    return wanted


@internal
@view
def _key_value(step: IStepVerifier.Step, position: uint256, chunk: uint256) -> uint256:
    """
    @dev Address of a chunk of a position's keys and values: the record's own leaf, or an earlier one's.
         # rule: INNER-32
    """
    if position == reads._position(step.record):
        return reads._leaf(KEY_VALUE, chunk)
    record: uint256 = reads._record(step.record, position, reads._slot(step.record))
    return openings._outer(record, reads._chunks(step_model.WIDTH) + chunk)


# --- WHERE A LANE STANDS ---


@internal
@view
def _place(step: IStepVerifier.Step) -> uint256:
    """
    @dev The step's leaf in its region.
    """
    return step.leaf - reads._leaf(step.op, 0)


@internal
@view
def _lane(step: IStepVerifier.Step) -> uint256:
    """
    @dev The lane in its region.
    """
    if step.op == PART:
        return c.CHUNK_WORDS * self._place(step) + step.lane
    if step.op == ATTENTION:
        return c.INT16_PER_CHUNK * self._place(step) + step.lane
    return c.INT32_PER_CHUNK * self._place(step) + step.lane


@internal
@pure
def _minimum(op: uint256) -> int256:
    """
    @dev What lanes without a value hold.
    """
    if op == PART:
        return 0
    if op == VALUE or op == ATTENTION:
        return reads.NO_INT16
    return reads.NO_INT32


@internal
@view
def _queries() -> uint256:
    return step_model.HEADS * step_model.HEAD_SIZE


@internal
@view
def _group(head: uint256) -> uint256:
    """
    @dev The key head that a query head looks at.
    """
    return head * step_model.KV_HEADS // step_model.HEADS


@internal
@view
def _query_lane(step: IStepVerifier.Step) -> uint256:
    """
    @dev Of a score: first lane of its query head.
    """
    return self._place(step) // attention.SCORE_BLOCKS * step_model.HEAD_SIZE


@internal
@view
def _key_lane(step: IStepVerifier.Step) -> uint256:
    """
    @dev Of a score: first lane of its key head.
    """
    return self._group(self._place(step) // attention.SCORE_BLOCKS) * step_model.HEAD_SIZE


@internal
@view
def _value_lane(step: IStepVerifier.Step) -> uint256:
    """
    @dev Of a value: where it stands among a position's keys and values.
    """
    return step_model.KV_HEADS * step_model.HEAD_SIZE + self._place(step) // attention.VALUE_BLOCKS


@internal
@view
def _block_count(step: IStepVerifier.Step) -> uint256:
    """
    @dev Positions, up to the record's own, in the block of 256 that a weight, a maximum or a total is of.
    """
    number: uint256 = step.lane % attention.SCORE_BLOCKS
    if step.op == WEIGHT:
        number = self._place(step) % attention.SCORE_BLOCKS
    return self._positions_from(step, c.INT32_PER_CHUNK * number, c.INT32_PER_CHUNK)


@internal
@view
def _part_count(step: IStepVerifier.Step) -> uint256:
    """
    @dev Positions, up to the record's own, in the block of 512 that a part is of.
    """
    first: uint256 = c.INT16_PER_CHUNK * (step.lane % attention.VALUE_BLOCKS)
    return self._positions_from(step, first, c.INT16_PER_CHUNK)


@internal
@pure
def _positions_from(step: IStepVerifier.Step, first: uint256, most: uint256) -> uint256:
    position: uint256 = reads._position(step.record)
    if position <= first:
        return 0
    return min(most, position - first)


# --- THE OPS ---


@internal
@view
def _score(
    step: IStepVerifier.Step, leaves: DynArray[IStepVerifier.Opening, reads.MAX_READS]
) -> int256:
    """
    @dev Four lanes at a time: they stand side by side, two in each of two words, of a key from the other
         end. The head size is a multiple of four, so no four lie in two leaves. A leaf has 2**9 lanes,
         two words of it have 2**5.
         # rule: INNER-33
    """
    query: uint256 = self._query_lane(step)
    key: uint256 = self._key_lane(step)
    # its leaves, of which the keys' are the last
    first: uint256 = query // c.INT16_PER_CHUNK
    keys: uint256 = (query + step_model.HEAD_SIZE - 1) // c.INT16_PER_CHUNK - first + 1
    keys = unsafe_sub(keys, key // c.INT16_PER_CHUNK)
    sum: uint256 = 0
    for i: uint256 in range(step_model.HEAD_SIZE >> 2, bound=64):
        leaf: uint256 = unsafe_sub(query >> 9, first)
        at: uint256 = (query & 480) << 1
        bit: uint256 = (query & 28) << 3
        q: uint256 = convert(extract32(leaves[leaf].data, at), uint256) >> bit
        r: uint256 = convert(extract32(leaves[leaf].data, at | 32), uint256) >> bit
        leaf = unsafe_add(key >> 9, keys)
        at = (key & 480) << 1
        bit = 224 - ((key & 28) << 3)
        k: uint256 = convert(extract32(leaves[leaf].data, at), uint256) >> bit
        sum = unsafe_add(sum, attention._products(q, k))
        k = convert(extract32(leaves[leaf].data, at | 32), uint256) >> bit
        sum = unsafe_add(sum, attention._products(r, k))
        query = unsafe_add(query, 4)
        key = unsafe_add(key, 4)
    layer: uint256 = reads._slot(step.record)
    formats: uint256 = step_model._format(layer, Q_FORMAT) + step_model._format(layer, K_FORMAT)
    product: int256 = convert(convert(sum, bytes32), int256)
    product = product * convert(step_model.SCORE_SCALE, int256)
    return integers._shift(product, convert(2 + formats, int256), integers.SAT32)


@internal
@view
def _reduce(step: IStepVerifier.Step, data: Bytes[c.CHUNK_BYTES]) -> int256:
    """
    @dev Of lanes up to the record's position.
         # rule: INNER-34
    """
    low: int256 = 0
    high: int256 = 0
    sum: int256 = 0
    low, high, sum = vectors._range(data, 0, self._block_count(step))
    if step.op == MAXIMUM:
        return high
    return integers._clip(sum, -integers.SAT32, integers.SAT32)


@internal
@view
def _weight(
    step: IStepVerifier.Step, scores: Bytes[c.CHUNK_BYTES], maxima: Bytes[c.CHUNK_BYTES]
) -> int256:
    """
    @dev Maxima that are not there are the least number.
         # rule: INNER-35
    """
    head: uint256 = self._place(step) // attention.SCORE_BLOCKS
    low: int256 = 0
    high: int256 = 0
    sum: int256 = 0
    low, high, sum = vectors._range(maxima, attention.SCORE_BLOCKS * head, attention.SCORE_BLOCKS)
    score: int256 = lanes._read(scores, c.CHUNK_INT32, step.lane)
    return integers._shift(integers._exponential(max(0, high - score)), 14, integers.SAT32)


@internal
@view
def _mixed_bits(leaf: uint256, mixed: Bytes[c.CHUNK_BYTES]) -> int256:
    """
    @dev # rule: INNER-39
    """
    left: uint256 = self._queries() - c.INT32_PER_CHUNK * leaf
    low: int256 = 0
    high: int256 = 0
    sum: int256 = 0
    low, high, sum = vectors._range(mixed, 0, min(c.INT32_PER_CHUNK, left))
    return integers._bits(convert(max(abs(low), abs(high)), uint256))


@internal
@view
def _attention(
    lane: uint256, mixed: Bytes[c.CHUNK_BYTES], bits: Bytes[c.CHUNK_BYTES]
) -> int256:
    """
    @dev # rule: INNER-39
    """
    value: int256 = lanes._read(mixed, c.CHUNK_INT32, lane % c.INT32_PER_CHUNK)
    cut: int256 = vectors._input_shift(bits, reads._chunks(self._queries()))
    return integers._shift(value, cut, integers.SAT16)
