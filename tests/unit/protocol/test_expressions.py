"""Expressions: each op, each bound, and the order in which computes and guards run."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.protocol.expressions import (
    ComputeFailure,
    Merged,
    evaluate,
    from_number,
    merge_values,
    to_number,
)
from oyez.protocol.manifest import build_constants
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.types import Code, Expression, Field, FieldType, Manifest, Op, Role, Value
from tests.manifest_cases import BALLOT, SMALLEST
from tests.manifests import BOUND, random_fields, random_ops
from tests.unit.protocol.test_machine import BOOLEAN, choice, integer, text

numbers = st.one_of(
    st.integers(-5, 5), st.integers(-BOUND, BOUND), st.sampled_from([BOUND, -BOUND, BOUND - 1])
)


def compute(*values: int, code: int) -> int:
    """Return an op's result on these operands."""
    ops = [*(Op(OpCode.CONST, i) for i in range(len(values))), Op(code)]
    return evaluate(ops, values, [], [], 0, 0, 0)


PLAIN: dict[OpCode, Callable[[int, int], int | None]] = {
    OpCode.ADD: lambda a, b: a + b,
    OpCode.SUB: lambda a, b: a - b,
    OpCode.MUL: lambda a, b: a * b,
    OpCode.DIV: lambda a, b: int(Fraction(a, b)) if b else None,
    OpCode.MOD: lambda a, b: a - int(Fraction(a, b)) * b if b else None,
    OpCode.MIN: lambda a, b: a if a < b else b,
    OpCode.MAX: lambda a, b: b if a < b else a,
    OpCode.EQ: lambda a, b: 1 if a == b else 0,
    OpCode.LT: lambda a, b: 1 if a < b else 0,
    OpCode.GT: lambda a, b: 1 if a > b else 0,
    OpCode.LE: lambda a, b: 0 if a > b else 1,
    OpCode.GE: lambda a, b: 0 if a < b else 1,
    OpCode.AND: lambda a, b: 1 if a and b else 0,
    OpCode.OR: lambda a, b: 1 if a or b else 0,
}


@given(numbers, numbers)
def test_binary_ops(a: int, b: int) -> None:
    """Rules: EXPR-1, EXPR-2, EXPR-3: (deeper, top), exact, truncating toward zero."""
    assert set(PLAIN) == {code for code in OpCode if code.operands == 2}
    for code, plain in PLAIN.items():
        expected = plain(a, b)
        if expected is None or abs(expected) > BOUND:
            with pytest.raises(ComputeFailure):
                compute(a, b, code=code)
        else:
            assert compute(a, b, code=code) == expected
            assert type(compute(a, b, code=code)) is int


@given(numbers, numbers, numbers)
def test_unary_ops_and_select(a: int, b: int, c: int) -> None:
    """Rule: EXPR-1."""
    assert compute(a, code=OpCode.NEG) == -a
    assert compute(a, code=OpCode.NOT) == (1 if a == 0 else 0)
    assert compute(c, a, b, code=OpCode.SELECT) == (a if c else b)


@pytest.mark.parametrize(
    ("a", "b", "quotient", "remainder"),
    [(7, 2, 3, 1), (-7, 2, -3, -1), (7, -2, -3, 1), (-7, -2, 3, -1), (1, 2, 0, 1), (-1, 2, 0, -1)],
)
def test_division_truncates_toward_zero(a: int, b: int, quotient: int, remainder: int) -> None:
    """Rule: EXPR-3."""
    assert [compute(a, b, code=19), compute(a, b, code=20)] == [quotient, remainder]


def test_division_by_zero_fails() -> None:
    """Rule: EXPR-3."""
    for code in (OpCode.DIV, OpCode.MOD):
        with pytest.raises(ComputeFailure, match="zero"):
            compute(0, 0, code=code)


