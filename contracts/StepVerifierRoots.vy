# pragma version 0.4.3
"""
@title StepVerifierRoots
@notice Steps of ROOTS from the way to the cell on, and of the last record: the new state root, the
        receipts. Twin of oyez/protocol/step_roots.py: it opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import frame
from contracts.modules import frame_path
from contracts.modules import lanes
from contracts.modules import merkle
from contracts.modules import openings
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: frame[step_model := step_model, openings := openings]
exports: step_model.model

# --- Ops ---
PATH: constant(uint256) = 147
PATH_END: constant(uint256) = 148
DEPTH: constant(uint256) = 149
SIBLING: constant(uint256) = 150
NEW_PATH: constant(uint256) = 151
RECORD_WORDS: constant(uint256) = 153
LAST_WORDS: constant(uint256) = 160

# --- First leaves of regions ---
CELL_AFTER_AT: constant(uint256) = 4
PATH_AT: constant(uint256) = 5
PATH_LEAVES: constant(uint256) = c.KEY_BITS // c.CHUNK_WORDS
PATH_END_AT: constant(uint256) = PATH_AT + PATH_LEAVES
DEPTH_AT: constant(uint256) = PATH_END_AT + 1
SIBLING_AT: constant(uint256) = DEPTH_AT + 1
NEW_PATH_AT: constant(uint256) = SIBLING_AT + PATH_LEAVES

# --- Words and lanes ---
KEY: constant(uint256) = 9
LEAF_AFTER: constant(uint256) = 0
VERSION_AFTER: constant(uint256) = 1
ROOT_BEFORE: constant(uint256) = 2
RECEIPT: constant(uint256) = 3
MET: constant(uint256) = 0
PUT: constant(uint256) = 1
NEW_DEPTH: constant(uint256) = PATH_LEAVES
OUTBOX_ROOT: constant(uint256) = 1
RECEIPTS_ROOT: constant(uint256) = 2
FRONTIER: constant(uint256) = 3
RECEIPT_LEAF: constant(uint256) = FRONTIER + c.RECEIPTS_HEIGHT

# --- Words of preimages ---
BATCH_COUNT: constant(uint256) = 3
LEAF_KEY: constant(uint256) = 1

MAX_READS: constant(uint256) = 5


struct Proof:
    leaves: DynArray[IStepVerifier.Opening, MAX_READS]
    rows: DynArray[IStepVerifier.Row, 1]
    hint: uint256
    preimages: DynArray[Bytes[c.MAX_PREIMAGE_BYTES], 2]


# What is given: data of the leaves behind the gate, and the preimage; empty where dead or missing.
struct Given:
    x: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS]
    p: Bytes[c.MAX_PREIMAGE_BYTES]


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
    has_gate: bool = step.lane == 0 and step.op != LAST_WORDS
    f: frame_path.Found = empty(frame_path.Found)
    if has_gate:
        entry: uint256 = frame._first(step.record, frame.ENTRY)
        f = frame_path._begin(frame._chunk(0, entry, 0, c.CHUNK_INT32))
    if not has_gate or (len(opened.leaves) > 0 and len(opened.leaves[0].data) > 0):
        given: Given = empty(Given)
        first: uint256 = 1 if has_gate else 0
        for k: uint256 in range(MAX_READS):
            at: uint256 = k + first
            given.x.append(opened.leaves[at].data if at < len(opened.leaves) else b"")
        if len(opened.preimages) > 0:
            given.p = opened.preimages[0]
        f = self._answer(step, raw, f, given)

    frame._check(step, opened.leaves, f.wanted)
    frame._check_rest(len(opened.rows), len(opened.preimages), f.asked)
    return f.answer


# --- OPS ---


@internal
@view
def _answer(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    if step.op == PATH:
        way: frame_path.Way = frame_path.Way(
            region=PATH_AT,
            root=frame_path._words_at(CELL_AFTER_AT),
            root_word=ROOT_BEFORE,
            key=frame_path._entry_words(step),
            key_word=KEY,
        )
        x: DynArray[Bytes[c.CHUNK_BYTES], frame_path.PATH_READS] = [g.x[0], g.x[1]]
        return frame_path._find_node(step, raw, begun, way, x, g.p)
    if step.op == PATH_END:
        return self._end(step, raw, begun, g)
    if step.op == DEPTH:
        return self._depth(step, raw, begun, g)
    if step.op == SIBLING:
        return self._sibling(step, begun, g)
    if step.op == NEW_PATH:
        return self._new_path(step, raw, begun, g)
    if step.op == RECORD_WORDS:
        return self._record_word(step, begun, g)
    f: frame_path.Found = begun
    if step.op == LAST_WORDS:
        return self._last(step, g)
    # rule: FRAME-78
    f.answer = frame.FILLER
    if step.lane == 0:
        f.answer = convert(frame._call(step.record) + 1, int256)
    return f


@internal
@view
def _end(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev What the way meets, and what stands there after the call.
         # rule: FRAME-74
    """
    f: frame_path.Found = begun
    if step.lane == MET:
        f.wanted = frame_path._add(f.wanted, frame_path._words_at(PATH_AT + PATH_LEAVES - 1))
        if len(g.x[0]) == 0:
            return f
        f.answer = frame._word(g.x[0], c.CHUNK_WORDS - 1)
        if f.answer == 0:
            return f
        node: Bytes[c.MAX_PREIMAGE_BYTES] = frame_path._ask(g.p, f.answer)
        f.asked = 1
        if len(node) == frame_path.NODE_BYTES:
            f.wanted = frame_path._add(f.wanted, frame_path._entry_words(step))
            f.answer = 0
            if len(g.x[1]) > 0:
                bit: uint256 = frame_path._bit(frame._word(g.x[1], KEY), c.KEY_BITS - 1)
                f.answer = frame_path._pick(node, bit)
    elif step.lane == PUT:
        f.wanted = frame_path._words_at(CELL_AFTER_AT)
        if len(g.x[0]) > 0:
            f.answer = frame._word(g.x[0], LEAF_AFTER)
            if f.answer == 0:
                f.answer = frame._word(raw, MET)
    return f


