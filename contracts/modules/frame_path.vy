# pragma version 0.4.3
"""
@title What the steps of ENTRY and ROOTS share: gates, words of preimages, the way to a cell
@notice Twin of oyez/protocol/step_frame.py.
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import codec
from contracts.modules import frame
from contracts.modules import lanes
from contracts.modules import merkle

NODE_BYTES: constant(uint256) = 64
GENESIS_BYTES: constant(uint256) = 96
# words of an assertion's id: its state root, then its outbox root
ASSERTION_ROOTS: constant(uint256) = 8
# a gate, the leaf before, the key
PATH_READS: constant(uint256) = 3


# What a step wants opened (frame.vy's items), how many preimages it takes, and its answer if those
# are given.
struct Found:
    wanted: uint256
    asked: uint256
    answer: int256


# A way from a root to a key: first leaf of the region, where the root stands, where the key does.
struct Way:
    region: uint256
    root: uint256  # item of the leaf
    root_word: uint256
    key: uint256  # item of the leaf or chunk
    key_word: uint256


@internal
@pure
def _begin(gate: uint256) -> Found:
    """
    @dev Lane 0 of a leaf reads its gate first. Whatever the type, a lane 0 without a value is dead.
         # rule: FRAME-10, FRAME-70
    """
    return Found(wanted=gate, asked=0, answer=lanes.PAD)


@internal
@pure
def _add(wanted: uint256, item: uint256) -> uint256:
    return (wanted << 32) | item


@internal
@pure
def _pick(data: Bytes[c.MAX_PREIMAGE_BYTES], word: uint256) -> int256:
    """
    @dev A word of a preimage, 0 past the last whole one.
         # rule: FRAME-17
    """
    if 32 * (word + 1) > len(data):
        return 0
    return convert(extract32(data, 32 * word), int256)


@internal
@pure
def _ask(data: Bytes[c.MAX_PREIMAGE_BYTES], word: int256) -> Bytes[c.MAX_PREIMAGE_BYTES]:
    """
    @dev The bytes that a word is the hash of. word != 0: that is the hash of nothing.
         # rule: FRAME-17
    """
    return frame._preimage(data, convert(word, bytes32))


@internal
@pure
def _unsigned(word: int256) -> uint256:
    """
    @dev The number of a word's bits.
    """
    return convert(convert(word, bytes32), uint256)


@internal
@pure
def _bit(key: int256, depth: uint256) -> uint256:
    """
    @dev depth < 256.
    """
    return (self._unsigned(key) >> (c.KEY_BITS - 1 - depth)) & 1


@internal
@pure
def _words_at(leaf: uint256) -> uint256:
    """
    @dev The item of a leaf of words.
    """
    return frame._leaf(0, leaf, c.CHUNK_BYTES32)


@internal
@pure
def _entry_words(step: IStepVerifier.Step) -> uint256:
    """
    @dev The item of the words of the entry's record.
    """
    return frame._chunk(0, frame._first(step.record, frame.ENTRY), 1, c.CHUNK_BYTES32)


@internal
@pure
def _root_item(step: IStepVerifier.Step) -> uint256:
    """
    @dev The words of ROOTS of the call before, of a call that is not the first.
    """
    before: uint256 = frame._roots_of(unsafe_sub(frame._call(step.record), 1))
    return frame._chunk(0, before, 1, c.CHUNK_BYTES32)


@internal
@view
def _root_before(
    step: IStepVerifier.Step,
    root: uint256,
    words: Bytes[c.CHUNK_BYTES],
    data: Bytes[c.MAX_PREIMAGE_BYTES],
) -> Found:
    """
    @dev State root (0) or outbox root (1) that a call begins with; the lane is not a leaf's first.
         # rule: FRAME-18
    """
    f: Found = empty(Found)
    if frame._call(step.record) > 0:
        f.wanted = self._root_item(step)
        if len(words) > 0:
            f.answer = frame._word(words, root)
        return f
    id: Bytes[c.MAX_PREIMAGE_BYTES] = frame._preimage(data, step.parent)
    f.asked = 1
    if len(id) != GENESIS_BYTES:
        f.answer = self._pick(id, ASSERTION_ROOTS + root)
    elif root == 1:
        empty_root: bytes32 = codec._outbox_root(0, merkle._empty_root(c.OUTBOX_HEIGHT))
        f.answer = convert(empty_root, int256)
    return f


@internal
@view
def _find_node(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    begun: Found,
    way: Way,
    x: DynArray[Bytes[c.CHUNK_BYTES], PATH_READS],
    data: Bytes[c.MAX_PREIMAGE_BYTES],
) -> Found:
    """
    @dev The node at a depth on the way, what ended it again. x is what is given behind the gate.
         # rule: FRAME-19, FRAME-81
    """
    f: Found = begun
    leaf: uint256 = step.leaf - way.region
    above: int256 = 0
    k: uint256 = 0
    if step.lane > 0:
        above = frame._word(raw, step.lane - 1)
    else:
        if leaf == 0:
            f.wanted = self._add(f.wanted, way.root)
            f.answer = frame._word(x[0], way.root_word)
            return f
        before: uint256 = self._words_at(step.leaf - 1)
        f.wanted = self._add(f.wanted, before)
        if len(x[0]) == 0:
            return f
        above = frame._word(x[0], c.CHUNK_WORDS - 1)
        k = 1
    f.answer = above
    if above == 0:
        return f
    node: Bytes[c.MAX_PREIMAGE_BYTES] = self._ask(data, above)
    f.asked = 1
    if len(node) != NODE_BYTES:
        return f
    f.wanted = self._add(f.wanted, way.key)
    f.answer = 0
    if len(x[k]) > 0:
        key: int256 = frame._word(x[k], way.key_word)
        f.answer = self._pick(node, self._bit(key, c.CHUNK_WORDS * leaf + step.lane - 1))
    return f
