"""Genesis: what batch 0 claims, before any call."""

from __future__ import annotations

import functools

from oyez.protocol import codec, merkle
from oyez.protocol.constants import OUTBOX_HEIGHT, RECEIPTS_HEIGHT
from oyez.protocol.types import ZERO_HASH, Claim, Hash32


@functools.cache
def compute_empty_outbox_root() -> Hash32:
    """Return the outbox root without messages; every batch repeats it until the Outbox exists.

    Rule: ASSERTION-3
    """
    return codec.compute_outbox_root(0, merkle.compute_root([], OUTBOX_HEIGHT))


@functools.cache
def build_genesis_claim() -> Claim:
    """Return what batch 0 stands for: no cell, no message, no receipt, and no trace.

    Rule: ASSERTION-4
    """
    return Claim(
        trace_root=ZERO_HASH,
        state_root=ZERO_HASH,
        outbox_root=compute_empty_outbox_root(),
        receipts_root=merkle.compute_root([], RECEIPTS_HEIGHT),
    )
