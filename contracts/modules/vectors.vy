# pragma version 0.4.3
"""
@title What steps compute of whole leaves: sums, largest lanes and products, the shift they ask for
@notice In loops over words. A lane of int32 is its 32 bits with the highest flipped, less 2**31.
        Products of lanes stay far below 2**255, so they are made of uint256, negative ones in two's
        complement.
"""
from contracts import constants as c
from contracts.modules import integers
from contracts.modules import lanes

# the highest bit of each lane of int32 in a word, and in a lane
FLIP: constant(uint256) = max_value(uint256) // (2**32 - 1) * 2**31
SIGN: constant(uint256) = 2**31
LANES: constant(uint256) = 8
INPUT_BITS: constant(int256) = 14
HEADER_BYTES: constant(uint256) = 32
# a header and 512 weights of a norm
NORM_BYTES: constant(uint256) = HEADER_BYTES + 2 * c.INT16_PER_CHUNK


@internal
@pure
def _words(count: uint256) -> uint256:
    """
    @dev Words that the first lanes of a chunk of int32 stand in.
    """
    return unsafe_div(unsafe_add(count, 7), LANES)


@internal
@pure
def _squares(data: Bytes[c.CHUNK_BYTES], count: uint256) -> uint256:
    """
    @dev Sum of the squares of the first lanes, at most 2**70.
    """
    sum: uint256 = 0
    for k: uint256 in range(self._words(count), bound=c.CHUNK_WORDS):
        word: uint256 = convert(extract32(data, k << 5), uint256) ^ FLIP
        for i: uint256 in range(min(LANES, unsafe_sub(count, k << 3)), bound=LANES):
            lane: uint256 = unsafe_sub(word & c.M32, SIGN)
            sum = unsafe_add(sum, unsafe_mul(lane, lane))
            word = word >> 32
    return sum


@internal
@pure
def _weight(row: Bytes[NORM_BYTES], at: uint256) -> int256:
    """
    @dev A weight of a norm's row, which stands behind its header.
    """
    return lanes._sign(convert(extract32(row, 2 + 2 * at), uint256) & c.M16, 16)


@internal
@pure
def _peak(
    data: Bytes[c.CHUNK_BYTES], row: Bytes[NORM_BYTES], first: uint256, count: uint256
) -> uint256:
    """
    @dev The largest product, in absolute value, of the first lanes with the weights from `first` on.
    """
    most: uint256 = 0
    for k: uint256 in range(self._words(count), bound=c.CHUNK_WORDS):
        word: uint256 = convert(extract32(data, k << 5), uint256) ^ FLIP
        for i: uint256 in range(min(LANES, unsafe_sub(count, k << 3)), bound=LANES):
            at: uint256 = unsafe_add(unsafe_add(first, k << 3), i)
            bits: uint256 = convert(extract32(row, unsafe_add(2, at << 1)), uint256) & c.M16
            product: uint256 = unsafe_mul(
                unsafe_sub(word & c.M32, SIGN), unsafe_sub(bits ^ 2**15, 2**15)
            )
            most = max(most, min(product, unsafe_sub(0, product)))
            word = word >> 32
    return most


@internal
@pure
def _largest_product(
    x: Bytes[c.CHUNK_BYTES], y: Bytes[c.CHUNK_BYTES], count: uint256
) -> uint256:
    """
    @dev The largest product, in absolute value, of the first lanes of two chunks.
    """
    most: uint256 = 0
    for k: uint256 in range(self._words(count), bound=c.CHUNK_WORDS):
        left: uint256 = convert(extract32(x, k << 5), uint256) ^ FLIP
        right: uint256 = convert(extract32(y, k << 5), uint256) ^ FLIP
        for i: uint256 in range(min(LANES, unsafe_sub(count, k << 3)), bound=LANES):
            product: uint256 = unsafe_mul(
                unsafe_sub(left & c.M32, SIGN), unsafe_sub(right & c.M32, SIGN)
            )
            most = max(most, min(product, unsafe_sub(0, product)))
            left = left >> 32
            right = right >> 32
    return most


@internal
@pure
def _range(
    data: Bytes[c.CHUNK_BYTES], first: uint256, count: uint256
) -> (int256, int256, int256):
    """
    @dev The smallest and the largest of so many lanes from `first` on, a multiple of 8, and their sum.
    """
    low: uint256 = c.M32
    high: uint256 = 0
    sum: uint256 = 0
    for k: uint256 in range(self._words(count), bound=c.CHUNK_WORDS):
        word: uint256 = convert(extract32(data, unsafe_add(first << 2, k << 5)), uint256) ^ FLIP
        for i: uint256 in range(min(LANES, unsafe_sub(count, k << 3)), bound=LANES):
            lane: uint256 = word & c.M32
            low = min(low, lane)
            high = max(high, lane)
            sum = unsafe_add(sum, lane)
            word = word >> 32
    sign: int256 = convert(SIGN, int256)
    return (
        convert(low, int256) - sign,
        convert(high, int256) - sign,
        convert(sum, int256) - sign * convert(count, int256),
    )


@internal
@pure
def _input_shift(bits: Bytes[c.CHUNK_BYTES], blocks: uint256) -> int256:
    """
    @dev The shift that leaves 14 bits of a vector whose blocks of lanes are so long.
    """
    least: int256 = 0
    most: int256 = 0
    sum: int256 = 0
    least, most, sum = self._range(bits, 0, blocks)
    return max(0, most - INPUT_BITS)
