# pragma version 0.4.3
"""
@title StepVerifierParse
@notice Steps of the byte machine along a call's output: the state after each byte, two words.
@dev Twin of oyez/protocol/step_output.py. Contents are read before they are checked: whatever they say,
     nothing is answered unless every opening is where the step reads.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import byte_machine
from contracts.modules import frame
from contracts.modules import lanes
from contracts.modules import machine_scalars as scalars
from contracts.modules import machine_states as states
from contracts.modules import manifest_machine as machines
from contracts.modules import openings
from contracts.modules import published
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: frame[openings := openings, step_model := step_model]
initializes: published[step_model := step_model]
initializes: scalars[step_model := step_model]
initializes: byte_machine[scalars := scalars]
initializes: machines[published := published, scalars := scalars]
exports: step_model.model

PARSE: constant(uint256) = 115
# first leaves of `text` and of the op's own region
TEXT_START: constant(uint256) = 9
PARSE_START: constant(uint256) = 10
PARSE_BYTES: constant(uint256) = c.CHUNK_WORDS // 2
MANIFEST: constant(uint256) = 7
MAX_READS: constant(uint256) = 3


struct Proof:
    leaves: DynArray[IStepVerifier.Opening, MAX_READS]
    rows: DynArray[IStepVerifier.Row, 1]
    hint: uint256
    preimages: DynArray[Bytes[32], 1]


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
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    proof: Bytes[c.MAX_STEP_PROOF_BYTES],
) -> int256:
    """
    @notice One lane.
    @custom:rule FRAME-45
    @param step Where it stands.
    @param raw Its own leaf.
    @param proof What the step reads.
    @return The number, PAD if the leaf is dead.
    """
    assert step.op == PARSE, "step: no parse"
    opened: Proof = abi_decode(proof, Proof, unwrap_tuple=False)
    given: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS] = []
    for k: uint256 in range(MAX_READS):
        given.append(opened.leaves[k].data if k < len(opened.leaves) else b"")
    wanted: uint256 = 0
    answer: int256 = 0
    wanted, answer = self._parse(step, raw, given)
    frame._check(step, opened.leaves, wanted)
    assert len(opened.rows) == 0, "step: a row for a parse"
    assert len(opened.preimages) == 0, "step: a preimage for a parse"
    return answer


@internal
@view
def _parse(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    given: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS],
) -> (uint256, int256):
    """
    @dev What the step wants opened, and the state after a byte or its magnitude; 0 past the output's end.
         # rule: FRAME-45, FRAME-49, FRAME-50
    """
    leaf: uint256 = step.leaf - PARSE_START
    wanted: uint256 = 0
    n: uint256 = 0
    word: uint256 = states.ALIVE
    magnitude: int256 = 0
    if step.lane >= 2:
        at: uint256 = step.lane - step.lane % 2
        word = machines._bits(lanes._read(raw, c.CHUNK_BYTES32, at - 2))
        magnitude = lanes._read(raw, c.CHUNK_BYTES32, at - 1)
    elif leaf > 0:
        wanted = frame._leaf(0, step.leaf - 1, c.CHUNK_BYTES32)
        if len(given[0]) == 0:
            return wanted, lanes.PAD if step.lane == 0 else 0
        word = machines._bits(lanes._read(given[0], c.CHUNK_BYTES32, c.CHUNK_WORDS - 2))
        magnitude = lanes._read(given[0], c.CHUNK_BYTES32, c.CHUNK_WORDS - 1)
        n = 1
    elif step.lane == 0:
        prompt: uint256 = frame._first(step.record, frame.PROMPT)
        wanted = frame._chunk(0, prompt, 0, c.CHUNK_INT32)
        if len(given[0]) == 0:
            return wanted, lanes.PAD
        n = 1
    if word == 0:
        return wanted, 0
    wanted = frame._leaf(wanted, TEXT_START, c.CHUNK_TEXT)
    if len(given[n]) == 0:
        return wanted, 0
    byte: uint256 = convert(
        lanes._read(given[n], c.CHUNK_TEXT, leaf * PARSE_BYTES + step.lane // 2), uint256
    )
    if byte == 0:
        return wanted, 0
    n += 1
    entry: uint256 = frame._first(step.record, frame.ENTRY)
    wanted = frame._chunk(wanted, entry, 1, c.CHUNK_BYTES32)
    if len(given[n]) == 0:
        return wanted, 0
    manifest: published.Published = published._open(extract32(given[n], 32 * MANIFEST))
    if manifest.pointer == empty(address):
        return wanted, 0
    w: published.Written = published._find(manifest, states._field_of(word))
    state: states.State = byte_machine._unpack(manifest, w, word, magnitude)
    after: states.State = byte_machine._step(manifest, w, state, byte)
    return wanted, machines._after(after, byte, step.lane)
