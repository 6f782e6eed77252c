# pragma version 0.4.3
"""
@title What the frame's steps read: records around the model, chunks of theirs, and preimages
@notice The frame is a call's prologue, its epilogue, and the very last record. A step decides by what
        is given to it what it wants opened; until that is checked a missing leaf counts as a dead one.
        A preimage is checked when it is taken, so nothing is ever computed from another.
@dev A verifier has a struct of its own for its proofs (leaves, rows, hint, preimages): as wide as its
     steps read, for all that it may hold must fit the longest proof.
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import step_model

uses: step_model
uses: openings

# --- Slots: of position 0, and of the last position ---
ENTRY: constant(uint256) = 0
STATE: constant(uint256) = 1
PROMPT: constant(uint256) = 2
OUTPUT: constant(uint256) = 0
ROOTS: constant(uint256) = 1

SLOT_BITS: constant(uint256) = 5
CALL_AT: constant(uint256) = 16
LAST_POSITION: constant(uint256) = c.POSITIONS - 1
LAST_SLOT: constant(uint256) = 2**SLOT_BITS - 1
FILLER: constant(int256) = -(2**31)


# --- WHERE THINGS STAND ---


@internal
@pure
def _call(record: uint256) -> uint256:
    """
    @dev A record's call, counted in its batch.
    """
    return record >> CALL_AT


@internal
@pure
def _first(record: uint256, slot: uint256) -> uint256:
    """
    @dev A record of the same call's prologue: ENTRY, STATE or PROMPT.
    """
    return ((record >> CALL_AT) << CALL_AT) | slot


@internal
@pure
def _last(record: uint256, slot: uint256) -> uint256:
    """
    @dev A record of the same call's epilogue: OUTPUT or ROOTS.
    """
    return ((record >> CALL_AT) << CALL_AT) | (LAST_POSITION << SLOT_BITS) | slot


@internal
@pure
def _roots_of(call: uint256) -> uint256:
    """
    @dev The record ROOTS of a call.
    """
    return (call << CALL_AT) | (LAST_POSITION << SLOT_BITS) | ROOTS


@internal
@pure
def _sampler(record: uint256, position: uint256) -> uint256:
    """
    @dev The sampler of the same call at a position.
    """
    return ((record >> CALL_AT) << CALL_AT) | (position << SLOT_BITS) | LAST_SLOT


@internal
@view
def _record_start() -> uint256:
    """
    @dev Leaf of the record's own first chunk, in its inner trace.
    """
    return (1 << step_model.INNER_HEIGHT) - c.CHUNKS_PER_RECORD


# --- WHAT IS WANTED: items of 32 bits, the last one lowest: type 3 | outer 1 | address 28 ---


@internal
@pure
def _leaf(wanted: uint256, leaf: uint256, chunk_type: uint256) -> uint256:
    """
    @dev What is wanted, then a leaf of the same inner trace.
    """
    return (wanted << 32) | (chunk_type << 29) | leaf


@internal
@pure
def _chunk(wanted: uint256, record: uint256, chunk: uint256, chunk_type: uint256) -> uint256:
    """
    @dev What is wanted, then a chunk of an earlier record.
    """
    at: uint256 = (record << c.RECORD_HEIGHT) | chunk
    return (wanted << 32) | (chunk_type << 29) | (1 << 28) | at


@internal
@pure
def _list(wanted: uint256) -> openings.Wanted:
    """
    @dev All that is wanted, in order.
    """
    listed: openings.Wanted = openings.Wanted(at=[], types=[])
    for k: uint256 in range(c.MAX_STEP_OPENINGS):
        item: uint256 = (wanted >> (32 * (c.MAX_STEP_OPENINGS - 1 - k))) & c.M32
        if item != 0:
            listed.at.append((((item >> 28) & 1) << 64) | (item & (2**28 - 1)))
            listed.types.append(item >> 29)
    return listed


@internal
@view
def _check(
    step: IStepVerifier.Step,
    leaves: DynArray[IStepVerifier.Opening, c.MAX_STEP_OPENINGS],
    wanted: uint256,
):
    """
    @dev What was opened is what was wanted, under the step's roots.
    """
    openings._check(step, leaves, self._list(wanted))


@internal
@pure
def _check_rest(rows: uint256, preimages: uint256, asked: uint256):
    """
    @dev Of a step that reads no row of the model: nothing is brought but what was asked for.
         # rule: FRAME-3
    """
    assert rows == 0, "step: no row is read here"
    assert preimages == asked, "step: wrong preimages"


# --- WHAT IS GIVEN ---


@internal
@pure
def _int32(data: Bytes[c.CHUNK_BYTES], lane: uint256) -> int256:
    """
    @dev A lane of a leaf, PAD if it is dead.
    """
    if len(data) == 0:
        return lanes.PAD
    return lanes._read(data, c.CHUNK_INT32, lane)


@internal
@pure
def _word(data: Bytes[c.CHUNK_BYTES], word: uint256) -> int256:
    if len(data) == 0:
        return lanes.PAD
    return convert(extract32(data, 32 * word), int256)


@internal
@pure
def _byte(data: Bytes[c.CHUNK_BYTES], at: uint256) -> int256:
    if len(data) == 0:
        return lanes.PAD
    return lanes._read(data, c.CHUNK_TEXT, at)


@internal
@pure
def _preimage(
    data: Bytes[c.MAX_PREIMAGE_BYTES], digest: bytes32
) -> Bytes[c.MAX_PREIMAGE_BYTES]:
    """
    @dev The bytes that a digest is of.
         # rule: FRAME-3
    """
    assert keccak256(data) == digest, "step: not the preimage"
    return data


@internal
@pure
def _is_tagged(data: Bytes[c.MAX_PREIMAGE_BYTES], tag: bytes32, words: uint256) -> bool:
    """
    @dev A preimage is an H of this name, of so many words with the tag.
    """
    return len(data) == 32 * words and extract32(data, 0) == tag
