"""This node's own results, as duels ask for them: executions come from the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from challenger.store import Store, compute_origin
from oyez.derivation import replay
from oyez.derivation.calls import get_cell_key
from oyez.derivation.history import Batch
from oyez.derivation.manifests import ManifestSource
from oyez.engines.base import Engine
from oyez.protocol.state import State
from oyez.protocol.transition import BatchResult, Execution, find_noise_seed
from oyez.protocol.types import Cell, Claim, Entry, Hash32, Manifest


class OwnResults:
    """An `oyez.dispute.outer.Results`."""

    def __init__(
        self,
        engine: Engine,
        manifests: ManifestSource,
        store: Store,
        get: Callable[[int], tuple[Batch, BatchResult]],
    ) -> None:
        """Take the store, and `get`, which gives a built batch and its result."""
        self._engine = engine
        self._manifests = manifests
        self._store = store
        self._get = get

    def fetch_claim(self, batch: int) -> Claim:
        """Return the claim of a batch's own result."""
        return self._get(batch)[1].claim

    def fetch_executed(self, batch: int) -> tuple[State, Batch, Sequence[Execution]]:
        """Return the state before a batch, the batch, and its executions in order."""
        state = State.empty() if batch == 1 else self._get(batch - 1)[1].state
        closed = self._get(batch)[0]
        changed: dict[Hash32, Cell] = {}
        executions = []
        for entry in closed.entries:
            key = get_cell_key(entry, self._manifests.fetch(entry.manifest_hash))
            execution = self._recall(entry, changed.get(key, state.get(key)), closed)
            if execution.cell_after is not None:
                changed[key] = execution.cell_after
            executions.append(execution)
        return state, closed, executions

    def collect(self, entries: Sequence[Entry]) -> dict[Hash32, Manifest]:
        """Return the manifests of these entries, and of the cells they meet."""
        return self._manifests.collect(entries)

    def fetch_manifest(self, manifest_hash: Hash32) -> Manifest:
        """Return a manifest."""
        return self._manifests.fetch(manifest_hash)

    def _recall(self, entry: Entry, cell: Cell | None, batch: Batch) -> Execution:
        manifest = self._manifests.fetch(entry.manifest_hash)
        seed = find_noise_seed(manifest, entry.call_id, batch.header)
        origin = compute_origin(entry, cell, self._engine.model_root, seed)
        found = self._store.get_execution(origin, entry)
        if found is not None:
            return found
        return replay.execute(entry, cell, self._manifests.fetch, self._engine, batch.header)
