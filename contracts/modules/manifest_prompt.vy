# pragma version 0.4.3
"""
@title The prompt of a manifest: segments and literal tokens
@notice manifest.md items 13 and 14, and the slots' part of item 19.
"""
from contracts import constants as c
from contracts.modules import manifest_layout as layout

LITERAL: constant(uint256) = 0
SLOT_STATE: constant(uint256) = 1
SLOT_CALLER: constant(uint256) = 3
SLOT_VALUE: constant(uint256) = 4
SLOT_TIME: constant(uint256) = 5
CALLER_BYTES: constant(uint256) = 42  # 0x and 40 hex digits
VALUE_BYTES: constant(uint256) = 78  # 2**256 - 1 in decimal
TIME_BYTES: constant(uint256) = 20

# Ten 24-bit lanes of a word: ones, and the sign bits.
TOKENS_A_WORD: constant(uint256) = 10
MAX_TOKEN_WORDS: constant(uint256) = 154
LANES: constant(uint256) = 2**240 - 1
LANE_ONES: constant(uint256) = LANES // (2**24 - 1)
LANE_SIGNS: constant(uint256) = LANE_ONES * 2**23


@internal
@pure
def _count_slots(
    manifest: Bytes[c.MAX_MANIFEST_BYTES],
    segments_at: uint256,
    shape: layout.Layout,
    state_bytes: uint256,
) -> uint256:
    """
    @dev The most positions that the prompt takes, but for {input}, which is counted at submission.
    """
    seen: uint256 = 0
    tokens: uint256 = 0
    previous: uint256 = SLOT_TIME  # any slot: the first literal has no neighbour
    for i: uint256 in range(shape.segments, bound=c.MAX_SEGMENTS):
        # kind 8 | tokens 16
        row: uint256 = convert(
            extract32(manifest, segments_at + c.SEGMENT_BYTES * i - 29), uint256
        )
        kind: uint256 = (row >> 16) & c.M8
        count: uint256 = row & c.M16
        if kind == LITERAL:
            assert count > 0, "gate: empty literal"
            assert previous != LITERAL, "gate: adjacent literals"
            tokens += count
        else:
            assert kind <= SLOT_TIME, "gate: unknown slot"
            assert count == 0, "gate: tokens in a slot"
            assert (seen >> kind) & 1 == 0, "gate: slot used twice"
            seen |= 1 << kind
        previous = kind
    assert tokens == shape.literals, "gate: literal tokens miscounted"

    positions: uint256 = tokens
    if (seen >> SLOT_STATE) & 1 == 1:
        positions += state_bytes
    if (seen >> SLOT_CALLER) & 1 == 1:
        positions += CALLER_BYTES
    if (seen >> SLOT_VALUE) & 1 == 1:
        positions += VALUE_BYTES
    if (seen >> SLOT_TIME) & 1 == 1:
        positions += TIME_BYTES
    return positions


@internal
@pure
def _check_literals(
    manifest: Bytes[c.MAX_MANIFEST_BYTES],
    literals_at: uint256,
    literals: uint256,
    vocabulary: uint256,
):
    """
    @dev Every token id below the vocabulary (< 2**23), ten at a time: no lane below 2**23 borrows
         from its neighbour once its sign bit is set. About 350 gas a word.
    """
    limits: uint256 = vocabulary * LANE_ONES
    at: uint256 = literals_at
    left: uint256 = literals
    for i: uint256 in range(MAX_TOKEN_WORDS):
        if left == 0:
            break
        take: uint256 = min(left, TOKENS_A_WORD)
        at += c.LITERAL_BYTES * take
        word: uint256 = convert(extract32(manifest, at - 32), uint256) & (
            LANES >> (240 - 24 * take)
        )
        assert word & LANE_SIGNS == 0, "gate: token id above 2^23"
        assert ((word | LANE_SIGNS) - limits) & LANE_SIGNS == 0, "gate: token id not in vocabulary"
        left -= take
