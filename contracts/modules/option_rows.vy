# pragma version 0.4.3
"""
@title Lengths of a published manifest's options, many at once
@notice Their rows, length 8 | bias 32 each, stand back to back for all fields: options of fields that follow
        one another are added up together. A manifest lies behind a STOP byte and has passed the gate.
"""
from contracts import constants as c

# 32 rows fill five words: their lengths stand in every fifth byte. Two such groups at once.
ROWS_A_GROUP: constant(uint256) = 32
GROUP_WORDS: constant(uint256) = 5
BLOCK_ROWS: constant(uint256) = 2 * ROWS_A_GROUP
BLOCK_WORDS: constant(uint256) = 2 * GROUP_WORDS
GROUP_BYTES: constant(uint256) = 160
BLOCK_BYTES: constant(uint256) = 2 * GROUP_BYTES
MAX_BLOCKS: constant(uint256) = c.MAX_MANIFEST_BYTES // BLOCK_BYTES
# bytes 0, 5, 10, ... of a group, by its words
FIFTH: constant(uint256) = (2**240 - 1) // (2**40 - 1) * c.M8
LENGTHS_0: constant(uint256) = (FIFTH << 8) | (c.M8 << 248)
LENGTHS_1: constant(uint256) = FIFTH << 24
LENGTHS_2: constant(uint256) = FIFTH | (c.M8 << 240)
LENGTHS_3: constant(uint256) = FIFTH << 16
LENGTHS_4: constant(uint256) = FIFTH << 32
# the lower byte of each 16 bits
PAIRS: constant(uint256) = max_value(uint256) // c.M16 * c.M8
# Rows in a word, 40 bits each: a divisor that adds up their lengths, and words of less than a group.
ROWS_A_WORD: constant(uint256) = 6
ROW_SUM: constant(uint256) = 2**40 - 1
REST_WORDS: constant(uint256) = (ROWS_A_GROUP + ROWS_A_WORD - 2) // ROWS_A_WORD


@internal
@view
def _sum_lengths(pointer: address, at: uint256, count: uint256) -> uint256:
    """
    @dev Bytes of so many options whose rows begin at byte `at` of the manifest: 12 gas an option. The
         lengths of a group stand in bytes of their own, so they fit one word, and those of two groups
         add up to less than a byte holds. Two of them are added up in each 16 bits; what is left of
         that word when it is divided by 2**16 - 1 is the sum of all. The rest, up to 31, take 75 each.
    """
    pairs: uint256 = 0
    # behind the code's first byte, which is no manifest's
    begin: uint256 = unsafe_add(at, 1)
    left: uint256 = count
    for _: uint256 in range(MAX_BLOCKS):
        if left < BLOCK_ROWS:
            break
        rows: uint256[BLOCK_WORDS] = abi_decode(
            slice(pointer.code, begin, BLOCK_BYTES), uint256[BLOCK_WORDS]
        )
        first: uint256 = (
            (rows[0] & LENGTHS_0)
            | (rows[1] & LENGTHS_1)
            | (rows[2] & LENGTHS_2)
            | (rows[3] & LENGTHS_3)
            | (rows[4] & LENGTHS_4)
        )
        second: uint256 = (
            (rows[5] & LENGTHS_0)
            | (rows[6] & LENGTHS_1)
            | (rows[7] & LENGTHS_2)
            | (rows[8] & LENGTHS_3)
            | (rows[9] & LENGTHS_4)
        )
        sums: uint256 = unsafe_add(first, second)
        pairs = unsafe_add(pairs, unsafe_add(sums & PAIRS, (sums >> 8) & PAIRS))
        begin = unsafe_add(begin, BLOCK_BYTES)
        left = unsafe_sub(left, BLOCK_ROWS)
    if left >= ROWS_A_GROUP:
        group: uint256[GROUP_WORDS] = abi_decode(
            slice(pointer.code, begin, GROUP_BYTES), uint256[GROUP_WORDS]
        )
        lengths: uint256 = (
            (group[0] & LENGTHS_0)
            | (group[1] & LENGTHS_1)
            | (group[2] & LENGTHS_2)
            | (group[3] & LENGTHS_3)
            | (group[4] & LENGTHS_4)
        )
        pairs = unsafe_add(pairs, unsafe_add(lengths & PAIRS, (lengths >> 8) & PAIRS))
        begin = unsafe_add(begin, GROUP_BYTES)
        left = unsafe_sub(left, ROWS_A_GROUP)
    rest: uint256 = 0
    for _: uint256 in range(REST_WORDS):
        if left == 0:
            break
        take: uint256 = min(ROWS_A_WORD, left)
        left = unsafe_sub(left, take)
        begin = unsafe_add(begin, unsafe_mul(c.OPTION_ROW_BYTES, take))
        # the word that ends with these rows; the header before them is longer than it
        word: bytes32 = convert(slice(pointer.code, unsafe_sub(begin, 32), 32), bytes32)
        few: uint256 = convert(word, uint256) << unsafe_sub(256, unsafe_mul(40, take))
        # the first one highest; in each 40 bits lengths of 32 at most are added up
        rest = unsafe_add(rest, (few >> 48) & FIFTH)
    return unsafe_add(pairs % c.M16, rest % ROW_SUM)
