"""Compiles an expression's tree to stack ops, with types that catch what an author did not mean.

A value is a number, a boolean or an option of one enum. A boolean counts as 0 or 1 where a number
is wanted, never the other way round; options meet only options of the same enum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oyez.author.expression_text import (
    BUILTINS,
    COMPARISONS,
    ExpressionError,
    parse_expression,
)
from oyez.author.expression_tree import (
    Binary,
    Builtin,
    Conditional,
    FieldRef,
    Number,
    Option,
    Tree,
    Unary,
)
from oyez.author.reading import suggest
from oyez.protocol import constants as c
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.types import Field, FieldType, Op

_INFIX = {
    "+": OpCode.ADD,
    "-": OpCode.SUB,
    "*": OpCode.MUL,
    "/": OpCode.DIV,
    "%": OpCode.MOD,
    "min": OpCode.MIN,
    "max": OpCode.MAX,
    "==": OpCode.EQ,
    "<": OpCode.LT,
    ">": OpCode.GT,
    "<=": OpCode.LE,
    ">=": OpCode.GE,
    "and": OpCode.AND,
    "or": OpCode.OR,
}
_BUILTIN_CODES = {"caller": OpCode.CALLER, "value": OpCode.VALUE, "time": OpCode.TIME}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is: "number", "boolean" or "option" (of these options)."""

    name: str
    options: tuple[bytes, ...] = ()


NUMBER = Kind("number")
BOOLEAN = Kind("boolean")


@dataclass(frozen=True, slots=True)
class Code:
    """Ops that leave one value of this kind; a CONST's operand is the number itself."""

    kind: Kind
    ops: tuple[Op, ...]


def kind_of(field: Field) -> Kind:
    """Return what a field's value is in an expression; a string or array has none."""
    if field.type is FieldType.ENUM:
        return Kind("option", field.options)
    return BOOLEAN if field.type is FieldType.BOOLEAN else NUMBER


def compile_expression(text: str, fields: Sequence[Field], wanted: Kind) -> tuple[Op, ...]:
    """Return an expression's ops; a CONST's operand is the number itself, not yet its index.

    Rule: AUTHOR-7

    Args:
        text: the expression.
        fields: the state's fields.
        wanted: of the computed field, or BOOLEAN for a guard.

    Raises:
        ExpressionError: at the place of the first error.
    """
    tree = parse_expression(text)
    code = _want(_Compiler(fields).compile(tree, wanted), wanted, tree)
    if len(code.ops) > c.MAX_EXPRESSION_OPS:
        raise ExpressionError(tree.at, f"{len(code.ops)} operations, at most 64: split it")
    depth = most = 0
    for op in code.ops:
        depth += 1 - OpCode(op.code).operands
        most = max(most, depth)
    if most > c.MAX_STACK:
        raise ExpressionError(
            tree.at, f"it holds {most} values at once, at most 16: begin with the deepest part"
        )
    return code.ops


def place_constants(ops: Sequence[Op], constants: Sequence[int]) -> tuple[Op, ...]:
    """Return ops whose CONST operands are indices into these constants."""
    return tuple(
        Op(op.code, constants.index(op.operand)) if op.code == OpCode.CONST else op for op in ops
    )


def list_constants(ops: Sequence[Op]) -> list[int]:
    """Return the numbers that ops of `compile_expression` push."""
    return [op.operand for op in ops if op.code == OpCode.CONST]


