# pragma version 0.4.3
"""
@title Products of a model's rows with int16 lanes, on the bytes of the file
@notice Eight products a multiplication: lanes in quad order and quants lie in 32-bit limbs that stand
        in opposite orders, so the highest limb of their product is a sum of eight. Limbs are signed: a
        packed number is the sum of its limbs. 32 products of any int16 with a byte stay below 2**28,
        so limbs never meet, and every sum is exact. Twin of oyez/protocol/row_bytes.py.
@dev A *piece* is at most 512 columns of a row, whole blocks, behind 32 bytes of anything: a word that
     ends with a block may begin before it. Behind a last piece stand zeros.
"""
from contracts import constants as c

# row types, GGML's codes
F16: constant(uint256) = 1
Q4_0: constant(uint256) = 2
Q4_1: constant(uint256) = 3
Q5_0: constant(uint256) = 6
Q5_1: constant(uint256) = 7
Q8_0: constant(uint256) = 8
Q4_K: constant(uint256) = 12
Q5_K: constant(uint256) = 13
Q6_K: constant(uint256) = 14

WORD: constant(uint256) = 32
MAX_PIECE: constant(uint256) = WORD + 2 * c.INT16_PER_CHUNK
GROUP: constant(uint256) = 32
GROUPS: constant(uint256) = 16
SUPER: constant(uint256) = 256

