# pragma version 0.4.3
"""
@title What a sampler's steps read: where it stands, and what it says
@notice A step decides by what is given to it what it wants opened. Whether that was given is
        checked afterwards, so until then a missing leaf counts as a dead one.
"""
from contracts import constants as c
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import published
from contracts.modules import step_model

uses: step_model
uses: published

KIND_SAMPLED: constant(int256) = 2
KIND_END: constant(int256) = 4
NO_TOKEN: constant(int256) = -(2**120)
FILLER: constant(int256) = -(2**31)
TOP: constant(uint256) = 47

SLOT_BITS: constant(uint256) = 5
CALL_AT: constant(uint256) = 16
LAST_RECORD: constant(uint256) = 2**24 - 1
LENGTH_AT: constant(uint256) = 40
MAX_CHOICES: constant(uint256) = c.MAX_OPTIONS + 1
OPTION_TOKENS: constant(uint256) = c.OPTION_LANES // 2
NO_ROW: constant(uint256) = max_value(uint256)
MAX_ITEMS: constant(uint256) = 8


# What a step wants opened, and its answer if that is given.
struct Found:
    wanted: uint256  # items of 32 bits, the last one lowest: type 3 | outer 1 | address 28
    token: uint256  # whose row is read, or NO_ROW
    answer: int256


@internal
@view
def _top(f: Found, words: Bytes[c.CHUNK_BYTES], is_kind: bool) -> Found:
    """
    @dev Kind or token of the highest score.
    """
    g: Found = f
    g.wanted = self._leaf(g.wanted, TOP, 0, c.CHUNK_BYTES32)
    if len(words) == 0:
        g.answer = lanes.PAD
        return g
    best: int256 = min_value(int256)
    for word: uint256 in range(c.CHUNK_WORDS):
        best = max(best, convert(extract32(words, 32 * word), int256))
    if best == NO_TOKEN:
        g.answer = KIND_END if is_kind else FILLER
    elif is_kind:
        g.answer = KIND_SAMPLED
    else:
        g.answer = convert(c.M24, int256) - (best & convert(c.M24, int256))
    return g


@internal
@pure
def _find_left(candidates: Bytes[c.CHUNK_BYTES]) -> (uint256, uint256):
    """
    @dev How many options are left, and the first of them.
    """
    left: uint256 = 0
    first: uint256 = 0
    if len(candidates) == 0:
        return 0, 0
    for option: uint256 in range(MAX_CHOICES):
        word: uint256 = convert(extract32(candidates, 32 * (option >> 2)), uint256)
        if (word >> (64 * (option & 3) + 31)) & 1 == 0:
            if left == 0:
                first = option
            left += 1
    return left, first


@internal
@pure
def _find_option_token(
    options: Bytes[c.CHUNK_BYTES],
    option: uint256,
    context: Bytes[c.CHUNK_BYTES],
    after: uint256,
) -> int256:
    """
    @dev An option's token, `after` tokens after the one that begins where the value now ends.
    """
    length: uint256 = (convert(extract32(context, 0), uint256) >> LENGTH_AT) & c.M16
    base: uint256 = c.OPTION_LANES * (option & 1)
    number: uint256 = after
    for token: uint256 in range(OPTION_TOKENS):
        lane: uint256 = base + 2 * token + 1
        word: uint256 = convert(extract32(options, 32 * (lane >> 3)), uint256)
        if (word >> (32 * (lane & 7))) & c.M32 > length:
            break
        number += 1
    if number >= OPTION_TOKENS:
        return lanes.PAD
    return self._int32(options, base + 2 * number)


@internal
@view
def _has_room(
    before: Bytes[c.CHUNK_BYTES], context: Bytes[c.CHUNK_BYTES], after: uint256
) -> bool:
    """
    @dev The output's limit allows a token so many after the next one.
    """
    limit: uint256 = published._output_tokens(self._header_of(context))
    so_far: int256 = self._int32(before, 1)
    return so_far + 1 + convert(after, int256) <= convert(limit, int256)


@internal
@view
def _header_of(context: Bytes[c.CHUNK_BYTES]) -> uint256:
    """
    @dev Header of the manifest that a context names; 0 if nobody published it.
    """
    return published._open(extract32(context, 64)).header


@internal
@view
def _row_of(coming: Bytes[c.CHUNK_BYTES]) -> uint256:
    """
    @dev The next token, NO_ROW if it is none of the model's.
    """
    token: int256 = self._int32(coming, 1)
    if token < 0 or token >= convert(step_model.TOKEN_COUNT, int256):
        return NO_ROW
    return convert(token, uint256)


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
    return lanes._read(data, c.CHUNK_BYTES32, word)


# --- WHAT IS WANTED ---


@internal
@pure
def _nothing() -> Found:
    return Found(wanted=0, token=NO_ROW, answer=0)


@internal
@view
def _leaf(wanted: uint256, op: uint256, at: uint256, chunk_type: uint256) -> uint256:
    """
    @dev What is wanted, then a leaf of one of the sampler's regions.
    """
    leaf: uint256 = step_model._sampler_start(op - c.FIRST_SAMPLER_OP) + at
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
def _last(wanted: uint256, record: uint256, chunk: uint256, chunk_type: uint256) -> uint256:
    """
    @dev What is wanted, then a chunk of the sampler in the position before.
    """
    before: uint256 = unsafe_sub(record, 1 << SLOT_BITS) & LAST_RECORD
    return self._chunk(wanted, before, chunk, chunk_type)


@internal
@pure
def _prologue(
    wanted: uint256, record: uint256, slot: uint256, chunk: uint256, chunk_type: uint256
) -> uint256:
    """
    @dev What is wanted, then a chunk of a record of the call's prologue.
    """
    return self._chunk(wanted, ((record >> CALL_AT) << CALL_AT) | slot, chunk, chunk_type)


@internal
@pure
def _list(wanted: uint256) -> openings.Wanted:
    """
    @dev All that is wanted, in order.
    """
    listed: openings.Wanted = openings.Wanted(at=[], types=[])
    for k: uint256 in range(MAX_ITEMS):
        item: uint256 = (wanted >> (32 * (MAX_ITEMS - 1 - k))) & c.M32
        if item != 0:
            listed.at.append((((item >> 28) & 1) << 64) | (item & (2**28 - 1)))
            listed.types.append(item >> 29)
    return listed
