# pragma version 0.4.3
"""
@title The noise of one token at one position, of sampling at a temperature
@notice Twin of oyez/protocol/noise.py: a draw of Philox4x32-10, and -ln(-ln u) of it in Q16. A
        prototype for the step that checks a sampled token; no deployed contract uses it yet. Every
        product is far below 2^255, so nothing here can overflow.
"""

# keccak256("oyez.noise.v1")
NOISE: constant(bytes32) = 0x9c4be21e5bb876269eadee03a5543d0c23eacd4eb67b16134baf1063ef89b0c0
M32: constant(uint256) = 2**32 - 1
Q24: constant(int256) = 2**24
Q28: constant(int256) = 2**28
# 33 in Q28: the logarithm of 2^33, by which a draw's 33 bits are divided.
DRAW_BITS: constant(int256) = 33 * 2**28
# ln 2 in Q29, -ln(ln 2) in Q32
LN2: constant(int256) = 372130559
MEDIAN: constant(int256) = 1574161007


@internal
@pure
def _key(seed: bytes32, position: uint256) -> uint256:
    """
    @dev Bits 0 to 63 are Philox's key, bits 64 to 159 the upper three words of its counter.
    """
    return convert(keccak256(abi_encode(NOISE, seed, position)), uint256)


@internal
@pure
def _draw(key: uint256, token: uint256) -> uint256:
    """
    @dev Word token & 3 of Philox4x32-10 at counter token >> 2. In hexadecimal the multipliers are
         d2511f53 and cd9e8d57, and the key grows by 9e3779b9 and bb67ae85.
         Only c0 and c2 are cut to 32 bits at once: of the others the upper bits are cut with them.
    """
    c0: uint256 = token >> 2
    c1: uint256 = (key >> 64) & M32
    c2: uint256 = (key >> 96) & M32
    c3: uint256 = (key >> 128) & M32
    k0: uint256 = key & M32
    k1: uint256 = (key >> 32) & M32
    for _: uint256 in range(10):
        left: uint256 = unsafe_mul(c0, 3528531795)
        right: uint256 = unsafe_mul(c2, 3449720151)
        c0 = ((right >> 32) ^ c1 ^ k0) & M32
        c2 = ((left >> 32) ^ c3 ^ k1) & M32
        c1 = right
        c3 = left
        k0 = unsafe_add(k0, 2654435769)
        k1 = unsafe_add(k1, 3144134277)
    if token & 2 == 0:
        return c0 if token & 1 == 0 else c1 & M32
    return c2 if token & 1 == 0 else c3 & M32


@internal
@pure
def _log2(x: uint256) -> int256:
    """
    @dev Logarithm in Q28 of 0 < x < 2^53.
    """
    # x * 2^(52 - e), e the highest bit: shifted up by halves.
    whole: int256 = 52
    y: uint256 = x
    if y < 2**21:
        y = y << 32
        whole = unsafe_sub(whole, 32)
    if y < 2**37:
        y = y << 16
        whole = unsafe_sub(whole, 16)
    if y < 2**45:
        y = y << 8
        whole = unsafe_sub(whole, 8)
    if y < 2**49:
        y = y << 4
        whole = unsafe_sub(whole, 4)
    if y < 2**51:
        y = y << 2
        whole = unsafe_sub(whole, 2)
    if y < 2**52:
        y = y << 1
        whole = unsafe_sub(whole, 1)
    t: int256 = unsafe_sub(convert(y >> 28, int256), Q24)
    a: int256 = unsafe_add(-46607445, unsafe_mul(9995041, t) >> 24)
    a = unsafe_add(
        -159495552, unsafe_mul(unsafe_add(103499543, unsafe_mul(a, t) >> 24), t) >> 24
    )
    a = unsafe_add(
        -299109448, unsafe_mul(unsafe_add(215580029, unsafe_mul(a, t) >> 24), t) >> 24
    )
    a = unsafe_add(475339299, unsafe_mul(a, t) >> 24)
    curve: int256 = unsafe_mul(unsafe_mul(t, unsafe_sub(Q24, t)) >> 18, a) >> 32
    return unsafe_add(unsafe_add(whole << 28, t << 4), curve)


@internal
@pure
def _gumbel(r: uint256) -> int256:
    """
    @dev -ln(-ln u) in Q16, u = (r + 1/2) / 2^32, for every r below 2^32.
    """
    if r < 2**31:
        rest: int256 = unsafe_sub(DRAW_BITS, self._log2(unsafe_add(r << 1, 1)))
        lg: int256 = unsafe_sub(self._log2(convert(rest, uint256)), unsafe_mul(28, Q28))
        exact: int256 = unsafe_sub(MEDIAN, unsafe_mul(lg, LN2) >> 25)
        return unsafe_add(exact, 2**15) >> 16
    x: uint256 = unsafe_add(unsafe_sub(M32, r) << 1, 1)
    v: int256 = convert(x >> 9, int256)
    b: int256 = unsafe_add(77014884, unsafe_mul(-207993235, v) >> 24)
    b = unsafe_add(
        -71822038, unsafe_mul(unsafe_add(-97535303, unsafe_mul(b, v) >> 24), v) >> 24
    )
    b = unsafe_add(
        -164569208, unsafe_mul(unsafe_add(-105666929, unsafe_mul(b, v) >> 24), v) >> 24
    )
    tail: int256 = unsafe_add(701441732, unsafe_mul(unsafe_sub(Q24, v << 1), b) >> 24)
    lg: int256 = unsafe_sub(DRAW_BITS, self._log2(x))
    exact: int256 = unsafe_sub(unsafe_mul(lg, LN2) >> 25, unsafe_mul(v, tail) >> 22)
    return unsafe_add(exact, 2**15) >> 16


@internal
@pure
def _score(logit: int256, key: uint256, token: uint256, temperature: uint256) -> int256:
    """
    @dev A token's score in Q32, of magnitude below 2^54; the logit has its bias.
    """
    noise: int256 = unsafe_mul(self._gumbel(self._draw(key, token)), convert(temperature, int256))
    return unsafe_add(logit << 16, noise)
