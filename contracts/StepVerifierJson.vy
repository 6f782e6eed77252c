# pragma version 0.4.3
"""
@title StepVerifierJson
@notice Steps of the JSON in a state's record: lengths and ends of its scalars, the owner of each byte,
        the bytes. Twin of oyez/protocol/step_state.py: it opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import frame
from contracts.modules import json_texts
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
LENGTH: constant(uint256) = 88
END: constant(uint256) = 89
OWNER: constant(uint256) = 90
JSON: constant(uint256) = 93

# --- Owners of a JSON's last bytes ---
BRACE: constant(int256) = -1
BRACKET: constant(int256) = -2

SPACE: constant(int256) = 32
COMMA: constant(int256) = 44
CLOSE_ARRAY: constant(int256) = 93
CLOSE: constant(int256) = 125


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
    if step.op != JSON:
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
        if step.op == LENGTH:
            f = self._length(step, given, f)
        elif step.op == END:
            f = self._end(step, given, f)
        elif step.op == OWNER:
            f = self._owner(step, given, f)
        else:
            f = self._json(step, given, f)

    openings._check(step, opened.leaves, frame._list(f.wanted))
    state_steps._check(f, len(opened.rows), len(opened.preimages), digest)
    return f.answer


# --- OPS ---


@internal
@view
def _length(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev How many bytes of JSON a scalar takes.
         # rule: FRAME-27
    """
    f: state_steps.Found = found
    place: uint256 = c.INT32_PER_CHUNK * (step.leaf - state_steps.LENGTH) + step.lane
    index: uint256 = place // c.MAX_ITEMS
    f.wanted = frame._leaf(f.wanted, state_steps.COUNT, c.CHUNK_INT32)
    if not self._is_place(given.x[0], place):
        return f
    if frame._int32(given.x[0], index) == 0:
        f.answer = 0
        return f
    f.wanted = state_steps._entry_words(f, step.record)
    field: published_fields.Field = state_steps._field(given.x[1], index)
    if not field.is_there:
        return f
    f.wanted = self._item_leaf(f, place)
    if len(given.x[2]) == 0:
        return f
    word: int256 = frame._word(given.x[2], place % c.CHUNK_WORDS)
    if json_texts._is_text(field.type):
        f = state_steps._ask(f, word)
    f.answer = convert(json_texts._count_bytes(field.type, word, given.preimage), int256)
    return f


