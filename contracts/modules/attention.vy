# pragma version 0.4.3
"""
@title The sums and quotients of attention
@notice Over lanes and words as leaves hold them. Twin of the arithmetic in
        oyez/protocol/step_attention.py.
"""
from contracts import constants as c
from contracts.modules import integers
from contracts.modules import lanes
from contracts.modules import reads
from contracts.modules import vectors

# leaves that a head has of scores, and a lane of values
SCORE_BLOCKS: constant(uint256) = c.POSITIONS // c.INT32_PER_CHUNK
VALUE_BLOCKS: constant(uint256) = c.POSITIONS // c.INT16_PER_CHUNK
# a partial sum is cut to this before use: an honest one is far below
PART_LIMIT: constant(int256) = 2**60
# lanes of int16 that two words hold: positions whose weights are four words
GROUP: constant(uint256) = 32
# the highest bit of a lane of int16, and of two
SIGN: constant(uint256) = 2**15
PAIR: constant(uint256) = 2**31 + 2**15
# in a word: the highest bit of each lane of int16; the lowest 16 bits of each of four limbs, the highest
# of these, and the highest of their lowest 32
FLIP16: constant(uint256) = max_value(uint256) // (2**16 - 1) * 2**15
FIELDS: constant(uint256) = max_value(uint256) // (2**64 - 1) * (2**16 - 1)
VALUE_SIGNS: constant(uint256) = max_value(uint256) // (2**64 - 1) * 2**15
WEIGHT_SIGNS: constant(uint256) = max_value(uint256) // (2**64 - 1) * 2**31


@internal
@pure
def _products(q: uint256, k: uint256) -> uint256:
    """
    @dev Of two lanes of int16 in the lowest 32 bits of q with those of k, which stand there in reverse;
         in two's complement.
    """
    x: uint256 = q ^ PAIR
    y: uint256 = k ^ PAIR
    return unsafe_add(
        unsafe_mul(unsafe_sub(x & c.M16, SIGN), unsafe_sub((y >> 16) & c.M16, SIGN)),
        unsafe_mul(unsafe_sub((x >> 16) & c.M16, SIGN), unsafe_sub(y & c.M16, SIGN)),
    )


@internal
@pure
def _kept(left: uint256, before: uint256) -> uint256:
    """
    @dev Which bits of a word of 8 lanes count, if `left` lanes do from `before` lanes before it on.
    """
    if left <= before:
        return 0
    if left >= before + 8:
        return max_value(uint256)
    return (1 << (32 * (left - before))) - 1


@internal
@pure
def _part(
    count: uint256,
    first: Bytes[c.CHUNK_BYTES],
    second: Bytes[c.CHUNK_BYTES],
    values: Bytes[c.CHUNK_BYTES],
) -> int256:
    """
    @dev Four products a multiplication of numbers of four 64-bit limbs, whose highest limb is then their
         sum. A group is 32 positions: four words of weights, two of values. Lane c of the four words
         are positions c, c + 8, c + 16, c + 24, and so are every fourth field of a word of values.
         Sums of 512 products stay below 2**55 in each limb. Weights after the last position are made 0.
         # rule: INNER-37
    """
    acc: uint256 = 0
    for group: uint256 in range((count + GROUP - 1) // GROUP, bound=c.INT16_PER_CHUNK // GROUP):
        at: uint256 = (group & 7) << 7
        w: uint256 = 0
        x: uint256 = 0
        y: uint256 = 0
        z: uint256 = 0
        if group < 8:
            w = convert(extract32(first, at), uint256)
            x = convert(extract32(first, at | 32), uint256)
            y = convert(extract32(first, at | 64), uint256)
            z = convert(extract32(first, at | 96), uint256)
        else:
            w = convert(extract32(second, at), uint256)
            x = convert(extract32(second, at | 32), uint256)
            y = convert(extract32(second, at | 64), uint256)
            z = convert(extract32(second, at | 96), uint256)
        left: uint256 = count - GROUP * group
        if left < GROUP:
            w = w & self._kept(left, 0)
            x = x & self._kept(left, 8)
            y = y & self._kept(left, 16)
            z = z & self._kept(left, 24)
        w = w ^ vectors.FLIP
        x = x ^ vectors.FLIP
        y = y ^ vectors.FLIP
        z = z ^ vectors.FLIP
        for pair: uint256 in range(2):
            v: uint256 = convert(extract32(values, (group << 6) | (pair << 5)), uint256) ^ FLIP16
            for i: uint256 in [0, 1, 4, 5]:
                s: uint256 = (i << 5) | (pair << 6)
                p: uint256 = (
                    (((w >> s) & c.M32) << 192)
                    | (((x >> s) & c.M32) << 128)
                    | (((y >> s) & c.M32) << 64)
                    | ((z >> s) & c.M32)
                )
                acc = unsafe_add(
                    acc, unsafe_mul(unsafe_sub(p, WEIGHT_SIGNS), unsafe_sub(v & FIELDS, VALUE_SIGNS))
                )
                v = v >> 16
    return convert(convert(unsafe_add(acc, 2**191), bytes32), int256) >> 192


@internal
@pure
def _quotient(
    lane: uint256, head: uint256, totals: Bytes[c.CHUNK_BYTES], parts: Bytes[c.CHUNK_BYTES]
) -> int256:
    """
    @dev A head's totals are one word of their leaf.
         # rule: INNER-38
    """
    divisor: int256 = 0
    word: uint256 = convert(extract32(totals, 32 * head), uint256)
    for i: uint256 in range(SCORE_BLOCKS):
        total: int256 = lanes._sign(word & c.M32, 32)
        if total != reads.NO_INT32:
            divisor += total
        word = word >> 32
    divisor = max(1, divisor)
    sum: int256 = 0
    for i: uint256 in range(VALUE_BLOCKS):
        part: int256 = lanes._read(
            parts, c.CHUNK_BYTES32, VALUE_BLOCKS * lane % c.CHUNK_WORDS + i
        )
        sum += integers._clip(part, -PART_LIMIT, PART_LIMIT)
    quotient: int256 = min(integers.SAT32, ((abs(sum) << 8) + divisor // 2) // divisor)
    if sum < 0:
        return -quotient
    return quotient
