# pragma version 0.4.3
"""
@title StepVerifierState
@notice Steps of a state's record up to its values: the stored cell and its fields, the values the call
        met, their items, and the record's numbers and words. Twin of oyez/protocol/step_state.py: it
        opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import frame
from contracts.modules import openings
from contracts.modules import published
from contracts.modules import published_fields
from contracts.modules import state_steps
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: frame[step_model := step_model, openings := openings]
initializes: published[step_model := step_model]
initializes: state_steps[published := published]
exports: step_model.model

# --- Ops ---
CELL: constant(uint256) = 80
NODE: constant(uint256) = 81
STORED_NAME: constant(uint256) = 82
STORED: constant(uint256) = 84
VALUE: constant(uint256) = 85
ITEM: constant(uint256) = 86
COUNT: constant(uint256) = 87
HEAD: constant(uint256) = 91

# --- Words of the leaves of a cell and of a field, tag first ---
LEAF_WORDS: constant(uint256) = 5
CELL_MANIFEST: constant(uint256) = 2
FIELD_NAME: constant(uint256) = 2
CELL_LANES: constant(uint256) = 3
# lane of `cell` that is the fields' root
FIELDS_ROOT: constant(uint256) = 1
NODE_BYTES: constant(uint256) = 64


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
    opened: state_steps.Proof = abi_decode(proof, state_steps.Proof, unwrap_tuple=False)
    filler: int256 = 0
    if step.op == COUNT or step.op == HEAD:
        filler = frame.FILLER
    first: uint256 = 1 if step.lane == 0 else 0
    given: state_steps.Given = empty(state_steps.Given)
    for k: uint256 in range(state_steps.MAX_READS):
        given.x.append(
            opened.leaves[first + k].data if first + k < len(opened.leaves) else b""
        )
    given.own = raw
    digest: bytes32 = empty(bytes32)
    if len(opened.preimages) == 1:
        given.preimage = opened.preimages[0]
        digest = keccak256(given.preimage)

    f: state_steps.Found = state_steps._begin(step.record, step.lane, filler)
    if first == 0 or (len(opened.leaves) > 0 and len(opened.leaves[0].data) > 0):
        if step.op == CELL:
            f = self._cell(step, given, f)
        elif step.op == NODE:
            f = self._node(step, given, f)
        elif step.op <= STORED:
            f = self._stored(step, given, f)
        elif step.op == VALUE:
            f = self._value(step, given, f)
        elif step.op == ITEM:
            f = self._item(step, given, f)
        elif step.op == COUNT:
            f = self._count(step, given, f)
        elif step.op == HEAD:
            f = self._head(step, given, f)
        else:
            f = self._values(step, given, f)

    openings._check(step, opened.leaves, frame._list(f.wanted))
    state_steps._check(f, len(opened.rows), len(opened.preimages), digest)
    return f.answer


# --- OPS ---


@internal
@view
def _cell(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev The stored cell's manifest hash, fields' root or version; all 0 where it is absent.
         # rule: FRAME-21
    """
    f: state_steps.Found = found
    if step.lane >= CELL_LANES:
        return f
    f.wanted = state_steps._entry_words(f, step.record)
    if len(given.x[0]) == 0:
        return f
    leaf: int256 = frame._word(given.x[0], state_steps.CELL_LEAF)
    return self._leaf_word(f, given, leaf, c.CELL, CELL_MANIFEST + step.lane)


