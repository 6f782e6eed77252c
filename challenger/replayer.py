"""Replays every call with this node's own engine, and builds every batch's own result."""

from __future__ import annotations

from collections.abc import Sequence

from challenger.store import Store, compute_origin
from oyez.derivation import replay
from oyez.derivation.calls import Calls, Ended
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
        self._calls = Calls(
            engine, manifests.fetch, lambda key, _entry: self._cells.get(key), self._find
        )

    def can_run(self, entry: Entry, header: BatchHeader | None) -> bool:
        """Tell whether a call can be replayed, given its batch's header, None while it is open.

        Rule: CHAL-27
        """
        manifest = self._manifests.fetch(entry.manifest_hash)
        return header is not None or not is_bound_to_batch(manifest)

    def add(self, entry: Entry, header: BatchHeader | None = None) -> None:
        """Take the next call of the inbox."""
        self._calls.add(entry, header)

    def run(self) -> list[Ended]:
        """Replay calls until one ends, for 32 blocks at most; return those that ended.

        Rule: CHAL-7
        """
        ended = replay.run_until_one_ends(self._calls)
        for each in ended:
            execution = each.execution
            if each.is_new:
                origin = compute_origin(
                    execution.entry, execution.cell_before, self._engine.model_root, execution.seed
                )
                self._store.put_execution(origin, execution)
            if execution.cell_after is not None:
                self._cells[execution.cell_key] = execution.cell_after
            self._done[execution.entry.call_id] = execution
        return ended

    @property
    def waiting(self) -> int:
        """Calls that were added and have not ended."""
        return len(self._calls)

    def has_all(self, entries: Sequence[Entry]) -> bool:
        """Tell whether these calls were all replayed."""
        return all(entry.call_id in self._done for entry in entries)

    def _find(
        self, entry: Entry, cell: Cell | None, header: BatchHeader | None
    ) -> Execution | None:
        """Return what was executed before."""
        manifest = self._manifests.fetch(entry.manifest_hash)
        seed = find_noise_seed(manifest, entry.call_id, header)
        origin = compute_origin(entry, cell, self._engine.model_root, seed)
        return self._store.get_execution(origin, entry)

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
