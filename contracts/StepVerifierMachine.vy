# pragma version 0.4.3
"""
@title StepVerifierMachine
@notice Steps of the byte machine along a forced run, and along the token that followed: the state after
        each byte, two words.
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

# of the lane of `next`
LAST_TOKEN_KIND: constant(int256) = 3
WALK_BYTES: constant(uint256) = 16
MAX_ROWS: constant(uint256) = 1


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
    @notice Recompute one lane of ops 35 and 49.
    @custom:rule INNER-2
    @param step Roots, address and op.
    @param raw The step's own leaf.
    @param proof What it reads.
    @return The lane.
    """
    given: Given = abi_decode(proof, Given, unwrap_tuple=False)
    answer: reads.Answer = empty(reads.Answer)
    if step.op == reads.RUN:
        answer = self._run(step, raw, given.leaves)
    else:
        assert step.op == reads.WALK, "step: no run, no walk"
        answer = self._walk(step, raw, given.leaves, given.rows)
    openings._check(step, given.leaves, reads._list(answer))
    assert len(given.rows) == answer.tokens, "step: the token's row"
    if answer.tokens == 1:
        openings._check_row(
            reads._hash(given.rows[0].data, answer.token),
            given.rows[0].siblings,
            step_model.TOKENS,
            answer.token,
        )
    return answer.lane


# --- OPS ---


@internal
@view
def _run(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    leaves: DynArray[IStepVerifier.Opening, reads.MAX_OPENINGS],
) -> reads.Answer:
    """
    @dev # rule: INNER-43
    """
    a: reads.Answer = empty(reads.Answer)
    leaf: uint256 = reads._leaf(step.op, step.leaf)
    if leaf == 0 and step.lane == 0:
        a.places[a.read] = reads._place(reads.MODE, 0, c.CHUNK_INT32)
        a.read += 1
        if not reads._is_mode(leaves[0].data, reads.MODE_RUN):
            a.lane = lanes.PAD
            return a
    is_begun: bool = False
    word: uint256 = 0
    magnitude: int256 = 0
    a, is_begun, word, magnitude = self._read_before(a, step, raw, leaves)
    if is_begun and word == 0:
        return a
    at: uint256 = a.read
    a.places[a.read] = reads._place(reads.CONTEXT, 0, c.CHUNK_BYTES32)
    a.read += 1
    m: machines.Machine = machines._machine_at(leaves[at].data, is_begun, word, magnitude)
    if not m.is_published:
        a.lane = lanes.PAD
        return a
    byte: uint256 = byte_machine._force(m.manifest, m.written, m.state)
    if byte != scalars.NO_BYTE:
        after: states.State = byte_machine._step_forced(m.manifest, m.written, m.state, byte)
        a.lane = machines._after(after, byte, step.lane)
    return a


@internal
@view
def _walk(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    leaves: DynArray[IStepVerifier.Opening, reads.MAX_OPENINGS],
    rows: DynArray[reads.TokenRow, MAX_ROWS],
) -> reads.Answer:
    """
    @dev # rule: INNER-46
    """
    a: reads.Answer = empty(reads.Answer)
    if step.lane == 0:
        a.lane = lanes.PAD
    a.places[a.read] = reads._place(reads.NEXT, 0, c.CHUNK_INT32)
    a.read += 1
    if len(leaves[0].data) == 0:
        return a
    kind: int256 = lanes._read(leaves[0].data, c.CHUNK_INT32, 0)
    token: int256 = lanes._read(leaves[0].data, c.CHUNK_INT32, 1)
    if kind < 1 or kind > LAST_TOKEN_KIND:
        return a
    if token < 0 or token >= convert(step_model.TOKEN_COUNT, int256):
        return a
    a.token = convert(token, uint256)
    a.tokens = 1
    place: uint256 = (
        machines.TOKEN_HEADER + reads._leaf(step.op, step.leaf) * WALK_BYTES + step.lane // 2
    )
    if place >= len(rows[0].data):
        return a
    byte: uint256 = convert(slice(rows[0].data, place, 1), uint256)
    is_begun: bool = False
    word: uint256 = 0
    magnitude: int256 = 0
    a, is_begun, word, magnitude = self._read_before(a, step, raw, leaves)
    if is_begun and word == 0:
        return a
    at: uint256 = a.read
    a.places[a.read] = reads._place(reads.CONTEXT, 0, c.CHUNK_BYTES32)
    a.read += 1
    m: machines.Machine = machines._machine_at(leaves[at].data, is_begun, word, magnitude)
    if not m.is_published:
        a.lane = lanes.PAD
        return a
    after: states.State = byte_machine._step(m.manifest, m.written, m.state, byte)
    a.lane = machines._after(after, byte, step.lane)
    return a


# --- WHAT THEY SHARE ---


@internal
@view
def _read_before(
    answer: reads.Answer,
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    leaves: DynArray[IStepVerifier.Opening, reads.MAX_OPENINGS],
) -> (reads.Answer, bool, uint256, int256):
    """
    @dev Whether there is a byte before this one of a run or walk, and the word and magnitude after it: the
         word is 0 where the run has ended before. The lane is what it is then.
    """
    a: reads.Answer = answer
    a.lane = lanes.PAD if step.lane == 0 else 0
    leaf: uint256 = reads._leaf(step.op, step.leaf)
    if step.lane >= 2:
        at: uint256 = step.lane - step.lane % 2 - 2
        return (
            a,
            True,
            machines._bits(lanes._read(raw, c.CHUNK_BYTES32, at)),
            lanes._read(raw, c.CHUNK_BYTES32, at + 1),
        )
    if leaf == 0:
        return a, False, 0, 0
    place: uint256 = a.read
    a.places[a.read] = reads._place(step.op, leaf - 1, c.CHUNK_BYTES32)
    a.read += 1
    if len(leaves[place].data) == 0:
        return a, True, 0, 0
    return (
        a,
        True,
        machines._bits(lanes._read(leaves[place].data, c.CHUNK_BYTES32, c.CHUNK_WORDS - 2)),
        lanes._read(leaves[place].data, c.CHUNK_BYTES32, c.CHUNK_WORDS - 1),
    )
