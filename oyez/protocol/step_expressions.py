"""Steps of expressions: the result of each op, and whether it failed.

Expressions stand in the order in which they run: all computed fields, then all guards. An op's
lane is its result, 0 if it is none; so every op has operands, whatever failed before it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from oyez.protocol import codec
from oyez.protocol.constants import MAX_EXPRESSION_OPS, MAX_VALUE
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.manifest_layout import HEADER_BYTES, OpCode
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_machine import open_manifest
from oyez.protocol.step_scalars import MANIFEST, SPELT, read_entry, to_word
from oyez.protocol.trace import INT32_LANES, WORDS, ChunkType
from oyez.protocol.types import Expression, Field, FieldType, Hash32, Manifest, Role

#: Words of the entry's record.
_TIMESTAMP, _CALLER, _VALUE = 2, 3, 4
#: Leaves of ops that one expression takes; expressions of which failures stand in one leaf.
_OP_LEAVES = MAX_EXPRESSION_OPS // WORDS
FAIL_EXPRESSIONS = INT32_LANES // MAX_EXPRESSION_OPS


class _Running(NamedTuple):
    """An expression of a manifest, and its place among those that run before and after it."""

    manifest: Manifest
    expression: Expression
    rank: int


def list_order(manifest: Manifest) -> list[int]:
    """Return the expressions' indices in the order in which they run.

    Rule: EXPR-5
    """
    given = range(len(manifest.expressions))
    return [i for i in given if manifest.expressions[i].target is not None] + [
        i for i in given if manifest.expressions[i].target is None
    ]


def is_dead(step: Step) -> bool:
    """Say whether a leaf is dead: lane 0 asks whether there is a whole output.

    Rule: FRAME-60
    """
    return step.lane == 0 and step.read("written") is None


def compute_op(step: Step) -> int:
    """Return the result of an op; 0 if it has none.

    Rule: FRAME-61
    """
    rank, half = divmod(step.leaf, _OP_LEAVES)
    result = _run(step, rank, half * WORDS + step.lane)
    return step.filler if result is None else result[0]


def compute_fail(step: Step) -> int:
    """Return 1 if an op, or one that it takes from, has no result; else 0.

    Rule: FRAME-62
    """
    block, number = divmod(step.lane, MAX_EXPRESSION_OPS)
    result = _run(step, step.leaf * FAIL_EXPRESSIONS + block, number)
    if result is None:
        return step.filler
    base = block * MAX_EXPRESSION_OPS
    return int(result[1] or any(step.own[base + operand] == 1 for operand in result[2]))


def _run(step: Step, rank: int, number: int) -> tuple[int, bool, tuple[int, ...]] | None:
    """Return an op's result, whether it has none, and the ops it takes from; None if there is none.

    Rule: EXPR-1, EXPR-2
    """
    if is_dead(step):
        return None
    words = read_entry(step)
    published = None if words is None else open_manifest(step, words[MANIFEST])
    if words is None or published is None:
        return None
    manifest = published.manifest
    order = list_order(manifest)
    if rank >= len(order) or number >= len(manifest.expressions[order[rank]].ops):
        return None
    running = _Running(manifest, manifest.expressions[order[rank]], rank)
    op = running.expression.ops[number]
    taken = _list_operands(running.expression, number)
    match op.code:
        case OpCode.CONST:
            result: int | None = manifest.constants[op.operand]
        case OpCode.OLD:
            result = _read_old(step, manifest.fields[op.operand], op.operand)
        case OpCode.NEW:
            result = _read_new(step, running, op.operand)
        case OpCode.CALLER | OpCode.VALUE | OpCode.TIME:
            word = {OpCode.CALLER: _CALLER, OpCode.VALUE: _VALUE, OpCode.TIME: _TIMESTAMP}
            result = words[word[OpCode(op.code)]] % (1 << 256)
        case _:
            result = _apply(op.code, [_read_op(step, rank, operand) for operand in taken])
    if result is None or abs(result) > MAX_VALUE:
        return 0, True, taken
    return result, False, taken


def _list_operands(expression: Expression, number: int) -> tuple[int, ...]:
    """Return the ops whose results an op takes, the deepest first.

    Rule: EXPR-1
    """
    stack: list[int] = []
    for at, op in enumerate(expression.ops[: number + 1]):
        count = OpCode(op.code).operands
        taken = tuple(stack[len(stack) - count :])
        stack[len(stack) - count :] = [at]
    return taken


def _apply(code: int, x: list[int]) -> int | None:
    """Return an op's exact result; None of a division by 0.

    Args:
        code: of an op that takes operands.
        x: these, the deepest first, each -2^255 to 2^255 - 1.

    Rule: EXPR-3
    """
    match code, x:
        case OpCode.NEG, [a]:
            return -a
        case OpCode.NOT, [a]:
            return int(a == 0)
        case OpCode.ADD, [a, b]:
            return a + b
        case OpCode.SUB, [a, b]:
            return a - b
        case OpCode.MUL, [a, b]:
            return a * b
        case ((OpCode.DIV | OpCode.MOD), [a, b]):
            if b == 0:
                return None
            sizes = divmod(abs(a), abs(b))
            if code == OpCode.MOD:
                return -sizes[1] if a < 0 else sizes[1]
            return -sizes[0] if (a < 0) != (b < 0) else sizes[0]
        case OpCode.MIN, [a, b]:
            return min(a, b)
        case OpCode.MAX, [a, b]:
            return max(a, b)
        case OpCode.EQ, [a, b]:
            return int(a == b)
        case OpCode.LT, [a, b]:
            return int(a < b)
        case OpCode.GT, [a, b]:
            return int(a > b)
        case OpCode.LE, [a, b]:
            return int(a <= b)
        case OpCode.GE, [a, b]:
            return int(a >= b)
        case OpCode.AND, [a, b]:
            return int(a != 0 and b != 0)
        case OpCode.OR, [a, b]:
            return int(a != 0 or b != 0)
        case _, [a, b, c]:
            return b if a != 0 else c
        case _:
            raise ValueError(f"op {code} does not take {len(x)} values")


def _read_op(step: Step, rank: int, number: int) -> int:
    """Read the result of an op that ran before; 0 where none stands."""
    half, lane = divmod(number, WORDS)
    leaf = rank * _OP_LEAVES + half
    if step.region.name == "op" and leaf == step.leaf:
        return step.own[lane]
    ops = step.read("op", leaf)
    return 0 if ops is None else ops[lane]


def _read_old(step: Step, field: Field, index: int) -> int:
    """Read a field as a number, as the call met it."""
    values = read_met(step)
    return 0 if values is None else _to_number(step, field, index, values[index])


def read_met(step: Step) -> Lanes | None:
    """Read the value words that the call met."""
    record = get_record(step.address.call, Frame.STATE)
    return step.reads.read_outer(record, 1, ChunkType.BYTES32)


def _read_new(step: Step, running: _Running, index: int) -> int:
    """Read a field as a number, as merged before an expression runs.

    Rule: FRAME-63
    """
    manifest = running.manifest
    field = manifest.fields[index]
    if field.role is Role.WRITES:
        written = step.read("written")
        return 0 if written is None else _to_number(step, field, index, written[index])
    if field.role is Role.COMPUTE:
        rank = find_rank(manifest, index)
        if rank < running.rank:
            return read_result(step, manifest, rank)
    return _read_old(step, field, index)


def find_rank(manifest: Manifest, target: int) -> int:
    """Return the place of a computed field's expression among those that run."""
    targets = [e.target for e in manifest.expressions if e.target is not None]
    return targets.index(target)


