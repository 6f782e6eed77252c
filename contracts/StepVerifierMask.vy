# pragma version 0.4.3
"""
@title StepVerifierMask
@notice Steps of the byte machine that say what a sampler does next, the text of a forced run, and which
        tokens may be sampled, eight a lane.
@dev Twin of oyez/protocol/step_machine.py. Contents are read before they are checked: whatever they say,
     nothing is answered unless every opening is where the step reads.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import byte_machine
from contracts.modules import lanes
from contracts.modules import machine_scalars as scalars
from contracts.modules import machine_states as states
from contracts.modules import machine_reads as reads
from contracts.modules import manifest_machine as machines
from contracts.modules import openings
from contracts.modules import published
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: published[step_model := step_model]
initializes: scalars[step_model := step_model]
initializes: byte_machine[scalars := scalars]
initializes: reads[step_model := step_model]
initializes: machines[published := published, scalars := scalars]
exports: step_model.model


# lane 0 of `before`
SOURCE_PROMPT: constant(int256) = 0
SOURCE_OUTPUT: constant(int256) = 2

SLOT_BITS: constant(uint256) = 5
POSITION_BITS: constant(uint256) = 11
QUEUE_CHUNK: constant(uint256) = 2
WALK_BYTES: constant(uint256) = 16
MAX_ROWS: constant(uint256) = c.MASK_TOKENS


# A proof; where in the sorted vocabulary to look is nothing to these steps.
struct Given:
    leaves: DynArray[IStepVerifier.Opening, reads.MAX_OPENINGS]
    rows: DynArray[reads.TokenRow, MAX_ROWS]
    hint: uint256


@deploy
def __init__(model: address):
    """
    @param model StepModel.
    """
    step_model.__init__(model)
    scalars.__init__()


@view
@external
def recompute(
    step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], proof: Bytes[c.MAX_STEP_PROOF_BYTES]
) -> int256:
    """
    @notice Recompute one lane of ops 34, 36 and 43.
    @custom:rule INNER-2
    @param step Roots, address and op.
    @param raw The step's own leaf.
    @param proof What it reads.
    @return The lane.
    """
    given: Given = abi_decode(proof, Given, unwrap_tuple=False)
    answer: reads.Answer = empty(reads.Answer)
    if step.op == reads.MODE:
        answer = self._mode(step, given.leaves)
    elif step.op == reads.RUN_TEXT:
        answer = self._run_text(step, given.leaves)
    else:
        assert step.op == reads.MASK, "step: no mode, no mask"
        answer = self._mask(step, given.leaves, given.rows)
    openings._check(step, given.leaves, reads._list(answer))
    assert len(given.rows) == answer.tokens, "step: wrong token rows"
    for i: uint256 in range(answer.tokens, bound=MAX_ROWS):
        number: uint256 = answer.token + i
        leaf: bytes32 = reads._hash(given.rows[i].data, number)
        if i == 0:
            openings._check_row(leaf, given.rows[0].siblings, step_model.TOKENS, number)
        else:
            openings._check_next_row(
                leaf,
                given.rows[i].siblings,
                step_model.TOKENS,
                number,
                given.rows[0].siblings,
                answer.token,
            )
    return answer.lane


@internal
@view
def _mask(
    step: IStepVerifier.Step,
    leaves: DynArray[IStepVerifier.Opening, reads.MAX_OPENINGS],
    rows: DynArray[reads.TokenRow, MAX_ROWS],
) -> reads.Answer:
    """
    @dev # rule: INNER-45
    """
    a: reads.Answer = empty(reads.Answer)
    first: uint256 = (reads._leaf(step.op, step.leaf) * c.INT32_PER_CHUNK + step.lane) * c.MASK_TOKENS
    if first >= step_model.TOKEN_COUNT:
        a.lane = reads.FILLER
        return a
    if step.lane == 0:
        a.places[a.read] = reads._place(reads.MODE, 0, c.CHUNK_INT32)
        a.read += 1
        if not reads._is_mode(leaves[0].data, reads.MODE_FREE):
            a.lane = lanes.PAD
            return a
    at: uint256 = a.read
    a.places[a.read] = reads._place(reads.CONTEXT, 0, c.CHUNK_BYTES32)
    a.read += 1
    m: machines.Machine = machines._machine(leaves[at].data)
    if not m.is_published:
        a.lane = lanes.PAD
        return a
    if not byte_machine._is_sampled(m.state.phase):
        return a
    a.token = first
    a.tokens = min(c.MASK_TOKENS, step_model.TOKEN_COUNT - first)
    bits: uint256 = 0
    for i: uint256 in range(a.tokens, bound=c.MASK_TOKENS):
        if machines._may_sample(m, rows[i].data):
            bits |= 1 << i
    a.lane = convert(bits, int256)
    return a


@internal
@view
def _mode(
    step: IStepVerifier.Step, leaves: DynArray[IStepVerifier.Opening, reads.MAX_OPENINGS]
) -> reads.Answer:
    """
    @dev # rule: INNER-42
    """
    a: reads.Answer = empty(reads.Answer)
    if step.lane > 0:
        a.lane = reads.FILLER
        return a
    a.lane = lanes.PAD
    a.places[a.read] = reads._place(reads.BEFORE, 0, c.CHUNK_INT32)
    a.read += 1
    before: Bytes[c.CHUNK_BYTES] = leaves[0].data
    if len(before) == 0:
        return a
    source: int256 = lanes._read(before, c.CHUNK_INT32, 0)
    if source == SOURCE_PROMPT:
        a.lane = reads.MODE_PROMPT
        return a
    at: uint256 = 1
    position: uint256 = (step.record >> SLOT_BITS) & ((1 << POSITION_BITS) - 1)
    if source == SOURCE_OUTPUT and position > 0:
        a.places[1] = openings._outer(step.record - (1 << SLOT_BITS), QUEUE_CHUNK) | (
            c.CHUNK_INT32 << 128
        )
        a.read = 2
        if len(leaves[1].data) > 0:
            a.lane = reads.MODE_QUEUE
            return a
        at = 2
    a.places[a.read] = reads._place(reads.CONTEXT, 0, c.CHUNK_BYTES32)
    a.read += 1
    m: machines.Machine = machines._machine(leaves[at].data)
    if not m.is_published:
        return a
    phase: uint256 = m.state.phase
    sofar: int256 = lanes._read(before, c.CHUNK_INT32, 1)
    limit: uint256 = published._output_tokens(m.manifest.header)
    if phase == states.STUCK or phase == states.END:
        a.lane = reads.MODE_END
    elif sofar == convert(limit, int256):
        a.lane = reads.MODE_END
    elif phase == states.CHOICE:
        a.lane = reads.MODE_CHOICE
    elif phase == states.PREFIX:
        # whatever the byte is, it is forced
        a.lane = reads.MODE_RUN
    elif byte_machine._force(m.manifest, m.written, m.state) != scalars.NO_BYTE:
        a.lane = reads.MODE_RUN
    else:
        a.lane = reads.MODE_FREE
    return a


@internal
@view
def _run_text(
    step: IStepVerifier.Step, leaves: DynArray[IStepVerifier.Opening, reads.MAX_OPENINGS]
) -> reads.Answer:
    """
    @dev # rule: INNER-44
    """
    a: reads.Answer = empty(reads.Answer)
    if step.lane == 0:
        a.places[a.read] = reads._place(reads.MODE, 0, c.CHUNK_INT32)
        a.read += 1
        if not reads._is_mode(leaves[0].data, reads.MODE_RUN):
            a.lane = lanes.PAD
            return a
    at: uint256 = a.read
    a.places[a.read] = reads._place(reads.RUN, step.lane // WALK_BYTES, c.CHUNK_BYTES32)
    a.read += 1
    if len(leaves[at].data) > 0:
        word: int256 = lanes._read(
            leaves[at].data, c.CHUNK_BYTES32, 2 * (step.lane % WALK_BYTES)
        )
        a.lane = convert((machines._bits(word) >> 72) & c.M8, int256)
    return a
