"""Steps that say what became of a call: what failed, the merged values, and the output's record."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oyez.protocol import codec, step_expressions
from oyez.protocol.constants import MAX_EXPRESSION_OPS, MAX_EXPRESSIONS
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.step import Op, Step
from oyez.protocol.step_expressions import (
    FAIL_EXPRESSIONS,
    find_rank,
    is_dead,
    list_order,
    read_met,
    read_options,
    read_result,
)
from oyez.protocol.step_scalars import (
    BYTES,
    COUNT,
    UNENDED,
    read_manifest,
    read_prompt,
    to_word,
)
from oyez.protocol.trace import ChunkType
from oyez.protocol.types import Code, Field, FieldType, Outcome, Role

#: Lane of an entry's head: where its input is bad.
_BAD = 3
#: Lanes of a prompt's head.
_TOKENS, _RAN = 0, 1
#: The last lanes of `verdict`.
_FAILED, _FALSE = 2 * MAX_EXPRESSIONS - 2, 2 * MAX_EXPRESSIONS - 1


def compute_verdict(step: Step) -> int:
    """Return the first expression so far that failed, or the first guard that does not hold.

    Rule: FRAME-65, EXPR-6
    """
    if step.lane > _FALSE:
        return step.filler
    if is_dead(step):
        return DEAD
    before = step.own[step.lane - 2] if step.lane > 1 else -1
    if before >= 0:
        return before
    rank, is_guard = divmod(step.lane, 2)
    published = read_manifest(step)
    if published is None:
        return -1
    manifest = published.manifest
    order = list_order(manifest)
    if rank >= len(order):
        return -1
    expression = manifest.expressions[order[rank]]
    if is_guard:
        is_false = expression.target is None and read_result(step, manifest, rank) == 0
        return order[rank] if is_false else -1
    if _read_fail(step, rank, len(expression.ops) - 1):
        return order[rank]
    if expression.target is not None:
        result = read_result(step, manifest, rank)
        low, high = _find_range(manifest.fields[expression.target])
        if not low <= result <= high:
            return order[rank]
    return -1


def _read_fail(step: Step, rank: int, number: int) -> bool:
    """Say whether an op failed."""
    leaf, block = divmod(rank, FAIL_EXPRESSIONS)
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
    if is_dead(step):
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
        values = read_met(step)
        return 0 if values is None else values[step.lane]
    number = read_result(step, manifest, find_rank(manifest, step.lane))
    low, high = _find_range(field)
    if not low <= number <= high:
        return 0
    if field.type is not FieldType.ENUM:
        return number
    options = read_options(step, field, step.lane)
    return to_word(codec.keccak(options[number])) if options else 0


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
        values = read_met(step)
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
        **step_expressions.OPS,
        123: compute_verdict,
        124: compute_merged,
        125: compute_head,
        126: compute_values,
        127: copy_text,
    }
)
