"""The manifest's EXPRESSIONS and OPS sections: computed fields and guards."""

from __future__ import annotations

from collections.abc import Sequence

from oyez.protocol import constants as c
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest_fields import Cursor
from oyez.protocol.manifest_layout import GUARD_TARGET, OpCode
from oyez.protocol.types import Expression, Field, FieldType, Op, Role

_OPCODES = frozenset(OpCode)
_NO_NUMBERS = (FieldType.STRING, FieldType.ARRAY)


def read_expressions(
    cursor: Cursor, *, fields: Sequence[Field], constants: int, expressions: int, ops: int
) -> tuple[Expression, ...]:
    """Parse both sections.

    Rule: MANIFEST-21

    Args:
        cursor: at the first expression.
        fields: the state's fields.
        constants: how many constants there are.
        expressions: how many expressions the header declares.
        ops: how many ops the header declares, in all.

    Raises:
        Invalid: MANIFEST-1, -18, -21, -22 or -23.
    """
    heads = [(cursor.number(1), cursor.number(1)) for _ in range(expressions)]
    for index, (_, count) in enumerate(heads):
        if not 1 <= count <= c.MAX_EXPRESSION_OPS:
            raise Invalid("MANIFEST-21", f"expression {index} has {count} ops, not 1 to 64")
    total = sum(count for _, count in heads)
    if total != ops:
        raise Invalid("MANIFEST-21", f"expressions have {total} ops, the header says {ops}")
    _verify_targets([target for target, _ in heads], fields)
    return tuple(
        Expression(
            None if target == GUARD_TARGET else target,
            _read_ops(cursor, count, fields, constants),
        )
        for target, count in heads
    )


def _verify_targets(targets: Sequence[int], fields: Sequence[Field]) -> None:
    """Check that each computed field has exactly one expression, and no other field has one.

    Rule: MANIFEST-18
    """
    given = sorted(target for target in targets if target != GUARD_TARGET)
    computed = [index for index, field in enumerate(fields) if field.role is Role.COMPUTE]
    if given != computed:
        raise Invalid(
            "MANIFEST-18",
            f"expressions set the fields {given}, but the computed fields are {computed}",
        )


def _read_ops(
    cursor: Cursor, count: int, fields: Sequence[Field], constants: int
) -> tuple[Op, ...]:
    """Return one expression's ops; its stack never underflows and ends with one value.

    Rule: MANIFEST-23
    """
    ops: list[Op] = []
    depth = 0
    for _ in range(count):
        code, operand = cursor.number(1), cursor.number(1)
        op = _verify_op(code, operand, fields, constants)
        if depth < op.operands:
            raise Invalid("MANIFEST-23", f"op {op.name} takes {op.operands} values of {depth}")
        depth += 1 - op.operands
        if depth > c.MAX_STACK:
            raise Invalid("MANIFEST-23", "an expression's stack holds at most 16 values")
        ops.append(Op(code, operand))
    if depth != 1:
        raise Invalid("MANIFEST-23", f"an expression ends with one value, not {depth}")
    return tuple(ops)


def _verify_op(code: int, operand: int, fields: Sequence[Field], constants: int) -> OpCode:
    """Return a known op whose operand names something it can read.

    Rule: MANIFEST-22
    """
    if code not in _OPCODES:
        raise Invalid("MANIFEST-22", f"op code {code} is unknown")
    op = OpCode(code)
    if op is OpCode.CONST:
        if operand >= constants:
            raise Invalid("MANIFEST-22", f"CONST {operand}: there are {constants} constants")
    elif op in (OpCode.OLD, OpCode.NEW):
        if operand >= len(fields) or fields[operand].type in _NO_NUMBERS:
            raise Invalid("MANIFEST-22", f"{op.name} {operand} is no field with a number")
    elif operand != 0:
        raise Invalid("MANIFEST-22", f"{op.name} takes no operand, not {operand}")
    return op
