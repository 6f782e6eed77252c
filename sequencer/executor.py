"""Runs calls in the inbox's order, as they arrive; none is ever run twice."""

from __future__ import annotations

from collections.abc import Callable

from oyez.derivation import replay
from oyez.derivation.manifests import ManifestSource
from oyez.engines.base import Engine
from oyez.protocol.transition import is_bound_to_batch
from oyez.service import Log
from sequencer.metrics import Metrics
from sequencer.store import Store


class Executor:
    """Takes the first call without an execution and runs it on its cell."""

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

    def run_next(self) -> bool:
        """Execute one call and store what it did; False when none can be executed now.

        A call that is bound to its batch, and those after it, wait for the batch to close.

        Rule: SEQ-21
        """
        call_id = self._store.count_executions()
        entry = self._store.get_entry(call_id)
        if entry is None:
            return False
        manifest = self._manifests.fetch(entry.manifest_hash)
        header = self._store.find_header(call_id)
        if header is None and is_bound_to_batch(manifest):
            return False
        if self._store.get_manifest(entry.manifest_hash) is None:
            data = self._manifests.fetch_bytes(entry.manifest_hash)
            self._store.put_manifest(entry.manifest_hash, data)
        key = replay.get_cell_key(entry, manifest)
        before = self._store.find_last_execution(key, below=call_id)
        began = self._clock()
        cell = None if before is None else before.cell_after
        execution = replay.execute(entry, cell, self._manifests.fetch, self._engine, header)
        seconds = self._clock() - began
        self._store.put_execution(execution)
        self._metrics.add_call(execution.positions, seconds)
        self._log(
            "executed",
            call=call_id,
            outcome=execution.outcome.name,
            code=execution.code.name,
            positions=execution.positions,
            seconds=seconds,
        )
        return True
