"""Re-execution: a batch on a state, every batch from the first, or the calls of one cell.

The state is a function of the chain: nothing here reads a posted result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from oyez.derivation.history import Batch
from oyez.engines import base
from oyez.engines.base import Engine
from oyez.protocol import assertions, codec, masks, transition
from oyez.protocol.errors import Invalid
from oyez.protocol.execution import begin_call, list_position_records
from oyez.protocol.machine import Machine, MachineState
from oyez.protocol.state import State
from oyez.protocol.transition import BatchResult, Execution
from oyez.protocol.types import BatchHeader, CallId, Cell, Entry, Hash32, Manifest, Outcome
from oyez.protocol.vocabulary import Vocabulary


@runtime_checkable
class Masked(Protocol):
    """An engine with a faster mask than the reference, equal to it."""

    def allowed(
        self, machine: Machine, state: MachineState, vocabulary: Vocabulary
    ) -> Sequence[int]:
        """Return the tokens that keep the machine alive, ascending."""
        ...


@dataclass(frozen=True, slots=True)
class CellReplay:
    """The calls of one cell, re-executed in order; the last one is the call asked for.

    Attributes:
        tokens_run: positions that the model ran, over all calls.
    """

    executions: tuple[Execution, ...]
    tokens_run: int

    @property
    def last(self) -> Execution:
        """The execution of the call asked for."""
        return self.executions[-1]


def execute(
    entry: Entry,
    cell: Cell | None,
    fetch_manifest: Callable[[Hash32], Manifest],
    engine: Engine,
    header: BatchHeader | None = None,
) -> Execution:
    """Run one call on its cell; never raises for a valid entry.

    `fetch_manifest` gives the entry's manifest, and the one the cell was stored under; `header`
    is that of the entry's batch, None while it is open: only a call that is not bound to its batch
    (SAMPLE-7) runs then.
    """
    allowed = engine.allowed if isinstance(engine, Masked) else masks.allowed_tokens
    manifest = fetch_manifest(entry.manifest_hash)
    return transition.execute_call(
        entry=entry,
        manifest=manifest,
        cell=cell,
        engine=engine,
        allowed=allowed,
        previous=None if cell is None else fetch_manifest(cell.manifest_hash),
        seed=transition.find_noise_seed(manifest, entry.call_id, header),
    )


def retrace(
    execution: Execution, fetch_manifest: Callable[[Hash32], Manifest], engine: Engine
) -> list[tuple[Sequence[Hash32], Hash32]]:
    """Run a call again; return the layer records and the sampler of positions 1 on.

    `fetch_manifest` as for `execute`. Empty where the model never ran.
    """
    entry, cell = execution.entry, execution.cell_before
    allowed = engine.allowed if isinstance(engine, Masked) else masks.allowed_tokens
    call = begin_call(
        entry=entry,
        manifest=fetch_manifest(entry.manifest_hash),
        cell=cell,
        engine=engine,
        allowed=allowed,
        previous=None if cell is None else fetch_manifest(cell.manifest_hash),
        seed=execution.seed,
    )
    if isinstance(call, Execution):
        return []
    session = engine.open(call.prefix)
    decoded = base.drive(call.steps(), session)
    return list_position_records(session, len(call.tokens), decoded)[1]


def get_cell_key(entry: Entry, manifest: Manifest) -> Hash32:
    """Return the key of the cell that a call meets."""
    return codec.compute_cell_key(entry.action_id, manifest.cell_kind, entry.caller, entry.cell)


def execute_all(
    state: State,
    entries: Sequence[Entry],
    manifests: Mapping[Hash32, Manifest],
    engine: Engine,
    known: Mapping[CallId, Execution] | None = None,
    header: BatchHeader | None = None,
) -> list[Execution]:
    """Run entries in order on a state; what is `known` already is not run again.

    `manifests` holds those of the entries and of the cells they meet; `header` is that of the
    entries' batch, None while it is open.
    """
    known = known or {}
    changed: dict[Hash32, Cell] = {}
    executions = []
    for entry in entries:
        execution = known.get(entry.call_id)
        if execution is None:
            key = get_cell_key(entry, manifests[entry.manifest_hash])
            cell = changed.get(key, state.get(key))
            execution = execute(entry, cell, manifests.__getitem__, engine, header)
        if execution.cell_after is not None:
            changed[execution.cell_key] = execution.cell_after
        executions.append(execution)
    return executions


def fold_state(
    state: State, executions: Iterable[Execution], manifests: Mapping[Hash32, Manifest]
) -> State:
    """Return the state after finished executions, in order; nothing is run or traced."""
    for execution in executions:
        if execution.outcome is Outcome.ACCEPTED and execution.cell_after is not None:
            fields = manifests[execution.cell_after.manifest_hash].fields
            state = state.with_cell(execution.cell_key, execution.cell_after, fields)
    return state


def derive(
    state: State,
    batch: Batch,
    manifests: Mapping[Hash32, Manifest],
    engine: Engine,
    known: Mapping[CallId, Execution] | None = None,
) -> BatchResult:
    """Apply a batch to the state before it: the state after it, receipts, rows and the claim.

    `known` holds executions already made, which are not repeated; `manifests` those of the
    entries and of the cells they meet.

    Rule: DERIVE-8
    """
    executions = execute_all(state, batch.entries, manifests, engine, known, batch.header)
    return transition.apply_batch(
        state=state,
        header=batch.header,
        executions=executions,
        manifests=manifests,
        outbox_root=assertions.compute_empty_outbox_root(),
    )


def derive_all(
    batches: Iterable[Batch],
    collect: Callable[[Sequence[Entry]], Mapping[Hash32, Manifest]],
    engine: Engine,
) -> Iterator[BatchResult]:
    """Yield every batch's result, from batch 1 on the empty state.

    `collect` is `ManifestSource.collect`.
    """
    state = State.empty()
    manifests: dict[Hash32, Manifest] = {}
    for batch in batches:
        manifests |= collect(batch.entries)
        result = derive(state, batch, manifests, engine)
        state = result.state
        yield result


def replay_cell(
    entries: Sequence[Entry],
    call_id: int,
    fetch_manifest: Callable[[Hash32], Manifest],
    engine: Engine,
    *,
    find_header: Callable[[CallId], BatchHeader | None] = lambda _: None,
    report: Callable[[Entry], None] = lambda _: None,
) -> CellReplay:
    """Re-execute all calls of one cell up to `call_id`, from the inbox's entries alone.

    `entries` are those of the inbox from call 0; `fetch_manifest` is `ManifestSource.fetch`, or
    gives other bytes to see a replay fail; `find_header` gives the batch of a call that is bound
    to it; `report` hears of each call before it runs.

    Raises:
        Invalid: there is no such call.

    Rule: DERIVE-9
    """
    if not 0 <= call_id < len(entries):
        raise Invalid("DERIVE-9", f"the inbox holds no call {call_id}: it holds {len(entries)}")
    target = entries[call_id]
    key = get_cell_key(target, fetch_manifest(target.manifest_hash))
    cell: Cell | None = None
    executions = []
    for entry in entries[: call_id + 1]:
        if entry.action_id != target.action_id:
            continue
        if get_cell_key(entry, fetch_manifest(entry.manifest_hash)) != key:
            continue
        report(entry)
        execution = execute(entry, cell, fetch_manifest, engine, find_header(entry.call_id))
        cell = execution.cell_after
        executions.append(execution)
    return CellReplay(tuple(executions), sum(e.positions for e in executions))