@internal
@view
def _depth(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev How many nodes the way has up to the end of a leaf; its length after the call.
         # rule: FRAME-75
    """
    f: frame_path.Found = begun
    if step.lane > 0:
        f.answer = frame.FILLER
    if step.lane > NEW_DEPTH:
        return f
    if step.lane == NEW_DEPTH:
        return self._new_depth(step, raw, f, g)
    f.wanted = frame_path._add(f.wanted, frame_path._words_at(PATH_AT + step.lane))
    if len(g.x[0]) == 0:
        return f
    so_far: int256 = 0
    if step.lane > 0:
        so_far = frame._int32(raw, step.lane - 1)
    last: int256 = frame._word(g.x[0], c.CHUNK_WORDS - 1)
    if last != 0:
        f.asked = 1
        if len(frame_path._ask(g.p, last)) == frame_path.NODE_BYTES:
            f.answer = so_far + convert(c.CHUNK_WORDS, int256)
            return f
    for at: uint256 in range(c.CHUNK_WORDS):
        if frame._word(g.x[0], at) == last:
            f.answer = so_far + convert(at, int256)
            break
    return f


@internal
@view
def _new_depth(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev Where another's leaf was met, both go down to the first bit in which the keys differ.
         # rule: FRAME-75
    """
    f: frame_path.Found = begun
    f.wanted = frame_path._words_at(PATH_END_AT)
    if len(g.x[0]) == 0:
        return f
    met: int256 = frame._word(g.x[0], MET)
    if met != 0 and frame._word(g.x[0], PUT) != met:
        f.wanted = frame_path._add(f.wanted, frame_path._entry_words(step))
        if len(g.x[1]) == 0:
            return f
        f.asked = 1
        key: int256 = frame_path._pick(frame_path._ask(g.p, met), LEAF_KEY)
        apart: uint256 = frame_path._unsigned(key ^ frame._word(g.x[1], KEY))
        if apart != 0:
            f.answer = convert(c.KEY_BITS - self._top_bit(apart), int256)
            return f
    f.answer = frame._int32(raw, NEW_DEPTH - 1)
    return f


@internal
@view
def _sibling(step: IStepVerifier.Step, begun: frame_path.Found, g: Given) -> frame_path.Found:
    """
    @dev What stands beside the way at a depth, after the call.
         # rule: FRAME-76
    """
    f: frame_path.Found = begun
    leaf: uint256 = step.leaf - SIBLING_AT
    f.wanted = frame_path._add(f.wanted, frame_path._words_at(PATH_AT + leaf))
    if len(g.x[0]) == 0:
        return f
    depth: uint256 = c.CHUNK_WORDS * leaf + step.lane
    node: int256 = frame._word(g.x[0], step.lane)
    if node == 0:
        f.answer = 0
        return f
    data: Bytes[c.MAX_PREIMAGE_BYTES] = frame_path._ask(g.p, node)
    f.asked = 1
    if len(data) == frame_path.NODE_BYTES:
        f.wanted = frame_path._add(f.wanted, frame_path._entry_words(step))
        if len(g.x[1]) > 0:
            bit: uint256 = frame_path._bit(frame._word(g.x[1], KEY), depth)
            f.answer = frame_path._pick(data, 1 - bit)
        return f
    f.wanted = frame_path._add(f.wanted, frame._leaf(0, DEPTH_AT, c.CHUNK_INT32))
    if len(g.x[1]) > 0:
        f.answer = 0
        if frame._int32(g.x[1], NEW_DEPTH) == convert(depth + 1, int256):
            f.answer = node
    return f


@internal
@view
def _new_path(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev The node at a depth on the way after the call, upwards.
         # rule: FRAME-77
    """
    f: frame_path.Found = begun
    up: uint256 = c.CHUNK_WORDS * (step.leaf - NEW_PATH_AT) + step.lane
    if up > c.KEY_BITS:
        return f
    depth: uint256 = c.KEY_BITS - up
    f.wanted = frame_path._add(f.wanted, frame._leaf(0, DEPTH_AT, c.CHUNK_INT32))
    if len(g.x[0]) == 0:
        return f
    if up == 0 or convert(depth, int256) >= frame._int32(g.x[0], NEW_DEPTH):
        f.wanted = frame_path._add(f.wanted, frame_path._words_at(PATH_END_AT))
        if len(g.x[1]) > 0:
            f.answer = frame._word(g.x[1], PUT)
        return f
    below: bytes32 = empty(bytes32)
    k: uint256 = 1
    if step.lane > 0:
        below = extract32(raw, 32 * (step.lane - 1))
    else:
        f.wanted = frame_path._add(f.wanted, frame_path._words_at(step.leaf - 1))
        if len(g.x[1]) == 0:
            return f
        below = extract32(g.x[1], 32 * (c.CHUNK_WORDS - 1))
        k = 2
    f.wanted = frame_path._add(f.wanted, frame_path._words_at(SIBLING_AT + depth // c.CHUNK_WORDS))
    if len(g.x[k]) == 0:
        return f
    f.wanted = frame_path._add(f.wanted, frame_path._entry_words(step))
    if len(g.x[k + 1]) == 0:
        return f
    beside: bytes32 = extract32(g.x[k], 32 * (depth % c.CHUNK_WORDS))
    node: bytes32 = merkle._node(below, beside)
    if frame_path._bit(frame._word(g.x[k + 1], KEY), depth) == 1:
        node = merkle._node(beside, below)
    f.answer = convert(node, int256)
    return f


@internal
@view
def _record_word(
    step: IStepVerifier.Step, begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev Roots, the receipts tree's frontier, what the receipt says.
         # rule: FRAME-78
    """
    if step.lane == OUTBOX_ROOT:
        return frame_path._root_before(step, 1, g.x[0], g.p)
    if step.lane >= RECEIPTS_ROOT and step.lane < RECEIPT_LEAF:
        return self._receipts(step, g)
    f: frame_path.Found = begun
    if step.lane > RECEIPT_LEAF + 2:
        return f
    item: uint256 = frame_path._words_at(CELL_AFTER_AT)
    word: uint256 = 0
    if step.lane == 0:
        item = frame_path._words_at(NEW_PATH_AT + PATH_LEAVES)
    elif step.lane == RECEIPT_LEAF:
        word = RECEIPT
    elif step.lane == RECEIPT_LEAF + 2:
        word = VERSION_AFTER
    f.wanted = frame_path._add(f.wanted, item)
    if len(g.x[0]) > 0:
        f.answer = frame._word(g.x[0], word)
    return f


@internal
@view
def _receipts(step: IStepVerifier.Step, g: Given) -> frame_path.Found:
    """
    @dev The receipts' root after the call, or a node of their tree's frontier.
         # rule: FRAME-79
    """
    f: frame_path.Found = empty(frame_path.Found)
    call: uint256 = frame._call(step.record)
    is_root: bool = step.lane == RECEIPTS_ROOT
    level: uint256 = step.lane - min(step.lane, FRONTIER)
    full: uint256 = openings._top_bit(call ^ (call + 1))
    if not is_root and level < full:
        return f
    is_made: bool = is_root or level == full
    k: uint256 = 0
    if is_made:
        f.wanted = frame_path._words_at(CELL_AFTER_AT)
        if len(g.x[0]) == 0:
            return f
        k = 1
    height: uint256 = c.RECEIPTS_HEIGHT if is_root else full
    if call > 0 and not (is_made and height == 0):
        f.wanted = frame_path._add(f.wanted, frame_path._root_item(step))
        if len(g.x[k]) == 0:
            return f
    if not is_made:
        if call > 0:
            f.answer = frame._word(g.x[0], FRONTIER + level)
        return f
    node: bytes32 = extract32(g.x[0], 32 * RECEIPT)
    beside: bytes32 = empty(bytes32)
    for i: uint256 in range(height, bound=c.RECEIPTS_HEIGHT):
        if (call >> i) & 1 == 1:
            node = merkle._node(extract32(g.x[1], 32 * (FRONTIER + i)), node)
        else:
            node = merkle._node(node, beside)
        beside = merkle._node(beside, beside)
    f.answer = convert(node, int256)
    return f


@internal
@view
def _last(step: IStepVerifier.Step, g: Given) -> frame_path.Found:
    """
    @dev The roots after the batch's last call.
         # rule: FRAME-85
    """
    f: frame_path.Found = empty(frame_path.Found)
    if step.lane > RECEIPTS_ROOT:
        return f
    batch: Bytes[c.MAX_PREIMAGE_BYTES] = frame._preimage(g.p, step.batch_hash)
    f.asked = 1
    count: uint256 = frame_path._unsigned(frame_path._pick(batch, BATCH_COUNT))
    roots: uint256 = frame._roots_of(unsafe_sub(count, 1) % c.MAX_BATCH_ENTRIES)
    f.wanted = frame._chunk(0, roots, 1, c.CHUNK_BYTES32)
    if len(g.x[0]) > 0:
        f.answer = frame._word(g.x[0], step.lane)
    elif step.lane == 0:
        f.answer = lanes.PAD
    return f


@internal
@pure
def _top_bit(x: uint256) -> uint256:
    """
    @dev Highest bit of a word that is not 0.
    """
    if x >= 2**192:
        return 192 + openings._top_bit(x >> 192)
    if x >= 2**128:
        return 128 + openings._top_bit(x >> 128)
    if x >= 2**64:
        return 64 + openings._top_bit(x >> 64)
    return openings._top_bit(x)
