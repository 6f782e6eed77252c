"""The state transition: what a batch of executed calls does to the state, and what it claims.

`execute_call` (execution.py) runs the model; but for the seed of a sampled call, all it needs is
known before the batch closes.
`apply_batch` only hashes: it folds finished executions, in order, into the state and the claim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oyez.protocol import batch_data, cells, codec, receipts, trace, trace_records
from oyez.protocol.batch_data import Row
from oyez.protocol.constants import RECEIPTS_HEIGHT
from oyez.protocol.execution import Execution, check_input, execute_call
from oyez.protocol.merkle import Frontier
from oyez.protocol.state import State
from oyez.protocol.types import (
    BatchHeader,
    CallId,
    Claim,
    Code,
    Hash32,
    Manifest,
    Outcome,
    Receipt,
    SeedRule,
)

__all__ = [
    "BatchResult",
    "Execution",
    "apply_batch",
    "check_input",
    "compute_call_seed",
    "execute_call",
    "find_noise_seed",
    "is_bound_to_batch",
]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch makes of a state, and all that `propose` takes.

    Attributes:
        call_roots: trace roots of the calls, as in the rows.
        last_record_proof: 24 siblings from the leaf upwards.
    """

    state: State
    claim: Claim
    receipts: tuple[Receipt, ...]
    rows: tuple[Row, ...]
    batch_data: bytes
    call_roots: tuple[Hash32, ...]
    last_record_proof: tuple[Hash32, ...]


def apply_batch(
    *,
    state: State,
    header: BatchHeader,
    executions: Sequence[Execution],
    manifests: Mapping[Hash32, Manifest],
    outbox_root: Hash32,
) -> BatchResult:
    """Fold a batch's executions, in order of their call ids, into the state and the claim.

    Args:
        state: before the batch.
        header: as the inbox closed the batch.
        executions: of the batch's calls, each on the cell the ones before left.
        manifests: by hash: of every entry, and of every cell met.
        outbox_root: repeated as it is until the Outbox exists.

    Raises:
        ValueError: the executions are not this batch's calls, or one ran on another cell than
            the state has for it, or drew from another seed than the batch gives it.

    Rule: TRANSITION-9
    """
    endings = _list_endings(state, header, executions, manifests, outbox_root)
    receipts_tree = Frontier.empty(RECEIPTS_HEIGHT)
    if endings:
        state, receipts_tree = endings[-1].after, endings[-1].receipts_tree
    calls = [_trace_call(ending, header, manifests) for ending in endings]
    claim_roots = (state.root, outbox_root, receipts_tree.root)
    traced = trace.build_trace(calls, trace.build_last_record(*claim_roots))
    rows = tuple(
        Row(
            outcome=execution.outcome,
            code=execution.code,
            detail=execution.detail,
            positions=execution.positions,
            output=execution.output,
            call_root=call_root,
        )
        for execution, call_root in zip(executions, traced.call_roots, strict=True)
    )
    return BatchResult(
        state=state,
        claim=Claim(traced.root, *claim_roots),
        receipts=tuple(ending.receipt for ending in endings),
        rows=rows,
        batch_data=batch_data.encode_rows(rows),
        call_roots=traced.call_roots,
        last_record_proof=traced.last_record_proof,
    )


@dataclass(frozen=True, slots=True)
class CallRecords:
    """A call's record roots, from slot 0 of each position, as far as no model has to run for them.

    Attributes:
        contents, ending: what the call begins and ends with.
        execution: what the call did.
        before, after: the state around it.
        prologue, first_sampler: of position 0; the sampler stands in the last slot.
        positions: roots of positions 1 on.
        epilogue: of the last position.
    """

    contents: trace_records.Prologue
    ending: trace_records.Epilogue
    execution: Execution
    before: State
    after: State
    prologue: tuple[Hash32, ...]
    first_sampler: Hash32
    positions: tuple[Hash32, ...]
    epilogue: tuple[Hash32, ...]


def list_call_records(
    *,
    state: State,
    header: BatchHeader,
    executions: Sequence[Execution],
    manifests: Mapping[Hash32, Manifest],
    outbox_root: Hash32,
) -> list[CallRecords]:
    """Return the records below a batch's call roots; the arguments are those of `apply_batch`."""
    found = []
    for ending in _list_endings(state, header, executions, manifests, outbox_root):
        prologue, epilogue = _describe_call(ending, header, manifests)
        found.append(
            CallRecords(
                contents=prologue,
                ending=epilogue,
                execution=ending.execution,
                before=ending.before,
                after=ending.after,
                prologue=trace_records.build_prologue(prologue),
                first_sampler=prologue.sampler,
                positions=ending.execution.position_roots,
                epilogue=trace_records.build_epilogue(epilogue),
            )
        )
    return found


def compute_call_seed(manifest: Manifest, header: BatchHeader, call_id: CallId) -> Hash32:
    """Return a call's seed: the author's constant, or made of the closing block's randomness.

    Rule: TRANSITION-10
    """
    if manifest.seed_rule is SeedRule.CONSTANT:
        return manifest.seed
    return codec.compute_seed(header.prevrandao, call_id)


def is_bound_to_batch(manifest: Manifest) -> bool:
    """Tell whether a call's output hangs on its batch's randomness: it runs once that is closed.

    Rule: SAMPLE-7
    """
    return manifest.temperature > 0 and manifest.seed_rule is SeedRule.BATCH


