"""Decides when to close the open batch: pure, from what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oyez.protocol.types import Entry


@dataclass(frozen=True, slots=True)
class Policy:
    """When this sequencer closes a batch: this many seconds after its first entry.

    At least the Inbox's MIN_BATCH_SECONDS; a full batch is closed by the next call by itself.
    """

    close_after: int


def decide_close(
    open_entries: Sequence[tuple[Entry, int]], *, block: int, time: int, policy: Policy
) -> bool:
    """Return whether to close now.

    Args:
        open_entries: the open batch's entries, each with its block.
        block: number of the newest block that was read.
        time: that block's time, in seconds.
        policy: how long to wait.

    A batch closes only in a later block than its last entry's, so that nobody knows the seed
    when he submits.

    Rule: SEQ-9
    """
    if not open_entries:
        return False
    first, _ = open_entries[0]
    _, last_block = open_entries[-1]
    return block > last_block and time >= first.timestamp + policy.close_after
