"""Steps that compute: each op of an expression, what failed, the merged values, and the record.

Expressions stand in the order in which they run: all computed fields, then all guards. An op's
lane is its result, 0 if it is none; so every op has operands, whatever failed before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from oyez.protocol import codec
from oyez.protocol.constants import MAX_EXPRESSION_OPS, MAX_EXPRESSIONS, MAX_VALUE
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_machine import open_manifest
from oyez.protocol.step_scalars import (
    BYTES,
    COUNT,
    MANIFEST,
    UNENDED,
    read_entry,
    read_manifest,
    read_prompt,
    to_word,
)
from oyez.protocol.trace import INT32_LANES, WORDS, ChunkType
from oyez.protocol.types import Code, Expression, Field, FieldType, Manifest, Outcome, Role

#: Words of the entry's record.
_TIMESTAMP, _CALLER, _VALUE = 2, 3, 4
#: Lane of its head: where its input is bad.
_BAD = 3
#: Lanes of a prompt's head.
_TOKENS, _RAN = 0, 1
#: Leaves of ops that one expression takes; expressions of which failures stand in one leaf.
_OP_LEAVES = MAX_EXPRESSION_OPS // WORDS
_FAIL_EXPRESSIONS = INT32_LANES // MAX_EXPRESSION_OPS
#: The last lanes of `verdict`.
_FAILED, _FALSE = 2 * MAX_EXPRESSIONS - 2, 2 * MAX_EXPRESSIONS - 1


class _Running(NamedTuple):
    """An expression of a manifest, and its place among those that run before and after it."""

    manifest: Manifest
    expression: Expression
    rank: int


def _list_order(manifest: Manifest) -> list[int]:
    """Return the expressions' indices in the order in which they run.

    Rule: EXPR-5
    """
    given = range(len(manifest.expressions))
    return [i for i in given if manifest.expressions[i].target is not None] + [
        i for i in given if manifest.expressions[i].target is None
    ]


def _is_dead(step: Step) -> bool:
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
    result = _run(step, step.leaf * _FAIL_EXPRESSIONS + block, number)
    if result is None:
        return step.filler
    base = block * MAX_EXPRESSION_OPS
    return int(result[1] or any(step.own[base + operand] == 1 for operand in result[2]))


def _run(step: Step, rank: int, number: int) -> tuple[int, bool, tuple[int, ...]] | None:
    """Return an op's result, whether it has none, and the ops it takes from; None if there is none.

    Rule: EXPR-1, EXPR-2
    """
    if _is_dead(step):
        return None
    words = read_entry(step)
    published = None if words is None else open_manifest(step, words[MANIFEST])
    if words is None or published is None:
        return None
    manifest = published.manifest
    order = _list_order(manifest)
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
    values = _read_met(step)
    return 0 if values is None else _to_number(field, values[index])


def _read_met(step: Step) -> Lanes | None:
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
        return 0 if written is None else _to_number(field, written[index])
    if field.role is Role.COMPUTE:
        rank = _find_rank(manifest, index)
        if rank < running.rank:
            return _read_result(step, manifest, rank)
    return _read_old(step, field, index)


def _find_rank(manifest: Manifest, target: int) -> int:
    """Return the place of a computed field's expression among those that run."""
    targets = [e.target for e in manifest.expressions if e.target is not None]
    return targets.index(target)


def _read_result(step: Step, manifest: Manifest, rank: int) -> int:
    """Read an expression's result: that of its last op."""
    expression = manifest.expressions[_list_order(manifest)[rank]]
    return _read_op(step, rank, len(expression.ops) - 1)


def _to_number(field: Field, word: int) -> int:
    """Return a value word as an expression reads it: of an option its index, 0 of none.

    Rule: FRAME-64
    """
    if field.type is not FieldType.ENUM:
        return word
    hashes = [to_word(codec.keccak(option)) for option in field.options]
    return hashes.index(word) if word in hashes else 0


def compute_verdict(step: Step) -> int:
    """Return the first expression so far that failed, or the first guard that does not hold.

    Rule: FRAME-65, EXPR-6
    """
    if step.lane > _FALSE:
        return step.filler
    if _is_dead(step):
        return DEAD
    before = step.own[step.lane - 2] if step.lane > 1 else -1
    if before >= 0:
        return before
    rank, is_guard = divmod(step.lane, 2)
    published = read_manifest(step)
    if published is None:
        return -1
    manifest = published.manifest
    order = _list_order(manifest)
    if rank >= len(order):
        return -1
    expression = manifest.expressions[order[rank]]
    if is_guard:
        is_false = expression.target is None and _read_result(step, manifest, rank) == 0
        return order[rank] if is_false else -1
    if _read_fail(step, rank, len(expression.ops) - 1):
        return order[rank]
    if expression.target is not None:
        result = _read_result(step, manifest, rank)
        low, high = _find_range(manifest.fields[expression.target])
        if not low <= result <= high:
            return order[rank]
    return -1


