# pragma version 0.4.3
"""
@title StepTable
@notice Which op makes a leaf of a record's inner trace, the type of its chunk, and the verifier that
        recomputes its lanes. Fixed by the constructor. Where nothing ever stands, the leaf is PAD, which
        this contract answers itself.
"""
from contracts import constants as c
from contracts.interfaces import IStepModel
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepTable
from contracts.interfaces import IStepVerifier
from contracts.modules import frame_table
from contracts.modules import lanes

implements: IStepTable
implements: IStepVerifier

# chunk types of the ops, by number: twin of oyez/protocol/inner.py
LAYER_TYPES: constant(uint256[c.LAYER_OPS]) = [
    1, 1, 3, 2, 1, 2, 5, 1, 1, 1, 1, 2, 3, 1, 1, 2, 3, 1, 3, 2, 1, 1, 1, 1, 2, 3, 1, 5
]
SAMPLER_TYPES: constant(uint256[c.SAMPLER_OPS]) = [
    1, 3, 1, 3, 4, 1, 1, 1, 3, 2, 1, 1, 1, 3, 3, 3, 1, 3, 1, 3, 1
]
# of leaves where no op stands
NO_OP: constant(uint256) = 255
WALK_LEAVES: constant(uint256) = 64
QUEUE_LEAVES: constant(uint256) = c.MAX_OUTPUT_BYTES // c.INT32_PER_CHUNK
SLOT_BITS: constant(uint256) = 5
LAST_SLOT: constant(uint256) = 31
LAST_POSITION: constant(uint256) = c.POSITIONS - 1

INNER_HEIGHT: immutable(uint256)
LAYERS: immutable(uint256)
LAYER_STARTS: immutable(uint256[c.LAYER_OPS])
SAMPLER_STARTS: immutable(uint256[c.SAMPLER_OPS])
# leaves from here to the record are PAD; so are those from the second on
LAYER_ENDS: immutable(uint256[2])
SAMPLER_ENDS: immutable(uint256[2])
LAYER_VERIFIERS: immutable(address[c.LAYER_OPS])
SAMPLER_VERIFIERS: immutable(address[c.SAMPLER_OPS])
FRAME_VERIFIERS: immutable(address[c.FRAME_OPS])


@deploy
def __init__(
    model: address,
    layer_verifiers: address[c.LAYER_OPS],
    sampler_verifiers: address[c.SAMPLER_OPS],
    frame_verifiers: address[c.FRAME_OPS],
):
    """
    @custom:rule INNER-72
    @param model StepModel, which every verifier names too.
    @param layer_verifiers One an op of layers, by number.
    @param sampler_verifiers One an op of samplers, by number from 32 on.
    @param frame_verifiers One an op of the records around the tokens, by number from 64 on.
    """
    for verifier: address in layer_verifiers:
        assert verifier.is_contract, "table: a layer op unverified"
        self._check_model(verifier, model)
    for verifier: address in sampler_verifiers:
        assert verifier.is_contract, "table: a sampler op unverified"
        self._check_model(verifier, model)
    for verifier: address in frame_verifiers:
        assert verifier.is_contract, "table: a frame op unverified"
        self._check_model(verifier, model)
    s: IStepModel.Settings = staticcall IStepModel(model).settings()
    INNER_HEIGHT = s.inner_height
    LAYERS = s.layers
    LAYER_STARTS = s.layer_starts
    SAMPLER_STARTS = s.sampler_starts
    LAYER_VERIFIERS = layer_verifiers
    SAMPLER_VERIFIERS = sampler_verifiers
    FRAME_VERIFIERS = frame_verifiers
    parts: uint256 = 0
    if s.feed_forward > c.MAX_DIRECT:
        parts = 1
        for i: uint256 in range(5):
            if parts * c.PART_COLUMNS < s.feed_forward:
                parts *= 2
    LAYER_ENDS = [
        s.layer_starts[c.LAYER_OPS - 3] + self._ceil(s.width * parts, c.CHUNK_WORDS),
        s.layer_starts[c.LAYER_OPS - 1]
        + self._ceil(2 * s.kv_heads * s.head_size, c.INT16_PER_CHUNK),
    ]
    SAMPLER_ENDS = [
        s.sampler_starts[c.SAMPLER_OPS - 4] + WALK_LEAVES,
        s.sampler_starts[c.SAMPLER_OPS - 1] + QUEUE_LEAVES,
    ]


@view
@external
def step_at(record: uint256, leaf: uint256) -> (address, uint256, uint256):
    """
    @notice The op that makes a leaf.
    @custom:rule INNER-72, INNER-73
    @param record Index in the outer trace.
    @param leaf Index in the record's inner trace.
    @return Verifier, number and type of the chunk.
    """
    kind: uint256 = frame_table._kind(record)
    if kind != frame_table.NO_KIND:
        place: uint256 = 0
        number: uint256 = 0
        chunk_type: uint256 = 0
        first: uint256 = LAYER_STARTS[c.LAYER_OPS - 2]
        place, number, chunk_type = frame_table._find(kind, leaf, first)
        if place == frame_table.NO_OP:
            return self, NO_OP, c.CHUNK_INT32
        return FRAME_VERIFIERS[place], number, chunk_type
    slot: uint256 = record & LAST_SLOT
    position: uint256 = (record >> SLOT_BITS) & LAST_POSITION
    is_end: bool = position == 0 or position == LAST_POSITION
    if slot == LAST_SLOT and position != LAST_POSITION:
        if not self._is_gap(leaf, SAMPLER_ENDS, SAMPLER_STARTS[c.SAMPLER_OPS - 3]):
            op: uint256 = 0
            for i: uint256 in range(1, c.SAMPLER_OPS):
                if SAMPLER_STARTS[i] > leaf:
                    break
                op = i
            return SAMPLER_VERIFIERS[op], c.FIRST_SAMPLER_OP + op, SAMPLER_TYPES[op]
    elif slot < LAYERS and not is_end:
        if not self._is_gap(leaf, LAYER_ENDS, LAYER_STARTS[c.LAYER_OPS - 2]):
            op: uint256 = 0
            for i: uint256 in range(1, c.LAYER_OPS):
                if LAYER_STARTS[i] > leaf:
                    break
                op = i
            return LAYER_VERIFIERS[op], op, LAYER_TYPES[op]
    return self, NO_OP, c.CHUNK_INT32


@view
@external
def inner_height() -> uint256:
    """
    @notice Levels of an inner tree; the game's are as many.
    @custom:rule DUEL-20
    @return The model's.
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
    @notice A lane where no op stands.
    @custom:rule INNER-73
    @param step Any.
    @param raw Any.
    @param proof Any.
    @return PAD.
    """
    return lanes.PAD


# --- INTERNAL ---


@internal
@view
def _check_model(verifier: address, model: address):
    """
    @dev # rule: INNER-72
    """
    assert staticcall IStepOfModel(verifier).model() == model, "table: steps of another model"


@internal
@pure
def _is_gap(leaf: uint256, ends: uint256[2], record: uint256) -> bool:
    return (leaf >= ends[0] and leaf < record) or leaf >= ends[1]


@internal
@pure
def _ceil(lanes_: uint256, size: uint256) -> uint256:
    return (lanes_ + size - 1) // size
