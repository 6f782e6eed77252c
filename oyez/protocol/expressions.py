"""Expressions: the integers that code computes from a state, and the guards on it.

Every op's result lies within ±(2**255 - 1), or the expression fails. A field is a number here: an
enum is its option's index, a boolean 0 or 1, an integer itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from oyez.protocol.constants import MAX_VALUE
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.types import Code, Field, FieldType, Manifest, Op, Value


class ComputeFailure(Exception):
    """An op's result is out of range, or a division is by zero; the call ends in COMPUTE."""


def _divide(dividend: int, divisor: int) -> int:
    """Return the quotient truncated toward zero.

    Rule: EXPR-3

    Raises:
        ComputeFailure: the divisor is 0.
    """
    if divisor == 0:
        raise ComputeFailure("division by zero")
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def _modulo(dividend: int, divisor: int) -> int:
    """Return the remainder of the truncated quotient; it has the dividend's sign."""
    return dividend - _divide(dividend, divisor) * divisor


#: Binary ops take (deeper, top).
_BINARY: dict[int, Callable[[int, int], int]] = {
    OpCode.ADD: operator.add,
    OpCode.SUB: operator.sub,
    OpCode.MUL: operator.mul,
    OpCode.DIV: _divide,
    OpCode.MOD: _modulo,
    OpCode.MIN: min,
    OpCode.MAX: max,
    OpCode.EQ: operator.eq,
    OpCode.LT: operator.lt,
    OpCode.GT: operator.gt,
    OpCode.LE: operator.le,
    OpCode.GE: operator.ge,
    OpCode.AND: lambda deeper, top: deeper != 0 and top != 0,
    OpCode.OR: lambda deeper, top: deeper != 0 or top != 0,
}


def evaluate(
    ops: Sequence[Op],
    constants: Sequence[int],
    old: Sequence[int],
    new: Sequence[int],
    caller: int,
    value: int,
    time: int,
) -> int:
    """Return the value of one parsed expression.

    Nothing short-circuits: both arms of SELECT and both sides of AND and OR are evaluated.

    Rules: EXPR-1, EXPR-2

    Args:
        ops: as the parser let them pass: the stack never underflows and ends with one value.
        constants: the manifest's.
        old: the state before the call, as numbers by field index (0 where a field is none).
        new: the state merged so far, likewise.
        caller: the caller's address as an integer.
        value: the entry's value in wei.
        time: the entry's timestamp in seconds.

    Raises:
        ComputeFailure: a result is outside ±(2**255 - 1), or a division is by zero.
    """
    stack: list[int] = []
    for op in ops:
        code = op.code
        if code in _BINARY:
            top = stack.pop()
            result = int(_BINARY[code](stack.pop(), top))
        elif code == OpCode.CONST:
            result = constants[op.operand]
        elif code == OpCode.OLD:
            result = old[op.operand]
        elif code == OpCode.NEW:
            result = new[op.operand]
        elif code == OpCode.CALLER:
            result = caller
        elif code == OpCode.VALUE:
            result = value
        elif code == OpCode.TIME:
            result = time
        elif code == OpCode.NEG:
            result = -stack.pop()
        elif code == OpCode.NOT:
            result = int(stack.pop() == 0)
        else:  # SELECT takes (condition, then, else), else on top
            otherwise, then, condition = stack.pop(), stack.pop(), stack.pop()
            result = then if condition != 0 else otherwise
        if not -MAX_VALUE <= result <= MAX_VALUE:
            raise ComputeFailure(f"a result of {result.bit_length()} bits")
        stack.append(result)
    return stack[-1]


def to_number(field: Field, value: Value) -> int:
    """Return a field's value as an expression reads it; 0 for what it cannot read."""
    if field.type is FieldType.ENUM and isinstance(value, bytes):
        return field.options.index(value)
    return int(value) if isinstance(value, int) else 0


def from_number(field: Field, number: int) -> Value:
    """Return a computed field's value.

    Rule: EXPR-4

    Raises:
        ComputeFailure: the number is outside the field's range.
    """
    low, high = field.low, field.high
    if field.type is FieldType.ENUM:
        low, high = 0, len(field.options) - 1
    elif field.type is FieldType.BOOLEAN:
        low, high = 0, 1
    if not low <= number <= high:
        raise ComputeFailure(f"{number} is outside {low} to {high}")
    if field.type is FieldType.ENUM:
        return field.options[number]
    return number == 1 if field.type is FieldType.BOOLEAN else number


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a state by an output.

    Attributes:
        values: the new state; as far as it was merged unless `code` is NONE.
        code: NONE, COMPUTE or GUARD.
        detail: the failing expression's index in the manifest; 0 if `code` is NONE.
    """

    values: tuple[Value, ...]
    code: Code
    detail: int


def merge_values(
    manifest: Manifest,
    old: Sequence[Value],
    written: Mapping[int, Value],
    *,
    caller: int,
    value: int,
    time: int,
) -> Merged:
    """Merge what the model wrote into a state, compute the computed fields, check the guards.

    All compute expressions run first, in order, each seeing the fields merged so far; then all
    guards, in order. A failure to compute comes before a guard that does not hold, wherever it
    stands among the guards.

    Rules: EXPR-5, EXPR-6
    """
    values = list(old)
    for index, given in written.items():
        values[index] = given
    before = [to_number(f, v) for f, v in zip(manifest.fields, old, strict=True)]
    after = [to_number(f, v) for f, v in zip(manifest.fields, values, strict=True)]
    false_guard: int | None = None
    computes = [i for i, e in enumerate(manifest.expressions) if e.target is not None]
    guards = [i for i, e in enumerate(manifest.expressions) if e.target is None]
    for index in computes + guards:
        expression = manifest.expressions[index]
        try:
            number = evaluate(
                expression.ops, manifest.constants, before, after, caller, value, time
            )
            if expression.target is not None:
                field = manifest.fields[expression.target]
                values[expression.target] = from_number(field, number)
                after[expression.target] = number
            elif number == 0 and false_guard is None:
                false_guard = index
        except ComputeFailure:
            return Merged(tuple(values), Code.COMPUTE, index)
    if false_guard is not None:
        return Merged(tuple(values), Code.GUARD, false_guard)
    return Merged(tuple(values), Code.NONE, 0)
