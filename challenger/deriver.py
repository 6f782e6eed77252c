"""What the chain says, as far as it was read: entries to replay, batches to close, claims to judge.

In memory only. A re-org or an altered log throws it away, and everything is read again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from oyez.chain import events
from oyez.derivation.follow import Window
from oyez.derivation.history import Assembler, Batch
from oyez.dispute.duels import Duels
from oyez.dispute.tree import Tree
from oyez.protocol.types import BatchHeader, Entry, Hash32


class Deriver:
    """Sorts the chain's events into what is still to be done."""

    def __init__(self, genesis_id: Hash32, duels: Duels | None = None) -> None:
        """Begin at the deployment; `duels` holds none yet, and is None without a game."""
        self._assembler = Assembler()
        self.duels = duels
        self.tree = Tree(genesis_id)
        #: Transactions of the Rollup's and the game's events, in order, with their blocks.
        self.transactions: dict[Hash32, int] = {}
        self.entries: deque[Entry] = deque()
        self.batches: deque[Batch] = deque()
        self.proposed: list[events.AssertionProposed] = []
        self.finalized: set[Hash32] = set()

    def find_header(self, call_id: int) -> BatchHeader | None:
        """Return the header of the closed batch, not built yet, that holds a call, or None."""
        for batch in self.batches:
            if call_id < batch.header.first_call + batch.header.count:
                return batch.header
        return None

    def add(
        self,
        window: Window,
        verify: Callable[[Batch], None],
        date: Callable[[events.Place], int],
    ) -> None:
        """Take a window's events, all or none.

        `verify` checks a batch against the Inbox's record, `date` gives the time of an event.

        Raises:
            Temporary: the node failed; the same window can be taken again.
            SkippedLog, AlteredBatch: it lost or altered something, perhaps in an earlier window;
                this deriver is then of no more use.

        Rule: CHAL-6
        """
        assembler = self._assembler.copy()
        entries: list[Entry] = []
        batches: list[Batch] = []
        proposed: list[events.AssertionProposed] = []
        finalized: set[Hash32] = set()
        tree = self.tree.copy()
        duels = None if self.duels is None else self.duels.copy()
        transactions: dict[Hash32, int] = {}
        for event in window.events:
            match event:
                case events.CallQueued():
                    assembler.add_call(event)
                    entries.append(event.entry)
                case events.BatchClosed():
                    batch = assembler.close(event)
                    verify(batch)
                    batches.append(batch)
                case events.AssertionProposed():
                    assembler.verify_closed(event)
                    proposed.append(event)
                case events.AssertionFinalized():
                    finalized.add(event.assertion_id)
            tree.add(event, date)
            if duels is not None:
                duels.add(event, date)
            if not isinstance(event, events.CallQueued | events.BatchClosed):
                transactions[event.place.transaction] = event.place.block
        self._assembler = assembler
        self.tree, self.duels = tree, duels
        self.transactions |= transactions
        self.entries.extend(entries)
        self.batches.extend(batches)
        self.proposed.extend(proposed)
        self.finalized |= finalized