@internal
@view
def _node(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev A node of the stored cell's fields, in heap order.
         # rule: FRAME-22
    """
    f: state_steps.Found = found
    node: uint256 = c.CHUNK_WORDS * (step.leaf - state_steps.NODE) + step.lane
    if node == 0:
        f.answer = 0
        return f
    if node == 1:
        f.wanted = frame._leaf(f.wanted, state_steps.CELL, c.CHUNK_BYTES32)
        if len(given.x[0]) > 0:
            f.answer = frame._word(given.x[0], FIELDS_ROOT)
        return f
    parent: int256 = 0
    if node < c.MAX_FIELDS:
        parent = frame._word(given.own, node >> 1)
    else:
        f.wanted = frame._leaf(f.wanted, state_steps.NODE, c.CHUNK_BYTES32)
        if len(given.x[0]) == 0:
            return f
        parent = frame._word(given.x[0], node >> 1)
    f.answer = 0
    if parent != 0:
        f = state_steps._ask(f, parent)
        if len(given.preimage) == NODE_BYTES:
            f.answer = extract32(given.preimage, 32 * (node & 1), output_type=int256)
    return f


@internal
@view
def _stored(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev Name, type or word of a stored field.
         # rule: FRAME-23
    """
    f: state_steps.Found = found
    f.wanted = frame._leaf(f.wanted, state_steps.NODE + 1, c.CHUNK_BYTES32)
    if len(given.x[0]) == 0:
        return f
    leaf: int256 = frame._word(given.x[0], step.lane)
    return self._leaf_word(f, given, leaf, c.FIELD, FIELD_NAME + step.op - STORED_NAME)


@internal
@pure
def _leaf_word(
    found: state_steps.Found,
    given: state_steps.Given,
    leaf: int256,
    tag: bytes32,
    at: uint256,
) -> state_steps.Found:
    """
    @dev A word of a leaf, of a cell or a field; 0 of none, and of what is no such leaf.
    """
    f: state_steps.Found = found
    f.answer = 0
    if leaf != 0:
        f = state_steps._ask(f, leaf)
        if frame._is_tagged(given.preimage, tag, LEAF_WORDS):
            f.answer = extract32(given.preimage, 32 * at, output_type=int256)
    return f


@internal
@view
def _value(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev The word of a value that the call met: stored, migrated or initial.
         # rule: FRAME-24
    """
    f: state_steps.Found = found
    f.wanted = state_steps._entry_words(f, step.record)
    manifest: published.Published = state_steps._manifest(given.x[0])
    field: published_fields.Field = published_fields._find(manifest, step.lane)
    if not field.is_there:
        return f
    f.wanted = frame._leaf(f.wanted, state_steps.STORED_NAME, c.CHUNK_BYTES32)
    if len(given.x[1]) == 0:
        return f
    f.wanted = frame._leaf(f.wanted, state_steps.STORED_TYPE, c.CHUNK_BYTES32)
    if len(given.x[2]) == 0:
        return f
    name: bytes32 = published_fields._name_hash(manifest, field)
    type_hash: bytes32 = published_fields._type_hash(manifest, field)
    for place: uint256 in range(c.MAX_FIELDS):
        if (
            extract32(given.x[1], 32 * place) == name
            and extract32(given.x[2], 32 * place) == type_hash
        ):
            f.wanted = frame._leaf(f.wanted, state_steps.STORED, c.CHUNK_BYTES32)
            if len(given.x[3]) > 0:
                f.answer = frame._word(given.x[3], place)
            return f
    f.answer = convert(published_fields._initial_word(manifest, field), int256)
    return f


@internal
@view
def _item(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev An item's word of an array, or a scalar's own.
         # rule: FRAME-25
    """
    f: state_steps.Found = found
    place: uint256 = c.CHUNK_WORDS * (step.leaf - state_steps.ITEM) + step.lane
    index: uint256 = place // c.MAX_ITEMS
    item: uint256 = place % c.MAX_ITEMS
    f.wanted = state_steps._entry_words(f, step.record)
    manifest: published.Published = state_steps._manifest(given.x[0])
    if index >= published_fields._count(manifest):
        return f
    is_array: bool = published_fields._is_array_at(manifest, index)
    if item > 0 and not is_array:
        return f
    f.wanted = frame._leaf(f.wanted, state_steps.VALUE, c.CHUNK_BYTES32)
    if len(given.x[1]) == 0:
        return f
    word: int256 = frame._word(given.x[1], index)
    if not is_array:
        f.answer = word
        return f
    f = state_steps._ask(f, word)
    if item < state_steps._items(given.preimage):
        f.answer = extract32(given.preimage, 32 * item, output_type=int256)
    return f


@internal
@view
def _count(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev How many items a field has; 1 of a scalar.
         # rule: FRAME-26
    """
    f: state_steps.Found = found
    if step.lane >= c.MAX_FIELDS:
        return f
    f.wanted = state_steps._entry_words(f, step.record)
    manifest: published.Published = state_steps._manifest(given.x[0])
    if step.lane >= published_fields._count(manifest):
        return f
    if not published_fields._is_array_at(manifest, step.lane):
        f.answer = 1
        return f
    f.wanted = frame._leaf(f.wanted, state_steps.VALUE, c.CHUNK_BYTES32)
    if len(given.x[1]) == 0:
        return f
    f = state_steps._ask(f, frame._word(given.x[1], step.lane))
    f.answer = convert(state_steps._items(given.preimage), int256)
    return f


@internal
@view
def _head(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev The record's first chunk: fields, bytes of the JSON.
         # rule: FRAME-30
    """
    f: state_steps.Found = found
    if step.lane > 1:
        return f
    f.wanted = state_steps._entry_words(f, step.record)
    manifest: published.Published = state_steps._manifest(given.x[0])
    count: uint256 = published_fields._count(manifest)
    if count == 0:
        return f
    if step.lane == 0:
        f.answer = convert(count, int256)
        return f
    f.wanted = frame._leaf(f.wanted, state_steps.OWNER - 1, c.CHUNK_INT32)
    if len(given.x[1]) == 0:
        return f
    end: int256 = max(0, frame._int32(given.x[1], c.INT32_PER_CHUNK - 1))
    closing: int256 = 2 if published_fields._is_array_at(manifest, count - 1) else 1
    f.answer = min(end + closing, state_steps.MOST)
    return f


@internal
@view
def _values(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev The record's second chunk: the values' words.
         # rule: FRAME-31
    """
    f: state_steps.Found = found
    f.wanted = frame._leaf(f.wanted, state_steps.VALUE, c.CHUNK_BYTES32)
    if len(given.x[0]) > 0:
        f.answer = frame._word(given.x[0], step.lane)
    return f
