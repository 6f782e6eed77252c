# pragma version 0.4.3
"""
@title What a step reads, opened under the roots that are common to both sides
@notice Inner leaves and chunks of earlier records under the step's two roots, rows under the model's.
        The op computes every address; a proof brings data and siblings alone. Of each tree the first
        opening goes up to the root, each later one hooks onto it: at address a it goes up to the
        level below where its path meets that of the first, a0, and must there be the sibling that the
        first one brought.
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import lanes
from contracts.modules import step_model

uses: step_model

# Marks the address of a record's chunk; without it an address is a leaf of the inner tree.
OUTER: constant(uint256) = 1 << 64
OUTER_LEVELS: constant(uint256) = c.OUTER_HEIGHT + c.RECORD_HEIGHT


# Addresses and chunk types of what a step reads, in order.
struct Wanted:
    at: DynArray[uint256, c.MAX_STEP_OPENINGS]
    types: DynArray[uint256, c.MAX_STEP_OPENINGS]


@internal
@pure
def _inner(leaf: uint256) -> uint256:
    return leaf


@internal
@pure
def _outer(record: uint256, chunk: uint256) -> uint256:
    return OUTER | (record << c.RECORD_HEIGHT) | chunk


@internal
@pure
def _top_bit(x: uint256) -> uint256:
    """
    @dev Highest bit of x, 0 < x < 2**64.
    """
    y: uint256 = x
    n: uint256 = 0
    if y >= 2**32:
        y = y >> 32
        n = 32
    if y >= 2**16:
        y = y >> 16
        n = unsafe_add(n, 16)
    if y >= 2**8:
        y = y >> 8
        n = unsafe_add(n, 8)
    if y >= 2**4:
        y = y >> 4
        n = unsafe_add(n, 4)
    if y >= 2**2:
        y = y >> 2
        n = unsafe_add(n, 2)
    return unsafe_add(n, y >> 1)


@internal
@pure
def _fold(
    leaf: bytes32, index: uint256, siblings: DynArray[bytes32, c.MAX_STEP_SIBLINGS]
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


@internal
@pure
def _leaf(opening: IStepVerifier.Opening, chunk_type: uint256) -> bytes32:
    """
    @dev A leaf given without data is the PAD chunk's.
         # rule: INNER-7
    """
    if len(opening.data) == 0:
        return lanes.PAD_LEAF
    assert len(opening.data) == c.CHUNK_BYTES, "step: a chunk is 1,024 bytes"
    return lanes._hash(chunk_type, opening.data)


@internal
@view
def _check(
    step: IStepVerifier.Step,
    leaves: DynArray[IStepVerifier.Opening, c.MAX_STEP_OPENINGS],
    wanted: Wanted,
):
    """
    @dev The openings are exactly those wanted, each under its root.
         # rule: INNER-8
    """
    assert len(leaves) == len(wanted.at), "step: wrong openings"
    # place and address of the first of the inner, and of the outer tree
    first: uint256[2] = [max_value(uint256), max_value(uint256)]
    for k: uint256 in range(len(leaves), bound=c.MAX_STEP_OPENINGS):
        tree: uint256 = wanted.at[k] >> 64
        at: uint256 = wanted.at[k] & c.M64
        node: bytes32 = self._fold(
            self._leaf(leaves[k], wanted.types[k]), at, leaves[k].siblings
        )
        if first[tree] == max_value(uint256):
            first[tree] = k
            if tree == 0:
                assert len(leaves[k].siblings) == step_model.INNER_HEIGHT, "step: inner height"
                assert node == step.inner_root, "step: not under the inner root"
            else:
                assert len(leaves[k].siblings) == OUTER_LEVELS, "step: outer height"
                assert node == step.outer_root, "step: not under the outer root"
        else:
            base: uint256 = first[tree]
            apart: uint256 = at ^ (wanted.at[base] & c.M64)
            assert apart != 0, "step: opened twice"
            level: uint256 = self._top_bit(apart)
            assert len(leaves[k].siblings) == level, "step: hook at another level"
            assert node == leaves[base].siblings[level], "step: not beside the first"


@internal
@pure
def _header(tensor: uint256, number: uint256, row_type: uint256) -> bytes32:
    """
    @dev What a row is hashed behind. It is the op's, so no row stands for another.
    """
    return convert((tensor << 192) | (number << 128) | (row_type << 64), bytes32)


@internal
@view
def _check_row(
    leaf: bytes32,
    siblings: DynArray[bytes32, c.MAX_STEP_SIBLINGS],
    tensor: uint256,
    number: uint256,
):
    """
    @dev A row of the model, up to its root; `leaf` is sha256(header ‖ row).
         # rule: INNER-9
    """
    assert len(siblings) == step_model.HEIGHT, "step: model height"
    node: bytes32 = self._fold(leaf, step_model._row_leaf(tensor, number), siblings)
    assert node == step_model.ROOT, "step: not under the model root"


@internal
@view
def _check_next_row(
    leaf: bytes32,
    siblings: DynArray[bytes32, c.MAX_STEP_SIBLINGS],
    tensor: uint256,
    number: uint256,
    first: DynArray[bytes32, c.MAX_STEP_SIBLINGS],
    first_number: uint256,
):
    """
    @dev A further row of the same tensor, hooked onto the first, whose siblings are `first`.
    """
    at: uint256 = step_model._row_leaf(tensor, number)
    apart: uint256 = at ^ step_model._row_leaf(tensor, first_number)
    assert apart != 0, "step: row opened twice"
    level: uint256 = self._top_bit(apart)
    assert len(siblings) == level, "step: row hooks elsewhere"
    assert self._fold(leaf, at, siblings) == first[level], "step: row not beside the first"