def test_what_is_only_read_has_bounds_too() -> None:
    """Rule: EXPR-2."""
    reads = [Op(OpCode.CONST, 0), Op(OpCode.CALLER), Op(OpCode.VALUE), Op(OpCode.TIME)]
    for index, op in enumerate(reads):
        given_values = [0, 0, 0, 0]
        given_values[index] = BOUND
        constant, caller, value, time = given_values
        assert evaluate([op], [constant], [], [], caller, value, time) == BOUND
        given_values[index] = -(2**255) if index == 0 else 2**255
        constant, caller, value, time = given_values
        with pytest.raises(ComputeFailure):
            evaluate([op], [constant], [], [], caller, value, time)
    with pytest.raises(ComputeFailure):  # and no later op undoes it
        evaluate([Op(1, 0), Op(1, 1), Op(16)], [-(2**255), 5], [], [], 0, 0, 0)


def test_reads() -> None:
    """Rule: EXPR-1."""
    ops = [Op(OpCode.OLD, 1), Op(OpCode.NEW, 1), Op(OpCode.SUB), Op(OpCode.TIME), Op(OpCode.ADD)]
    assert evaluate(ops, [], [1, 20], [3, 4], 0, 0, 100) == 116


def test_nothing_short_circuits() -> None:
    """Rule: EXPR-1: a failing arm that is not taken fails all the same."""
    failing = [Op(1, 0), Op(1, 0), Op(OpCode.DIV)]
    for ops in (
        [Op(1, 1), Op(1, 1), *failing, Op(OpCode.SELECT)],
        [Op(1, 0), *failing, Op(OpCode.AND)],
        [Op(1, 1), *failing, Op(OpCode.OR)],
    ):
        with pytest.raises(ComputeFailure):
            evaluate(ops, [0, 1], [], [], 0, 0, 0)


def walk(rest: list[Op], reads: Mapping[int, Sequence[int]]) -> int | None:
    """Evaluate the last op of `rest` as the root of a tree; None if anything below it fails."""
    op = rest.pop()
    code = OpCode(op.code)
    below = [walk(rest, reads) for _ in range(code.operands)][::-1]
    operands = [operand for operand in below if operand is not None]
    if len(operands) < len(below):
        return None
    result: int | None
    if code.operands == 0:
        result = reads[code][op.operand]
    elif code is OpCode.NEG:
        result = -operands[0]
    elif code is OpCode.NOT:
        result = 0 if operands[0] else 1
    elif code is OpCode.SELECT:
        result = operands[1] if operands[0] else operands[2]
    else:
        result = PLAIN[code](*operands)
    return result if result is not None and abs(result) <= BOUND else None


def test_random_programs_agree_with_recursion() -> None:
    """Rules: EXPR-1, EXPR-2: a stack machine against a tree walk of the same program."""
    rng = random.Random(3)
    failed = 0
    for _ in range(2_000):
        fields = random_fields(rng, most=4)
        constants = [rng.choice([0, 1, -1, 7, 10**18, BOUND, -BOUND, 2**254]) for _ in range(3)]
        ops = random_ops(rng, fields, 3)
        old = [rng.randint(-9, 99) for _ in fields]
        new = [rng.choice([0, 1, 10**40]) for _ in fields]
        rest = list(ops)
        reads = {1: constants, 2: old, 3: new, 4: [77], 5: [10**18], 6: [1_700_000_000]}
        expected = walk(rest, reads)
        assert rest == []
        if expected is None:
            failed += 1
            with pytest.raises(ComputeFailure):
                evaluate(ops, constants, old, new, 77, 10**18, 1_700_000_000)
        else:
            assert evaluate(ops, constants, old, new, 77, 10**18, 1_700_000_000) == expected
    assert 100 < failed < 1_500


@pytest.mark.parametrize(
    ("field", "number", "value"),
    [
        (choice(b"x", b"y"), 0, b"x"),
        (choice(b"x", b"y"), 1, b"y"),
        (choice(b"x", b"y"), 2, None),
        (choice(b"x", b"y"), -1, None),
        (BOOLEAN, 0, False),
        (BOOLEAN, 1, True),
        (BOOLEAN, 2, None),
        (BOOLEAN, -1, None),
        (integer(-3, 5), -3, -3),
        (integer(-3, 5), 5, 5),
        (integer(-3, 5), 6, None),
        (integer(-3, 5), -4, None),
    ],
)
def test_computed_values_stay_in_range(field: Field, number: int, value: Value | None) -> None:
    """Rule: EXPR-4."""
    if value is None:
        with pytest.raises(ComputeFailure, match="outside"):
            from_number(field, number)
    else:
        assert from_number(field, number) == value
        assert type(from_number(field, number)) is type(value)
        assert to_number(field, value) == number
    assert to_number(text(9), b"no number") == 0