class _Compiler:
    """Compiles trees over one state's fields."""

    def __init__(self, fields: Sequence[Field]) -> None:
        """Index the fields by name."""
        self._fields = fields
        self._index = {field.name.decode(): index for index, field in enumerate(fields)}

    def compile(self, tree: Tree, wanted: Kind) -> Code:
        """Return a tree's code; `wanted` only tells a bare word which enum it belongs to."""
        if isinstance(tree, Number):
            if abs(tree.value) > c.MAX_VALUE:
                raise ExpressionError(tree.at, "a number has at most 255 bits: write a smaller one")
            return Code(BOOLEAN if tree.boolean else NUMBER, (Op(OpCode.CONST, tree.value),))
        if isinstance(tree, Builtin):
            return Code(NUMBER, (Op(_BUILTIN_CODES[tree.name]),))
        if isinstance(tree, FieldRef):
            return self._compile_field(tree)
        if isinstance(tree, Option):
            return self._compile_option(tree, wanted)
        if isinstance(tree, Unary):
            return self._compile_unary(tree)
        if isinstance(tree, Conditional):
            return self._compile_conditional(tree, wanted)
        if tree.op in COMPARISONS:
            return self._compile_comparison(tree)
        return self._compile_binary(tree)

    def _compile_field(self, tree: FieldRef) -> Code:
        """Return the code that reads a field."""
        index = self._index.get(tree.name)
        if index is None:
            raise ExpressionError(
                tree.at, f"the state has no field {tree.name!r}{suggest(tree.name, self._index)}"
            )
        field = self._fields[index]
        if field.type in (FieldType.STRING, FieldType.ARRAY):
            kind = "a string" if field.type is FieldType.STRING else "an array"
            raise ExpressionError(
                tree.at,
                f"{tree.name!r} is {kind}: expressions read integers, booleans and enums",
            )
        return Code(kind_of(field), (Op(OpCode.NEW if tree.new else OpCode.OLD, index),))

    def _compile_option(self, tree: Option, wanted: Kind) -> Code:
        """Return an option's index within the wanted enum."""
        options = [option.decode() for option in wanted.options]
        if tree.text in options:
            return Code(wanted, (Op(OpCode.CONST, options.index(tree.text)),))
        if options:
            raise ExpressionError(
                tree.at, f"{tree.text!r} is no option here{suggest(tree.text, options)}"
            )
        if tree.quoted:
            raise ExpressionError(
                tree.at, "a quoted option stands beside a field: new.<field> == 'option'"
            )
        names = [f"new.{name}" for name in self._index] + [*BUILTINS, "true", "false"]
        near = f"new.{tree.text}" if tree.text in self._index else tree.text
        raise ExpressionError(tree.at, f"unknown name {tree.text!r}{suggest(near, names)}")

    def _compile_unary(self, tree: Unary) -> Code:
        """Return the code of `-x` or `not x`."""
        wanted = NUMBER if tree.op == "-" else BOOLEAN
        operand = _want(self.compile(tree.operand, wanted), wanted, tree.operand)
        code = OpCode.NEG if tree.op == "-" else OpCode.NOT
        return Code(wanted, (*operand.ops, Op(code)))

    def _compile_binary(self, tree: Binary) -> Code:
        """Return the code of arithmetic, `min`, `max`, `and` or `or`."""
        wanted = BOOLEAN if tree.op in ("and", "or") else NUMBER
        left = _want(self.compile(tree.left, wanted), wanted, tree.left)
        right = _want(self.compile(tree.right, wanted), wanted, tree.right)
        return Code(wanted, (*left.ops, *right.ops, Op(_INFIX[tree.op])))

    def _compile_comparison(self, tree: Binary) -> Code:
        """Return the code of a comparison; options are equal or not, never less or more."""
        left, right = self._compile_pair(tree.left, tree.right, NUMBER)
        if "option" in (left.kind.name, right.kind.name):
            if left.kind != right.kind:
                raise ExpressionError(
                    tree.at, "the two sides are of different types: compare options of one enum"
                )
            if tree.op not in ("==", "!="):
                raise ExpressionError(
                    tree.at, f"options have no order: write '==' or '!=', not {tree.op!r}"
                )
        ops = (*left.ops, *right.ops)
        if tree.op == "!=":
            return Code(BOOLEAN, (*ops, Op(OpCode.EQ), Op(OpCode.NOT)))
        return Code(BOOLEAN, (*ops, Op(_INFIX[tree.op])))

    def _compile_pair(self, left: Tree, right: Tree, wanted: Kind) -> tuple[Code, Code]:
        """Compile two trees where either may be a bare option of the other's enum."""
        if isinstance(left, Option) and not isinstance(right, Option):
            second = self.compile(right, wanted)
            return self.compile(left, second.kind), second
        first = self.compile(left, wanted)
        return first, self.compile(right, first.kind)

    def _compile_conditional(self, tree: Conditional, wanted: Kind) -> Code:
        """Return SELECT's code; both arms are evaluated, whatever the condition."""
        condition = _want(self.compile(tree.condition, BOOLEAN), BOOLEAN, tree.condition)
        if wanted.options:
            then, otherwise = self.compile(tree.then, wanted), self.compile(tree.otherwise, wanted)
        else:
            then, otherwise = self._compile_pair(tree.then, tree.otherwise, wanted)
        kind = then.kind
        if then.kind != otherwise.kind:
            if "option" in (then.kind.name, otherwise.kind.name):
                raise ExpressionError(tree.at, "both values of an 'if' are of one type: change one")
            kind = NUMBER
        return Code(kind, (*condition.ops, *then.ops, *otherwise.ops, Op(OpCode.SELECT)))


def _want(code: Code, wanted: Kind, tree: Tree) -> Code:
    """Check that a value may stand where this kind is wanted."""
    if code.kind == wanted or (code.kind == BOOLEAN and wanted == NUMBER):
        return code
    if wanted == BOOLEAN:
        hint = "compare it: x == option" if code.kind.options else "compare it: x != 0"
    elif wanted == NUMBER:
        hint = "compare it: (x == option) counts as 0 or 1"
    else:
        hint = f"write one of its options: {', '.join(o.decode() for o in wanted.options)}"
    raise ExpressionError(tree.at, f"this is a {code.kind.name}, wanted is a {wanted.name}: {hint}")
