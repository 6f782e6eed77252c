"""The game's events up to the last block that the store holds: read anew at each start."""

from __future__ import annotations

from oyez.chain.client import Chain
from oyez.chain.deployment import Deployment
from oyez.derivation import follow
from oyez.derivation.follow import Checkpoint
from oyez.dispute.duels import Duels
from oyez.protocol.errors import Rewind


class DuelReader:
    """Follows the store's checkpoint."""

    def __init__(self, chain: Chain, deployment: Deployment, empty: Duels) -> None:
        """Begin at the deployment; `empty` is the game before its first duel."""
        self._chain = chain
        self._deployment = deployment
        self._empty = empty
        self.reset()

    def reset(self) -> None:
        """Read everything again: the chain changed, or a log was lost."""
        self._duels = self._empty
        self._last: Checkpoint | None = None

    def read(self, until: Checkpoint) -> Duels:
        """Return the duels as they stood at a block.

        Raises:
            Rewind: that block, or one that was read, is no longer in the chain.
            SkippedLog: the node's logs do not follow from each other.
            Temporary: the chain cannot be read.

        Rule: SEQ-30
        """
        if self._last is not None and self._last.number > until.number:
            self.reset()
        while self._last is None or self._last.number < until.number:
            window = follow.fetch_window(
                self._chain, self._deployment, self._last, until=until.number
            )
            if window is None:
                break
            duels = self._duels.copy()
            for event in window.events:
                duels.add(event, lambda place: follow.fetch_time(self._chain, place))
            self._duels, self._last = duels, window.last
        if self._last != until:
            self.reset()
            raise Rewind(until.number)
        return self._duels
