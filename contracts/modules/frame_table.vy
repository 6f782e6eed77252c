# pragma version 0.4.3
"""
@title Which op makes a leaf of a record around a call's tokens: twin of oyez/protocol/inner_frame.py
@notice Layouts are constants. A kind of record is 0 entry, 1 state, 2 prompt, 3 output, 4 roots, 5 the
        batch's last one.
"""
from contracts import constants as c

KINDS: constant(uint256) = 6
NO_KIND: constant(uint256) = KINDS
NO_OP: constant(uint256) = max_value(uint256)

# by kind: its first op; its ops, those before the record's own chunks; ops of the kinds before it
FIRST_OPS: constant(uint256[KINDS]) = [64, 80, 96, 112, 144, 160]
OPS: constant(uint256[KINDS]) = [9, 14, 3, 16, 10, 1]
INNER_OPS: constant(uint256[KINDS]) = [5, 11, 1, 13, 8, 0]
OPS_BEFORE: constant(uint256[KINDS]) = [0, 9, 23, 26, 42, 52]
# by kind: leaves of its ops, 8 bits each, and types of their chunks, 4 bits each, the first lowest
LEAVES: constant(uint256[KINDS]) = [
    18519084276662731009,
    81209195442870477101161278145025,
    524560,
    1334440654600675532828082538169828357,
    4741463998193450680834,
    1,
]
TYPES: constant(uint256[KINDS]) = [
    18305193009,
    18877588473852723,
    273,
    4833225736159573009,
    211310293811,
    3,
]

SLOT_BITS: constant(uint256) = 5
LAST_SLOT: constant(uint256) = 31
LAST_POSITION: constant(uint256) = c.POSITIONS - 1
LAST_RECORD: constant(uint256) = (1 << c.OUTER_HEIGHT) - 1
PROLOGUE_SLOTS: constant(uint256) = 3
EPILOGUE_SLOTS: constant(uint256) = 2


@internal
@pure
def _kind(record: uint256) -> uint256:
    """
    @dev Kind of a record, NO_KIND of one that is not around the tokens.
         # rule: FRAME-1
    """
    if record == LAST_RECORD:
        return KINDS - 1
    slot: uint256 = record & LAST_SLOT
    position: uint256 = (record >> SLOT_BITS) & LAST_POSITION
    if position == 0 and slot < PROLOGUE_SLOTS:
        return slot
    if position == LAST_POSITION and slot < EPILOGUE_SLOTS:
        return PROLOGUE_SLOTS + slot
    return NO_KIND


@internal
@pure
def _find(kind: uint256, leaf: uint256, first: uint256) -> (uint256, uint256, uint256):
    """
    @dev Place among all ops of the frame, number, and type of the chunk; NO_OP where none stands.
         `first` is the first leaf of the record's own chunks.
         # rule: FRAME-2
    """
    leaves: uint256 = LEAVES[kind]
    inner: uint256 = INNER_OPS[kind]
    at: uint256 = 0
    for i: uint256 in range(OPS[kind], bound=c.FRAME_OPS):
        if i == inner:
            at = first
        if leaf < at:
            break
        at += (leaves >> (8 * i)) & c.M8
        if leaf < at:
            chunk_type: uint256 = (TYPES[kind] >> (4 * i)) & 15
            return OPS_BEFORE[kind] + i, FIRST_OPS[kind] + i, chunk_type
    return NO_OP, 0, 0
