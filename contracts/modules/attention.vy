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
# positions whose weights are four words and whose values are two
GROUP: constant(uint256) = 32
# in a word: the highest bit of each lane of int16; the lowest 16 bits of each of four limbs, the highest
# of these, and the highest of their lowest 32
FLIP16: constant(uint256) = max_value(uint256) // (2**16 - 1) * 2**15
FIELDS: constant(uint256) = max_value(uint256) // (2**64 - 1) * (2**16 - 1)
VALUE_SIGNS: constant(uint256) = max_value(uint256) // (2**64 - 1) * 2**15
WEIGHT_SIGNS: constant(uint256) = max_value(uint256) // (2**64 - 1) * 2**31


@internal
@pure
def _four(data: Bytes[c.CHUNK_BYTES], lane: uint256, reversed: bool) -> uint256[2]:
    """
    @dev Two lanes, then the two after them, 16 bits each; the first in the low bits, or in the high ones
         if the chunk is reversed.
    """
    at: uint256 = lane % c.INT16_PER_CHUNK
    word: uint256 = 64 * (at // GROUP)
    pair: uint256 = at % GROUP >> 2
    if reversed:
        pair = 7 - pair
    return [
        (convert(extract32(data, word), uint256) >> (32 * pair)) & c.M32,
        (convert(extract32(data, word + 32), uint256) >> (32 * pair)) & c.M32,
    ]


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
    for group: uint256 in range((count + GROUP - 1) // GROUP, bound=16):
        w: uint256[4] = empty(uint256[4])
        for k: uint256 in range(4):
            start: uint256 = GROUP * group + 8 * k
            if count > start:
                at: uint256 = 128 * (group & 7) + 32 * k
                if group < 8:
                    w[k] = convert(extract32(first, at), uint256)
                else:
                    w[k] = convert(extract32(second, at), uint256)
                if count < start + 8:
                    w[k] = w[k] & ((1 << (32 * (count - start))) - 1)
            w[k] = w[k] ^ vectors.FLIP
        v: uint256[2] = [
            convert(extract32(values, 64 * group), uint256) ^ FLIP16,
            convert(extract32(values, 64 * group + 32), uint256) ^ FLIP16,
        ]
        for i: uint256 in range(8):
            s: uint256 = 32 * i
            p: uint256 = (
                (((w[0] >> s) & c.M32) << 192)
                | (((w[1] >> s) & c.M32) << 128)
                | (((w[2] >> s) & c.M32) << 64)
                | ((w[3] >> s) & c.M32)
            )
            field: uint256 = 16 * ((i & 1) | ((i >> 2) << 1))
            x: uint256 = (v[(i >> 1) & 1] >> field) & FIELDS
            acc = unsafe_add(
                acc, unsafe_mul(unsafe_sub(p, WEIGHT_SIGNS), unsafe_sub(x, VALUE_SIGNS))
            )
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
