"""What the demonstration prints: one screen, plain text, no colour, no bars."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oyez.answers import Stake
from oyez.chain.signing import format_ether
from oyez.dispute.story import Lane, Story
from oyez.protocol import batch_data, schema
from oyez.protocol.state import State
from oyez.protocol.types import Code, Entry, Manifest, Outcome, Receipt, Status, Value
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


def follow(posted: Sequence[Posted], manifest: Manifest) -> list[Told]:
    """Apply rows one by one, from the first batch's on, to see fields before and after each call.

    All calls are of one action with one shared cell.
    """
    state, told = State.empty(), []
    values = schema.initial_values(manifest.fields)
    for batch in posted:
        for entry, row in zip(batch.batch.entries, batch.rows, strict=True):
            applied = batch_data.apply_rows(
                state=state, entries=[entry], rows=[row], manifests={manifest.hash: manifest}
            )
            state, receipt = applied.state, applied.receipts[0]
            cell = state.get(receipt.cell_key)
            after = values if cell is None else cell.values
            told.append(Told(entry, receipt, show(values), show(after)))
            values = after
    return told


def show(values: Sequence[Value]) -> tuple[Any, ...]:
    """Return a cell's values as text and numbers."""
    return tuple(_show(value) for value in values)


def _show(value: Value) -> Any:
    if isinstance(value, tuple):
        return [_show(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def tell_service(name: str, stake: Stake, what: str) -> None:
    """Show a service, who stakes for it, and something about it."""
    say(f"{name:12}  0x{stake.owner.hex()}, stake {format_ether(stake.amount)} ETH, {what}")


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


def tell_batch(posted: Posted) -> None:
    """Show a batch and its four roots."""
    first, claim = posted.batch.header.first_call, posted.assertion.claim
    last = first + posted.batch.header.count - 1
    number, batch_hash = posted.batch.number, posted.batch.batch_hash
    say(f"batch {number}: calls {first} to {last}, hash {batch_hash.hex()}")
    for name in ("trace_root", "state_root", "receipts_root", "outbox_root"):
        say(f"  {name:13} {getattr(claim, name).hex()}")


def tell_attested(status: Status) -> None:
    """Show that an enclave signed a batch, and how far it has come without that."""
    say(f"  enclave       ATTESTED by the registered key while {status.name}")


def tell_lie(posted: Posted, told: Sequence[Told], names: Sequence[str], index: int) -> None:
    """Show the call that a batch is false about: its text, then what was posted and what is true.

    Args:
        posted: the false batch.
        told: the call as posted, and as it truly ends.
        names: of the cell's fields.
        index: of the call in the batch.
    """
    first, count = posted.batch.header.first_call, posted.batch.header.count
    say()
    say(
        f"batch {posted.batch.number}: calls {first} to {first + count - 1}, posted false about "
        f"call {first + index}: number {index} in the batch (again with LIE={index})"
    )
    say(f"  text          {format_input(told[0].entry.input)}")
    for name, side in zip(("posted", "true"), told, strict=True):
        fields = " ".join(
            f"{field}={value}" for field, value in zip(names, side.after, strict=True)
        )
        say(f"  {name:12}  {fields}  {format_outcome(side.receipt)}")


def tell_verdicts(verdicts: Sequence[dict[str, Any]]) -> None:  # Any: JSON
    """Show what the challengers found, in one line where all agree with what was posted."""
    if all(verdict["match"] for verdict in verdicts):
        say(
            f"  challengers   MATCH: {len(verdicts)} replays give this very id, trace root included"
        )
        return
    for number, verdict in enumerate(verdicts, 1):
        say(f"  challenger-{number}  {format_verdict(verdict)}")


def format_verdict(verdict: dict[str, Any]) -> str:  # Any: JSON
    """Say what one challenger found."""
    if verdict["match"]:
        return "MATCH: its own replay gives this very id, trace root included"
    if verdict["first_call"] is None:
        return f"MISMATCH: its own replay gives another {', '.join(verdict['differs'])}"
    theirs, ours = (verdict[name][2:14] for name in ("posted_call_root", "our_call_root"))
    return (
        f"MISMATCH: call {verdict['first_call']} is the first whose trace root differs: "
        f"posted {theirs}.., its own replay gives {ours}.."
    )


def tell_lane(
    duel: Story, lane: Lane, values: tuple[int, int], texts: Sequence[str], gas: int
) -> None:
    """Show the path from the roots to one lane.

    Args:
        duel: of the false root and its sibling.
        lane: that the contract recomputed.
        values: the liar's and the challengers'.
        texts: of the call's tokens, prompt and output, from trace position 1 on.
        gas: of the transaction that decided.
    """
    place = duel.place
    assert place is not None, "a lane lies in a record"
    before = "".join(texts[: place.position])[-24:]
    layer = "the sampler" if place.layer is None else f"layer {place.layer}"
    say(f"the duel, {duel.moves} moves down both trees of records, then the champions' own:")
    where = f"batch {duel.batch}, call {place.call}, position {place.position}"
    say(f"  {where} (after {before!r}), {layer}")
    say(f"  op {lane.op}, lane {lane.lane} of leaf {lane.leaf}: one {lane.kind}")
    theirs, ours = values
    say(f"  the liar      {theirs}")
    say(f"  challengers   {ours}")
    assert lane.transaction is not None, "it was resolved"
    say(f"  the contract  {lane.contract}, recomputed from the model's own bytes for {gas:,} gas")
    say(f"                in 0x{lane.transaction.hex()}")
