"""Runs calls as they arrive, those on different cells together; none is ever run twice."""

from __future__ import annotations

from collections.abc import Callable

from oyez.derivation import replay
from oyez.derivation.calls import Calls
from oyez.derivation.manifests import ManifestSource
from oyez.engines.base import Engine
from oyez.protocol.transition import Execution, is_bound_to_batch
from oyez.protocol.types import Cell, Entry, Hash32
from oyez.service import Log
from sequencer.metrics import Metrics
from sequencer.store import Store

#: Calls that are taken from the store, and how few may be left before it is asked for more.
MOST_CALLS, FEW_CALLS = 64, 32


class Executor:
    """Takes the calls without an execution, runs each on its cell, and stores what it did."""

    def __init__(
        self,
        *,
        store: Store,
        manifests: ManifestSource,
        engine: Engine,
        metrics: Metrics,
        clock: Callable[[], float],
        log: Log,
    ) -> None:
        """Take what it reads, runs and reports to; `clock` gives seconds, for the log only."""
        self._store = store
        self._manifests = manifests
        self._engine = engine
        self._metrics = metrics
        self._clock = clock
        self._log = log
        self._begin()

    def run_next(self) -> bool:
        """Run calls until one ends, for 32 blocks at most; False when none can be executed now.

        Each is stored as soon as it ends; those that have not ended go on at the next step.

        Rule: SEQ-23
        """
        if self._rewinds != self._store.rewinds:
            # What is under way may have met what the chain no longer holds.
            self._begin()
        self._add()
        if not len(self._calls):
            return False
        began = self._clock()
        ended = replay.run_until_one_ends(self._calls)
        self._metrics.add_seconds(self._clock() - began)
        for each in ended:
            self._put(each.execution)
        return True

    def _begin(self) -> None:
        """Begin with no call under way."""
        self._rewinds = self._store.rewinds
        self._added: dict[int, float] = {}
        #: All calls below are executed: so long as nothing is forgotten, nobody looks there again.
        self._first = 0
        self._calls = Calls(self._engine, self._manifests.fetch, self._get_cell)

    def _add(self) -> None:
        """Add the next calls that are not executed.

        A call that is bound to its batch, and those after it, wait for the batch to close.

        Rule: SEQ-21
        """
        if len(self._calls) >= FEW_CALLS:
            return
        found = self._store.list_unexecuted(MOST_CALLS, self._first)
        self._first = found[0].call_id if found else self._store.count_calls()
        for entry in found:
            if entry.call_id in self._added:
                continue
            manifest = self._manifests.fetch(entry.manifest_hash)
            header = self._store.find_header(entry.call_id)
            if header is None and is_bound_to_batch(manifest):
                return
            if self._store.get_manifest(entry.manifest_hash) is None:
                data = self._manifests.fetch_bytes(entry.manifest_hash)
                self._store.put_manifest(entry.manifest_hash, data)
            self._calls.add(entry, header)
            self._added[entry.call_id] = self._clock()

    def _get_cell(self, key: Hash32, entry: Entry) -> Cell | None:
        before = self._store.find_last_execution(key, below=entry.call_id)
        return None if before is None else before.cell_after

    def _put(self, execution: Execution) -> None:
        call_id = execution.entry.call_id
        self._store.put_execution(execution)
        seconds = self._clock() - self._added.pop(call_id)
        self._metrics.add_call(execution.positions)
        self._log(
            "executed",
            call=call_id,
            outcome=execution.outcome.name,
            code=execution.code.name,
            positions=execution.positions,
            seconds=seconds,
        )