def _read_fail(step: Step, rank: int, number: int) -> bool:
    """Say whether an op failed."""
    leaf, block = divmod(rank, _FAIL_EXPRESSIONS)
    failures = step.read("fail", leaf)
    return failures is not None and failures[block * MAX_EXPRESSION_OPS + number] == 1


def _find_range(field: Field) -> tuple[int, int]:
    """Return the lowest and highest number of a computed field.

    Rule: EXPR-4
    """
    match field.type:
        case FieldType.ENUM:
            return 0, len(field.options) - 1
        case FieldType.BOOLEAN:
            return 0, 1
        case _:
            return field.low, field.high


def compute_merged(step: Step) -> int:
    """Return the value word of a field after the output is merged.

    Rule: FRAME-66
    """
    if _is_dead(step):
        return DEAD
    published = read_manifest(step)
    if published is None or step.lane >= len(published.manifest.fields):
        return 0
    manifest = published.manifest
    field = manifest.fields[step.lane]
    if field.role is Role.WRITES:
        written = step.read("written")
        return 0 if written is None else written[step.lane]
    if field.role is Role.KEPT:
        values = _read_met(step)
        return 0 if values is None else values[step.lane]
    number = _read_result(step, manifest, _find_rank(manifest, step.lane))
    low, high = _find_range(field)
    if not low <= number <= high:
        return 0
    return to_word(codec.keccak(field.options[number])) if field.options else number


def compute_head(step: Step) -> int:
    """Return a lane of the record's first chunk: how the call ended.

    Rule: FRAME-67
    """
    match step.lane:
        case 0:
            return _find_outcome(step)
        case 1 if step.own[0] == Outcome.ACCEPTED:
            return Code.NONE
        case 1:
            return _find_code(step)
        case 2:
            return _find_detail(step)
        case 3:
            return _find_positions(step)
        case 4 | 5:
            place = step.read("place")
            return 0 if place is None else place[COUNT if step.lane == 4 else BYTES]
        case _:
            return step.filler


def _find_outcome(step: Step) -> int:
    prompt = read_prompt(step)
    if prompt is None:
        return DEAD
    verdict = step.read("verdict") if prompt[_RAN] == 1 else None
    if verdict is None or verdict[_FAILED] >= 0 or verdict[_FALSE] >= 0:
        return Outcome.REJECTED
    return Outcome.ACCEPTED


def _find_code(step: Step) -> int:
    """Return the first code that applies.

    Rule: TRANSITION-6
    """
    prompt = read_prompt(step)
    if prompt is None or prompt[_RAN] != 1:
        record = get_record(step.address.call, Frame.ENTRY)
        head = step.reads.read_outer(record, 0, ChunkType.INT32)
        is_bad = head is not None and head[_BAD] >= 0
        return Code.BAD_INPUT if is_bad else Code.CONTEXT_OVERFLOW
    verdict = step.read("verdict")
    if verdict is None:
        return Code.OUT_OF_TOKENS
    return Code.COMPUTE if verdict[_FAILED] >= 0 else Code.GUARD


def _find_detail(step: Step) -> int:
    match step.own[1]:
        case Code.BAD_INPUT:
            record = get_record(step.address.call, Frame.ENTRY)
            found, lane = step.reads.read_outer(record, 0, ChunkType.INT32), _BAD
        case Code.OUT_OF_TOKENS:
            found, lane = step.read("place"), UNENDED
        case Code.COMPUTE:
            found, lane = step.read("verdict"), _FAILED
        case Code.GUARD:
            found, lane = step.read("verdict"), _FALSE
        case _:
            return 0
    return 0 if found is None else found[lane]


def _find_positions(step: Step) -> int:
    prompt = read_prompt(step)
    if prompt is None or prompt[_RAN] != 1:
        return 0
    place = step.read("place")
    return prompt[_TOKENS] + (0 if place is None else place[COUNT])


def compute_values(step: Step) -> int:
    """Return a value word after the call: merged if it was accepted, else as the call met it.

    Rule: FRAME-68
    """
    if step.lane == 0 and read_prompt(step) is None:
        return DEAD
    head = step.read("output_head")
    if head is not None and head[0] == Outcome.ACCEPTED:
        values = step.read("merged")
    else:
        values = _read_met(step)
    return 0 if values is None else values[step.lane]


def copy_text(step: Step) -> int:
    """Return a byte of the output.

    Rule: FRAME-69
    """
    if step.lane == 0 and read_prompt(step) is None:
        return DEAD
    text = step.read("text")
    return 0 if text is None else text[step.lane]


OPS: Mapping[int, Op] = MappingProxyType(
    {
        121: compute_op,
        122: compute_fail,
        123: compute_verdict,
        124: compute_merged,
        125: compute_head,
        126: compute_values,
        127: copy_text,
    }
)
