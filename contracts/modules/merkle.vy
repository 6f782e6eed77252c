# pragma version 0.4.3
"""
@title Keccak trees: fixed heights, and the compact sparse tree of the state
@notice Siblings always stand from the leaf upwards. Twin of oyez/protocol/merkle.py and sparse.py.
@dev Leaves are an H of 96 bytes or more and nodes hash 64, so none is taken for the other.
"""
from contracts import constants as c


@internal
@pure
def _node(left: bytes32, right: bytes32) -> bytes32:
    return keccak256(concat(left, right))


@internal
@pure
def _empty_root(height: uint256) -> bytes32:
    """
    @dev Root of a fixed tree of empty leaves (word 0), 0 to 32 levels high.
    """
    node: bytes32 = empty(bytes32)
    for i: uint256 in range(height, bound=c.OUTBOX_HEIGHT):
        node = self._node(node, node)
    return node


@internal
@pure
def _fold_fields(
    leaf: bytes32, index: uint256, siblings: bytes32[c.FIELDS_HEIGHT]
) -> bytes32:
    """
    @dev index < 32 is the caller's to check.
    """
    node: bytes32 = leaf
    i: uint256 = index
    for sibling: bytes32 in siblings:
        if i & 1 == 1:
            node = keccak256(concat(sibling, node))
        else:
            node = keccak256(concat(node, sibling))
        i = i >> 1
    return node


@internal
@pure
def _fold_receipts(
    leaf: bytes32, index: uint256, siblings: bytes32[c.RECEIPTS_HEIGHT]
) -> bytes32:
    """
    @dev index < 256 is the caller's to check.
    """
    node: bytes32 = leaf
    i: uint256 = index
    for sibling: bytes32 in siblings:
        if i & 1 == 1:
            node = keccak256(concat(sibling, node))
        else:
            node = keccak256(concat(node, sibling))
        i = i >> 1
    return node


@internal
@pure
def _fold_key(
    key: bytes32, leaf: bytes32, siblings: DynArray[bytes32, c.KEY_BITS]
) -> bytes32:
    """
    @dev The bit of depth d is bit 255 - d of the key; an empty child is 0. 335 gas a level.
    """
    node: bytes32 = leaf
    k: uint256 = convert(key, uint256) >> (c.KEY_BITS - len(siblings))
    for sibling: bytes32 in siblings:
        if k & 1 == 1:
            node = keccak256(concat(sibling, node))
        else:
            node = keccak256(concat(node, sibling))
        k = k >> 1
    return node
