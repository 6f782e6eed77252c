# pragma version 0.4.3
"""
@title A counter machine whose trace has the shapes of the real one, to play duels over
@notice Step table and verifier in one. Of a record's 4,096 inner leaves 0 to 7 live, and of the last 16,
        which are the record, 4,080 and 4,081. Each lane follows from the one before it, a leaf's
        first from the last of the leaf before, a record's from the first number of the record before. After a record whose
        first number is a multiple of 17 the machine is dead. Twin of oyez/testing/toy.py.
"""
from contracts import constants as c
from contracts.interfaces import IStepTable
from contracts.interfaces import IStepVerifier
from contracts.modules import lanes

implements: IStepTable
implements: IStepVerifier

INNER_HEIGHT: constant(uint256) = 12
FIRST_LIVING: constant(uint256) = 8
RECORD: constant(uint256) = 4_080
MODULUS: constant(int256) = 30_011
BYTE_MODULUS: constant(int256) = 251
HALT: constant(int256) = 17
# chunk types of the leaves 0 to 7
TYPES: constant(uint256[FIRST_LIVING]) = [1, 2, 5, 4, 3, 1, 2, 1]


@view
@external
def step_at(record: uint256, leaf: uint256) -> (address, uint256, uint256):
    """
    @notice This contract, its one op and the chunk's type; leaves that never live are of int32.
    @param record Any.
    @param leaf In the inner tree.
    @return Itself, 0 and the type.
    """
    return self, 0, self._type(leaf)


@view
@external
def inner_height() -> uint256:
    """
    @notice Levels of an inner tree.
    @return 12.
    """
    return INNER_HEIGHT


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
    @param proof One opening, of the leaf that it follows; empty where it follows none.
    @return The number, PAD if the leaf is dead.
    """
    before: int256 = convert(convert(step.batch_hash, uint256) % 10**6, int256)
    chunk_type: uint256 = self._type(step.leaf)
    if step.leaf >= FIRST_LIVING and step.leaf != RECORD and step.leaf != RECORD + 1:
        return lanes.PAD
    if step.lane > 0:
        before = lanes._read(raw, chunk_type, step.lane - 1)
    elif step.leaf > 0:
        source: uint256 = step.leaf - 1
        if step.leaf == RECORD:
            source = FIRST_LIVING - 1
        before = self._open(proof, step.inner_root, source, INNER_HEIGHT, True)
    elif step.record > 0:
        index: uint256 = (step.record - 1) << c.RECORD_HEIGHT
        height: uint256 = c.OUTER_HEIGHT + c.RECORD_HEIGHT
        before = self._open(proof, step.outer_root, index, height, False)
        if before % HALT == 0:
            return lanes.PAD
    if before == lanes.PAD:
        return lanes.PAD
    modulus: int256 = MODULUS
    if chunk_type == c.CHUNK_TEXT:
        modulus = BYTE_MODULUS
    return (before % MODULUS * 3 + 1 + convert(step.lane, int256)) % modulus


@internal
@pure
def _type(leaf: uint256) -> uint256:
    if leaf < FIRST_LIVING:
        return TYPES[leaf]
    if leaf == RECORD + 1:
        return c.CHUNK_REVERSED
    return c.CHUNK_INT32


@internal
@pure
def _open(
    proof: Bytes[c.MAX_STEP_PROOF_BYTES],
    root: bytes32,
    index: uint256,
    height: uint256,
    inner: bool,
) -> int256:
    """
    @dev The last lane of an inner leaf, or the first of a record's first chunk; PAD if it is.
    """
    opening: IStepVerifier.Opening = abi_decode(proof, IStepVerifier.Opening)
    chunk_type: uint256 = c.CHUNK_INT32
    lane: uint256 = 0
    if inner:
        chunk_type = self._type(index)
        lane = lanes._count(chunk_type) - 1
    assert len(opening.data) == c.CHUNK_BYTES, "toy: a leaf is 1,024 bytes"
    assert len(opening.siblings) == height, "toy: wrong height"
    if self._fold(lanes._hash(chunk_type, opening.data), opening.siblings, index) == root:
        return lanes._read(opening.data, chunk_type, lane)
    pad: bytes32 = lanes._hash(c.CHUNK_PAD, opening.data)
    assert self._fold(pad, opening.siblings, index) == root, "toy: not under the root"
    return lanes.PAD


@internal
@pure
def _fold(
    leaf: bytes32, siblings: DynArray[bytes32, c.MAX_STEP_SIBLINGS], index: uint256
) -> bytes32:
    node: bytes32 = leaf
    i: uint256 = index
    for sibling: bytes32 in siblings:
        if i & 1 == 1:
            node = sha256(concat(sibling, node))
        else:
            node = sha256(concat(node, sibling))
        i = i >> 1
    return node
