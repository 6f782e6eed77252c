# pragma version 0.4.3
"""
@title What a step verifier knows of the deployment's model
@notice Copied from StepModel at construction, so that no step opens a config row.
"""
from contracts import constants as c
from contracts.interfaces import IStepModel

MODEL: immutable(address)

# tensors of the model tree, MODEL-10
CONFIG: constant(uint256) = 0
VOCABULARY: constant(uint256) = 1
TOKENS: constant(uint256) = 2
EMBEDDING: constant(uint256) = 3
LAYERS: constant(uint256) = 4
LAYER_TENSORS: constant(uint256) = 7
# row types that are not the file's, MODEL-10
NORM_TYPE: constant(uint256) = 258
ROPE_TYPE: constant(uint256) = 259
VOCABULARY_TYPE: constant(uint256) = 260
TOKEN_TYPE: constant(uint256) = 261

ROOT: immutable(bytes32)
HEIGHT: immutable(uint256)
INNER_HEIGHT: immutable(uint256)
LAYER_COUNT: immutable(uint256)
WIDTH: immutable(uint256)
FEED_FORWARD: immutable(uint256)
HEADS: immutable(uint256)
KV_HEADS: immutable(uint256)
HEAD_SIZE: immutable(uint256)
TOKEN_COUNT: immutable(uint256)
CONTEXT: immutable(uint256)
RECORDS: immutable(uint256)
TIED: immutable(uint256)
EMBEDDING_TYPE: immutable(uint256)
HEAD_TYPE: immutable(uint256)
EPSILON: immutable(uint256)
SCORE_SCALE: immutable(uint256)
OUTPUT_EXPONENT: immutable(uint256)
MISSING: immutable(bytes32)
ACTIONS: immutable(address)
FORMATS: immutable(uint256[c.MAX_LAYERS])
# first leaves of the regions of layers and of samplers, 16 bits each, from the lowest bits on
LAYER_STARTS: immutable(uint256[2])
SAMPLER_STARTS: immutable(uint256[2])


@deploy
def __init__(model: address):
    """
    @param model StepModel.
    """
    MODEL = model
    s: IStepModel.Settings = staticcall IStepModel(model).settings()
    ROOT = s.root
    HEIGHT = s.model_height
    INNER_HEIGHT = s.inner_height
    LAYER_COUNT = s.layers
    WIDTH = s.width
    FEED_FORWARD = s.feed_forward
    HEADS = s.heads
    KV_HEADS = s.kv_heads
    HEAD_SIZE = s.head_size
    TOKEN_COUNT = s.vocabulary
    CONTEXT = s.context
    RECORDS = s.records
    TIED = s.tied
    EMBEDDING_TYPE = s.embedding_type
    HEAD_TYPE = s.head_type
    EPSILON = s.epsilon
    SCORE_SCALE = s.score_scale
    OUTPUT_EXPONENT = s.output_exponent
    MISSING = s.missing
    ACTIONS = s.actions
    FORMATS = s.formats
    # a leaf's index is below 2**16: an inner trace has 16 levels at most
    assert s.inner_height <= 16, "step: too deep a trace"
    packed: uint256[2] = empty(uint256[2])
    for i: uint256 in range(c.LAYER_OPS):
        packed[i >> 4] |= s.layer_starts[i] << (16 * (i & 15))
    LAYER_STARTS = packed
    packed = empty(uint256[2])
    for i: uint256 in range(c.SAMPLER_OPS):
        packed[i >> 4] |= s.sampler_starts[i] << (16 * (i & 15))
    SAMPLER_STARTS = packed


@view
@external
def model() -> address:
    """
    @notice Whose numbers are recomputed.
    @custom:rule INNER-72
    @return StepModel.
    """
    return MODEL


@internal
@view
def _layer_start(op: uint256) -> uint256:
    """
    @dev First leaf of a layer's region, by its op.
    """
    return (LAYER_STARTS[op >> 4] >> (16 * (op & 15))) & c.M16


@internal
@view
def _sampler_start(region: uint256) -> uint256:
    """
    @dev First leaf of a sampler's region, counted from the first.
    """
    return (SAMPLER_STARTS[region >> 4] >> (16 * (region & 15))) & c.M16


@internal
@view
def _format(layer: uint256, at: uint256) -> uint256:
    """
    @dev Byte `at` of a layer's formats: 0 to 2 Q of q, k and v, 3 and 4 exponents of its norms, from 5
         on the row types of its matrices.
    """
    return (FORMATS[layer] >> (8 * at)) & c.M8


@internal
@view
def _norm_rows() -> uint256:
    """
    @dev Rows of one norm's weights.
    """
    return (WIDTH + c.INT16_PER_CHUNK - 1) // c.INT16_PER_CHUNK


@internal
@view
def _norm_row(norm: uint256, part: uint256) -> uint256:
    """
    @dev Config row of a part of norm weights: norms 2l and 2l + 1 of layer l, then the output's.
    """
    return 1 + LAYER_COUNT + norm * self._norm_rows() + part


@internal
@view
def _rope_row(position: uint256) -> uint256:
    """
    @dev Config row of the rotation of the token at a trace position from 1 on.
    """
    return self._norm_row(2 * LAYER_COUNT + 1, 0) + position - 1


@internal
@view
def _row_leaf(tensor: uint256, row: uint256) -> uint256:
    """
    @dev Where a row stands in the model tree.
         # rule: MODEL-10
    """
    if tensor == CONFIG:
        return row
    at: uint256 = self._norm_row(2 * LAYER_COUNT + 1, 0) + CONTEXT
    if tensor == VOCABULARY:
        return at + row
    at += RECORDS
    if tensor == TOKENS:
        return at + row
    at += TOKEN_COUNT
    if tensor == EMBEDDING:
        return at + row
    at += TOKEN_COUNT
    queries: uint256 = HEADS * HEAD_SIZE
    keys: uint256 = KV_HEADS * HEAD_SIZE
    rows: uint256[LAYER_TENSORS] = [
        queries, keys, keys, WIDTH, FEED_FORWARD, FEED_FORWARD, WIDTH
    ]
    a_layer: uint256 = queries + 2 * keys + 2 * WIDTH + 2 * FEED_FORWARD
    layer: uint256 = (tensor - LAYERS) // LAYER_TENSORS
    at += layer * a_layer
    if layer < LAYER_COUNT:
        for i: uint256 in range((tensor - LAYERS) % LAYER_TENSORS, bound=LAYER_TENSORS):
            at += rows[i]
    return at + row
