# pragma version 0.4.3
"""
@title What the verifiers of rows share: which models they take, how far they read
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import lanes
from contracts.modules import rows
from contracts.modules import step_model

uses: step_model

# regions of a layer, by op
ATTENTION: constant(uint256) = 15
ATTENTION_PART: constant(uint256) = 16
GATED: constant(uint256) = 24
DOWN_PART: constant(uint256) = 25
# matrices of a layer whose products the residual takes; where row types begin among its formats
ATTN_OUTPUT: constant(uint256) = 3
FFN_DOWN: constant(uint256) = 6
TYPES: constant(uint256) = 5
# behind a row, so that every piece of it is as long as the longest
TAIL_WORDS: constant(uint256) = rows.MAX_PIECE // 32
TAIL: constant(uint256) = 32 * TAIL_WORDS
# bit lengths that one leaf holds of the widest activation
MAX_LENGTHS: constant(uint256) = 128


@internal
@pure
def _ceil(count: uint256, size: uint256) -> uint256:
    return unsafe_div(unsafe_add(count, unsafe_sub(size, 1)), size)


@internal
@pure
def _check_type(row_type: uint256, columns: uint256):
    """
    @dev A model's rows are of a type that has products.
         # rule: INNER-17
    """
    assert rows._row_bytes(row_type, columns) != 0, "step: an unknown row type"


@internal
@pure
def _living(leaves: DynArray[IStepVerifier.Opening, c.MAX_STEP_OPENINGS]) -> uint256:
    """
    @dev How many leaves there are before the first dead one: with that one the reading ends.
         # rule: INNER-12
    """
    count: uint256 = 0
    for k: uint256 in range(len(leaves), bound=c.MAX_STEP_OPENINGS):
        if len(leaves[k].data) == 0:
            break
        count = unsafe_add(count, 1)
    return count


@internal
@pure
def _check_rows(count: uint256, needed: bool):
    assert count == convert(needed, uint256), "step: a row iff it is needed"


@internal
@pure
def _check_size(size: uint256, expected: uint256):
    assert size == expected, "step: a row of another length"


@internal
@view
def _matrix(layer: uint256, matrix: uint256) -> uint256:
    """
    @dev Tensor of a layer's matrix.
    """
    at: uint256 = unsafe_add(unsafe_mul(step_model.LAYER_TENSORS, layer), matrix)
    return unsafe_add(step_model.LAYERS, at)


@internal
@view
def _attention_parts() -> uint256:
    """
    @dev Parts into which a product with attn_output is cut; 0: none.
    """
    return self._parts(self._queries(), c.MAX_ATTENDED)


@internal
@view
def _down_parts() -> uint256:
    """
    @dev Parts into which a product with ffn_down is cut; 0: none.
    """
    return self._parts(step_model.FEED_FORWARD, c.MAX_DIRECT)


@internal
@pure
def _parts(columns: uint256, most: uint256) -> uint256:
    """
    @dev A power of two, or 0.
         # rule: INNER-4
    """
    if columns <= most:
        return 0
    parts: uint256 = 1
    for i: uint256 in range(5):
        if unsafe_mul(parts, c.PART_COLUMNS) < columns:
            parts = parts << 1
    return parts


@internal
@pure
def _most_bits(raw: Bytes[c.CHUNK_BYTES], count: uint256) -> int256:
    """
    @dev Largest of the first lanes, 0 if none is above.
    """
    most: int256 = 0
    for i: uint256 in range(count, bound=MAX_LENGTHS):
        word: uint256 = convert(extract32(raw, (i >> 3) << 5), uint256)
        most = max(most, lanes._sign((word >> ((i & 7) << 5)) & c.M32, 32))
    return most


@internal
@view
def _queries() -> uint256:
    return unsafe_mul(step_model.HEADS, step_model.HEAD_SIZE)


@internal
@view
def _start(op: uint256) -> uint256:
    if op >= c.FIRST_SAMPLER_OP:
        return step_model._sampler_start(op - c.FIRST_SAMPLER_OP)
    return step_model._layer_start(op)


@internal
@view
def _type(layer: uint256, matrix: uint256) -> uint256:
    return step_model._format(layer, TYPES + matrix)


@internal
@view
def _format(layer: uint256, at: uint256) -> int256:
    return convert(step_model._format(layer, at), int256)


@internal
@view
def _head() -> uint256:
    """
    @dev Tensor of the output matrix.
    """
    if step_model.TIED == 1:
        return step_model.EMBEDDING
    return self._matrix(step_model.LAYER_COUNT, 0)
