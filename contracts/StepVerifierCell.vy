# pragma version 0.4.3
"""
@title StepVerifierCell
@notice Steps of ROOTS up to the cell after a call: its fields, its leaf and version, the receipt. Twin
        of oyez/protocol/step_roots.py: it opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import codec
from contracts.modules import frame
from contracts.modules import frame_path
from contracts.modules import merkle
from contracts.modules import openings
from contracts.modules import published
from contracts.modules import published_fields
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: published[step_model := step_model]
initializes: frame[step_model := step_model, openings := openings]
exports: step_model.model

# --- Ops ---
FIELD_PART: constant(uint256) = 144
FIELD: constant(uint256) = 145

# --- First leaves of regions ---
FIELD_PART_AT: constant(uint256) = 0
FIELD_AT: constant(uint256) = 2

# --- Words and lanes of earlier records ---
CALL_ID: constant(uint256) = 1
FEE: constant(uint256) = 5
MANIFEST: constant(uint256) = 7
KEY: constant(uint256) = 9
CELL_LEAF: constant(uint256) = 10
VERSION: constant(uint256) = 11
OUTCOME: constant(uint256) = 0
CODE: constant(uint256) = 1
DETAIL: constant(uint256) = 2
POSITIONS: constant(uint256) = 3
OUTPUT_BYTES: constant(uint256) = 5
ACCEPTED: constant(int256) = 1

# --- Words and lanes of this one ---
FIELDS_ROOT: constant(uint256) = 2 * c.MAX_FIELDS - 2 - c.CHUNK_WORDS
LEAF_AFTER: constant(uint256) = 0
VERSION_AFTER: constant(uint256) = 1
ROOT_BEFORE: constant(uint256) = 2
RECEIPT: constant(uint256) = 3

MAX_READS: constant(uint256) = 4


struct Proof:
    leaves: DynArray[IStepVerifier.Opening, MAX_READS]
    rows: DynArray[IStepVerifier.Row, 1]
    hint: uint256
    preimages: DynArray[Bytes[c.MAX_PREIMAGE_BYTES], 2]


# What is given: data of the leaves behind the gate, and the preimage; empty where dead or missing.
struct Given:
    x: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS]
    p: Bytes[c.MAX_PREIMAGE_BYTES]


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
    opened: Proof = abi_decode(proof, Proof, unwrap_tuple=False)
    has_gate: bool = step.lane == 0
    f: frame_path.Found = empty(frame_path.Found)
    if has_gate:
        entry: uint256 = frame._first(step.record, frame.ENTRY)
        f = frame_path._begin(frame._chunk(0, entry, 0, c.CHUNK_INT32))
    if not has_gate or (len(opened.leaves) > 0 and len(opened.leaves[0].data) > 0):
        given: Given = empty(Given)
        first: uint256 = 1 if has_gate else 0
        for k: uint256 in range(MAX_READS):
            at: uint256 = k + first
            given.x.append(opened.leaves[at].data if at < len(opened.leaves) else b"")
        if len(opened.preimages) > 0:
            given.p = opened.preimages[0]
        f = self._answer(step, raw, f, given)

    frame._check(step, opened.leaves, f.wanted)
    frame._check_rest(len(opened.rows), len(opened.preimages), f.asked)
    return f.answer


# --- OPS ---


@internal
@view
def _answer(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    if step.op == FIELD_PART:
        return self._field_part(step, begun, g)
    if step.op != FIELD:
        return self._cell(step, raw, begun, g)
    if step.leaf == FIELD_AT:
        return self._field(step, begun, g)
    return self._field_node(step, raw, begun, g)


@internal
@view
def _field_part(
    step: IStepVerifier.Step, begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev The hash of a field's name, or of its type.
         # rule: FRAME-71
    """
    f: frame_path.Found = begun
    f.wanted = frame_path._add(f.wanted, frame_path._entry_words(step))
    if len(g.x[0]) == 0:
        return f
    lane: uint256 = c.CHUNK_WORDS * (step.leaf - FIELD_PART_AT) + step.lane
    manifest: published.Published = published._open(extract32(g.x[0], 32 * MANIFEST))
    field: published_fields.Field = published_fields._find(manifest, lane // 2)
    if field.is_there:
        part: bytes32 = empty(bytes32)
        if lane % 2 == 0:
            part = published_fields._name_hash(manifest, field)
        else:
            part = published_fields._type_hash(manifest, field)
        f.answer = convert(part, int256)
    return f


@internal
@view
def _field(step: IStepVerifier.Step, begun: frame_path.Found, g: Given) -> frame_path.Found:
    """
    @dev A field's leaf after the call.
         # rule: FRAME-71
    """
    f: frame_path.Found = begun
    at: uint256 = 2 * step.lane
    leaf: uint256 = FIELD_PART_AT + at // c.CHUNK_WORDS
    at = 32 * (at % c.CHUNK_WORDS)
    f.wanted = frame_path._add(f.wanted, frame_path._words_at(leaf))
    if len(g.x[0]) == 0:
        return f
    name: bytes32 = extract32(g.x[0], at)
    if name == empty(bytes32):
        return f
    f.wanted = frame_path._add(f.wanted, self._output(step, 1, c.CHUNK_BYTES32))
    if len(g.x[1]) > 0:
        type: bytes32 = extract32(g.x[0], at + 32)
        word: bytes32 = extract32(g.x[1], 32 * step.lane)
        f.answer = convert(codec._field_leaf(step.lane, name, type, word), int256)
    return f


@internal
@view
def _field_node(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev A node above two lanes before it.
         # rule: FRAME-71
    """
    f: frame_path.Found = begun
    left: uint256 = 2 * step.lane
    if step.lane == c.CHUNK_WORDS - 1:
        return f
    if left >= c.CHUNK_WORDS:
        f.answer = self._join(raw, left - c.CHUNK_WORDS)
        return f
    f.wanted = frame_path._add(f.wanted, frame_path._words_at(FIELD_AT))
    if len(g.x[0]) > 0:
        f.answer = self._join(g.x[0], left)
    return f


@internal
@view
def _cell(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev The cell's leaf and version after the call, the state root before, the receipt.
         # rule: FRAME-72
    """
    if step.lane == ROOT_BEFORE:
        return frame_path._root_before(step, 0, g.x[0], g.p)
    f: frame_path.Found = begun
    if step.lane > RECEIPT:
        return f
    f.wanted = frame_path._add(f.wanted, self._output(step, 0, c.CHUNK_INT32))
    if len(g.x[0]) == 0:
        return f
    if step.lane == RECEIPT:
        return self._receipt(step, raw, f, g)
    f.wanted = frame_path._add(f.wanted, frame_path._entry_words(step))
    if len(g.x[1]) == 0:
        return f
    is_accepted: bool = frame._int32(g.x[0], OUTCOME) == ACCEPTED
    version: uint256 = convert(extract32(g.x[1], 32 * VERSION), uint256)
    if is_accepted:
        version = unsafe_add(version, 1)
    if step.lane == VERSION_AFTER:
        f.answer = convert(convert(version, bytes32), int256)
    elif not is_accepted:
        f.answer = frame._word(g.x[1], CELL_LEAF)
    else:
        f.wanted = frame_path._add(f.wanted, frame_path._words_at(FIELD_AT + 1))
        if len(g.x[2]) > 0:
            leaf: bytes32 = codec._cell_leaf(
                extract32(g.x[1], 32 * KEY),
                extract32(g.x[1], 32 * MANIFEST),
                extract32(g.x[2], 32 * FIELDS_ROOT),
                version,
            )
            f.answer = convert(leaf, int256)
    return f


@internal
@view
def _receipt(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], begun: frame_path.Found, g: Given
) -> frame_path.Found:
    """
    @dev The receipt's leaf; what came before it is the output's head.
         # rule: FRAME-73
    """
    f: frame_path.Found = begun
    f.wanted = frame_path._add(f.wanted, self._output(step, 2, c.CHUNK_TEXT))
    if len(g.x[1]) == 0:
        return f
    f.wanted = frame_path._add(f.wanted, frame_path._entry_words(step))
    if len(g.x[2]) == 0:
        return f
    length: int256 = max(frame._int32(g.x[0], OUTPUT_BYTES), 0)
    size: uint256 = min(convert(length, uint256), c.CHUNK_BYTES)
    leaf: bytes32 = keccak256(
        abi_encode(
            c.RECEIPT,
            extract32(g.x[2], 32 * CALL_ID),
            frame._int32(g.x[0], OUTCOME),
            frame._int32(g.x[0], CODE),
            frame._int32(g.x[0], DETAIL),
            extract32(g.x[2], 32 * MANIFEST),
            extract32(g.x[2], 32 * KEY),
            extract32(raw, 32 * LEAF_AFTER),
            keccak256(slice(g.x[1], 0, size)),
            frame._int32(g.x[0], POSITIONS),
            extract32(g.x[2], 32 * FEE),
        )
    )
    f.answer = convert(leaf, int256)
    return f


# --- READS ---


@internal
@pure
def _output(step: IStepVerifier.Step, chunk: uint256, chunk_type: uint256) -> uint256:
    """
    @dev The item of a chunk of the output's record.
    """
    return frame._chunk(0, frame._last(step.record, frame.OUTPUT), chunk, chunk_type)


@internal
@pure
def _join(words: Bytes[c.CHUNK_BYTES], left: uint256) -> int256:
    """
    @dev The node above a word and the next one.
    """
    node: bytes32 = merkle._node(extract32(words, 32 * left), extract32(words, 32 * left + 32))
    return convert(node, int256)
