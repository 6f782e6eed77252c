# pragma version 0.4.3
"""
@title Segments of a published manifest's prompt, and the text of slots that are numbers
@notice A published manifest has passed the gate. Segments, literals, expressions and ops end it, so they
        are found from its end.
"""
from contracts import constants as c
from contracts.modules import manifest_layout
from contracts.modules import published

# Kinds of segments.
LITERAL: constant(uint256) = 0
STATE: constant(uint256) = 1
INPUT: constant(uint256) = 2
CALLER: constant(uint256) = 3
VALUE: constant(uint256) = 4

OFFSET_BITS: constant(uint256) = 16
# 2**256 - 1 in decimal.
MAX_NUMBER: constant(uint256) = 78
# Words of an entry's record.
TIMESTAMP_WORD: constant(uint256) = 2
CALLER_WORD: constant(uint256) = 3
VALUE_WORD: constant(uint256) = 4
CALLER_DIGITS: constant(uint256) = 40


# Where a prompt stands: in a segment of so many tokens, with so many literal tokens before it.
struct Place:
    segment: uint256
    offset: uint256
    kind: uint256
    count: uint256
    before: uint256
    segments: uint256
    segments_at: uint256


@internal
@view
def _begin(pointer: address, header: uint256, cursor: uint256) -> Place:
    """
    @dev Where a cursor stands; its segment may be none of the manifest's.
    """
    shape: manifest_layout.Layout = manifest_layout._read(header)
    p: Place = empty(Place)
    p.segment = cursor >> OFFSET_BITS
    p.offset = cursor & c.M16
    p.segments = shape.segments
    # a published manifest stands behind one byte
    p.segments_at = (
        pointer.codesize
        - 1
        - c.OP_BYTES * shape.ops
        - c.EXPRESSION_BYTES * shape.expressions
        - c.LITERAL_BYTES * shape.literals
        - c.SEGMENT_BYTES * shape.segments
    )
    if p.segment < p.segments:
        for i: uint256 in range(p.segment, bound=c.MAX_SEGMENTS):
            p.before += self._row(pointer, p.segments_at, i) & c.M16
        p = self._read(pointer, p)
    return p


@internal
@view
def _next(pointer: address, place: Place) -> Place:
    """
    @dev The start of the next segment.
    """
    p: Place = place
    p.segment += 1
    p.offset = 0
    p.before += p.count
    if p.segment < p.segments:
        p = self._read(pointer, p)
    return p


@internal
@view
def _read(pointer: address, place: Place) -> Place:
    p: Place = place
    row: uint256 = self._row(pointer, p.segments_at, p.segment)
    p.kind = row >> 16
    p.count = row & c.M16
    return p


@internal
@view
def _row(pointer: address, segments_at: uint256, segment: uint256) -> uint256:
    """
    @dev kind 8 | tokens 16
    """
    end: uint256 = segments_at + c.SEGMENT_BYTES * (segment + 1)
    return published._word(pointer, end) & c.M24


@internal
@view
def _literal(pointer: address, place: Place) -> uint256:
    """
    @dev The literal's token at the offset.
    """
    end: uint256 = (
        place.segments_at
        + c.SEGMENT_BYTES * place.segments
        + c.LITERAL_BYTES * (place.before + place.offset + 1)
    )
    return published._word(pointer, end) & c.M24


@internal
@pure
def _format(kind: uint256, words: Bytes[c.CHUNK_BYTES]) -> Bytes[MAX_NUMBER]:
    """
    @dev The text of caller, value or time.
         # rule: TRANSITION-1
    """
    if kind == CALLER:
        return self._hex(convert(extract32(words, 32 * CALLER_WORD), uint256))
    word: uint256 = VALUE_WORD if kind == VALUE else TIMESTAMP_WORD
    return convert(uint2str(convert(extract32(words, 32 * word), uint256)), Bytes[MAX_NUMBER])


@internal
@pure
def _hex(word: uint256) -> Bytes[MAX_NUMBER]:
    """
    @dev 0x and the lowest 160 bits as 40 digits, lower case.
    """
    high: uint256 = 0
    low: uint256 = 0
    for i: uint256 in range(CALLER_DIGITS):
        digit: uint256 = (word >> unsafe_mul(4, i)) & 15
        letter: uint256 = unsafe_add(digit, 87 if digit > 9 else 48)
        if i < 32:
            low |= letter << unsafe_mul(8, i)
        else:
            high |= letter << unsafe_mul(8, unsafe_sub(i, 32))
    return concat(b"0x", slice(convert(high, bytes32), 24, 8), convert(low, bytes32))
