"""Reading on as the chain grows, and noticing when it changes its mind.

A checkpoint is a block up to which everything was read. The next window begins after it and is
taken only if both its ends are still in the chain once it has been read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oyez.chain import events, game_events
from oyez.chain.client import Chain, Log
from oyez.chain.deployment import Deployment
from oyez.protocol.errors import Rewind, Temporary
from oyez.protocol.types import Hash32

#: Blocks in one window: what is kept in memory, and lost when a crash interrupts it.
WINDOW_BLOCKS = 10_000


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A block that was read, with everything before it."""

    number: int
    hash: Hash32


@dataclass(frozen=True, slots=True)
class Window:
    """The events after one checkpoint, up to and with another; `time` is the last block's.

    Attributes:
        newest: the chain's newest block when the window was read; every node has its state.
    """

    events: tuple[events.Event | game_events.GameEvent, ...]
    last: Checkpoint
    time: int
    newest: Checkpoint

    @property
    def is_newest(self) -> bool:
        """Whether the window ends where the chain does: what it shows is so now."""
        return self.last == self.newest


def fetch_window(
    chain: Chain, deployment: Deployment, after: Checkpoint | None, *, until: int | None = None
) -> Window | None:
    """Read what happened since a checkpoint (None: since the deployment), None when nothing.

    `until` is the last block to read, None the newest.

    Raises:
        Rewind: the checkpoint's block is no longer in the chain.
        Temporary: the chain changed while it was read, or cannot be read.

    Rule: DERIVE-1
    """
    head = chain.fetch_block("latest")
    if after is not None:
        if head.hash == after.hash:
            return None
        _verify_kept(chain, after)
        if head.number <= after.number:
            return None
    first = deployment.deployment_block if after is None else after.number + 1
    last = min(head.number, first + WINDOW_BLOCKS - 1)
    if until is not None:
        last = min(last, until)
    if last < first:
        return None
    end = head if last == head.number else chain.fetch_block(last)
    found = list(_fetch_events(chain, deployment, first, last))
    if after is not None:
        _verify_kept(chain, after)
    again = chain.find_block(last)
    if again is None or again.hash != end.hash:
        raise Temporary(f"the chain changed at block {last} while it was read: reading again")
    newest = Checkpoint(head.number, head.hash)
    return Window(tuple(found), Checkpoint(end.number, end.hash), end.timestamp, newest)


def find_common(chain: Chain, checkpoints: Iterable[Checkpoint]) -> Checkpoint | None:
    """Return the first of these, newest first, that is still in the chain.

    Rule: DERIVE-2
    """
    for checkpoint in checkpoints:
        block = chain.find_block(checkpoint.number)
        if block is not None and block.hash == checkpoint.hash:
            return checkpoint
    return None


def fetch_time(chain: Chain, place: events.Place) -> int:
    """Return the time, in seconds, of an event's block; Temporary when it is there no more."""
    block = chain.fetch_block(place.block)
    if block.hash != place.block_hash:
        raise Temporary(f"block {block.number} changed while it was read: reading again")
    return block.timestamp


def _verify_kept(chain: Chain, checkpoint: Checkpoint) -> None:
    block = chain.find_block(checkpoint.number)
    if block is None or block.hash != checkpoint.hash:
        raise Rewind(checkpoint.number)


def _fetch_events(
    chain: Chain, deployment: Deployment, first: int, last: int
) -> Iterable[events.Event | game_events.GameEvent]:
    names, topics = ["Inbox", "Rollup"], events.compute_topics()
    if deployment.has_game:
        names += ["DuelGame", "MovePay"]
        topics += game_events.compute_topics()
    addresses = [deployment.address(name) for name in names]
    for log in chain.fetch_logs(addresses, topics, first, last):
        event = _decode(log, addresses)
        if event is not None:
            yield event


def _decode(log: Log, addresses: Sequence[bytes]) -> events.Event | game_events.GameEvent | None:
    # A node that ignores the filter must not slip in another contract's events.
    if log.address not in addresses:
        return None
    return events.decode(log) or game_events.decode(log)
