"""Judges an assertion against this node's own replay: the whole id, all four roots. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from oyez.chain.events import AssertionProposed
from oyez.derivation.history import Batch
from oyez.protocol import batch_data, codec, trace
from oyez.protocol.errors import Invalid
from oyez.protocol.transition import BatchResult
from oyez.protocol.types import Address, CallId, Claim, Hash32

ROOTS = ("trace_root", "state_root", "outbox_root", "receipts_root")


class Data(StrEnum):
    """What the posted batch data is worth; it is no part of the claim."""

    OK = "ok"  # rows whose call roots fold to the posted trace root
    LOOSE = "loose"  # rows that do not
    DAMAGED = "damaged"  # no rows of this batch


@dataclass(frozen=True, slots=True)
class Verdict:
    """What this node says about an assertion.

    Attributes:
        matches: the claim equals this node's own, and so do its ancestors'.
        ours: the id that this node's claim would have in the same place.
        differs: the roots that differ, then "parent" if the parent is false.
        first_call: the first call whose posted trace root differs from this node's; None when
            none does: the difference is then in the very last record or the batch data is
            worthless.
        our_call_root, posted_call_root: that call's trace roots.
    """

    assertion_id: Hash32
    batch: int
    attempt: int
    parent: Hash32
    proposer: Address
    matches: bool
    ours: Hash32
    differs: tuple[str, ...]
    first_call: CallId | None
    our_call_root: Hash32 | None
    posted_call_root: Hash32 | None
    data: Data

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Return the verdict with bytes as 0x and hex digits; `match` stands for `matches`."""
        shown = {name: _show(value) for name, value in asdict(self).items()}
        return {"match" if name == "matches" else name: v for name, v in shown.items()}


def judge(
    event: AssertionProposed,
    batch: Batch,
    result: BatchResult,
    *,
    chain_id: int,
    rollup: Address,
    parent_is_true: bool,
) -> Verdict:
    """Compare an assertion with this node's own result for its batch.

    Raises:
        Invalid: the event does not hash to its own id; the node altered it.

    Rule: CHAL-1
    """

    def compute_id(claim: Claim) -> Hash32:
        return codec.compute_assertion_id(
            chain_id=chain_id,
            rollup=rollup,
            parent=event.parent,
            attempt=event.attempt,
            batch=batch.number,
            batch_hash=batch.batch_hash,
            claim=claim,
        )

    if compute_id(event.claim) != event.assertion_id:
        raise Invalid(
            "CHAL-1",
            f"the roots of assertion 0x{event.assertion_id.hex()} do not hash to it: "
            "the node's logs are altered, use another RPC",
        )
    ours = compute_id(result.claim)
    differs = [n for n in ROOTS if getattr(event.claim, n) != getattr(result.claim, n)]
    if not parent_is_true:
        differs.append("parent")
    data, roots = read_call_roots(event, batch)
    first = find_first_difference(result.call_roots, roots)
    if ours == event.assertion_id:
        # The claim is right; worthless batch data beside it is noted, not judged.
        first = None
    return Verdict(
        assertion_id=event.assertion_id,
        batch=batch.number,
        attempt=event.attempt,
        parent=event.parent,
        proposer=event.proposer,
        matches=ours == event.assertion_id and parent_is_true,
        ours=ours,
        differs=tuple(differs),
        first_call=None if first is None else CallId(batch.header.first_call + first),
        our_call_root=None if first is None else result.call_roots[first],
        posted_call_root=None if first is None else roots[first],
        data=data,
    )


def read_call_roots(event: AssertionProposed, batch: Batch) -> tuple[Data, tuple[Hash32, ...]]:
    """Return the calls' trace roots as posted, and whether they are those of the claim.

    Rule: CHAL-2
    """
    try:
        rows = batch_data.decode_rows(event.batch_data)
    except Invalid:
        return Data.DAMAGED, ()
    if len(rows) != batch.header.count:
        return Data.DAMAGED, ()
    roots = tuple(row.call_root for row in rows)
    claim = event.claim
    last = trace.build_last_record(claim.state_root, claim.outbox_root, claim.receipts_root)
    folds = trace.compute_trace_root(roots, last) == claim.trace_root
    return Data.OK if folds else Data.LOOSE, roots


def find_first_difference(ours: tuple[Hash32, ...], posted: tuple[Hash32, ...]) -> int | None:
    """Return the first index where the calls' roots differ, None where none does.

    Rule: CHAL-3
    """
    for index, (our, their) in enumerate(zip(ours, posted, strict=False)):
        if our != their:
            return index
    return None


def _show(value: Any) -> Any:  # Any: a verdict's attribute as JSON
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple):
        return [_show(item) for item in value]
    return value
