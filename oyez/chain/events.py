"""The contracts' events as records: what a log means, and where in the chain it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from oyez.chain import contracts
from oyez.chain.client import Log
from oyez.protocol.errors import Temporary
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
class Place:
    """Where an event stands in the chain."""

    block: int
    block_hash: Hash32
    index: int
    transaction: Hash32


@dataclass(frozen=True, slots=True)
class CallQueued:
    """An entry of the inbox, and the batch it went into."""

    entry: Entry
    batch: BatchNumber
    place: Place


@dataclass(frozen=True, slots=True)
class BatchClosed:
    """A batch whose content is fixed."""

    header: BatchHeader
    batch_hash: Hash32
    closed_by: Address
    place: Place


@dataclass(frozen=True, slots=True)
class AssertionProposed:
    """A staked claim about a batch."""

    assertion_id: Hash32
    parent: Hash32
    batch: BatchNumber
    proposer: Address
    attempt: int
    claim: Claim
    batch_data: bytes
    place: Place


@dataclass(frozen=True, slots=True)
class AssertionFinalized:
    """A claim that can no longer change."""

    assertion_id: Hash32
    batch: BatchNumber
    place: Place


@dataclass(frozen=True, slots=True)
class AssertionDefeated:
    """A claim that lost a duel: its fork has one living child less."""

    assertion_id: Hash32
    batch: BatchNumber
    place: Place


@dataclass(frozen=True, slots=True)
class AssertionVoided:
    """A descendant of a defeated claim; its proposer's stake is released from it."""

    assertion_id: Hash32
    batch: BatchNumber
    place: Place


@dataclass(frozen=True, slots=True)
class AssertionAttested:
    """A registered enclave's key signed a claim, perhaps before it was proposed, or once more."""

    assertion_id: Hash32
    signer: Address
    place: Place


@dataclass(frozen=True, slots=True)
class StakeChanged:
    """Something happened to a staker's stake; what it is now the Rollup's view says.

    Attributes:
        name: the event's: StakeDeposited, WithdrawalRequested, WithdrawalCancelled,
            StakeWithdrawn, StakeSlashed or TipMoved.
    """

    name: str
    staker: Address
    place: Place


Event = (
    CallQueued
    | BatchClosed
    | AssertionProposed
    | AssertionFinalized
    | AssertionDefeated
    | AssertionVoided
    | AssertionAttested
    | StakeChanged
)

#: Times on chain are words; what lies above this is a lie, and no store could hold it.
MAX_TIME = 1 << 40

#: Event name -> the contract that logs it.
SOURCES = {
    "CallQueued": "Inbox",
    "BatchClosed": "Inbox",
    "AssertionProposed": "Rollup",
    "AssertionFinalized": "Rollup",
    "AssertionDefeated": "Rollup",
    "AssertionVoided": "Rollup",
    "AssertionAttested": "Rollup",
    "StakeDeposited": "Rollup",
    "WithdrawalRequested": "Rollup",
    "WithdrawalCancelled": "Rollup",
    "StakeWithdrawn": "Rollup",
    "StakeSlashed": "Rollup",
    "TipMoved": "Rollup",
}
#: What becomes of an assertion after it was proposed.
_FATES: dict[str, type[AssertionFinalized | AssertionDefeated | AssertionVoided]] = {
    "AssertionFinalized": AssertionFinalized,
    "AssertionDefeated": AssertionDefeated,
    "AssertionVoided": AssertionVoided,
}


def compute_topics(names: Iterable[str] = tuple(SOURCES)) -> list[bytes]:
    """Return the signatures of these events, for a log filter."""
    return [contracts.compute_topic(SOURCES[name], name) for name in names]


def decode(log: Log) -> Event | None:
    """Return the event of a log, or None for an event that is none of these.

    The log's address is the caller's filter; Temporary when the node gave damaged data.
    """
    if not log.topics:
        return None
    for name, contract in SOURCES.items():
        if log.topics[0] == contracts.compute_topic(contract, name):
            break
    else:
        return None
    facts = contracts.decode_log(contract, name, log)
    place = Place(log.block, log.block_hash, log.index, log.transaction)
    if name == "CallQueued":
        if facts["kind"] not in iter(EntryKind) or facts["timestamp"] >= MAX_TIME:
            raise Temporary("the node gave a damaged CallQueued log: use another RPC")
        entry = Entry(
            kind=EntryKind(facts["kind"]),
            call_id=CallId(facts["call_id"]),
            timestamp=facts["timestamp"],
            caller=Address(facts["caller"]),
            value=facts["value"],
            fee=facts["fee"],
            action_id=Hash32(facts["action_id"]),
            manifest_hash=Hash32(facts["manifest_hash"]),
            cell=facts["cell"],
            input=facts["input"],
        )
        return CallQueued(entry, BatchNumber(facts["batch"]), place)
    if name == "BatchClosed":
        header = BatchHeader(
            number=BatchNumber(facts["batch"]),
            first_call=CallId(facts["first_call"]),
            count=facts["count"],
            opened_at=facts["opened_at"],
            prevrandao=Hash32(_word(facts["prevrandao"])),
            entries_root=Hash32(facts["entries_root"]),
        )
        closed_by = Address(facts["closed_by"])
        return BatchClosed(header, Hash32(facts["batch_hash"]), closed_by, place)
    if "staker" in facts:
        return StakeChanged(name, Address(facts["staker"]), place)
    assertion_id = Hash32(facts["assertion_id"])
    if name == "AssertionAttested":
        return AssertionAttested(assertion_id, Address(facts["signer"]), place)
    batch = BatchNumber(facts["batch"])
    if name in _FATES:
        return _FATES[name](assertion_id, batch, place)
    return AssertionProposed(
        assertion_id=assertion_id,
        parent=Hash32(facts["parent"]),
        batch=batch,
        proposer=Address(facts["proposer"]),
        attempt=facts["attempt"],
        claim=Claim(
            trace_root=Hash32(facts["trace_root"]),
            state_root=Hash32(facts["state_root"]),
            outbox_root=Hash32(facts["outbox_root"]),
            receipts_root=Hash32(facts["receipts_root"]),
        ),
        batch_data=facts["batch_data"],
        place=place,
    )


def _word(value: bytes | int) -> bytes:
    return value.to_bytes(32, "big") if isinstance(value, int) else value
