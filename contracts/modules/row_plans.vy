# pragma version 0.4.3
"""
@title What lanes that multiply whole rows read, and what comes of it
@notice Twin of oyez/protocol/step_rows.py, in two halves: a plan of what a living lane reads, in order,
        and the arithmetic on it.
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import integers
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import reads
from contracts.modules import row_steps
from contracts.modules import rows
from contracts.modules import step_model

uses: step_model
uses: row_steps

# a row of 2,048 columns, whatever its type
MAX_ROW: constant(uint256) = 2 * c.MAX_DIRECT
# leaves of the widest activation; with its bit lengths and the lane that is added to
MAX_RUN: constant(uint256) = 4
MAX_READS: constant(uint256) = 2 + MAX_RUN

# --- Ops, and regions that they read ---
TOKEN: constant(uint256) = 0
EMBEDDING: constant(uint256) = 1
NORM: constant(uint256) = 2
HEADS: constant(uint256) = 4
QUERY: constant(uint256) = 5
KEY_VALUE: constant(uint256) = 6
MIXED_BITS: constant(uint256) = 14
MIDDLE: constant(uint256) = 17
FFN_NORM: constant(uint256) = 18
GATE: constant(uint256) = 20
UP: constant(uint256) = 21
GATED_BITS: constant(uint256) = 23
OUTPUT: constant(uint256) = 26
LAST_NORM: constant(uint256) = 40
LOGITS: constant(uint256) = 42

# --- Matrices of a layer; bytes of its formats ---
ATTN_Q: constant(uint256) = 0
ATTN_K: constant(uint256) = 1
ATTN_V: constant(uint256) = 2
FFN_GATE: constant(uint256) = 4
FFN_UP: constant(uint256) = 5
Q_FORMAT: constant(uint256) = 0
K_FORMAT: constant(uint256) = 1
V_FORMAT: constant(uint256) = 2
ATTN_EXPONENT: constant(uint256) = 3
FFN_EXPONENT: constant(uint256) = 4

# --- Fractional bits ---
SCALE: constant(int256) = 24
RESIDUAL: constant(int256) = 14
LANE: constant(int256) = 16
GATED: constant(int256) = 32
MIXED_GAIN: constant(int256) = 8
ROPE: constant(int256) = 14
# bits that a compressed activation keeps; what a product is cut to before the residual is added
KEPT: constant(int256) = 14
WIDE: constant(int256) = 2**40

# beyond it a shift changes nothing
MOST_SHIFT: constant(int256) = 2**20
# a row of cosines and sines of the largest head
MAX_ROPE: constant(uint256) = 512

# --- How a lane comes about ---
WITHOUT: constant(uint256) = 0
WEIGHT: constant(uint256) = 1
ROTATED: constant(uint256) = 2
PRODUCT: constant(uint256) = 3
SUM: constant(uint256) = 4


# What a living lane reads, and what is done with it.
struct Plan:
    how: uint256
    answer: int256  # of WITHOUT, which reads nothing
    lane: uint256  # of the region; of the heads where they are rotated
    # openings, in order: the one that says how (a token, a format, a pair of heads), the lane that is
    # added to, the activation or its parts
    at: uint256
    at_type: uint256
    added: uint256
    run: uint256
    run_type: uint256
    run_leaves: uint256
    columns: uint256  # of the activation
    parts: uint256  # into which its product is cut
    has_row: bool
    tensor: uint256
    row: uint256
    row_type: uint256
    size: uint256  # of the row, in bytes
    y: int256  # the activation's format, but for what its leaves say
    q: int256  # the lane's format
    limit: int256


# --- INTERNAL: WHAT A LANE READS ---


@internal
@view
def _plan(step: IStepVerifier.Step) -> Plan:
    """
    @dev Of a lane past a region's last, and of an embedding above slot 0: the answer. No leaf begins
         past the last.
         # rule: INNER-12, INNER-14
    """
    op: uint256 = step.op
    layer: uint256 = reads._slot(step.record)
    queries: uint256 = row_steps._queries()
    keys: uint256 = unsafe_mul(step_model.KV_HEADS, step_model.HEAD_SIZE)
    is_int16: bool = op == QUERY or op == KEY_VALUE
    leaf: uint256 = unsafe_sub(step.leaf, row_steps._start(op))
    a_leaf: uint256 = c.INT16_PER_CHUNK if is_int16 else c.INT32_PER_CHUNK
    lane: uint256 = unsafe_add(step.lane, unsafe_mul(leaf, a_leaf))
    plan: Plan = empty(Plan)
    plan.lane = lane
    if op == EMBEDDING and layer != 0:
        plan.answer = lanes.PAD
        return plan
    if lane >= self._count(op, queries, keys):
        plan.answer = -(2**15) if is_int16 else -(2**31)
        return plan

    plan.has_row = True
    plan.row = lane
    plan.columns = step_model.WIDTH
    plan.at_type = c.CHUNK_INT32
    matrix: uint256 = 0
    if op == EMBEDDING:
        plan.how = WEIGHT
        plan.at = row_steps._start(TOKEN)
        plan.tensor = step_model.EMBEDDING
        plan.row_type = step_model.EMBEDDING_TYPE
    elif op == QUERY or (op == KEY_VALUE and lane < keys):
        plan.how = ROTATED
        if op == KEY_VALUE:
            plan.lane = unsafe_add(lane, queries)
        plan.at = unsafe_add(row_steps._start(HEADS), plan.lane >> 8)
        plan.row = step_model._rope_row(reads._position(step.record))
        plan.row_type = step_model.ROPE_TYPE
        plan.size = step_model.HEAD_SIZE << 1
        plan.q = row_steps._format(layer, Q_FORMAT if op == QUERY else K_FORMAT)
        return plan
    elif op == MIDDLE or op == OUTPUT:
        plan.how = SUM
        matrix = row_steps.FFN_DOWN
        plan.at = row_steps._start(GATED_BITS)
        plan.added = unsafe_add(row_steps._start(MIDDLE), leaf)
        plan.run = row_steps._start(row_steps.GATED)
        plan.columns = step_model.FEED_FORWARD
        plan.parts = row_steps._down_parts()
        plan.y = GATED
        parts_op: uint256 = row_steps.DOWN_PART
        if op == MIDDLE:
            matrix = row_steps.ATTN_OUTPUT
            plan.at = row_steps._start(MIXED_BITS)
            plan.added = unsafe_add(row_steps._start(EMBEDDING), leaf)
            if layer != 0:
                plan.added = openings._outer(unsafe_sub(step.record, 1), leaf)
            plan.run = row_steps._start(row_steps.ATTENTION)
            plan.columns = queries
            plan.parts = row_steps._attention_parts()
            parts_op = row_steps.ATTENTION_PART
            plan.y = unsafe_add(row_steps._format(layer, V_FORMAT), MIXED_GAIN)
        if plan.parts != 0:
            plan.has_row = False
            plan.run = unsafe_add(row_steps._start(parts_op), unsafe_mul(lane, plan.parts) >> 5)
    else:
        is_layers: bool = op == HEADS or op == KEY_VALUE or op == GATE or op == UP
        assert is_layers or op == LOGITS, "step: no op of rows"
        plan.how = PRODUCT
        plan.at = row_steps._start(NORM)
        exponent: uint256 = ATTN_EXPONENT
        plan.q = LANE
        plan.limit = integers.SAT32
        matrix = ATTN_Q
        if op == HEADS and lane >= queries:
            matrix = ATTN_K
            plan.row = unsafe_sub(lane, queries)
        elif op == KEY_VALUE:
            matrix = ATTN_V
            plan.row = unsafe_sub(lane, keys)
            plan.q = row_steps._format(layer, V_FORMAT)
            plan.limit = integers.SAT16
        elif op == GATE or op == UP:
            plan.at = row_steps._start(FFN_NORM)
            exponent = FFN_EXPONENT
            matrix = FFN_GATE if op == GATE else FFN_UP
        if op == LOGITS:
            plan.at = row_steps._start(LAST_NORM)
            plan.y = convert(step_model.OUTPUT_EXPONENT, int256)
            plan.tensor = row_steps._head()
            plan.row_type = step_model.HEAD_TYPE
        else:
            plan.y = row_steps._format(layer, exponent)
        # a norm is one leaf, its vector follows
        plan.at_type = c.CHUNK_BYTES32
        plan.run = unsafe_add(plan.at, 1)

    if plan.tensor == 0:
        plan.tensor = row_steps._matrix(layer, matrix)
        plan.row_type = row_steps._type(layer, matrix)
    if plan.how != WEIGHT:
        plan.run_type = c.CHUNK_INT16
        plan.run_leaves = row_steps._ceil(plan.columns, c.INT16_PER_CHUNK)
    if plan.parts != 0:
        plan.run_type = c.CHUNK_BYTES32
        plan.run_leaves = 1
    plan.size = rows._row_bytes(plan.row_type, plan.columns)
    return plan


@internal
@view
def _count(op: uint256, queries: uint256, keys: uint256) -> uint256:
    """
    @dev Lanes of a region.
    """
    if op == HEADS:
        return unsafe_add(queries, keys)
    if op == QUERY:
        return queries
    if op == KEY_VALUE:
        return keys << 1
    if op == GATE or op == UP:
        return step_model.FEED_FORWARD
    if op == LOGITS:
        return step_model.TOKEN_COUNT
    return step_model.WIDTH


@internal
@pure
def _list(plan: Plan, living: uint256) -> openings.Wanted:
    """
    @dev What is read if so many leaves live and the next one is dead, should there be one.
         # rule: INNER-12
    """
    wanted: openings.Wanted = openings.Wanted(at=[], types=[])
    # before the run
    first: uint256 = 0
    if plan.how == SUM:
        first = 2
    elif plan.how != WITHOUT:
        first = 1
    for k: uint256 in range(MAX_READS):
        if k > living or k == unsafe_add(first, plan.run_leaves):
            break
        at: uint256 = unsafe_add(plan.run, unsafe_sub(k, first))
        chunk_type: uint256 = plan.run_type
        if k < first:
            at = plan.at if k == 0 else plan.added
            chunk_type = plan.at_type
        wanted.at.append(at)
        wanted.types.append(chunk_type)
    return wanted


# --- INTERNAL: WHAT COMES OF IT ---


@internal
@pure
def _weight(
    row_type: uint256, piece: Bytes[rows.MAX_PIECE], lane: uint256, columns: uint256
) -> int256:
    """
    @dev One weight: the product of a piece with lanes of which one is 1.
         # rule: ENGINE-4
    """
    words: uint256[c.CHUNK_WORDS] = empty(uint256[c.CHUNK_WORDS])
    words[lanes._word(c.CHUNK_INT16, lane)] = 1 << (16 * lanes._field(c.CHUNK_INT16, lane))
    product: int256 = rows._multiply(row_type, abi_encode(words), piece, columns)
    return integers._shift(product, SCALE - RESIDUAL, integers.SAT32)


@internal
@view
def _rotate(
    heads: Bytes[c.CHUNK_BYTES], row: Bytes[32 + MAX_ROPE], lane: uint256, q: int256
) -> int256:
    """
    @dev Cosines stand in the row first, then sines.
         # rule: ENGINE-11
    """
    even: uint256 = (lane % c.INT32_PER_CHUNK) & ~1
    a: int256 = lanes._read(heads, c.CHUNK_INT32, even)
    b: int256 = lanes._read(heads, c.CHUNK_INT32, unsafe_add(even, 1))
    at: uint256 = unsafe_add(2, (lane % step_model.HEAD_SIZE) & ~1)
    cosine: int256 = self._int16(row, at)
    sine: int256 = self._int16(row, unsafe_add(at, step_model.HEAD_SIZE))
    turned: int256 = unsafe_sub(unsafe_mul(a, cosine), unsafe_mul(b, sine))
    if lane & 1 == 1:
        turned = unsafe_add(unsafe_mul(a, sine), unsafe_mul(b, cosine))
    return integers._shift(turned, unsafe_sub(ROPE + LANE, q), integers.SAT16)


@internal
@pure
def _int16(row: Bytes[32 + MAX_ROPE], at: uint256) -> int256:
    """
    @dev The last two bytes of the word at `at`.
    """
    return lanes._sign(convert(extract32(row, at), uint256) & c.M16, 16)


@internal
@view
def _scale(
    product: int256, norm: Bytes[c.CHUNK_BYTES], exponent: int256, q: int256, limit: int256
) -> int256:
    """
    @dev By the format that the norm leaf's root and shift give.
         # rule: INNER-13
    """
    at: uint256 = row_steps._ceil(step_model.WIDTH, c.INT32_PER_CHUNK) << 1
    root: int256 = lanes._read(norm, c.CHUNK_BYTES32, at)
    bits: int256 = integers._bits(convert(max(0, root), uint256))
    # beyond this any product is 0, or at its limit
    shifted: int256 = integers._clip(
        lanes._read(norm, c.CHUNK_BYTES32, unsafe_add(at, 1)), -MOST_SHIFT, MOST_SHIFT
    )
    y: int256 = unsafe_sub(unsafe_add(exponent, unsafe_add(bits, 7)), shifted)
    return integers._shift(product, unsafe_sub(unsafe_add(SCALE, y), q), limit)


@internal
@pure
def _add(
    x: int256, product: int256, y: int256, lengths: Bytes[c.CHUNK_BYTES], count: uint256
) -> int256:
    """
    @dev A lane of the residual, and a product with what was compressed by so many bit lengths.
         # rule: INNER-13, INNER-15
    """
    shifted: int256 = max(0, unsafe_sub(row_steps._most_bits(lengths, count), KEPT))
    added: int256 = integers._shift(
        product, unsafe_sub(unsafe_add(SCALE - RESIDUAL, y), shifted), WIDE
    )
    return integers._clip(unsafe_add(x, added), -integers.SAT32, integers.SAT32)


@internal
@pure
def _add_parts(raw: Bytes[c.CHUNK_BYTES], row: uint256, parts: uint256) -> int256:
    """
    @dev A row's parts, which lie in one leaf.
         # rule: INNER-16
    """
    first: uint256 = unsafe_mul(row, parts) & 31
    total: int256 = 0
    for k: uint256 in range(parts, bound=c.CHUNK_WORDS):
        part: int256 = lanes._read(raw, c.CHUNK_BYTES32, unsafe_add(first, k))
        total = unsafe_add(
            total, integers._clip(part, -integers.WORD_LIMIT, integers.WORD_LIMIT)
        )
    return total
