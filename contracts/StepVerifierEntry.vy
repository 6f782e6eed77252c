# pragma version 0.4.3
"""
@title StepVerifierEntry
@notice Steps of ENTRY: a call's inbox entry, seed and cell key, its input's bytes, its cell's leaf.
        Twin of oyez/protocol/step_entry.py: it opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import codec
from contracts.modules import frame
from contracts.modules import frame_path
from contracts.modules import input_scan
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import published
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: published[step_model := step_model]
initializes: frame[step_model := step_model, openings := openings]
initializes: input_scan[step_model := step_model]
exports: step_model.model

# --- Ops ---
ALIVE: constant(uint256) = 64
WORDS: constant(uint256) = 65
INPUT: constant(uint256) = 66
SCAN: constant(uint256) = 67
PATH: constant(uint256) = 68
HEAD: constant(uint256) = 69
RECORD_WORDS: constant(uint256) = 70
CELL: constant(uint256) = 71

# --- First leaves of regions ---
ALIVE_AT: constant(uint256) = 0
WORDS_AT: constant(uint256) = 1
INPUT_AT: constant(uint256) = 2
SCAN_AT: constant(uint256) = 3
PATH_AT: constant(uint256) = 7
LAST_PATH: constant(uint256) = PATH_AT + c.KEY_BITS // c.CHUNK_WORDS - 1

# --- Words of preimages, the tag being word 0 ---
BATCH_COUNT: constant(uint256) = 3
BATCH_RANDOM: constant(uint256) = 5
BATCH_ROOT: constant(uint256) = 6
ENTRY_KIND: constant(uint256) = 1
ENTRY_CELL: constant(uint256) = 9
LEAF_KEY: constant(uint256) = 1
LEAF_VERSION: constant(uint256) = 4

# --- Words of the region and of the record ---
ENTRY: constant(uint256) = 0
CALL_ID: constant(uint256) = 1
CALLER: constant(uint256) = 3
ACTION: constant(uint256) = 6
MANIFEST: constant(uint256) = 7
SEED: constant(uint256) = 8
KEY: constant(uint256) = 9
CELL_HASH: constant(uint256) = 10
INPUT_HASH: constant(uint256) = 11
ROOT_BEFORE: constant(uint256) = 12
CELL_LEAF: constant(uint256) = 10
VERSION: constant(uint256) = 11

CELL_PER_CALLER: constant(uint256) = 2
SEED_CONSTANT: constant(uint256) = 1
MAX_READS: constant(uint256) = 3
# the batch's hash, and the nodes above an entry
MAX_PREIMAGES: constant(uint256) = 1 + c.ENTRIES_HEIGHT


struct Proof:
    leaves: DynArray[IStepVerifier.Opening, MAX_READS]
    rows: DynArray[IStepVerifier.Row, 1]
    hint: uint256
    preimages: DynArray[Bytes[c.MAX_INPUT_BYTES], MAX_PREIMAGES + 1]


# What is given: data of the leaves behind the gate, and preimages; empty where dead or missing.
struct Given:
    x: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS]
    p: DynArray[Bytes[c.MAX_INPUT_BYTES], MAX_PREIMAGES]


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
    has_gate: bool = step.lane == 0 and step.op != ALIVE
    f: frame_path.Found = empty(frame_path.Found)
    if has_gate:
        f = frame_path._begin(frame._leaf(0, ALIVE_AT, c.CHUNK_INT32))
    if not has_gate or (len(opened.leaves) > 0 and len(opened.leaves[0].data) > 0):
        given: Given = empty(Given)
        first: uint256 = 1 if has_gate else 0
        for k: uint256 in range(MAX_READS):
            at: uint256 = k + first
            given.x.append(opened.leaves[at].data if at < len(opened.leaves) else b"")
        for k: uint256 in range(MAX_PREIMAGES):
            given.p.append(opened.preimages[k] if k < len(opened.preimages) else b"")
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
    if step.op == ALIVE:
        return self._alive(step, g)
    if step.op == WORDS:
        return self._words(step, raw, begun, g)
    if step.op == SCAN:
        return self._scan(step, raw, begun, g)
    if step.op == PATH:
        way: frame_path.Way = frame_path.Way(
            region=PATH_AT,
            root=frame_path._words_at(WORDS_AT),
            root_word=ROOT_BEFORE,
            key=frame_path._words_at(WORDS_AT),
            key_word=KEY,
        )
        return frame_path._find_node(step, raw, begun, way, g.x, g.p[0])
    if step.op == HEAD:
        return self._head(step, begun, g)
    if step.op == RECORD_WORDS:
        return self._record_words(step, raw, begun, g)
    if step.op == INPUT:
        return self._byte(step, begun, g, INPUT_HASH)
    if step.op == CELL:
        return self._byte(step, begun, g, CELL_HASH)
    f: frame_path.Found = begun
    f.wanted = frame_path._add(f.wanted, frame._leaf(0, INPUT_AT, c.CHUNK_TEXT))
    if len(g.x[0]) > 0:
        f.answer = frame._byte(g.x[0], step.lane)
    return f


@internal
@view
def _alive(step: IStepVerifier.Step, g: Given) -> frame_path.Found:
    """
    @dev # rule: FRAME-10
    """
    f: frame_path.Found = empty(frame_path.Found)
    if step.lane > 0:
        f.answer = frame.FILLER
        return f
    batch: Bytes[c.MAX_PREIMAGE_BYTES] = self._batch(step, g)
    f.asked = 1
    f.answer = lanes.PAD
    if convert(frame._call(step.record), int256) < frame_path._pick(batch, BATCH_COUNT):
        f.answer = 1
    return f


@internal
@view
def _words(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev # rule: FRAME-11
    """
    if step.lane == ENTRY:
        return self._entry(step, begun, g)
    f: frame_path.Found = empty(frame_path.Found)
    if step.lane == SEED:
        return self._seed(step, raw, g)
    if step.lane == KEY:
        return self._key(raw, g)
    if step.lane == ROOT_BEFORE:
        return frame_path._root_before(step, 0, g.x[0], g.p[0])
    if step.lane > ROOT_BEFORE:
        return f
    entry: int256 = frame._word(raw, ENTRY)
    if entry != 0:
        data: Bytes[c.MAX_PREIMAGE_BYTES] = frame_path._ask(g.p[0], entry)
        f.asked = 1
        # between the two runs of words that the entry has stand seed and key
        word: uint256 = step.lane + 1
        if step.lane >= CELL_HASH:
            word = step.lane - CELL_HASH + ENTRY_CELL
        f.answer = frame_path._pick(data, word)
    return f


