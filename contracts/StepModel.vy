# pragma version 0.4.3
"""
@title StepModel
@notice The one model of a deployment whose duels are decided lane by lane: its root and shape as the
        registry lists them, its config rows proven under that root, and where the regions of its inner
        traces begin. Fixed by the constructor.
@dev Refuses a registry that lists another model, or may come to.
"""
from contracts import constants as c
from contracts.interfaces import IModelRegistry
from contracts.interfaces import IStepModel

implements: IStepModel

WORD: constant(uint256) = 32
FORMATS_WORDS: constant(uint256) = 21
LAYER_WORDS: constant(uint256) = 12
FORMATS_TYPE: constant(uint256) = 256
LAYER_TYPE: constant(uint256) = 257
MAX_CONFIG_LEAVES: constant(uint256) = 32
MAX_HEADS: constant(uint256) = 32
# what the steps are written for: log2(e) in Q16, and the cubic of 2**-x in Q30
LOG2E: constant(uint256) = 94_548
EXPONENTIAL: constant(int256[4]) = [1_073_682_383, -742_320_854, 247_912_732, -42_458_813]
# above every score scale, that of the smallest head, and low enough for the steps' arithmetic
SCORE_SCALES: constant(uint256) = 2**20
# leaves of a walk over the most bytes of an output, two words a byte
WALK_LEAVES: constant(uint256) = 64
MAX_CHOICES: constant(uint256) = c.MAX_OPTIONS + 1

SETTINGS: immutable(IStepModel.Settings)


@deploy
def __init__(
    registry: address,
    actions: address,
    inner_height: uint256,
    formats: Bytes[672],
    layers: DynArray[Bytes[384], c.MAX_LAYERS],
    beside: DynArray[bytes32, MAX_CONFIG_LEAVES],
    siblings: DynArray[bytes32, c.MAX_STEP_SIBLINGS],
):
    """
    @custom:rule INNER-10
    @param registry ModelRegistry, with one model and no curator.
    @param actions ActionRegistry.
    @param inner_height Levels of an inner trace, a multiple of 4.
    @param formats The model's row of formats.
    @param layers Its layers' rows, in order.
    @param beside Leaves after them, up to a power of two.
    @param siblings From there up to the root.
    """
    models: IModelRegistry = IModelRegistry(registry)
    assert staticcall models.curator() == empty(address), "model: the registry is open"
    assert staticcall models.model_count() == 1, "model: one model a deployment"
    root: bytes32 = empty(bytes32)
    engine: uint256 = 0
    shape_hash: bytes32 = empty(bytes32)
    effective_at: uint256 = 0
    root, engine, shape_hash, effective_at = staticcall models.models(0)
    shape: IModelRegistry.Shape = staticcall models.shape(0)

    assert len(formats) == WORD * FORMATS_WORDS, "model: a row of formats"
    assert len(layers) == shape.layers, "model: a row a layer"
    for row: Bytes[384] in layers:
        assert len(row) == WORD * LAYER_WORDS, "model: a row of a layer"
    words: uint256[FORMATS_WORDS] = empty(uint256[FORMATS_WORDS])
    for i: uint256 in range(FORMATS_WORDS):
        words[i] = convert(extract32(formats, WORD * i), uint256)
    self._check_formats(words, shape)
    self._check_root(root, shape.model_height, formats, layers, beside, siblings)

    packed: uint256[c.MAX_LAYERS] = empty(uint256[c.MAX_LAYERS])
    for l: uint256 in range(len(layers), bound=c.MAX_LAYERS):
        for i: uint256 in range(LAYER_WORDS):
            value: uint256 = convert(extract32(layers[l], WORD * i), uint256)
            assert value <= c.M8, "model: a format over a byte"
            packed[l] |= value << (8 * i)

    SETTINGS = IStepModel.Settings(
        root=root,
        actions=actions,
        layers=shape.layers,
        width=shape.width,
        feed_forward=shape.feed_forward,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_size=shape.head_size,
        vocabulary=shape.vocabulary,
        context=shape.context,
        model_height=shape.model_height,
        missing=shape.missing,
        records=words[9],
        tied=words[10],
        embedding_type=words[11],
        head_type=words[12],
        epsilon=words[13],
        score_scale=words[14],
        output_exponent=words[20],
        inner_height=inner_height,
        formats=packed,
        layer_starts=self._place_layer(shape, inner_height),
        sampler_starts=self._place_sampler(shape, inner_height),
    )


