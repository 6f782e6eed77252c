"""What the demonstration prints: one screen, plain text, no colour, no bars."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oyez.protocol.types import Code, Entry, Outcome, Receipt
from oyez.reader import Posted

WIDTH = 62


@dataclass(frozen=True, slots=True)
class Told:
    """One call as the story tells it; `before` and `after` are the cell's JSON values."""

    entry: Entry
    receipt: Receipt
    before: tuple[Any, ...]  # Any: JSON scalars
    after: tuple[Any, ...]  # Any: JSON scalars


def say(text: str = "") -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def format_input(data: bytes) -> str:
    """Show a call's text on one line; bytes that are no text show as escapes."""
    text = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii")
        for c in data.decode("utf-8", "backslashreplace")
    )
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."


def format_outcome(receipt: Receipt) -> str:
    """Name an outcome as the specification does."""
    if receipt.outcome is Outcome.ACCEPTED:
        return "ACCEPTED"
    return f"REJECTED({Code(receipt.code).name}) at byte {receipt.detail}"


def tell_calls(calls: Sequence[Told], names: Sequence[str]) -> None:
    """Show each call's text, its fields before and after, and how it ended."""
    say(f"{'call':>4}  {'caller':8}  {'text':{WIDTH}}  {', '.join(names)}")
    for told in calls:
        caller = "0x" + told.entry.caller.hex()[:6]
        before, after = (" ".join(map(str, side)) for side in (told.before, told.after))
        say(
            f"{told.entry.call_id:>4}  {caller:8}  {format_input(told.entry.input):{WIDTH}}  "
            f"{before} -> {after}  {format_outcome(told.receipt)}"
        )


def tell_batch(posted: Posted, verdict: dict[str, Any]) -> None:  # Any: JSON
    """Show a batch, its four roots and what the challenger found."""
    first, claim = posted.batch.header.first_call, posted.assertion.claim
    last = first + posted.batch.header.count - 1
    number, batch_hash = posted.batch.number, posted.batch.batch_hash
    say(f"batch {number}: calls {first} to {last}, hash {batch_hash.hex()}")
    for name in ("trace_root", "state_root", "receipts_root", "outbox_root"):
        say(f"  {name:13} {getattr(claim, name).hex()}")
    if verdict["match"]:
        say("  challenger    MATCH: its own replay gives this very id, trace root included")
    else:
        say(f"  challenger    MISMATCH from call {verdict['first_call']}: {verdict['differs']}")