# a one in each limb of 32, 16 and 8 bits; in each of four bytes
O32: constant(uint256) = max_value(uint256) // (2**32 - 1)
O16: constant(uint256) = max_value(uint256) // (2**16 - 1)
O8: constant(uint256) = max_value(uint256) // (2**8 - 1)
ONES: constant(uint256) = (2**32 - 1) // (2**8 - 1)
# masks: lanes, bytes and nibbles in limbs of 32 bits; nibbles of 16 and of 32 bytes
M32: constant(uint256) = (2**16 - 1) * O32
B32: constant(uint256) = (2**8 - 1) * O32
N32: constant(uint256) = 15 * O32
LOW16: constant(uint256) = 15 * ((2**128 - 1) // (2**8 - 1))
LOW32: constant(uint256) = 15 * O8
# turn int16 into numbers raised by 2**15, int8 by 2**7; 2**15 in limbs of 32 bits
FLIP: constant(uint256) = 2**15 * O16
FLIP8: constant(uint256) = 2**7 * O8
S32: constant(uint256) = 2**15 * O32
S16: constant(uint256) = 2**15
# undoes the borrow of the lower limbs
HALF: constant(uint256) = 2**223
# what is taken off the quants that the file has signed
OFF8: constant(uint256) = 8 * O32
OFF16: constant(uint256) = 16 * O32
OFF128: constant(uint256) = 128 * O32
LOW: constant(uint256) = 2**128 - 1
HIGH: constant(uint256) = max_value(uint256) - LOW
OFF32_HIGH: constant(uint256) = 32 * (O32 & HIGH)
OFF32_LOW: constant(uint256) = 32 * (O32 & LOW)
# byte j of eight has bit j; each of these, if there, goes up to bit 7
BITS: constant(uint256) = 72_624_976_668_147_840 * (max_value(uint256) // (2**64 - 1))
LIFTS: constant(uint256) = 128 * O8 - BITS


@internal
@pure
def _row_bytes(row_type: uint256, columns: uint256) -> uint256:
    """
    @dev Bytes of a row; 0 for a type that is none, and for columns that are no whole blocks.
         # rule: INNER-17
    """
    if row_type == F16:
        return 2 * columns
    weights: uint256 = GROUP
    size: uint256 = 0
    if row_type == Q4_0:
        size = 18
    elif row_type == Q4_1:
        size = 20
    elif row_type == Q5_0:
        size = 22
    elif row_type == Q5_1:
        size = 24
    elif row_type == Q8_0:
        size = 34
    else:
        weights = SUPER
        if row_type == Q4_K:
            size = 144
        elif row_type == Q5_K:
            size = 176
        elif row_type == Q6_K:
            size = 210
    if columns % weights != 0:
        return 0
    return columns // weights * size


@internal
@pure
def _multiply(
    row_type: uint256, x: Bytes[c.CHUNK_BYTES], piece: Bytes[MAX_PIECE], columns: uint256
) -> int256:
    """
    @dev The exact sum of products of a piece with as many lanes of x, from lane 0 on, in 2**-24.
         # rule: INNER-11
    """
    if row_type == Q4_1:
        return self._q4_1(x, piece, columns // GROUP)
    if row_type == Q4_K:
        return self._k(x, piece, columns // SUPER, 144)
    if row_type == Q5_K:
        return self._k(x, piece, columns // SUPER, 176)
    if row_type == Q6_K:
        return self._q6_k(x, piece, columns // SUPER)
    if row_type == F16:
        return self._f16(x, piece, columns)
    return self._plain(x, piece, columns // GROUP, row_type)


@internal
@pure
def _half(bits: uint256) -> int256:
    """
    @dev A binary16 number times 2**24 from its two bytes as they lie in the file.
    """
    exponent: uint256 = (bits >> 2) & 31
    number: int256 = convert(((bits & 3) << 8) | ((bits >> 8) & c.M8), int256)
    if exponent != 0:
        number = (number | 1024) << unsafe_sub(exponent, 1)
    if bits & 128 != 0:
        return unsafe_sub(0, number)
    return number


@internal
@pure
def _dot(a: uint256, b: uint256, q: uint256, off: uint256) -> int256:
    """
    @dev 32 lanes, the two words of a group, with 32 bytes in order, each less its limb of `off`.
    """
    u: uint256 = a ^ FLIP
    v: uint256 = b ^ FLIP
    total: uint256 = unsafe_add(
        unsafe_add(
            unsafe_mul(unsafe_sub(u & M32, S32), unsafe_sub((q >> 24) & B32, off)),
            unsafe_mul(unsafe_sub((u >> 16) & M32, S32), unsafe_sub((q >> 16) & B32, off)),
        ),
        unsafe_add(
            unsafe_mul(unsafe_sub(v & M32, S32), unsafe_sub((q >> 8) & B32, off)),
            unsafe_mul(unsafe_sub((v >> 16) & M32, S32), unsafe_sub(q & B32, off)),
        ),
    )
    return convert(convert(unsafe_add(total, HALF), bytes32), int256) >> 224


@internal
@pure
def _sum(a: uint256, b: uint256) -> int256:
    """
    @dev Sum of a group's 32 lanes.
    """
    u: uint256 = a ^ FLIP
    v: uint256 = b ^ FLIP
    # four numbers below 2**16 in each limb
    pairs: uint256 = unsafe_add(
        unsafe_add(u & M32, (u >> 16) & M32), unsafe_add(v & M32, (v >> 16) & M32)
    )
    raised: uint256 = unsafe_mul(pairs, O32) >> 224
    return unsafe_sub(convert(raised, int256), 2**20)


@internal
@pure
def _q4_1(x: Bytes[c.CHUNK_BYTES], piece: Bytes[MAX_PIECE], groups: uint256) -> int256:
    """
    @dev Blocks of d, m, 16 bytes of nibbles.
    """
    acc: int256 = 0
    at: uint256 = 20
    lane: uint256 = 0
    for i: uint256 in range(groups, bound=GROUPS):
        w: uint256 = convert(extract32(piece, at), uint256)
        a: uint256 = convert(extract32(x, lane), uint256) ^ FLIP
        b: uint256 = convert(extract32(x, unsafe_add(lane, 32)), uint256) ^ FLIP
        x0: uint256 = unsafe_sub(a & M32, S32)
        x1: uint256 = unsafe_sub((a >> 16) & M32, S32)
        x2: uint256 = unsafe_sub(b & M32, S32)
        x3: uint256 = unsafe_sub((b >> 16) & M32, S32)
        q: uint256 = ((w & LOW16) << 128) | ((w >> 4) & LOW16)
        dots: uint256 = unsafe_add(
            unsafe_add(unsafe_mul(x0, (q >> 24) & N32), unsafe_mul(x1, (q >> 16) & N32)),
            unsafe_add(unsafe_mul(x2, (q >> 8) & N32), unsafe_mul(x3, q & N32)),
        )
        sums: uint256 = unsafe_mul(unsafe_add(unsafe_add(x0, x1), unsafe_add(x2, x3)), O32)
        exponent: uint256 = (w >> 146) & 31
        d: int256 = convert(((w >> 152) & 255) | ((w >> 136) & 768), int256)
        if exponent != 0:
            d = (d | 1024) << unsafe_sub(exponent, 1)
        if (w >> 151) & 1 == 1:
            d = unsafe_sub(0, d)
        exponent = (w >> 130) & 31
        m: int256 = convert(((w >> 136) & 255) | ((w >> 120) & 768), int256)
        if exponent != 0:
            m = (m | 1024) << unsafe_sub(exponent, 1)
        if (w >> 135) & 1 == 1:
            m = unsafe_sub(0, m)
        d = unsafe_mul(d, convert(convert(unsafe_add(dots, HALF), bytes32), int256) >> 224)
        m = unsafe_mul(m, convert(convert(unsafe_add(sums, HALF), bytes32), int256) >> 224)
        acc = unsafe_add(acc, unsafe_add(d, m))
        at = unsafe_add(at, 20)
        lane = unsafe_add(lane, 64)
    return acc


@internal
@pure
def _plain(
    x: Bytes[c.CHUNK_BYTES], piece: Bytes[MAX_PIECE], groups: uint256, row_type: uint256
) -> int256:
    """
    @dev Q8_0: blocks of d, 32 signed bytes. Q4_0, Q5_0 and Q5_1: of d, of m in Q5_1, of fifth bits but
         in Q4_0, 16 bytes of nibbles.
    """
    size: uint256 = 34
    off: uint256 = OFF128
    if row_type == Q4_0:
        size = 18
        off = OFF8
    elif row_type == Q5_0:
        size = 22
        off = OFF16
    elif row_type == Q5_1:
        size = 24
        off = 0
    acc: int256 = 0
    at: uint256 = WORD
    lane: uint256 = 0
    for i: uint256 in range(groups, bound=GROUPS):
        # the scale begins a block, the quants end it
        head: uint256 = convert(extract32(piece, at), uint256)
        at = unsafe_add(at, size)
        q: uint256 = convert(extract32(piece, unsafe_sub(at, WORD)), uint256)
        a: uint256 = convert(extract32(x, lane), uint256)
        b: uint256 = convert(extract32(x, unsafe_add(lane, 32)), uint256)
        lane = unsafe_add(lane, 64)
        if row_type == Q8_0:
            q ^= FLIP8
        elif row_type == Q4_0:
            q = ((q & LOW16) << 128) | ((q >> 4) & LOW16)
        else:
            fifth: uint256 = self._spread((q >> 128) & c.M32)
            q = ((q & LOW16) << 128) | ((q >> 4) & LOW16) | fifth
        acc = unsafe_add(acc, unsafe_mul(self._half(head >> 240), self._dot(a, b, q, off)))
        if row_type == Q5_1:
            minimum: int256 = self._half((head >> 224) & c.M16)
            acc = unsafe_add(acc, unsafe_mul(minimum, self._sum(a, b)))
    return acc


@internal
@pure
def _spread(fifth: uint256) -> uint256:
    """
    @dev Bit j of four bytes as bit 4 of byte j of 32, byte 0 the highest.
    """
    apart: uint256 = (
        ((fifth & (c.M8 << 24)) << 168)
        | ((fifth & (c.M8 << 16)) << 112)
        | ((fifth & (c.M8 << 8)) << 56)
        | (fifth & c.M8)
    )
    # each byte eight times, each copy with a bit of its own
    there: uint256 = unsafe_mul(apart, O8 >> 192) & BITS
    return (unsafe_add(there, LIFTS) & (128 * O8)) >> 3


@internal
@pure
def _k(
    x: Bytes[c.CHUNK_BYTES], piece: Bytes[MAX_PIECE], blocks: uint256, size: uint256
) -> int256:
    """
    @dev Q4_K and Q5_K: d, dmin, packed (12), fifth bits (32) in Q5_K, four runs of nibbles (32 each).
    """
    acc: int256 = 0
    at: uint256 = WORD
    lane: uint256 = 0
    for i: uint256 in range(blocks, bound=2):
        head: uint256 = convert(extract32(piece, at), uint256)
        fifth: uint256 = convert(extract32(piece, unsafe_add(at, 16)), uint256)
        runs: uint256 = unsafe_add(at, unsafe_sub(size, 128))
        first: uint256 = (head >> 192) & c.M32
        second: uint256 = (head >> 160) & c.M32
        third: uint256 = (head >> 128) & c.M32
        # eight bytes each, group 0 the highest
        scales: uint256 = (
            ((first & (63 * ONES)) << 32) | (third & (15 * ONES)) | ((first & (192 * ONES)) >> 2)
        )
        minima: uint256 = (
            ((second & (63 * ONES)) << 32)
            | ((third >> 4) & (15 * ONES))
            | ((second & (192 * ONES)) >> 2)
        )
        dots: int256 = 0
        sums: int256 = 0
        for j: uint256 in range(8):
            q: uint256 = convert(extract32(piece, unsafe_add(runs, (j >> 1) << 5)), uint256)
            q = (q >> ((j & 1) << 2)) & LOW32
            if size == 176:
                q |= ((fifth >> j) & O8) << 4
            a: uint256 = convert(extract32(x, lane), uint256)
            b: uint256 = convert(extract32(x, unsafe_add(lane, 32)), uint256)
            place: uint256 = unsafe_sub(56, j << 3)
            scale: int256 = convert((scales >> place) & c.M8, int256)
            minimum: int256 = convert((minima >> place) & c.M8, int256)
            dots = unsafe_add(dots, unsafe_mul(scale, self._dot(a, b, q, 0)))
            sums = unsafe_add(sums, unsafe_mul(minimum, self._sum(a, b)))
            lane = unsafe_add(lane, 64)
        dots = unsafe_mul(self._half(head >> 240), dots)
        sums = unsafe_mul(self._half((head >> 224) & c.M16), sums)
        acc = unsafe_add(acc, unsafe_sub(dots, sums))
        at = unsafe_add(at, size)
    return acc


@internal
@pure
def _q6_k(x: Bytes[c.CHUNK_BYTES], piece: Bytes[MAX_PIECE], blocks: uint256) -> int256:
    """
    @dev Blocks of low (128), high (64), 16 signed scales, d. Sixteen weights share a scale: the quants
         of the other half of a group are taken as 0.
    """
    acc: int256 = 0
    at: uint256 = WORD
    lane: uint256 = 0
    for i: uint256 in range(blocks, bound=2):
        tail: uint256 = convert(extract32(piece, unsafe_add(at, 178)), uint256)
        dots: int256 = 0
        for j: uint256 in range(8):
            low: uint256 = unsafe_add(at, unsafe_add((j >> 2) << 6, (j & 1) << 5))
            high: uint256 = unsafe_add(at, unsafe_add(128, (j >> 2) << 5))
            q: uint256 = convert(extract32(piece, low), uint256) >> ((j & 2) << 1)
            h: uint256 = convert(extract32(piece, high), uint256) >> ((j & 3) << 1)
            q = (q & LOW32) | ((h & (3 * O8)) << 4)
            a: uint256 = convert(extract32(x, lane), uint256)
            b: uint256 = convert(extract32(x, unsafe_add(lane, 32)), uint256)
            # scales 2j and 2j + 1
            pair: uint256 = tail >> unsafe_sub(128, j << 4)
            one: int256 = convert(((pair >> 8) & c.M8) ^ 128, int256)
            other: int256 = convert((pair & c.M8) ^ 128, int256)
            one = unsafe_mul(unsafe_sub(one, 128), self._dot(a, b, q & HIGH, OFF32_HIGH))
            other = unsafe_mul(
                unsafe_sub(other, 128),
                self._dot(a, b, q & LOW, OFF32_LOW),
            )
            dots = unsafe_add(dots, unsafe_add(one, other))
            lane = unsafe_add(lane, 64)
        acc = unsafe_add(acc, unsafe_mul(self._half(tail & c.M16), dots))
        at = unsafe_add(at, 210)
    return acc


@internal
@pure
def _f16(x: Bytes[c.CHUNK_BYTES], piece: Bytes[MAX_PIECE], columns: uint256) -> int256:
    """
    @dev Binary16 numbers, sixteen a word. Fraction, exponent and sign are taken apart for all sixteen
         at once; the fraction with its sign is raised by 2,048.
    """
    acc: uint256 = 0
    for i: uint256 in range((columns + 15) // 16, bound=32):
        w: uint256 = convert(extract32(piece, unsafe_add(WORD, i << 5)), uint256)
        w = ((w & (255 * O16)) << 8) | ((w >> 8) & (255 * O16))
        e: uint256 = (w >> 10) & (31 * O16)
        # 1 where the exponent is not 0
        normal: uint256 = (unsafe_add(e, 31 * O16) >> 5) & O16
        m: uint256 = (w & (1023 * O16)) | (normal << 10)
        negative: uint256 = m & unsafe_mul((w >> 15) & O16, c.M16)
        m = unsafe_sub(unsafe_add(m, 2048 * O16), negative << 1)
        e = unsafe_sub(e, normal)
        # they meet eight lanes of each word of a group, two of each word in turn; weights from the top
        place: uint256 = (i >> 1) << 6
        half: uint256 = (i & 1) << 7
        a: uint256 = (convert(extract32(x, place), uint256) ^ FLIP) >> half
        b: uint256 = (convert(extract32(x, unsafe_add(place, 32)), uint256) ^ FLIP) >> half
        for four: uint256 in range(4):
            acc = unsafe_add(
                unsafe_add(
                    unsafe_add(
                        acc,
                        unsafe_mul(unsafe_sub(m >> 240, 2_048), unsafe_sub(a & c.M16, S16))
                        << (e >> 240),
                    ),
                    unsafe_mul(
                        unsafe_sub((m >> 224) & c.M16, 2_048), unsafe_sub((a >> 16) & c.M16, S16)
                    )
                    << ((e >> 224) & 31),
                ),
                unsafe_add(
                    unsafe_mul(unsafe_sub((m >> 208) & c.M16, 2_048), unsafe_sub(b & c.M16, S16))
                    << ((e >> 208) & 31),
                    unsafe_mul(
                        unsafe_sub((m >> 192) & c.M16, 2_048), unsafe_sub((b >> 16) & c.M16, S16)
                    )
                    << ((e >> 192) & 31),
                ),
            )
            m = m << 64
            e = e << 64
            a = a >> 32
            b = b >> 32
    return convert(convert(acc, bytes32), int256)
