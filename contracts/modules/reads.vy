# pragma version 0.4.3
"""
@title Where the inputs of layers' steps stand, and how they are opened
@notice A step reads in order, and nothing after a leaf that is dead.
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import step_model

uses: step_model

SLOT_BITS: constant(uint256) = 5
POSITION_BITS: constant(uint256) = 11
LAST_SLOT: constant(uint256) = 2**SLOT_BITS - 1
LAST_POSITION: constant(uint256) = 2**POSITION_BITS - 1
# what lanes hold that have no value, in a leaf that lives
NO_INT32: constant(int256) = -(2**31)
NO_INT16: constant(int256) = -(2**15)
# a step of these reads at most two leaves of queries and two of keys
MAX_READS: constant(uint256) = 4


@internal
@pure
def _slot(record: uint256) -> uint256:
    return record & LAST_SLOT


@internal
@pure
def _position(record: uint256) -> uint256:
    return (record >> SLOT_BITS) & LAST_POSITION


@internal
@pure
def _record(record: uint256, position: uint256, slot: uint256) -> uint256:
    """
    @dev The record of the same call at another position and slot.
    """
    call: uint256 = record >> (SLOT_BITS + POSITION_BITS)
    return (((call << POSITION_BITS) | position) << SLOT_BITS) | slot


@internal
@view
def _leaf(op: uint256, at: uint256) -> uint256:
    """
    @dev Address of a leaf of one of a layer's regions.
    """
    return unsafe_add(step_model._layer_start(op), at)


@internal
@pure
def _filler(lane: uint256, minimum: int256) -> int256:
    """
    @dev Of a lane without a value; a leaf that begins with one is dead.
    """
    if lane == 0:
        return lanes.PAD
    return minimum


@internal
@pure
def _chunks(count: uint256) -> uint256:
    """
    @dev Chunks of so many lanes of int32.
    """
    return (count + c.INT32_PER_CHUNK - 1) // c.INT32_PER_CHUNK


@internal
@pure
def _living(leaves: DynArray[IStepVerifier.Opening, MAX_READS]) -> uint256:
    """
    @dev How many leaves there are before the first that is dead.
    """
    count: uint256 = 0
    for k: uint256 in range(len(leaves), bound=MAX_READS):
        if len(leaves[k].data) == 0:
            break
        count += 1
    return count


@internal
@pure
def _cut(wanted: openings.Wanted, living: uint256) -> openings.Wanted:
    """
    @dev What is read where so many leaves live: after a dead one nothing.
         # rule: INNER-22
    """
    cut: openings.Wanted = openings.Wanted(at=[], types=[])
    for k: uint256 in range(len(wanted.at), bound=c.MAX_STEP_OPENINGS):
        if k <= living:
            cut.at.append(wanted.at[k])
            cut.types.append(wanted.types[k])
    return cut