@internal
@view
def _end(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev The offset in the JSON after a place's scalar.
         # rule: FRAME-28
    """
    f: state_steps.Found = found
    leaf: uint256 = step.leaf - state_steps.END
    place: uint256 = c.INT32_PER_CHUNK * leaf + step.lane
    index: uint256 = place // c.MAX_ITEMS
    at: uint256 = 0
    before: int256 = 0
    if step.lane > 0:
        before = max(0, frame._int32(given.own, step.lane - 1))
    elif leaf > 0:
        f.wanted = frame._leaf(f.wanted, step.leaf - 1, c.CHUNK_INT32)
        if len(given.x[0]) == 0:
            return f
        before = max(0, frame._int32(given.x[0], c.INT32_PER_CHUNK - 1))
        at = 1
    f.wanted = frame._leaf(f.wanted, state_steps.COUNT, c.CHUNK_INT32)
    if len(given.x[at]) == 0:
        return f
    if not self._is_place(given.x[at], place):
        f.answer = before
        return f
    at += 1
    head: uint256 = 2
    if place % c.MAX_ITEMS == 0:
        f.wanted = state_steps._entry_words(f, step.record)
        field: published_fields.Field = state_steps._field(given.x[at], index)
        if not field.is_there:
            return f
        head = json_texts._count_head(field, index)
        at += 1
    f.wanted = frame._leaf(f.wanted, state_steps.LENGTH + leaf, c.CHUNK_INT32)
    if len(given.x[at]) == 0:
        return f
    length: int256 = max(0, frame._int32(given.x[at], step.lane))
    f.answer = min(before + convert(head, int256) + length, state_steps.MOST)
    return f


@internal
@view
def _owner(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev The place whose span holds a byte of the JSON.
         # rule: FRAME-29
    """
    f: state_steps.Found = found
    leaf: uint256 = step.leaf - state_steps.OWNER
    byte: uint256 = c.INT32_PER_CHUNK * leaf + step.lane
    at: uint256 = 0
    owner: int256 = 0
    if step.lane > 0:
        owner = frame._int32(given.own, step.lane - 1)
    elif leaf > 0:
        f.wanted = frame._leaf(f.wanted, step.leaf - 1, c.CHUNK_INT32)
        if len(given.x[0]) == 0:
            return f
        owner = frame._int32(given.x[0], c.INT32_PER_CHUNK - 1)
        at = 1
    else:
        f.wanted = frame._leaf(f.wanted, state_steps.COUNT, c.CHUNK_INT32)
        if len(given.x[0]) > 0:
            f.answer = 0
        return f
    if owner == BRACKET:
        f.answer = BRACE
        return f
    if not self._is_owner(owner):
        return f
    place: uint256 = convert(owner, uint256)
    f.wanted = frame._leaf(
        f.wanted, state_steps.END + place // c.INT32_PER_CHUNK, c.CHUNK_INT32
    )
    if len(given.x[at]) == 0:
        return f
    if frame._int32(given.x[at], place % c.INT32_PER_CHUNK) > convert(byte, int256):
        f.answer = owner
        return f
    at += 1
    f.wanted = frame._leaf(f.wanted, state_steps.COUNT, c.CHUNK_INT32)
    counts: Bytes[c.CHUNK_BYTES] = given.x[at]
    if len(counts) == 0:
        return f
    index: uint256 = place // c.MAX_ITEMS
    next: int256 = convert(place % c.MAX_ITEMS, int256) + 1
    if next < min(frame._int32(counts, index), convert(c.MAX_ITEMS, int256)):
        f.answer = owner + 1
        return f
    if index + 1 < c.MAX_FIELDS and frame._int32(counts, index + 1) >= 0:
        f.answer = convert(c.MAX_ITEMS * (index + 1), int256)
        return f
    f.wanted = state_steps._entry_words(f, step.record)
    manifest: published.Published = state_steps._manifest(given.x[at + 1])
    if index < published_fields._count(manifest):
        f.answer = BRACKET if published_fields._is_array_at(manifest, index) else BRACE
    return f


@internal
@view
def _json(
    step: IStepVerifier.Step, given: state_steps.Given, found: state_steps.Found
) -> state_steps.Found:
    """
    @dev A byte of the state's JSON.
         # rule: FRAME-32
    """
    f: state_steps.Found = found
    leaf: uint256 = step.leaf - frame._record_start() - state_steps.JSON
    byte: uint256 = c.CHUNK_BYTES * leaf + step.lane
    f.wanted = frame._leaf(
        f.wanted, state_steps.OWNER + byte // c.INT32_PER_CHUNK, c.CHUNK_INT32
    )
    if len(given.x[0]) == 0:
        return f
    owner: int256 = frame._int32(given.x[0], byte % c.INT32_PER_CHUNK)
    if owner == BRACE or owner == BRACKET:
        f.answer = CLOSE if owner == BRACE else CLOSE_ARRAY
        return f
    if not self._is_owner(owner):
        return f
    place: uint256 = convert(owner, uint256)
    lane: uint256 = place % c.INT32_PER_CHUNK
    f.wanted = frame._leaf(
        f.wanted, state_steps.END + place // c.INT32_PER_CHUNK, c.CHUNK_INT32
    )
    if len(given.x[1]) == 0:
        return f
    f.wanted = frame._leaf(
        f.wanted, state_steps.LENGTH + place // c.INT32_PER_CHUNK, c.CHUNK_INT32
    )
    if len(given.x[2]) == 0:
        return f
    end: int256 = frame._int32(given.x[1], lane)
    length: int256 = max(0, frame._int32(given.x[2], lane))
    # from the scalar's first byte; what stands before it counts down from -1
    offset: int256 = convert(byte, int256) - (end - length)
    if offset >= length:
        return f
    if offset >= 0:
        f.wanted = state_steps._entry_words(f, step.record)
        field: published_fields.Field = state_steps._field(given.x[3], place // c.MAX_ITEMS)
        if not field.is_there:
            return f
        f.wanted = self._item_leaf(f, place)
        if len(given.x[4]) == 0:
            return f
        word: int256 = frame._word(given.x[4], place % c.CHUNK_WORDS)
        if json_texts._is_text(field.type):
            f = state_steps._ask(f, word)
        if offset < convert(json_texts._count_bytes(field.type, word, given.preimage), int256):
            f.answer = json_texts._scalar_byte(
                field.type, word, given.preimage, convert(offset, uint256)
            )
    elif place % c.MAX_ITEMS > 0:
        if offset >= -2:
            f.answer = SPACE if offset == -1 else COMMA
    else:
        f.wanted = state_steps._entry_words(f, step.record)
        manifest: published.Published = state_steps._manifest(given.x[3])
        index: uint256 = place // c.MAX_ITEMS
        field: published_fields.Field = published_fields._find(manifest, index)
        if not field.is_there:
            return f
        head: int256 = convert(json_texts._count_head(field, index), int256)
        if offset + head >= 0:
            f.answer = json_texts._head_byte(manifest, field, index, convert(offset + head, uint256))
    return f


# --- PLACES ---


@internal
@pure
def _is_place(counts: Bytes[c.CHUNK_BYTES], place: uint256) -> bool:
    """
    @dev A field has a place for an item; an empty array has one.
    """
    if len(counts) == 0:
        return False
    count: int256 = frame._int32(counts, place // c.MAX_ITEMS)
    return count >= 0 and convert(place % c.MAX_ITEMS, int256) < max(count, 1)


@internal
@pure
def _is_owner(owner: int256) -> bool:
    return owner >= 0 and owner < convert(state_steps.PLACES, int256)


@internal
@view
def _item_leaf(f: state_steps.Found, place: uint256) -> uint256:
    """
    @dev What is wanted, then the leaf of items that holds a place's word.
    """
    return frame._leaf(f.wanted, state_steps.ITEM + place // c.CHUNK_WORDS, c.CHUNK_BYTES32)
