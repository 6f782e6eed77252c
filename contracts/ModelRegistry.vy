# pragma version 0.4.3
"""
@title ModelRegistry
@notice The models a rollup may run. Fixed by the constructor when the curator is the zero address,
        for ever; any other curator may add, after the delay, and is trusted for safety: a model
        whose weights nobody else has makes every later batch impossible to check.
@dev A record's shape lies in contract code, its hash in the record. Records never change.
"""
from contracts import constants as c
from contracts.interfaces import IModelRegistry
from contracts.modules import codec

implements: IModelRegistry

CURATOR: immutable(address)
DELAY: immutable(uint256)

count: uint256
# index => root of the model tree; written once
roots: HashMap[uint256, bytes32]
# index => hash of the shape; written once
shape_hashes: HashMap[uint256, bytes32]
# index => shape's pointer 160 | effective_at 40 | engine 8; written once
words: HashMap[uint256, uint256]


@deploy
def __init__(
    curator: address, delay: uint256, models: DynArray[IModelRegistry.ModelInit, c.MAX_MODELS]
):
    """
    @param curator May announce further models; zero closes the list for ever.
    @param delay Seconds before an announced model takes effect, at least the challenge window.
    @param models Effective at once, with indices from 0.
    """
    CURATOR = curator
    DELAY = delay

    for model: IModelRegistry.ModelInit in models:
        index: uint256 = self._add(model, block.timestamp)


# --- CURATOR ---


@external
def announce(model: IModelRegistry.ModelInit) -> uint256:
    """
    @notice Add a model, effective after the delay, so that verifiers can fetch and refuse it.
    @custom:rule REGISTRY-2
    @param model Root, engine and shape.
    @return The model's index.
    """
    assert msg.sender == CURATOR, "models: curator only"

    return self._add(model, block.timestamp + DELAY)


# --- VIEWS ---


@view
@external
def models(index: uint256) -> (bytes32, uint256, bytes32, uint256):
    """
    @notice A model's root, engine, shape hash and the time from which actions may use it.
    @param index From 0.
    @return (root, engine, shape_hash, effective_at)
    """
    assert index < self.count, "models: no such model"

    word: uint256 = self.words[index]
    return self.roots[index], word & c.M8, self.shape_hashes[index], (word >> 8) & c.M40


@view
@external
def shape(index: uint256) -> IModelRegistry.Shape:
    """
    @notice What bounds a manifest and prices a position.
    @param index From 0.
    @return The twelve words that shape_hash commits.
    """
    assert index < self.count, "models: no such shape"

    pointer: address = convert(self.words[index] >> 48, address)
    return abi_decode(slice(pointer.code, 1, c.SHAPE_BYTES), IModelRegistry.Shape)


@view
@external
def model_count() -> uint256:
    """
    @notice How many models there are, announced ones included.
    @return The count.
    """
    return self.count


@view
@external
def curator() -> address:
    """
    @notice Who may announce models; zero is nobody.
    @return The address.
    """
    return CURATOR


@view
@external
def delay() -> uint256:
    """
    @notice Seconds between a model's announcement and its effect.
    @return The delay.
    """
    return DELAY


# --- INTERNAL ---


@internal
def _add(model: IModelRegistry.ModelInit, effective_at: uint256) -> uint256:
    assert model.engine in [c.ENGINE_EXACT, c.ENGINE_ATTESTED], "models: unknown engine"
    assert model.root != empty(bytes32), "models: no root"
    assert effective_at <= c.M40, "models: delay too long"
    self._check_shape(model.shape)

    index: uint256 = self.count
    shape_hash: bytes32 = codec._shape_hash(model.shape)
    # initcode that returns what follows it: a STOP byte, so that nobody calls it, and the shape
    pointer: address = raw_create(
        concat(x"61018180600a3d393df300", slice(abi_encode(model.shape), 0, c.SHAPE_BYTES))
    )

    self.count = index + 1
    self.roots[index] = model.root
    self.shape_hashes[index] = shape_hash
    self.words[index] = (convert(pointer, uint256) << 48) | (effective_at << 8) | model.engine

    log IModelRegistry.ModelAnnounced(
        index=index,
        root=model.root,
        engine=model.engine,
        shape_hash=shape_hash,
        effective_at=effective_at,
    )
    return index


@internal
@pure
def _check_shape(shape: IModelRegistry.Shape):
    """
    @dev What the trace's frozen address space and the manifest's bounds can hold.
         # rule: REGISTRY-1
    """
    assert shape.formats == c.FORMATS_VERSION, "models: unknown formats"
    assert 1 <= shape.layers and shape.layers <= c.MAX_LAYERS, "models: layers not 1 to 31"
    assert shape.width >= 1 and shape.feed_forward >= 1, "models: zero width"
    assert shape.heads >= 1 and shape.kv_heads >= 1 and shape.head_size >= 1, "models: zero heads"
    assert 1 <= shape.vocabulary and shape.vocabulary <= c.MAX_VOCABULARY, "models: vocabulary size"
    assert 1 <= shape.context and shape.context <= c.MAX_CONTEXT, "models: context not 1 to 2046"
    assert (
        1 <= shape.position_cost and shape.position_cost <= c.MAX_POSITION_COST
    ), "models: position cost"
    assert shape.model_height <= c.MAX_MODEL_HEIGHT, "models: tree above 64 levels"

    # a layer's record: x as int32, then k and v as int16, each a whole number of chunks
    lanes: uint256 = 2 * shape.kv_heads * shape.head_size
    chunks: uint256 = (
        (shape.width + c.INT32_PER_CHUNK - 1) // c.INT32_PER_CHUNK
        + (lanes + c.INT16_PER_CHUNK - 1) // c.INT16_PER_CHUNK
    )
    assert chunks <= c.CHUNKS_PER_RECORD, "models: record above 16 chunks"

    # the bytes 80..bf have tokens in a listed model; the rest ascend strictly, then zeros
    left: uint256 = convert(shape.missing, uint256)
    last: uint256 = c.FIRST_MISSING - 1
    for i: uint256 in range(c.MAX_MISSING_BYTES):
        if left == 0:
            break
        byte: uint256 = left >> 248
        assert byte > last, "models: missing bytes unsorted"
        last = byte
        left = left << 8
