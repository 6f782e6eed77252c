"""Re-execution: a batch on a state, every batch from the first, or the calls of one cell.

The state is a function of the chain: nothing here reads a posted result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from oyez.derivation import calls
from oyez.derivation.calls import Calls, Ended, get_cell_key
from oyez.derivation.history import Batch
from oyez.engines import base
from oyez.engines.base import Engine
from oyez.protocol import assertions, transition
from oyez.protocol.errors import Invalid
from oyez.protocol.execution import list_position_records
from oyez.protocol.state import State
from oyez.protocol.transition import BatchResult, Execution
from oyez.protocol.types import BatchHeader, CallId, Cell, Entry, Hash32, Manifest, Outcome

#: Calls of consecutive batches that are run together, at least, if there are as many.
CALLS_TOGETHER = 64
#: Blocks that one step of a service runs at most.
MOST_BLOCKS = 32


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
    """Run one call on its cell, alone; the arguments are those of `calls.begin`."""
    call = calls.begin(entry, cell, fetch_manifest, engine, header)
    return call if isinstance(call, Execution) else call.run(engine)


def retrace(
    execution: Execution, fetch_manifest: Callable[[Hash32], Manifest], engine: Engine
) -> list[tuple[Sequence[Hash32], Hash32]]:
    """Run a call again; return the layer records and the sampler of positions 1 on.

    `fetch_manifest` as for `execute`. Empty where the model never ran.
    """
    call = calls.begin_seeded(
        execution.entry, execution.cell_before, fetch_manifest, engine, execution.seed
    )
    if isinstance(call, Execution):
        return []
    session = engine.open(call.prefix)
    decoded = base.drive(call.steps(), session)
    return list_position_records(session, len(call.tokens), decoded)[1]


def execute_all(
    state: State,
    entries: Sequence[Entry],
    manifests: Mapping[Hash32, Manifest],
    engine: Engine,
    known: Mapping[CallId, Execution] | None = None,
    header: BatchHeader | None = None,
) -> list[Execution]:
    """Run entries on a state, as if in order; what is `known` already is not run again.

    `manifests` holds those of the entries and of the cells they meet; `header` is that of the
    entries' batch, None while it is open.
    """
    done = execute_together(state, [(entry, header) for entry in entries], manifests, engine, known)
    return [done[entry.call_id] for entry in entries]


def execute_together(
    state: State,
    entries: Iterable[tuple[Entry, BatchHeader | None]],
    manifests: Mapping[Hash32, Manifest],
    engine: Engine,
    known: Mapping[CallId, Execution] | None = None,
) -> dict[CallId, Execution]:
    """Run entries, each with its batch's header or None, on a state; return executions by call."""
    ready = known or {}
    running = Calls(
        engine,
        manifests.__getitem__,
        lambda key, _entry: state.get(key),
        lambda entry, _cell, _header: ready.get(entry.call_id),
    )
    for entry, header in entries:
        running.add(entry, header)
    done: dict[CallId, Execution] = {}
    while len(running):
        done |= {ended.execution.entry.call_id: ended.execution for ended in running.run()}
    return done


def run_until_one_ends(running: Calls) -> list[Ended]:
    """Run calls until one ends, for 32 blocks at most, so that a service's step stays short."""
    for _ in range(MOST_BLOCKS):
        ended = running.run()
        if ended:
            return ended
    return []


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
    for some in _gather(batches):
        entries = [(entry, batch.header) for batch in some for entry in batch.entries]
        manifests |= collect([entry for entry, _ in entries])
        known = execute_together(state, entries, manifests, engine)
        for batch in some:
            result = derive(state, batch, manifests, engine, known)
            state = result.state
            yield result


def _gather(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Yield runs of batches with enough calls to keep the engine busy, if there are as many."""
    some: list[Batch] = []
    for batch in batches:
        some.append(batch)
        if sum(len(each.entries) for each in some) >= CALLS_TOGETHER:
            yield some
            some = []
    if some:
        yield some


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
