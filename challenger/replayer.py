"""Replays every call with this node's own engine, and builds every batch's own result."""

from __future__ import annotations

from challenger.store import Store, compute_origin
from oyez.derivation import replay
from oyez.derivation.history import Batch
from oyez.derivation.manifests import ManifestSource
from oyez.engines.base import Engine
from oyez.protocol.state import State
from oyez.protocol.transition import (
    BatchResult,
    Execution,
    find_noise_seed,
    is_bound_to_batch,
)
from oyez.protocol.types import BatchHeader, CallId, Cell, Entry, Hash32


class Replayer:
    """Cells after the calls replayed so far, and the state after the batches built so far."""

    def __init__(self, engine: Engine, manifests: ManifestSource, store: Store) -> None:
        """Begin at genesis."""
        self._engine = engine
        self._manifests = manifests
        self._store = store
        self._state = State.empty()
        self._cells: dict[Hash32, Cell] = {}
        self._done: dict[CallId, Execution] = {}

    def can_run(self, entry: Entry, header: BatchHeader | None) -> bool:
        """Tell whether a call can be replayed, given its batch's header, None while it is open.

        Rule: CHAL-27
        """
        manifest = self._manifests.fetch(entry.manifest_hash)
        return header is not None or not is_bound_to_batch(manifest)

    def run(self, entry: Entry, header: BatchHeader | None = None) -> tuple[Execution, bool]:
        """Replay the next call; return it, and whether the model had to run.

        Rule: CHAL-7
        """
        manifest = self._manifests.fetch(entry.manifest_hash)
        key = replay.get_cell_key(entry, manifest)
        cell = self._cells.get(key)
        seed = find_noise_seed(manifest, entry.call_id, header)
        origin = compute_origin(entry, cell, self._engine.model_root, seed)
        execution = self._store.get_execution(origin, entry)
        is_new = execution is None
        if execution is None:
            execution = replay.execute(entry, cell, self._manifests.fetch, self._engine, header)
            self._store.put_execution(origin, execution)
        if execution.cell_after is not None:
            self._cells[key] = execution.cell_after
        self._done[entry.call_id] = execution
        return execution, is_new

    def build(self, batch: Batch) -> BatchResult:
        """Build the next batch, all of whose calls were replayed."""
        result = replay.derive(
            self._state,
            batch,
            self._manifests.collect(batch.entries),
            self._engine,
            known=self._done,
        )
        self._state = result.state
        for entry in batch.entries:
            del self._done[entry.call_id]
        return result