def read_result(step: Step, manifest: Manifest, rank: int) -> int:
    """Read an expression's result: that of its last op."""
    expression = manifest.expressions[list_order(manifest)[rank]]
    return _read_op(step, rank, len(expression.ops) - 1)


def _to_number(step: Step, field: Field, index: int, word: int) -> int:
    """Return a value word as an expression reads it: of an option its index, 0 of none.

    Rule: FRAME-64
    """
    if field.type is not FieldType.ENUM:
        return word
    hashes = [to_word(codec.keccak(option)) for option in read_options(step, field, index)]
    return hashes.index(word) if word in hashes else 0


def read_options(step: Step, field: Field, index: int) -> list[bytes]:
    """Read an enum's options where `place` says that they are spelt; none if that is nowhere."""
    place = step.read("place")
    words = read_entry(step)
    if place is None or words is None:
        return []
    data = step.reads.read_manifest(Hash32(codec.encode_word(words[MANIFEST])))
    sizes = [len(option) for option in field.options]
    at = place[SPELT + index]
    if at < HEADER_BYTES or at + sum(sizes) > len(data):
        return []
    ends = itertools.accumulate(sizes, initial=at)
    return [data[start:end] for start, end in itertools.pairwise(ends)]


OPS: Mapping[int, Op] = MappingProxyType({121: compute_op, 122: compute_fail})
