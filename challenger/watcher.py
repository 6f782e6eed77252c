"""Reads the chain window by window, from the deployment on; it remembers nothing between runs."""

from __future__ import annotations

from oyez.chain import events
from oyez.chain.client import Chain
from oyez.chain.contracts import Inbox
from oyez.chain.deployment import Deployment
from oyez.derivation import follow, history


class Watcher:
    """The chain's events, each once and in order, until the chain changes its mind."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        """Begin before the deployment."""
        self._chain = chain
        self._deployment = deployment
        self._inbox = Inbox(chain, deployment)
        self._checkpoint: follow.Checkpoint | None = None

    def fetch(self) -> follow.Window | None:
        """Return the next window, None when the chain has not grown.

        The window counts as read only with `accept`, so that one which failed is read again.
        """
        return follow.fetch_window(self._chain, self._deployment, self._checkpoint)

    def verify(self, batch: history.Batch, window: follow.Window) -> None:
        """Check a batch of the window against the Inbox's own record, which never changes."""
        history.verify_recorded(self._inbox, batch, window.newest.hash)

    def date(self, place: events.Place) -> int:
        """Return the time of an event's block, in seconds."""
        return follow.fetch_time(self._chain, place)

    def accept(self, window: follow.Window) -> None:
        """Go on after this window."""
        self._checkpoint = window.last

    def reset(self) -> None:
        """Begin again at the deployment."""
        self._checkpoint = None