@view
@external
def settings() -> IStepModel.Settings:
    """
    @notice What the constructor proved and laid out.
    @return The model.
    """
    return SETTINGS


# --- INTERNAL ---


@internal
@pure
def _check_formats(words: uint256[FORMATS_WORDS], shape: IModelRegistry.Shape):
    """
    @dev The row says what the registered shape says, and the constants that the steps compute with.
    """
    stated: uint256[9] = [
        c.FORMATS_VERSION,
        shape.layers,
        shape.width,
        shape.feed_forward,
        shape.heads,
        shape.kv_heads,
        shape.head_size,
        shape.vocabulary,
        shape.context,
    ]
    for i: uint256 in range(9):
        assert words[i] == stated[i], "model: row and shape differ"
    assert words[14] < SCORE_SCALES, "model: no score scale"
    assert words[15] == LOG2E, "model: another log2(e)"
    for i: uint256 in range(4):
        value: int256 = convert(convert(words[16 + i], bytes32), int256)
        assert value == EXPONENTIAL[i], "model: another exponential"


@internal
@pure
def _check_root(
    root: bytes32,
    height: uint256,
    formats: Bytes[672],
    layers: DynArray[Bytes[384], c.MAX_LAYERS],
    beside: DynArray[bytes32, MAX_CONFIG_LEAVES],
    siblings: DynArray[bytes32, c.MAX_STEP_SIBLINGS],
):
    """
    @dev The config rows are the tree's first leaves, so every sibling above stands on the right.
    """
    nodes: bytes32[MAX_CONFIG_LEAVES] = empty(bytes32[MAX_CONFIG_LEAVES])
    nodes[0] = sha256(concat(self._header(0, FORMATS_TYPE), formats))
    count: uint256 = 1
    for row: Bytes[384] in layers:
        nodes[count] = sha256(concat(self._header(count, LAYER_TYPE), row))
        count += 1
    levels: uint256 = 0
    for i: uint256 in range(5):
        if 1 << levels < count:
            levels += 1
    assert len(beside) == (1 << levels) - count, "model: wrong leaves beside"
    for leaf: bytes32 in beside:
        nodes[count] = leaf
        count += 1
    for level: uint256 in range(levels, bound=5):
        count = count // 2
        for i: uint256 in range(count, bound=16):
            nodes[i] = sha256(concat(nodes[2 * i], nodes[2 * i + 1]))
    node: bytes32 = nodes[0]
    assert len(siblings) + levels == height, "model: another height"
    for sibling: bytes32 in siblings:
        node = sha256(concat(node, sibling))
    assert node == root, "model: not under the root"


@internal
@pure
def _header(row: uint256, row_type: uint256) -> bytes32:
    return convert((row << 128) | (row_type << 64), bytes32)


@internal
@pure
def _ceil(lanes: uint256, size: uint256) -> uint256:
    return (lanes + size - 1) // size


