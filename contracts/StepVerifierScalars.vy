# pragma version 0.4.3
"""
@title StepVerifierScalars
@notice Steps that find the scalars of an output: where each ends, what it is, the written fields' words.
        Twin of oyez/protocol/step_scalars.py: it opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import frame
from contracts.modules import lanes
from contracts.modules import machine_states as states
from contracts.modules import manifest_layout
from contracts.modules import openings
from contracts.modules import option_rows
from contracts.modules import output_layout as layout
from contracts.modules import output_reads as reads
from contracts.modules import published
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: frame[step_model := step_model, openings := openings]
initializes: published[step_model := step_model]
initializes: reads[published := published]
exports: step_model.model

MAX_OPENINGS: constant(uint256) = 6
PARSE_BYTES: constant(uint256) = c.CHUNK_WORDS // 2
LINKS: constant(uint256) = c.INT32_PER_CHUNK // 2
MAX_TOKENS: constant(uint256) = 1_280
LAST_ENDS: constant(uint256) = layout.ENDS + 4
MAX_SCALARS: constant(uint256) = c.MAX_OUTPUT_BYTES
ITEM_BYTES: constant(uint256) = 32 * c.MAX_ITEMS
QUOTE: constant(int256) = 34


# Neither rows nor preimages are read. A leaf more than is read is decoded, to be refused by name.
struct Proof:
    leaves: DynArray[IStepVerifier.Opening, MAX_OPENINGS]
    rows: DynArray[uint256, 1]
    hint: uint256
    preimages: DynArray[uint256, 1]


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
    assert len(opened.rows) == 0, "step: no row of a scalar"
    assert len(opened.preimages) == 0, "step: no preimage of a scalar"
    given: reads.Given = empty(reads.Given)
    for k: uint256 in range(reads.MAX_READS):
        given.x.append(opened.leaves[k].data if k < len(opened.leaves) else b"")
    found: reads.Found = empty(reads.Found)
    if step.op == layout.LATEST_OP:
        found = self._latest(step, raw, given)
    elif step.op == layout.CHAIN_OP:
        found = self._chain(step, raw, given)
    elif step.op == layout.SCALAR_OP:
        found = self._scalar(step, given)
    elif step.op == layout.PLACE_OP:
        found = self._place(step, raw, given)
    else:
        assert step.op == layout.WRITTEN_OP, "step: no scalar"
        found = self._written(step, given)

    openings._check(step, opened.leaves, frame._list(found.wanted))
    return found.answer


# --- OPS ---


@internal
@view
def _latest(step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], given: reads.Given) -> reads.Found:
    """
    @dev The last offset up to this one at which a scalar ended.
         # rule: FRAME-52
    """
    f: reads.Found = reads.Found(wanted=0, answer=lanes.PAD)
    at: uint256 = c.INT32_PER_CHUNK * (step.leaf - layout.LATEST) + step.lane
    if at == 0:
        f.wanted = reads._prompt(step.record)
        if len(given.x[0]) > 0:
            f.answer = -1
        return f
    k: uint256 = 0
    if step.lane > 0:
        f.answer = lanes._read(raw, c.CHUNK_INT32, step.lane - 1)
    else:
        f.wanted = frame._leaf(0, step.leaf - 1, c.CHUNK_INT32)
        if len(given.x[0]) == 0:
            return f
        f.answer = lanes._read(given.x[0], c.CHUNK_INT32, c.INT32_PER_CHUNK - 1)
        k = 1
    f.wanted = self._parse(f.wanted, at - 1)
    before: uint256 = self._state(given.x[k], at - 1)
    if at % PARSE_BYTES == 0:
        k += 1
        f.wanted = self._parse(f.wanted, at)
    after: uint256 = self._state(given.x[k], at)
    if self._is_end(before, after):
        f.answer = convert(at, int256)
    return f


@internal
@view
def _chain(step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], given: reads.Given) -> reads.Found:
    """
    @dev Where the k-th scalar from the output's end ended, or its written field and item.
         # rule: FRAME-53
    """
    f: reads.Found = reads.Found(wanted=0, answer=frame.FILLER)
    if step.lane % 2 == 1:
        end: int256 = lanes._read(raw, c.CHUNK_INT32, step.lane - 1)
        if end >= 1 and end < convert(c.MAX_OUTPUT_BYTES, int256):
            at: uint256 = convert(end, uint256) - 1
            f.wanted = self._parse(0, at)
            word: uint256 = self._state(given.x[0], at)
            f.answer = convert((states._field_of(word) << 8) | (word & c.M8), int256)
        return f
    k: uint256 = 0
    before: int256 = convert(c.MAX_OUTPUT_BYTES, int256)
    if step.lane > 0:
        before = lanes._read(raw, c.CHUNK_INT32, step.lane - 2)
    else:
        f.answer = lanes.PAD
        if step.leaf > layout.CHAIN:
            f.wanted = frame._leaf(0, step.leaf - 1, c.CHUNK_INT32)
            before = frame._int32(given.x[0], c.INT32_PER_CHUNK - 2)
            k = 1
    if before >= 1 and before <= convert(c.MAX_OUTPUT_BYTES, int256):
        at: uint256 = convert(before, uint256) - 1
        leaf: uint256 = layout.LATEST + at // c.INT32_PER_CHUNK
        f.wanted = frame._leaf(f.wanted, leaf, c.CHUNK_INT32)
        end: int256 = frame._int32(given.x[k], at % c.INT32_PER_CHUNK)
        if end >= 0 and end < convert(c.MAX_OUTPUT_BYTES, int256):
            f.answer = end
    return f


@internal
@view
def _scalar(step: IStepVerifier.Step, given: reads.Given) -> reads.Found:
    """
    @dev The word of the k-th scalar from the output's end.
         # rule: FRAME-54
    """
    f: reads.Found = reads.Found(wanted=0, answer=lanes.PAD if step.lane == 0 else 0)
    number: uint256 = c.CHUNK_WORDS * (step.leaf - layout.SCALAR) + step.lane
    f.wanted = frame._leaf(0, layout.CHAIN + number // LINKS, c.CHUNK_INT32)
    ended: int256 = frame._int32(given.x[0], 2 * (number % LINKS))
    if ended < 1 or ended >= convert(c.MAX_OUTPUT_BYTES, int256):
        return f
    end: uint256 = convert(ended, uint256)
    f.wanted = self._parse(f.wanted, end - 1)
    word: uint256 = self._state(given.x[1], end - 1)
    magnitude: int256 = frame._word(given.x[1], 2 * ((end - 1) % PARSE_BYTES) + 1)
    phase: uint256 = self._phase(word)
    if phase == states.INTEGER:
        f.answer = unsafe_sub(0, magnitude) if (word >> 8) & c.M8 == 1 else magnitude
        return f
    if phase != states.STRING and phase != states.CHOICE:
        return f
    f.wanted = frame._leaf(f.wanted, layout.TEXT, c.CHUNK_TEXT)
    if len(given.x[2]) == 0:
        return f
    if phase == states.CHOICE and frame._byte(given.x[2], end) != QUOTE:
        f.answer = magnitude
        return f
    length: uint256 = min(end, (word >> 40) & c.M16)
    f.answer = convert(keccak256(slice(given.x[2], end - length, length)), int256)
    return f


@internal
@view
def _place(step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], given: reads.Given) -> reads.Found:
    """
    @dev Where a written field's items begin in the chain, how many there are, and the output's end.
         # rule: FRAME-55
         # rule: FRAME-56
    """
    f: reads.Found = reads.Found(wanted=0, answer=frame.FILLER)
    if step.lane == 0:
        f.wanted = reads._prompt(step.record)
        f.answer = lanes.PAD if len(given.x[0]) == 0 else 0
    elif step.lane < layout.COUNT:
        last: int256 = lanes._read(raw, c.CHUNK_INT32, step.lane - 1)
        if step.lane % 2 == 0:
            f.answer = lanes._read(raw, c.CHUNK_INT32, step.lane - 2) + last
            return f
        f.answer = 0
        if last < 0 or last >= convert(MAX_SCALARS, int256):
            return f
        first: uint256 = convert(last, uint256)
        f.wanted = frame._leaf(0, layout.CHAIN + first // LINKS, c.CHUNK_INT32)
        link: int256 = frame._int32(given.x[0], 2 * (first % LINKS) + 1)
        if link >> 8 == convert(c.MAX_FIELDS - 1 - step.lane // 2, int256):
            f.answer = (link & convert(c.M8, int256)) + 1
    elif step.lane == layout.COUNT:
        f.wanted = frame._leaf(0, LAST_ENDS, c.CHUNK_INT32)
        if len(given.x[0]) > 0:
            f.answer = -1 - lanes._read(given.x[0], c.CHUNK_INT32, c.INT32_PER_CHUNK - 1)
    elif step.lane == layout.BYTES:
        count: int256 = lanes._read(raw, c.CHUNK_INT32, layout.COUNT)
        if count < 1 or count > convert(MAX_TOKENS, int256):
            f.answer = 0
            return f
        at: uint256 = convert(count, uint256) - 1
        f.wanted = frame._leaf(0, layout.ENDS + at // c.INT32_PER_CHUNK, c.CHUNK_INT32)
        if len(given.x[0]) > 0:
            f.answer = lanes._read(given.x[0], c.CHUNK_INT32, at % c.INT32_PER_CHUNK)
    elif step.lane <= layout.UNENDED:
        length: int256 = lanes._read(raw, c.CHUNK_INT32, layout.BYTES)
        word: uint256 = 0
        if length >= 1 and length <= convert(c.MAX_OUTPUT_BYTES, int256):
            at: uint256 = convert(length, uint256) - 1
            f.wanted = self._parse(0, at)
            word = self._state(given.x[0], at)
        if step.lane == layout.PHASE:
            f.answer = convert(self._phase(word), int256)
            return f
        k: uint256 = 0
        f.wanted, k = reads._ask(f.wanted, reads._entry(step.record))
        p: published.Published = reads._manifest(given.x[k])
        if p.pointer != empty(address):
            w: published.Written = published._find(p, states._field_of(word))
            if w.is_written:
                f.answer = convert(w.index, int256)
    elif step.lane < layout.SPELT + c.MAX_FIELDS:
        k: uint256 = 0
        f.wanted, k = reads._ask(0, reads._entry(step.record))
        p: published.Published = reads._manifest(given.x[k])
        if p.pointer != empty(address):
            before: int256 = lanes._read(raw, c.CHUNK_INT32, step.lane - 1)
            f.answer = self._spelling(p, step.lane - layout.SPELT, before)
    return f


@internal
@view
def _written(step: IStepVerifier.Step, given: reads.Given) -> reads.Found:
    """
    @dev The value word of a field that the model writes; dead if the output is not whole.
         # rule: FRAME-57
    """
    f: reads.Found = reads.Found(wanted=0, answer=lanes.PAD if step.lane == 0 else 0)
    k: uint256 = 0
    f.wanted = frame._leaf(0, layout.PLACE, c.CHUNK_INT32)
    if len(given.x[0]) == 0:
        return f
    if step.lane == 0:
        if lanes._read(given.x[0], c.CHUNK_INT32, layout.PHASE) != convert(states.END, int256):
            return f
        f.answer = 0
    f.wanted, k = reads._ask(f.wanted, reads._entry(step.record))
    p: published.Published = reads._manifest(given.x[1])
    if p.pointer == empty(address):
        return f
    is_written: bool = False
    is_array: bool = False
    number: uint256 = 0
    is_written, is_array, number = self._number(p, step.lane)
    if not is_written:
        return f
    lane: uint256 = 2 * (c.MAX_FIELDS - 1 - number)
    begun: int256 = lanes._read(given.x[0], c.CHUNK_INT32, lane)
    count: int256 = lanes._read(given.x[0], c.CHUNK_INT32, lane + 1)
    if not is_array:
        count = min(count, 1)
    if count < 0 or count > convert(c.MAX_ITEMS, int256):
        return f
    if begun < 0 or begun > convert(MAX_SCALARS, int256) - count:
        return f

    first: uint256 = convert(begun, uint256)
    items: uint256 = convert(count, uint256)
    # the last item comes first in the chain
    words: uint256[c.MAX_ITEMS] = empty(uint256[c.MAX_ITEMS])
    for item: uint256 in range(items, bound=c.MAX_ITEMS):
        at: uint256 = unsafe_add(first, item)
        if item == 0 or at % c.CHUNK_WORDS == 0:
            k = unsafe_add(k, 1)
            f.wanted = frame._leaf(
                f.wanted, layout.SCALAR + at // c.CHUNK_WORDS, c.CHUNK_BYTES32
            )
        if len(given.x[k]) > 0:
            words[unsafe_sub(unsafe_sub(items, 1), item)] = convert(
                extract32(given.x[k], 32 * (at % c.CHUNK_WORDS)), uint256
            )
    if not is_array:
        f.answer = convert(convert(words[0], bytes32), int256)
        return f
    joined: Bytes[ITEM_BYTES] = slice(abi_encode(words), 0, 32 * items)
    f.answer = convert(keccak256(joined), int256)
    return f


# --- WHAT IS READ ---


@internal
@pure
def _parse(wanted: uint256, at: uint256) -> uint256:
    """
    @dev What is wanted, then the state after a byte of the output.
    """
    return frame._leaf(wanted, layout.PARSE + at // PARSE_BYTES, c.CHUNK_BYTES32)


@internal
@pure
def _state(words: Bytes[c.CHUNK_BYTES], at: uint256) -> uint256:
    """
    @dev The packed state after a byte, from its leaf; 0 if that is dead.
    """
    if len(words) == 0:
        return 0
    return convert(extract32(words, 64 * (at % PARSE_BYTES)), uint256)


@internal
@pure
def _phase(word: uint256) -> uint256:
    return (word >> 64) & c.M8


@internal
@pure
def _is_end(before: uint256, after: uint256) -> bool:
    """
    @dev Whether a scalar ends at the byte between two states. A choice that nothing was chosen of yet
         ends with the bracket of its array.
    """
    phase: uint256 = self._phase(before)
    inside: bool = phase == states.STRING or phase == states.INTEGER
    if phase == states.CHOICE:
        inside = (before >> 40) & c.M16 > 0
    return inside and after & states.ALIVE != 0 and self._phase(after) != phase


@internal
@view
def _spelling(p: published.Published, index: uint256, before: int256) -> int256:
    """
    @dev Where in the manifest a field's options begin, `before` being where those of the field before do.
    """
    shape: manifest_layout.Layout = manifest_layout._read(p.header)
    if index >= shape.fields:
        return frame.FILLER
    at: int256 = convert(shape.text_at, int256)
    options_at: uint256 = shape.options_at
    row: uint256 = 0
    rows: uint256 = 0
    for i: uint256 in range(unsafe_add(index, 1), bound=c.MAX_FIELDS):
        if i > 0:
            # what is spelt of the field before
            a: uint256 = (row >> 80) & c.M16
            type: uint256 = published._base(row)
            size: uint256 = (row >> 64) & c.M16 if type == c.TYPE_STRING else 0
            if type == c.TYPE_ENUM:
                if i == index:
                    size = option_rows._sum_lengths(p.pointer, options_at, a)
                options_at = unsafe_add(options_at, unsafe_mul(c.OPTION_ROW_BYTES, a))
            at = before + convert(size, int256)
        row, rows = published._row(p.pointer, shape.fields_at, i, shape.fields, rows)
    return at + convert((row >> 120) & c.M8, int256)


@internal
@view
def _number(p: published.Published, index: uint256) -> (bool, bool, uint256):
    """
    @dev Whether the model writes a field, whether it is an array, and its number among those written.
    """
    shape: manifest_layout.Layout = manifest_layout._read(p.header)
    if index >= shape.fields:
        return False, False, 0
    number: uint256 = 0
    row: uint256 = 0
    rows: uint256 = 0
    is_written: bool = False
    for i: uint256 in range(unsafe_add(index, 1), bound=c.MAX_FIELDS):
        number = unsafe_add(number, 1 if is_written else 0)
        row, rows = published._row(p.pointer, shape.fields_at, i, shape.fields, rows)
        is_written = (row >> 96) & c.M8 == c.ROLE_WRITES
    return is_written, (row >> 112) & c.M8 == c.TYPE_ARRAY, number
