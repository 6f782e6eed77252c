# pragma version 0.4.3
"""
@title The numbers of norms and SwiGLU
@notice Twin of the arithmetic in oyez/protocol/step_layer.py. A norm's leaf holds sums of squares and
        largest products, a word a chunk of its input, then root and shift.
"""
from contracts import constants as c
from contracts.modules import integers
from contracts.modules import lanes
from contracts.modules import vectors

# ENGINE-17: where a gate saturates the sigmoid, log2(e) in Q16, one in Q30
GATE_LIMIT: constant(int256) = 2**21
LOG2E: constant(int256) = 94_548
ONE: constant(int256) = 2**30
WIDE: constant(int256) = 2**40


@internal
@pure
def _word(data: Bytes[c.CHUNK_BYTES], lane: uint256) -> int256:
    return lanes._read(data, c.CHUNK_BYTES32, lane)


@internal
@pure
def _bounded(words: Bytes[c.CHUNK_BYTES], at: uint256) -> uint256:
    """
    @dev A word that counts something, cut to what no honest one exceeds.
    """
    return convert(integers._clip(self._word(words, at), 0, integers.WORD_LIMIT), uint256)


@internal
@pure
def _inverse(words: Bytes[c.CHUNK_BYTES], chunks: uint256) -> int256:
    """
    @dev R, from r of a norm leaf, which is at least 1 whatever stands there.
    """
    return integers._invert_root(max(1, self._bounded(words, 2 * chunks)))


@internal
@pure
def _root(
    words: Bytes[c.CHUNK_BYTES], chunks: uint256, width: uint256, added: uint256
) -> int256:
    """
    @dev r, from the sums of squares before it; epsilon is added.
         # rule: INNER-25
    """
    total: uint256 = 0
    for i: uint256 in range(chunks, bound=c.CHUNK_WORDS):
        total += self._bounded(words, i)
    return convert(isqrt((total << 16) // width + added), int256)


@internal
@pure
def _cut(words: Bytes[c.CHUNK_BYTES], chunks: uint256) -> int256:
    """
    @dev The shift that leaves 14 bits of the largest product; 0 if all are zero.
         # rule: INNER-25
    """
    peak: uint256 = 0
    for i: uint256 in range(chunks, bound=c.CHUNK_WORDS):
        peak = max(peak, self._bounded(words, chunks + i))
    if peak == 0:
        return 0
    product: uint256 = peak * convert(self._inverse(words, chunks), uint256)
    return integers._bits(product) - vectors.INPUT_BITS


@internal
@pure
def _swish(gate: int256) -> int256:
    """
    @dev # rule: INNER-28
    """
    z: int256 = integers._shift(min(abs(gate), GATE_LIMIT) * LOG2E, 16, WIDE)
    e: int256 = integers._exponential(z)
    numerator: int256 = e
    if gate >= 0:
        numerator = ONE
    return integers._shift(gate * ((numerator << 16) // (ONE + e)), 16, integers.SAT32)
