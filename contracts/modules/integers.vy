# pragma version 0.4.3
"""
@title Arithmetic that the steps share, total over all numbers that they can meet
@notice Twin of oyez/protocol/step_integers.py. The minimum of int16 and int32 says "no value here";
        arithmetic never answers it.
"""

SAT16: constant(int256) = 2**15 - 1
SAT32: constant(int256) = 2**31 - 1
# From here on a shift to the right leaves nothing of any number below 2**254.
LAST_SHIFT: constant(int256) = 254
# Words that count something are cut to this before use: honest ones are far below.
WORD_LIMIT: constant(int256) = 2**72
M16: constant(int256) = 2**16 - 1
# 2**-f for f in Q16, in Q30, ENGINE-14
C0: constant(int256) = 1_073_682_383
C1: constant(int256) = -742_320_854
C2: constant(int256) = 247_912_732
C3: constant(int256) = -42_458_813


@internal
@pure
def _clip(a: int256, low: int256, high: int256) -> int256:
    return max(low, min(high, a))


@internal
@pure
def _shift(a: int256, s: int256, limit: int256) -> int256:
    """
    @dev a / 2**s, rounded half up, cut to +-limit; s <= 0 multiplies. |a| < 2**254, any s.
         # rule: INNER-20
    """
    if s > LAST_SHIFT:
        return 0
    if s > 0:
        n: uint256 = convert(s, uint256)
        half: int256 = convert(1 << unsafe_sub(n, 1), int256)
        return self._clip(unsafe_add(a, half) >> n, -limit, limit)
    left: uint256 = convert(-max(s, -LAST_SHIFT), uint256)
    if abs(a) > limit >> left:
        if a > 0:
            return limit
        return -limit
    return a << left


@internal
@pure
def _bits(a: uint256) -> int256:
    """
    @dev Bit length of any number.
    """
    rest: uint256 = a
    n: int256 = 0
    for at: uint256 in [128, 64, 32, 16, 8, 4, 2, 1]:
        if rest >> at != 0:
            rest = rest >> at
            n = unsafe_add(n, convert(at, int256))
    return unsafe_add(n, convert(rest, int256))


@internal
@pure
def _exponential(z: int256) -> int256:
    """
    @dev 2**-z in Q30, z >= 0 in Q16.
         # rule: INNER-21
    """
    whole: uint256 = convert(z, uint256) >> 16
    if whole >= 31:
        return 0
    f: int256 = z & M16
    r: int256 = unsafe_add(C2, unsafe_mul(f, C3) >> 16)
    r = unsafe_add(C1, unsafe_mul(f, r) >> 16)
    r = unsafe_add(C0, unsafe_mul(f, r) >> 16)
    return r >> whole


@internal
@pure
def _invert_root(r: uint256) -> int256:
    """
    @dev R of ENGINE-6; 1 <= r <= 2**72.
    """
    k: uint256 = convert(self._bits(r), uint256)
    return convert((1 << unsafe_add(k, 15)) // r, int256)
