"""Writes what of an output's inner trace says what the call computes, and its record.

Written from docs/spec/expr.md with what execution itself evaluates by, an op at a time, apart from
the steps in `oyez.protocol.step_compute`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from oyez.dispute.frame.output import put_output
from oyez.dispute.frame.scalars import list_words, parse_whole, put_scalars
from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.protocol import expressions, trace_records
from oyez.protocol.constants import MAX_EXPRESSION_OPS, MAX_EXPRESSIONS
from oyez.protocol.inner import Layout
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.trace import INT32_LANES, WORDS
from oyez.protocol.trace_records import Epilogue, Prologue
from oyez.protocol.types import Entry, Expression, Manifest, Op, Value
from oyez.protocol.vocabulary import Vocabulary

_OP_LEAVES = MAX_EXPRESSION_OPS // WORDS
_IN_LEAF = INT32_LANES // MAX_EXPRESSION_OPS


@dataclass(slots=True)
class _Computed:
    """What became of the expressions run so far, in order.

    Attributes:
        after: the fields as numbers, as merged so far.
        merged: the fields' values, those that no expression gave left out.
        failed, false: the first to fail, the first guard that does not hold; -1 if none.
        verdict: both, after each expression.
    """

    after: list[int]
    merged: dict[int, Value]
    failed: int = -1
    false: int = -1
    results: list[list[int]] = field(default_factory=list)
    failures: list[list[int]] = field(default_factory=list)
    verdict: list[int] = field(default_factory=list)


def build_output(
    layout: Layout,
    manifest: Manifest,
    vocabulary: Vocabulary,
    tokens: Sequence[int],
    prologue: Prologue,
    epilogue: Epilogue,
) -> InnerLeaves:
    """Return all leaves of an output's record.

    Args:
        layout: of such records.
        manifest: the one the call's entry names.
        vocabulary: of the model.
        tokens: of the output; none if the model never ran.
        prologue: what the call begins with.
        epilogue: what it ends with.

    Rule: FRAME-51, FRAME-58, FRAME-59
    """
    leaves = InnerLeaves(layout)
    put_output(leaves, manifest, vocabulary, tokens)
    put_scalars(leaves, manifest, vocabulary, len(tokens), epilogue.output)
    put_compute(leaves, manifest, vocabulary, prologue, epilogue)
    return leaves


def put_compute(
    leaves: InnerLeaves,
    manifest: Manifest,
    vocabulary: Vocabulary,
    prologue: Prologue,
    epilogue: Epilogue,
) -> None:
    """Write the regions from `op` on, and the record as the outer trace has it.

    Args:
        leaves: of an output's record.
        manifest: the one the call's entry names.
        vocabulary: of the model.
        prologue: what the call begins with.
        epilogue: what it ends with.

    Rule: FRAME-59
    """
    leaves.put_record(trace_records.build_epilogue_chunks(epilogue)[0])
    written = parse_whole(manifest, epilogue.output, vocabulary)
    if not written:
        return
    computed = _compute(manifest, prologue.entry, prologue.values, written)
    for rank, results in enumerate(computed.results):
        leaves.put_words("op", results, rank * _OP_LEAVES)
    for leaf in range(0, len(computed.failures), _IN_LEAF):
        lanes: list[int] = []
        for failures in computed.failures[leaf : leaf + _IN_LEAF]:
            empty = [np.iinfo(np.int32).min] * (MAX_EXPRESSION_OPS - len(failures))
            lanes += [*failures, *empty]
        leaves.put("fail", np.array(lanes, np.int64), leaf // _IN_LEAF)
    rest = [computed.failed, computed.false] * (MAX_EXPRESSIONS - len(computed.results))
    leaves.put("verdict", np.array([*computed.verdict, *rest], np.int64))
    leaves.put_words("merged", list_words(manifest, computed.merged))


def _compute(
    manifest: Manifest, entry: Entry, met: Sequence[Value], written: dict[int, Value]
) -> _Computed:
    """Run all expressions, those too that come after a failure."""
    fields = manifest.fields
    values = [written.get(index, value) for index, value in enumerate(met)]
    before = [expressions.to_number(f, v) for f, v in zip(fields, met, strict=True)]
    after = [expressions.to_number(f, v) for f, v in zip(fields, values, strict=True)]
    targets = {expression.target for expression in manifest.expressions}
    kept = {index: value for index, value in enumerate(values) if index not in targets}
    computed = _Computed(after, kept)
    numbered = list(enumerate(manifest.expressions))
    # false sorts before true, and the sort keeps the rest
    for index, expression in sorted(numbered, key=lambda pair: pair[1].target is None):
        _run(manifest, entry, before, computed, expression)
        result = computed.results[-1][-1]
        failed = computed.failures[-1][-1] == 1
        if expression.target is None:
            computed.false = index if computed.false < 0 and result == 0 else computed.false
        else:
            try:
                given = expressions.from_number(fields[expression.target], result)
                computed.merged[expression.target] = given
            except expressions.ComputeFailure:
                failed = True
            computed.after[expression.target] = result
        computed.failed = index if computed.failed < 0 and failed else computed.failed
        computed.verdict += [computed.failed, computed.false]
    return computed


def _run(
    manifest: Manifest,
    entry: Entry,
    before: list[int],
    computed: _Computed,
    expression: Expression,
) -> None:
    """Append an expression's results and failures, one an op."""
    results: list[int] = []
    failures: list[int] = []
    stack: list[int] = []
    for at, op in enumerate(expression.ops):
        count = OpCode(op.code).operands
        taken = [stack.pop() for _ in range(count)][::-1]
        stack.append(at)
        ops, constants = [op], manifest.constants
        if count:
            ops = [*(Op(OpCode.CONST, number) for number in range(count)), op]
            constants = tuple(results[operand] for operand in taken)
        failed = any(failures[operand] for operand in taken)
        try:
            result = expressions.evaluate(
                ops,
                constants,
                before,
                computed.after,
                int.from_bytes(entry.caller, "big"),
                entry.value,
                entry.timestamp,
            )
        except expressions.ComputeFailure:
            result, failed = 0, True
        results.append(result)
        failures.append(int(failed))
    computed.results.append(results)
    computed.failures.append(failures)
