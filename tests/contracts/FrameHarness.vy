# pragma version 0.4.3
"""
@title The frame's internals as views, for tests alone
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import frame
from contracts.modules import input_scan
from contracts.modules import openings
from contracts.modules import step_model

initializes: step_model
initializes: openings[step_model := step_model]
initializes: frame[step_model := step_model, openings := openings]
initializes: input_scan[step_model := step_model]


@deploy
def __init__(model: address):
    step_model.__init__(model)


@view
@external
def places(record: uint256, position: uint256) -> DynArray[uint256, 8]:
    return [
        frame._call(record),
        frame._first(record, frame.STATE),
        frame._last(record, frame.OUTPUT),
        frame._roots_of(frame._call(record)),
        frame._sampler(record, position),
        frame._record_start(),
    ]


@view
@external
def listed(leaf: uint256, record: uint256, chunk: uint256) -> openings.Wanted:
    wanted: uint256 = frame._leaf(0, leaf, c.CHUNK_INT32)
    wanted = frame._chunk(wanted, record, chunk, c.CHUNK_TEXT)
    return frame._list(frame._leaf(wanted, 0, c.CHUNK_BYTES32))


@view
@external
def check(
    step: IStepVerifier.Step,
    leaves: DynArray[IStepVerifier.Opening, c.MAX_STEP_OPENINGS],
    wanted: uint256,
):
    frame._check(step, leaves, wanted)


@view
@external
def lane(data: Bytes[c.CHUNK_BYTES], at: uint256) -> int256[3]:
    return [frame._int32(data, at), frame._word(data, at), frame._byte(data, at)]


@view
@external
def preimage(data: Bytes[c.MAX_PREIMAGE_BYTES], digest: bytes32) -> Bytes[c.MAX_PREIMAGE_BYTES]:
    return frame._preimage(data, digest)


@view
@external
def is_tagged(data: Bytes[c.MAX_PREIMAGE_BYTES], words: uint256) -> bool:
    return frame._is_tagged(data, c.CELL, words)


@view
@external
def scanned(state: int256, at: uint256) -> DynArray[int256, 256]:
    """
    @return The state after each byte.
    """
    found: DynArray[int256, 256] = []
    for byte: uint256 in range(256):
        found.append(input_scan._after(state, at, byte))
    return found


@view
@external
def fault(state: int256, length: uint256) -> int256:
    return input_scan._fault(state, length)