def merge(manifest: Manifest, old: tuple[Value, ...], written: dict[int, Value]) -> Merged:
    """Merge with a caller, a value and a time of no importance."""
    return merge_values(manifest, old, written, caller=5, value=0, time=9)


def test_the_ballot_counts() -> None:
    """Rule: EXPR-5."""
    assert merge(BALLOT, (b"negative", 3), {0: b"positive"}) == Merged(
        (b"positive", 4), Code.NONE, 0
    )
    assert merge(BALLOT, (b"positive", 3), {0: b"negative"}).values == (b"negative", 3)
    full = merge(BALLOT, (b"negative", 10**9), {0: b"positive"})
    assert [full.code, full.detail] == [Code.COMPUTE, 0]


def computed(name: bytes, high: int = 1_000) -> Field:
    """Return a computed INTEGER field."""
    return Field(name, FieldType.INTEGER, Role.COMPUTE, 0, low=0, high=high, digits=4)


FIELDS = (BOOLEAN, computed(b"one"), computed(b"two"))
ONE_PLUS = (Op(OpCode.NEW, 1), Op(OpCode.CONST, 3), Op(OpCode.ADD))
FAIL = (Op(OpCode.CONST, 0), Op(OpCode.CONST, 0), Op(OpCode.DIV))
HOLDS, BREAKS = (Op(OpCode.TIME),), (Op(OpCode.CONST, 0),)


def with_expressions(*expressions: tuple[int | None, tuple[Op, ...]]) -> Manifest:
    """Return a manifest over FIELDS; constants are 0, 1000, 0, 1."""
    return replace(
        SMALLEST,
        fields=FIELDS,
        constants=build_constants(FIELDS, [1]),
        expressions=tuple(Expression(target, ops) for target, ops in expressions),
    )


def test_computes_see_what_was_merged_before_them_and_guards_see_all() -> None:
    """Rule: EXPR-5: one is NEW(one) + 1; two reads the new one; the guard reads the new two."""
    both = (Op(OpCode.NEW, 2), Op(OpCode.OLD, 2), Op(OpCode.GT))
    manifest = with_expressions((None, both), (1, ONE_PLUS), (2, (*ONE_PLUS, Op(3, 0), Op(16))))
    assert merge(manifest, (False, 5, 0), {0: True}) == Merged((True, 6, 8), Code.NONE, 0)
    swapped = with_expressions((None, both), (2, ONE_PLUS), (1, ONE_PLUS))
    assert merge(swapped, (False, 5, 0), {0: True}).values == (True, 6, 6)


@pytest.mark.parametrize(
    ("expressions", "code", "detail"),
    [
        ([(None, HOLDS), (1, ONE_PLUS), (2, ONE_PLUS)], Code.NONE, 0),
        ([(None, BREAKS), (1, ONE_PLUS), (2, ONE_PLUS)], Code.GUARD, 0),
        ([(1, ONE_PLUS), (None, HOLDS), (None, BREAKS), (2, ONE_PLUS), (None, BREAKS)], 6, 2),
        ([(None, BREAKS), (1, ONE_PLUS), (2, FAIL)], Code.COMPUTE, 2),
        ([(None, FAIL), (1, ONE_PLUS), (2, FAIL)], Code.COMPUTE, 2),
        ([(None, BREAKS), (None, FAIL), (1, ONE_PLUS), (2, ONE_PLUS)], Code.COMPUTE, 1),
        ([(None, FAIL), (None, FAIL), (1, ONE_PLUS), (2, ONE_PLUS)], Code.COMPUTE, 0),
        ([(2, FAIL), (1, FAIL)], Code.COMPUTE, 0),
    ],
)
def test_precedence(
    expressions: list[tuple[int | None, tuple[Op, ...]]], code: Code, detail: int
) -> None:
    """Rule: EXPR-6."""
    merged = merge(with_expressions(*expressions), (False, 5, 0), {0: True})
    assert [merged.code, merged.detail] == [code, detail]
