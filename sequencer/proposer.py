"""Decides what to send to the Rollup, one action at a time: pure, from what was read and built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oyez.protocol.errors import Fatal
from oyez.protocol.types import BatchNumber, Hash32
from sequencer.rows import Contradiction, KnownAssertion, Result


@dataclass(frozen=True, slots=True)
class Propose:
    """Propose a built batch."""

    result: Result


@dataclass(frozen=True, slots=True)
class Finalize:
    """Make an assertion final; its window is over."""

    batch: BatchNumber
    assertion_id: Hash32


def decide(
    results: Sequence[Result],
    pending: Sequence[KnownAssertion],
    *,
    time: int,
    challenge_window: int,
) -> Propose | Finalize | None:
    """Return the next action, or None.

    Args:
        results: what was built for the batches after the head, in order.
        pending: the assertions that are on the chain and not final.
        time: the chain's time at the newest block that was read, in seconds.
        challenge_window: seconds.

    Rule: SEQ-10
    """
    created = {item.assertion_id: item.created_at for item in pending}
    if results and results[0].assertion_id in created:
        first = results[0]
        if time >= created[first.assertion_id] + challenge_window:
            return Finalize(first.batch, first.assertion_id)
    for result in results:
        if result.assertion_id not in created:
            return Propose(result)
    return None


def verify_head(contradiction: Contradiction | None) -> None:
    """Stop when a batch became final that this node derives otherwise.

    Raises:
        Fatal: going on would stake on a history that the contracts have refused.

    Rule: SEQ-13
    """
    if contradiction is not None:
        raise Fatal(
            f"batch {contradiction.batch} became final as 0x{contradiction.final.hex()}, this "
            f"node derives 0x{contradiction.ours.hex()}: run `oyez verify --full` before "
            "anything else"
        )
