"""Entries and the batches the inbox cuts of them: one content a batch, fixed by its hash."""

from __future__ import annotations

from collections.abc import Sequence

from oyez.protocol import codec, merkle
from oyez.protocol.constants import ENTRIES_HEIGHT, FIRST_BATCH
from oyez.protocol.errors import Invalid
from oyez.protocol.types import BatchHeader, Entry, Hash32


def compute_entries_root(entries: Sequence[Entry]) -> Hash32:
    """Return the root over a batch's entries, in order of their call ids.

    Rule: BATCH-4
    """
    leaves = [codec.compute_entry_hash(entry) for entry in entries]
    return merkle.compute_root(leaves, ENTRIES_HEIGHT)


def verify_batch(header: BatchHeader, entries: Sequence[Entry]) -> None:
    """Check that these are the header's entries: numbered, counted, and under its root.

    Raises:
        Invalid: BATCH-5.

    Rule: BATCH-5
    """
    if header.number < FIRST_BATCH or not entries:
        raise Invalid("BATCH-5", "batches are numbered from 1 and none is empty")
    if len(entries) != header.count:
        raise Invalid("BATCH-5", f"{len(entries)} entries for a batch of {header.count}")
    for index, entry in enumerate(entries):
        if entry.call_id != header.first_call + index:
            raise Invalid("BATCH-5", f"entry {index} has call id {entry.call_id}")
    if compute_entries_root(entries) != header.entries_root:
        raise Invalid("BATCH-5", "the entries do not fold to the batch's entries root")
