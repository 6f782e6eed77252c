"""What the chain says, as far as it was read: entries to replay, batches to close, claims to judge.

In memory only. A re-org or an altered log throws it away, and everything is read again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from oyez.chain import events
from oyez.derivation.follow import Window
from oyez.derivation.history import Assembler, Batch
from oyez.protocol.types import Entry, Hash32


class Deriver:
    """Sorts the chain's events into what is still to be done."""

    def __init__(self) -> None:
        """Begin at the deployment."""
        self._assembler = Assembler()
        self.entries: deque[Entry] = deque()
        self.batches: deque[Batch] = deque()
        self.proposed: list[events.AssertionProposed] = []
        self.finalized: set[Hash32] = set()

    def add(self, window: Window, verify: Callable[[Batch], None]) -> None:
        """Take a window's events; `verify` checks a batch against the Inbox's record.

        Raises:
            Temporary, Invalid: the node skipped, repeated or altered something; this deriver is
                then of no more use.

        Rule: CHAL-6
        """
        for event in window.events:
            match event:
                case events.CallQueued():
                    self._assembler.add_call(event)
                    self.entries.append(event.entry)
                case events.BatchClosed():
                    batch = self._assembler.close(event)
                    verify(batch)
                    self.batches.append(batch)
                case events.AssertionProposed():
                    self.proposed.append(event)
                case events.AssertionFinalized():
                    self.finalized.add(event.assertion_id)
