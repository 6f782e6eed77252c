"""The sequencer's own results, as duels ask for them: all of it is in the store."""

from __future__ import annotations

from collections.abc import Sequence

from oyez.derivation import replay
from oyez.derivation.history import Batch
from oyez.derivation.manifests import ManifestSource
from oyez.protocol.errors import Fatal
from oyez.protocol.state import State
from oyez.protocol.transition import Execution
from oyez.protocol.types import Claim, Entry, Hash32, Manifest
from sequencer.store import Store


class OwnResults:
    """An `oyez.dispute.outer.Results`."""

    def __init__(self, store: Store, manifests: ManifestSource) -> None:
        """Take where batches and executions stand."""
        self._store = store
        self._manifests = manifests

    def fetch_claim(self, batch: int) -> Claim:
        """Return the claim of a batch's own result."""
        result = self._store.get_result(batch)
        if result is None:
            raise Fatal(f"the store lost the result of batch {batch}: start with an empty home")
        return result.claim

    def fetch_executed(self, batch: int) -> tuple[State, Batch, Sequence[Execution]]:
        """Return the state before a batch, folded anew, the batch, and its executions in order."""
        state = State.empty()
        for number in range(1, batch):
            earlier = self._get(number)
            manifests = self.collect(earlier.entries)
            state = replay.fold_state(
                state, self._store.list_executions(earlier.entries), manifests
            )
        closed = self._get(batch)
        return state, closed, self._store.list_executions(closed.entries)

    def collect(self, entries: Sequence[Entry]) -> dict[Hash32, Manifest]:
        """Return the manifests of these entries, and of the cells they meet."""
        return self._manifests.collect(entries)

    def fetch_manifest(self, manifest_hash: Hash32) -> Manifest:
        """Return a manifest."""
        return self._manifests.fetch(manifest_hash)

    def _get(self, number: int) -> Batch:
        batch = self._store.get_batch(number)
        if batch is None:
            raise Fatal(f"the store lost batch {number}: start with an empty home")
        return batch
