# pragma version 0.4.3
"""
@title Lanes of a trace's chunks, and the first lane in which two chunks differ
@notice Twin of the encoders in oyez/protocol/trace.py. Lanes of int16 chunks stand in quad order.
"""
from contracts import constants as c

# What a lane of a dead leaf is worth: no arithmetic gives it.
PAD: constant(int256) = min_value(int256)
# The one dead leaf: type 0 and 1,024 zeros.
PAD_LEAF: constant(bytes32) = 0x0e1950d7d34c1a9789ba1666c1e1e754351b559a8030ca421c4af424dee463f2
GROUP: constant(uint256) = 32


@internal
@pure
def _count(chunk_type: uint256) -> uint256:
    """
    @dev Lanes of a chunk; 0 for PAD and for what is no type.
    """
    if chunk_type == c.CHUNK_INT32:
        return c.INT32_PER_CHUNK
    if chunk_type == c.CHUNK_INT16 or chunk_type == c.CHUNK_REVERSED:
        return c.INT16_PER_CHUNK
    if chunk_type == c.CHUNK_BYTES32:
        return c.CHUNK_WORDS
    if chunk_type == c.CHUNK_TEXT:
        return c.CHUNK_BYTES
    return 0


@internal
@pure
def _hash(chunk_type: uint256, raw: Bytes[c.CHUNK_BYTES]) -> bytes32:
    """
    @dev A leaf of an inner tree. The length is the caller's to check.
    """
    return sha256(concat(x"00", convert(convert(chunk_type, uint8), bytes1), raw))


@internal
@pure
def _sign(bits: uint256, width: uint256) -> int256:
    """
    @dev The lowest bits as a two's complement number.
    """
    unused: uint256 = 256 - width
    return convert(convert(bits << unused, bytes32), int256) >> unused


@internal
@pure
def _field(chunk_type: uint256, lane: uint256) -> uint256:
    """
    @dev The 16-bit field of an int16 lane in its word, 0 the lowest.
    """
    field: uint256 = 2 * ((lane & 31) >> 2) + (lane & 1)
    if chunk_type == c.CHUNK_REVERSED:
        return 15 - field
    return field


@internal
@pure
def _word(chunk_type: uint256, lane: uint256) -> uint256:
    """
    @dev The word in which a lane stands.
    """
    if chunk_type == c.CHUNK_INT32:
        return lane >> 3
    if chunk_type == c.CHUNK_BYTES32:
        return lane
    if chunk_type == c.CHUNK_TEXT:
        return lane >> 5
    return 2 * (lane >> 5) + ((lane >> 1) & 1)


@internal
@pure
def _read(raw: Bytes[c.CHUNK_BYTES], chunk_type: uint256, lane: uint256) -> int256:
    """
    @dev A lane's value; a word of bytes32 as an int256 of the same bits.
    """
    word: uint256 = convert(extract32(raw, 32 * self._word(chunk_type, lane)), uint256)
    if chunk_type == c.CHUNK_INT32:
        return self._sign(word >> (32 * (lane & 7)), 32)
    if chunk_type == c.CHUNK_BYTES32:
        return convert(convert(word, bytes32), int256)
    if chunk_type == c.CHUNK_TEXT:
        return convert((word >> (8 * (31 - (lane & 31)))) & c.M8, int256)
    return self._sign(word >> (16 * self._field(chunk_type, lane)), 16)


@internal
@pure
def _check_first(
    x: Bytes[c.CHUNK_BYTES], y: Bytes[c.CHUNK_BYTES], chunk_type: uint256, lane: uint256
):
    """
    @dev All lanes before this one agree. 6k gas at the last of 1,024 bytes.
         # rule: DUEL-12
    """
    is_int16: bool = chunk_type == c.CHUNK_INT16 or chunk_type == c.CHUNK_REVERSED
    whole: uint256 = self._word(chunk_type, lane)
    if is_int16:
        whole = 2 * (lane >> 5)
    for i: uint256 in range(whole, bound=c.CHUNK_WORDS):
        assert extract32(x, 32 * i) == extract32(y, 32 * i), "duel: an earlier lane differs"

    differing: uint256 = self._differ(x, y, whole)
    earlier: uint256 = 0
    if chunk_type == c.CHUNK_INT32:
        earlier = differing & ((1 << (32 * (lane & 7))) - 1)
    elif chunk_type == c.CHUNK_TEXT:
        earlier = differing >> (8 * (32 - (lane & 31)))
    elif is_int16:
        words: uint256[2] = [differing, self._differ(x, y, whole + 1)]
        for before: uint256 in range(lane & 31, bound=GROUP):
            at: uint256 = 16 * self._field(chunk_type, before)
            earlier |= (words[(before >> 1) & 1] >> at) & c.M16
    assert earlier == 0, "duel: a lane before it differs"


@internal
@pure
def _differ(x: Bytes[c.CHUNK_BYTES], y: Bytes[c.CHUNK_BYTES], i: uint256) -> uint256:
    return convert(extract32(x, 32 * i), uint256) ^ convert(extract32(y, 32 * i), uint256)
