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

#: States kept, one after each of the last batches that were folded; they share what is the same.
KEPT = 256


class OwnResults:
    """An `oyez.dispute.outer.Results`."""

    def __init__(self, store: Store, manifests: ManifestSource) -> None:
        """Take where batches and executions stand."""
        self._store = store
        self._manifests = manifests
        self._states: dict[Hash32, State] = {}

    def fetch_claim(self, batch: int) -> Claim:
        """Return the claim of a batch's own result."""
        result = self._store.get_result(batch)
        if result is None:
            raise Fatal(f"the store lost the result of batch {batch}: start with an empty home")
        return result.claim

    def fetch_executed(self, batch: int) -> tuple[State, Batch, Sequence[Execution]]:
        """Return the state before a batch, the batch, and its executions in order."""
        closed = self._get(batch)
        return self._find_after(batch - 1), closed, self._store.list_executions(closed.entries)

    def collect(self, entries: Sequence[Entry]) -> dict[Hash32, Manifest]:
        """Return the manifests of these entries, and of the cells they meet."""
        return self._manifests.collect(entries)

    def fetch_manifest(self, manifest_hash: Hash32) -> Manifest:
        """Return a manifest."""
        return self._manifests.fetch(manifest_hash)

    def _find_after(self, batch: int) -> State:
        """Return the state after a batch, folded from the nearest one that is kept.

        Why kept: a duel's clock runs while the whole history is folded, and duels on several
        batches would have it folded for each move. A root names a state whatever a re-org did.
        """
        first, state = 1, State.empty()
        for number in range(batch, max(0, batch - KEPT), -1):
            found = self._states.get(self.fetch_claim(number).state_root)
            if found is not None:
                first, state = number + 1, found
                break
        for number in range(first, batch + 1):
            entries = self._get(number).entries
            executions = self._store.list_executions(entries)
            state = replay.fold_state(state, executions, self.collect(entries))
            self._states.pop(state.root, None)
            self._states[state.root] = state
            if len(self._states) > KEPT:
                del self._states[next(iter(self._states))]
        return state

    def _get(self, number: int) -> Batch:
        batch = self._store.get_batch(number)
        if batch is None:
            raise Fatal(f"the store lost batch {number}: start with an empty home")
        return batch
