# pragma version 0.4.3
"""
@title The ops of expressions, exact, within +-(2**255 - 1)
@notice Twin of oyez/protocol/step_expressions.py's. Any operands are given an answer: nothing reverts.
"""
from contracts import constants as c

OP_CONST: constant(uint256) = 1
OP_OLD: constant(uint256) = 2
OP_NEW: constant(uint256) = 3
OP_CALLER: constant(uint256) = 4
OP_VALUE: constant(uint256) = 5
OP_TIME: constant(uint256) = 6
OP_NEG: constant(uint256) = 8
OP_NOT: constant(uint256) = 9
OP_ADD: constant(uint256) = 16
OP_SUB: constant(uint256) = 17
OP_MUL: constant(uint256) = 18
OP_DIV: constant(uint256) = 19
OP_MOD: constant(uint256) = 20
OP_MIN: constant(uint256) = 21
OP_MAX: constant(uint256) = 22
OP_EQ: constant(uint256) = 23
OP_LT: constant(uint256) = 24
OP_GT: constant(uint256) = 25
OP_LE: constant(uint256) = 26
OP_GE: constant(uint256) = 27
OP_AND: constant(uint256) = 28
OP_OR: constant(uint256) = 29
OP_SELECT: constant(uint256) = 30

# How many values each code takes from the stack, two bits each: NEG and NOT one, from ADD on two, SELECT
# three.
OPERANDS: constant(uint256) = (
    (2**20 - 2**16) // 3 + (2**60 - 2**32) // 3 * 2 + 3 * 2**60
)

# What no result is; an operand of a prefix that nobody honest made may be it.
NOTHING: constant(int256) = min_value(int256)
MOST: constant(uint256) = 2**255 - 1


@internal
@pure
def _apply(code: uint256, a: int256, b: int256, d: int256) -> int256:
    """
    @dev The result of an op that takes operands, the deepest first; NOTHING if it is out of range or a
         division by 0.
         # rule: EXPR-2
    """
    if code == OP_NEG:
        # of NOTHING it is NOTHING
        return unsafe_sub(0, a)
    if code == OP_NOT:
        return 1 if a == 0 else 0
    if code == OP_ADD:
        sum: int256 = unsafe_add(a, b)
        return NOTHING if (a < 0) == (b < 0) and (sum < 0) != (a < 0) else sum
    if code == OP_SUB:
        difference: int256 = unsafe_sub(a, b)
        return NOTHING if (a < 0) != (b < 0) and (difference < 0) != (a < 0) else difference
    if code <= OP_MOD:
        return self._scale(code, a, b)
    if code == OP_MIN:
        return min(a, b)
    if code == OP_MAX:
        return max(a, b)
    if code == OP_SELECT:
        return b if a != 0 else d
    return 1 if self._holds(code, a, b) else 0


@internal
@pure
def _scale(code: uint256, a: int256, b: int256) -> int256:
    """
    @dev Product, quotient or remainder, by magnitudes.
         # rule: EXPR-3
    """
    x: uint256 = self._magnitude(a)
    y: uint256 = self._magnitude(b)
    is_negative: bool = (a < 0) != (b < 0)
    size: uint256 = 0
    if code == OP_MUL:
        if x > 0 and y > MOST // x:
            return NOTHING
        size = unsafe_mul(x, y)
    elif y == 0:
        return NOTHING
    elif code == OP_DIV:
        size = x // y
    else:
        size = x % y
        is_negative = a < 0
    if size > MOST:
        return NOTHING
    result: int256 = convert(size, int256)
    return unsafe_sub(0, result) if is_negative else result


@internal
@pure
def _magnitude(x: int256) -> uint256:
    """
    @dev Up to 2**255.
    """
    bits: uint256 = convert(convert(x, bytes32), uint256)
    return unsafe_sub(0, bits) if x < 0 else bits


@internal
@pure
def _holds(code: uint256, a: int256, b: int256) -> bool:
    if code == OP_EQ:
        return a == b
    if code == OP_LT:
        return a < b
    if code == OP_GT:
        return a > b
    if code == OP_LE:
        return a <= b
    if code == OP_GE:
        return a >= b
    if code == OP_AND:
        return a != 0 and b != 0
    return a != 0 or b != 0
