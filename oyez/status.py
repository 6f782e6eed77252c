"""What became of a call: how final it is, how it ended, and who says so."""

from __future__ import annotations

from dataclasses import dataclass, replace

from oyez.protocol.errors import Invalid
from oyez.protocol.types import BatchNumber, CallId, Code, Entry, Finality, Hash32, Outcome
from oyez.reader import Reader


@dataclass(frozen=True, slots=True)
class CallStatus:
    """What became of a call.

    Attributes:
        source: who says how it ended: "final" and "posted" are checked against the chain's
            roots, "sequencer" is its word; "none" while nobody does.
        siblings: the living assertions of its batch, the one that was read among them; empty
            before it is posted.
        attested: whether a registered enclave signed the assertion that was read; says nothing of
            finality.
        disputed_at: the first batch, its own or one that it stands on, of which several live.
    """

    call_id: CallId
    entry: Entry
    batch: BatchNumber
    finality: Finality
    outcome: Outcome = Outcome.NONE
    code: Code = Code.NONE
    detail: int = 0
    output: bytes = b""
    source: str = "none"
    siblings: tuple[Hash32, ...] = ()
    disputed_at: BatchNumber | None = None
    attested: bool = False


def fetch_status(reader: Reader, call_id: CallId) -> CallStatus:
    """Return what became of a call, by the chain alone.

    Raises:
        Invalid: READER-5, the inbox holds no such call.

    Rule: READER-5, READER-13
    """
    history = reader.fetch_history()
    entries = history.entries
    if not 0 <= call_id < len(entries):
        raise Invalid(
            "READER-5", f"the inbox holds no call {call_id}: it holds {len(entries)} calls"
        )
    batch = history.find_batch(call_id)
    number = batch.number if batch is not None else BatchNumber(len(history.batches) + 1)
    finality = reader.rollup.fetch_finality(call_id, number, history.block.hash)
    found = CallStatus(call_id, entries[call_id], number, finality)
    if batch is None:
        return found
    # the view speaks of the batch after the head alone; later ones hang on a pending chain
    level = "final" if finality is Finality.FINAL else "posted"
    path = reader.select(history, level=level, until=number)
    if len(path) < number:
        return found
    posted = reader.rebuild(history, path)[-1]
    index = call_id - batch.header.first_call
    row = posted.rows[index]
    return replace(
        found,
        finality=Finality.FINAL if level == "final" else Finality.POSTED,
        outcome=row.outcome,
        code=row.code,
        detail=row.detail,
        output=row.output,
        source=level,
        siblings=reader.list_siblings(history, path[-1]),
        disputed_at=reader.find_dispute(history, path),
        attested=reader.rollup.fetch_attested(path[-1].assertion_id, history.block.hash),
    )


def is_reached(found: CallStatus, until: str) -> bool:
    """Tell whether a call has come as far as "executed", "posted" or "final"."""
    if until == "executed":
        return found.outcome is not Outcome.NONE
    wanted = Finality.POSTED if until == "posted" else Finality.FINAL
    return found.finality >= wanted and found.outcome is not Outcome.NONE
