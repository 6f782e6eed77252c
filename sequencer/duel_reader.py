"""The game's events up to the last block that the store holds: read anew at each start."""

from __future__ import annotations

from oyez.chain.client import Chain
from oyez.chain.deployment import Deployment
from oyez.derivation import follow
from oyez.derivation.follow import Checkpoint
from oyez.dispute.duels import Duels
from oyez.protocol.errors import Rewind

#: Blocks that were read whose duels are kept; a longer re-org has all read again.
KEPT = 64


class DuelReader:
    """Follows the store's checkpoint."""

    def __init__(self, chain: Chain, deployment: Deployment, empty: Duels) -> None:
        """Begin at the deployment; `empty` is the game before its first duel."""
        self._chain = chain
        self._deployment = deployment
        self._empty = empty
        self.reset()

    def reset(self) -> None:
        """Read everything again: a log was lost, who knows when."""
        self._kept: list[tuple[Checkpoint, Duels]] = []

    def rewind(self) -> None:
        """Go back to the newest kept block that is still in the chain; a short re-org costs little.

        Rule: SEQ-31
        """
        places = (place for place, _ in reversed(self._kept))
        common = follow.find_common(self._chain, places)
        self._cut(-1 if common is None else common.number)

    def read(self, until: Checkpoint) -> Duels:
        """Return the duels as they stood at a block.

        Raises:
            Rewind: that block, or one that was read, is no longer in the chain.
            SkippedLog: the node's logs do not follow from each other.
            Temporary: the chain cannot be read.

        Rule: SEQ-30
        """
        self._cut(until.number)
        last, duels = self._get_last()
        while last is None or last.number < until.number:
            window = follow.fetch_window(self._chain, self._deployment, last, until=until.number)
            if window is None:
                break
            duels = duels.copy() if window.events else duels
            for event in window.events:
                duels.add(event, lambda place: follow.fetch_time(self._chain, place))
            last = window.last
            self._kept = [*self._kept[1 - KEPT :], (last, duels)]
        if last != until:
            self.rewind()
            raise Rewind(until.number)
        return duels

    def _get_last(self) -> tuple[Checkpoint | None, Duels]:
        return self._kept[-1] if self._kept else (None, self._empty)

    def _cut(self, number: int) -> None:
        self._kept = [item for item in self._kept if item[0].number <= number]