def find_noise_seed(
    manifest: Manifest, call_id: CallId, header: BatchHeader | None
) -> Hash32 | None:
    """Return the seed of a call's noise; None at temperature 0, where there is none.

    Args:
        manifest: the one the entry names.
        call_id: the call.
        header: of the call's batch; None while that is open.

    Raises:
        ValueError: the call's batch must be closed first.
    """
    if not manifest.temperature:
        return None
    if manifest.seed_rule is SeedRule.CONSTANT:
        return manifest.seed
    if header is None:
        raise ValueError(f"call {call_id} is sampled by its batch's seed: the batch is open yet")
    return compute_call_seed(manifest, header, call_id)


def _verify_seed(
    execution: Execution, header: BatchHeader, manifests: Mapping[Hash32, Manifest]
) -> None:
    """Check that a sampled call drew from the seed that this batch gives it.

    After a re-org the same call may lie in a batch that another block closed.

    Rule: SAMPLE-8
    """
    call_id = execution.entry.call_id
    seed = find_noise_seed(manifests[execution.manifest_hash], call_id, header)
    if execution.seed != seed:
        raise ValueError(f"call {call_id} ran with another seed than batch {header.number} gives")


def _apply_execution(
    state: State, execution: Execution, manifests: Mapping[Hash32, Manifest]
) -> State:
    """Return the state after a call, whose cell must be the one it ran on."""
    if state.get(execution.cell_key) != execution.cell_before:
        raise ValueError(f"call {execution.entry.call_id} ran on another state of its cell")
    if execution.outcome is not Outcome.ACCEPTED or execution.cell_after is None:
        return state
    fields = manifests[execution.manifest_hash].fields
    return state.with_cell(execution.cell_key, execution.cell_after, fields)


def _build_receipt(execution: Execution, state: State) -> Receipt:
    return receipts.build_receipt(
        entry=execution.entry,
        outcome=execution.outcome,
        code=execution.code,
        detail=execution.detail,
        output=execution.output,
        positions=execution.positions,
        cell_key=execution.cell_key,
        cell_leaf=state.get_leaf(execution.cell_key),
    )


@dataclass(frozen=True, slots=True)
class _Ending:
    """One call within its batch."""

    execution: Execution
    receipt: Receipt
    before: State
    after: State
    receipts_tree: Frontier
    outbox_root: Hash32


def _list_endings(
    state: State,
    header: BatchHeader,
    executions: Sequence[Execution],
    manifests: Mapping[Hash32, Manifest],
    outbox_root: Hash32,
) -> list[_Ending]:
    """Return each call with the state, receipt and receipts tree that it leaves."""
    if [execution.entry.call_id for execution in executions] != [
        header.first_call + index for index in range(header.count)
    ]:
        raise ValueError(f"batch {header.number} needs its {header.count} calls, in order")
    receipts_tree = Frontier.empty(RECEIPTS_HEIGHT)
    endings = []
    for execution in executions:
        _verify_seed(execution, header, manifests)
        before, state = state, _apply_execution(state, execution, manifests)
        receipt = _build_receipt(execution, state)
        receipts_tree = receipts_tree.append(codec.compute_receipt_leaf(receipt))
        endings.append(_Ending(execution, receipt, before, state, receipts_tree, outbox_root))
    return endings


def _trace_call(
    ending: _Ending, header: BatchHeader, manifests: Mapping[Hash32, Manifest]
) -> trace.CallTrace:
    """Return a call's trace: prologue and epilogue around the positions that ran."""
    prologue, epilogue = _describe_call(ending, header, manifests)
    return trace.CallTrace(
        prologue=trace_records.compute_prologue(prologue),
        positions=ending.execution.position_roots,
        epilogue=trace_records.build_epilogue(epilogue),
    )


def _describe_call(
    ending: _Ending, header: BatchHeader, manifests: Mapping[Hash32, Manifest]
) -> tuple[trace_records.Prologue, trace_records.Epilogue]:
    """Return what a call begins and ends with."""
    execution, entry = ending.execution, ending.execution.entry
    manifest = manifests[execution.manifest_hash]
    before, after = execution.cell_before, execution.cell_after
    values = cells.compute_values(
        manifest, before, manifests[before.manifest_hash] if before is not None else None
    )
    prologue = trace_records.Prologue(
        entry=entry,
        seed=compute_call_seed(manifest, header, entry.call_id),
        cell_key=execution.cell_key,
        cell_leaf=ending.before.get_leaf(execution.cell_key),
        version=before.version if before is not None else 0,
        fields=manifest.fields,
        values=values,
        bad=execution.detail if execution.code is Code.BAD_INPUT else None,
        prompt=execution.prompt if execution.positions else None,
        sampler=execution.first_sampler,
    )
    is_accepted = execution.outcome is Outcome.ACCEPTED and after is not None
    epilogue = trace_records.Epilogue(
        receipt=ending.receipt,
        output=execution.output,
        output_tokens=len(execution.tokens),
        version=after.version if after is not None else 0,
        fields=manifest.fields,
        values=after.values if is_accepted and after is not None else values,
        state_root=ending.after.root,
        outbox_root=ending.outbox_root,
        receipts=ending.receipts_tree,
    )
    return prologue, epilogue