@internal
@view
def _entry(
    step: IStepVerifier.Step, begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev The entry's leaf, down from the root that the batch's hash names.
         # rule: FRAME-11
    """
    f: frame_path.Found = begun
    node: int256 = frame_path._pick(self._batch(step, g), BATCH_ROOT)
    f.asked = 1
    call: uint256 = frame._call(step.record)
    for level: uint256 in range(c.ENTRIES_HEIGHT):
        if node == 0:
            break
        data: Bytes[c.MAX_PREIMAGE_BYTES] = frame_path._ask(g.p[f.asked], node)
        node = frame_path._pick(data, (call >> (c.ENTRIES_HEIGHT - 1 - level)) & 1)
        f.asked += 1
    f.answer = node
    return f


@internal
@view
def _seed(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], g: Given
) -> frame_path.Found:
    """
    @dev # rule: FRAME-12
    """
    f: frame_path.Found = empty(frame_path.Found)
    manifest: published.Published = published._open(extract32(raw, 32 * MANIFEST))
    if manifest.pointer == empty(address):
        return f
    if (manifest.header >> 144) & c.M8 == SEED_CONSTANT:
        f.answer = convert(convert(published._word(manifest.pointer, 64), bytes32), int256)
        return f
    random: int256 = frame_path._pick(self._batch(step, g), BATCH_RANDOM)
    f.asked = 1
    seed: bytes32 = keccak256(abi_encode(c.SEED, random, extract32(raw, 32 * CALL_ID)))
    f.answer = convert(seed, int256)
    return f


@internal
@view
def _key(raw: Bytes[c.CHUNK_BYTES], g: Given) -> frame_path.Found:
    """
    @dev # rule: FRAME-12
    """
    f: frame_path.Found = empty(frame_path.Found)
    manifest: published.Published = published._open(extract32(raw, 32 * MANIFEST))
    if manifest.pointer == empty(address):
        return f
    kind: uint256 = (manifest.header >> 224) & c.M8
    k: bytes32 = empty(bytes32)
    if kind == CELL_PER_CALLER:
        k = extract32(raw, 32 * CALLER)
    elif kind == c.CELL_NAMED:
        entry: int256 = frame._word(raw, ENTRY)
        if entry != 0:
            data: Bytes[c.MAX_PREIMAGE_BYTES] = frame_path._ask(g.p[0], entry)
            k = convert(frame_path._pick(data, ENTRY_CELL), bytes32)
            f.asked = 1
    f.answer = convert(codec._cell_key(extract32(raw, 32 * ACTION), k), int256)
    return f


@internal
@view
def _byte(
    step: IStepVerifier.Step, begun: frame_path.Found, g: Given, word: uint256
) -> frame_path.Found:
    """
    @dev A byte of the text whose hash is a word.
         # rule: FRAME-13
    """
    f: frame_path.Found = begun
    f.wanted = frame_path._add(f.wanted, frame_path._words_at(WORDS_AT))
    if len(g.x[0]) == 0:
        return f
    f.answer = 0
    digest: int256 = frame._word(g.x[0], word)
    if digest != 0:
        data: Bytes[c.MAX_PREIMAGE_BYTES] = frame_path._ask(g.p[0], digest)
        f.asked = 1
        if step.lane < len(data):
            f.answer = convert(convert(slice(data, step.lane, 1), uint8), int256)
    return f


@internal
@view
def _scan(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev # rule: FRAME-14
    """
    f: frame_path.Found = begun
    if step.lane > 0:
        f.answer = frame.FILLER
    state: int256 = 0
    k: uint256 = 0
    if step.lane > 0:
        state = frame._int32(raw, step.lane - 1)
    elif step.leaf > SCAN_AT:
        f.wanted = frame_path._add(f.wanted, frame._leaf(0, step.leaf - 1, c.CHUNK_INT32))
        if len(g.x[0]) == 0:
            return f
        state = frame._int32(g.x[0], c.INT32_PER_CHUNK - 1)
        k = 1
    f.wanted = frame_path._add(f.wanted, frame._leaf(0, INPUT_AT, c.CHUNK_TEXT))
    if len(g.x[k]) > 0:
        at: uint256 = c.INT32_PER_CHUNK * (step.leaf - SCAN_AT) + step.lane
        byte: uint256 = convert(frame._byte(g.x[k], at), uint256)
        f.answer = input_scan._after(state, at, byte)
    return f


@internal
@view
def _head(
    step: IStepVerifier.Step, begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev Kind, bytes of cell name and of input, what is bad in it.
         # rule: FRAME-15
    """
    f: frame_path.Found = begun
    if step.lane > 0:
        f.answer = frame.FILLER
    if step.lane > 3:
        return f
    f.wanted = frame_path._add(f.wanted, frame_path._words_at(WORDS_AT))
    if len(g.x[0]) == 0:
        return f
    word: uint256 = INPUT_HASH
    if step.lane == 0:
        word = ENTRY
    elif step.lane == 1:
        word = CELL_HASH
    data: Bytes[c.MAX_PREIMAGE_BYTES] = b""
    digest: int256 = frame._word(g.x[0], word)
    if digest != 0:
        data = frame_path._ask(g.p[0], digest)
        f.asked = 1
    length: uint256 = len(data)
    if step.lane == 0:
        f.answer = frame_path._pick(data, ENTRY_KIND)
    elif step.lane < 3:
        f.answer = convert(length, int256)
    elif length == 0:
        f.answer = -1
    else:
        leaf: uint256 = SCAN_AT + (length - 1) // c.INT32_PER_CHUNK
        f.wanted = frame_path._add(f.wanted, frame._leaf(0, leaf, c.CHUNK_INT32))
        if len(g.x[1]) > 0:
            state: int256 = frame._int32(g.x[1], (length - 1) % c.INT32_PER_CHUNK)
            f.answer = input_scan._fault(state, length)
    return f


@internal
@view
def _record_words(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev Copies, then the cell's leaf and version before the call.
         # rule: FRAME-16
    """
    f: frame_path.Found = begun
    if step.lane > VERSION:
        return f
    if step.lane == VERSION:
        leaf: int256 = frame._word(raw, CELL_LEAF)
        if leaf != 0:
            f.answer = frame_path._pick(frame_path._ask(g.p[0], leaf), LEAF_VERSION)
            f.asked = 1
        return f
    if step.lane < CELL_LEAF:
        f.wanted = frame_path._add(f.wanted, frame_path._words_at(WORDS_AT))
        if len(g.x[0]) > 0:
            f.answer = frame._word(g.x[0], step.lane)
        return f
    f.wanted = frame_path._words_at(LAST_PATH)
    if len(g.x[0]) == 0:
        return f
    met: int256 = frame._word(g.x[0], c.CHUNK_WORDS - 1)
    if met == 0:
        return f
    f.wanted = frame_path._add(f.wanted, frame_path._words_at(WORDS_AT))
    data: Bytes[c.MAX_PREIMAGE_BYTES] = frame_path._ask(g.p[0], met)
    f.asked = 1
    if len(g.x[1]) == 0:
        return f
    key: int256 = frame._word(g.x[1], KEY)
    if len(data) == frame_path.NODE_BYTES:
        met = frame_path._pick(data, frame_path._bit(key, c.KEY_BITS - 1))
        if met == 0:
            return f
        data = frame_path._ask(g.p[1], met)
        f.asked = 2
    if frame_path._pick(data, LEAF_KEY) == key:
        f.answer = met
    return f


@internal
@view
def _batch(step: IStepVerifier.Step, g: Given) -> Bytes[c.MAX_PREIMAGE_BYTES]:
    """
    @dev What the batch's hash is of; always the first that is asked for.
    """
    return frame._preimage(g.p[0], step.batch_hash)