@internal
@pure
def _place_layer(shape: IModelRegistry.Shape, height: uint256) -> uint256[c.LAYER_OPS]:
    """
    @dev First leaves of a layer's regions: twin of oyez/protocol/inner.py.
         # rule: INNER-5
    """
    queries: uint256 = shape.heads * shape.head_size
    keys: uint256 = shape.kv_heads * shape.head_size
    assert shape.width <= c.MAX_DIRECT and queries <= c.MAX_DIRECT, "model: too wide for a step"
    assert shape.heads <= MAX_HEADS, "model: too many heads"
    assert shape.feed_forward <= 32 * c.PART_COLUMNS, "model: too far fed forward"
    attended: uint256 = self._parts(queries, c.MAX_ATTENDED)
    parts: uint256 = self._parts(shape.feed_forward, c.MAX_DIRECT)
    wide: uint256 = self._ceil(shape.width, c.INT32_PER_CHUNK)
    half: uint256 = self._ceil(shape.width, c.INT16_PER_CHUNK)
    fed: uint256 = self._ceil(shape.feed_forward, c.INT32_PER_CHUNK)
    blocks: uint256 = c.POSITIONS // c.INT32_PER_CHUNK
    values: uint256 = c.POSITIONS // c.INT16_PER_CHUNK
    a_head: uint256 = shape.heads * blocks
    block_lanes: uint256 = self._ceil(a_head, c.INT32_PER_CHUNK)
    sizes: uint256[c.LAYER_OPS] = [
        1,
        wide,
        1,
        half,
        self._ceil(queries + keys, c.INT32_PER_CHUNK),
        self._ceil(queries, c.INT16_PER_CHUNK),
        self._ceil(2 * keys, c.INT16_PER_CHUNK),
        a_head,
        block_lanes,
        a_head,
        block_lanes,
        keys * values,
        self._ceil(queries * values, c.CHUNK_WORDS),
        self._ceil(queries, c.INT32_PER_CHUNK),
        1,
        self._ceil(queries, c.INT16_PER_CHUNK),
        self._ceil(shape.width * attended, c.CHUNK_WORDS),
        wide,
        1,
        half,
        fed,
        fed,
        fed,
        1,
        self._ceil(shape.feed_forward, c.INT16_PER_CHUNK),
        self._ceil(shape.width * parts, c.CHUNK_WORDS),
        wide,
        self._ceil(2 * keys, c.INT16_PER_CHUNK),
    ]
    starts: uint256[c.LAYER_OPS] = empty(uint256[c.LAYER_OPS])
    end: uint256 = (1 << height) - c.CHUNKS_PER_RECORD
    at: uint256 = 0
    for i: uint256 in range(c.LAYER_OPS):
        if i == c.LAYER_OPS - 2:
            assert at <= end, "model: too many leaves"
            at = end
        starts[i] = at
        at += sizes[i]
    # the registry lists no shape whose record takes more than 16 chunks
    return starts


@internal
@pure
def _parts(columns: uint256, most: uint256) -> uint256:
    """
    @dev Parts into which a product is cut, a power of two; 0: none.
         # rule: INNER-4
    """
    if columns <= most:
        return 0
    parts: uint256 = 1
    for i: uint256 in range(5):
        if parts * c.PART_COLUMNS < columns:
            parts *= 2
    return parts


@internal
@pure
def _place_sampler(shape: IModelRegistry.Shape, height: uint256) -> uint256[c.SAMPLER_OPS]:
    """
    @dev First leaves of a sampler's regions: twin of oyez/protocol/inner.py.
         # rule: INNER-6
    """
    logits: uint256 = self._ceil(shape.vocabulary, c.INT32_PER_CHUNK)
    masks: uint256 = self._ceil(self._ceil(shape.vocabulary, c.MASK_TOKENS), c.INT32_PER_CHUNK)
    most: uint256 = c.MAX_OUTPUT_BYTES // c.INT32_PER_CHUNK
    assert logits <= c.CHUNK_WORDS * c.CHUNK_WORDS, "model: too many tokens"
    sizes: uint256[c.SAMPLER_OPS] = [
        1,
        1,
        1,
        WALK_LEAVES,
        1,
        2 * most,
        self._ceil(MAX_CHOICES * c.OPTION_LANES, c.INT32_PER_CHUNK),
        1,
        1,
        self._ceil(shape.width, c.INT16_PER_CHUNK),
        logits,
        masks,
        logits,
        self._ceil(logits, c.CHUNK_WORDS),
        self._ceil(MAX_CHOICES, c.CHUNK_WORDS),
        1,
        1,
        WALK_LEAVES,
        1,
        1,
        most,
    ]
    starts: uint256[c.SAMPLER_OPS] = empty(uint256[c.SAMPLER_OPS])
    end: uint256 = (1 << height) - c.CHUNKS_PER_RECORD
    at: uint256 = 0
    for i: uint256 in range(c.SAMPLER_OPS):
        if i == c.SAMPLER_OPS - 3:
            assert at <= end, "model: too many sampler leaves"
            at = end
        starts[i] = at
        at += sizes[i]
    return starts
