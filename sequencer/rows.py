"""What the store keeps, as records, and how they stand in its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oyez.chain import events
from oyez.derivation.history import Batch
from oyez.protocol.types import (
    Address,
    BatchHeader,
    BatchNumber,
    CallId,
    Claim,
    Entry,
    EntryKind,
    Hash32,
)


@dataclass(frozen=True, slots=True)
class ClosedBatch:
    """A checked batch and the block that closed it."""

    batch: Batch
    block: int


@dataclass(frozen=True, slots=True)
class NewAssertion:
    """An assertion, its block, its place in it, and that block's time in seconds."""

    assertion_id: Hash32
    parent: Hash32
    batch: BatchNumber
    proposer: Address
    attempt: int
    claim: Claim
    block: int
    place: int
    created_at: int


@dataclass(frozen=True, slots=True)
class KnownAssertion:
    """A pending assertion, as far as the chain was read; `created_at` in seconds."""

    assertion_id: Hash32
    batch: BatchNumber
    created_at: int


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A batch that became final with another assertion than was built here."""

    batch: BatchNumber
    final: Hash32
    ours: Hash32


@dataclass(frozen=True, slots=True)
class Result:
    """What `propose` sends for a batch, and the assertion id that it makes."""

    batch: BatchNumber
    parent: Hash32
    assertion_id: Hash32
    claim: Claim
    last_record_proof: tuple[Hash32, ...]
    batch_data: bytes


def build_entry_row(queued: events.CallQueued) -> dict[str, Any]:  # Any: column values
    """Return an entry's columns."""
    entry = queued.entry
    return {
        "call_id": entry.call_id,
        "batch": queued.batch,
        "block": queued.place.block,
        "kind": int(entry.kind),
        "timestamp": entry.timestamp,
        "caller": entry.caller,
        "value": str(entry.value),
        "fee": str(entry.fee),
        "action_id": entry.action_id,
        "manifest_hash": entry.manifest_hash,
        "cell": entry.cell,
        "input": entry.input,
    }


def parse_entry(row: Any) -> Entry:  # Any: a row
    """Read an entry."""
    return Entry(
        kind=EntryKind(row.kind),
        call_id=CallId(row.call_id),
        timestamp=row.timestamp,
        caller=Address(row.caller),
        value=int(row.value),
        fee=int(row.fee),
        action_id=Hash32(row.action_id),
        manifest_hash=Hash32(row.manifest_hash),
        cell=row.cell,
        input=row.input,
    )


def build_batch_row(closed: ClosedBatch) -> dict[str, Any]:  # Any: column values
    """Return a batch's columns."""
    header = closed.batch.header
    return {
        "number": header.number,
        "block": closed.block,
        "first_call": header.first_call,
        "count": header.count,
        "opened_at": header.opened_at,
        "prevrandao": header.prevrandao,
        "entries_root": header.entries_root,
        "batch_hash": closed.batch.batch_hash,
    }


def parse_batch(row: Any, entries: Sequence[Entry]) -> Batch:  # Any: a row
    """Read a batch, given its entries."""
    return Batch(parse_header(row), Hash32(row.batch_hash), tuple(entries))


def parse_header(row: Any) -> BatchHeader:  # Any: a row
    """Read a batch's header."""
    return BatchHeader(
        number=BatchNumber(row.number),
        first_call=CallId(row.first_call),
        count=row.count,
        opened_at=row.opened_at,
        prevrandao=Hash32(row.prevrandao),
        entries_root=Hash32(row.entries_root),
    )


def build_result_row(result: Result) -> dict[str, Any]:  # Any: column values
    """Return a result's columns."""
    return {
        "batch": result.batch,
        "parent": result.parent,
        "assertion_id": result.assertion_id,
        **build_claim_columns(result.claim),
        "last_record_proof": b"".join(result.last_record_proof),
        "batch_data": result.batch_data,
    }


def parse_result(row: Any) -> Result:  # Any: a row
    """Read a result."""
    return Result(
        batch=BatchNumber(row.batch),
        parent=Hash32(row.parent),
        assertion_id=Hash32(row.assertion_id),
        claim=parse_claim(row),
        last_record_proof=split_hashes(row.last_record_proof),
        batch_data=row.batch_data,
    )


def build_claim_columns(claim: Claim) -> dict[str, Any]:  # Any: column values
    """Return a claim's columns."""
    return {
        "trace_root": claim.trace_root,
        "state_root": claim.state_root,
        "outbox_root": claim.outbox_root,
        "receipts_root": claim.receipts_root,
    }


def parse_claim(row: Any) -> Claim:  # Any: a row
    """Read a claim."""
    return Claim(
        trace_root=Hash32(row.trace_root),
        state_root=Hash32(row.state_root),
        outbox_root=Hash32(row.outbox_root),
        receipts_root=Hash32(row.receipts_root),
    )


def split_hashes(data: bytes) -> tuple[Hash32, ...]:
    """Read hashes that were joined."""
    return tuple(Hash32(data[start : start + 32]) for start in range(0, len(data), 32))
