from __future__ import annotations

import contextlib
from typing import Any

import eth_abi
import pytest
from eth_utils import abi as abi_types
from hypothesis import given
from hypothesis import strategies as st

from oyez.chain import contracts, events
from oyez.chain.client import Log
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Address, EntryKind, Hash32

PLACE = events.Place(7, Hash32(b"\x07" * 32), 3, Hash32(b"\x08" * 32))
A, B = b"\x0a" * 20, b"\x0b" * 20
WORD = st.binary(min_size=32, max_size=32)


def build_log(name: str, facts: dict[str, Any]) -> Log:
    """Encode an event as the chain would, by the contracts' own ABI."""
    inputs = contracts.find_abi(events.SOURCES[name], "event", name)["inputs"]
    topics = [contracts.compute_topic(events.SOURCES[name], name)]
    plain = []
    for item in inputs:
        kind = abi_types.collapse_if_tuple(item)
        if item["indexed"]:
            topics.append(eth_abi.abi.encode([kind], [facts[item["name"]]]))
        else:
            plain.append((kind, facts[item["name"]]))
    data = eth_abi.abi.encode([kind for kind, _ in plain], [value for _, value in plain])
    place = PLACE
    return Log(
        Address(A), tuple(topics), data, place.block, place.block_hash, place.index,
        place.transaction,
    )  # fmt: skip


QUEUED = {
    "call_id": 4, "batch": 2, "action_id": b"\x01" * 32, "kind": 1, "caller": B, "value": 0,
    "fee": 10**15, "manifest_hash": b"\x02" * 32, "timestamp": 1_700_000_000, "cell": b"name",
    "input": b"text",
}  # fmt: skip


def test_a_queued_call_is_an_entry() -> None:
    event = events.decode(build_log("CallQueued", QUEUED))
    assert isinstance(event, events.CallQueued)
    assert (event.batch, event.place) == (2, PLACE)
    entry = event.entry
    assert (entry.call_id, entry.kind, entry.caller) == (4, EntryKind.CALL, B)
    assert (entry.fee, entry.cell, entry.input) == (10**15, b"name", b"text")


@given(roots=st.lists(WORD, min_size=4, max_size=4), attempt=st.integers(0, 9), data=st.binary())
def test_an_assertion_keeps_every_fact(roots: list[bytes], attempt: int, data: bytes) -> None:
    names = ("trace_root", "state_root", "outbox_root", "receipts_root")
    facts = {
        "assertion_id": b"\x03" * 32, "parent": b"\x04" * 32, "batch": 5, "proposer": B,
        "attempt": attempt, "batch_data": data, **dict(zip(names, roots, strict=True)),
    }  # fmt: skip
    event = events.decode(build_log("AssertionProposed", facts))
    assert isinstance(event, events.AssertionProposed)
    assert (event.attempt, event.batch_data, event.proposer) == (attempt, data, B)
    assert [getattr(event.claim, name) for name in names] == roots


def test_an_attestation_names_its_signer() -> None:
    event = events.decode(
        build_log("AssertionAttested", {"assertion_id": b"\x03" * 32, "signer": B})
    )
    assert event == events.AssertionAttested(Hash32(b"\x03" * 32), Address(B), PLACE)


@pytest.mark.parametrize("name", ["AssertionFinalized", "AssertionDefeated", "AssertionVoided"])
def test_what_became_of_an_assertion_is_kept(name: str) -> None:
    event = events.decode(build_log(name, {"assertion_id": b"\x03" * 32, "batch": 5}))
    assert type(event).__name__ == name
    assert event == getattr(events, name)(b"\x03" * 32, 5, PLACE)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("StakeDeposited", {"amount": 1}),
        ("WithdrawalRequested", {"ready_at": 1}),
        ("WithdrawalCancelled", {}),
        ("StakeWithdrawn", {"amount": 1}),
        ("StakeSlashed", {"amount": 4, "burned": 3}),
        ("TipMoved", {"tip": b"\x03" * 32}),
    ],
)
def test_a_change_of_a_stake_names_it(name: str, facts: dict[str, Any]) -> None:
    event = events.decode(build_log(name, {"staker": B, **facts}))
    assert event == events.StakeChanged(name, Address(B), PLACE)


def test_a_closed_batch_keeps_its_header() -> None:
    facts = {
        "batch": 2, "batch_hash": b"\x05" * 32, "first_call": 3, "count": 4, "opened_at": 9,
        "prevrandao": b"\x06" * 32, "entries_root": b"\x07" * 32, "closed_by": B,
    }  # fmt: skip
    inputs = contracts.find_abi("Inbox", "event", "BatchClosed")["inputs"]
    if any(i["name"] == "prevrandao" and i["type"] == "uint256" for i in inputs):
        facts["prevrandao"] = int.from_bytes(b"\x06" * 32, "big")
    event = events.decode(build_log("BatchClosed", facts))
    assert isinstance(event, events.BatchClosed)
    assert (event.header.number, event.header.first_call, event.header.count) == (2, 3, 4)
    assert event.header.prevrandao == b"\x06" * 32
    assert event.closed_by == B


def test_an_unknown_event_is_none() -> None:
    log = build_log("AssertionFinalized", {"assertion_id": b"\x01" * 32, "batch": 1})
    assert isinstance(events.decode(log), events.AssertionFinalized)
    for topics in ((), (b"\x09" * 32,)):
        assert events.decode(Log(log.address, topics, log.data, 1, PLACE.block_hash, 0,
                                 PLACE.transaction)) is None  # fmt: skip


@given(data=st.binary(max_size=400), cut=st.integers(0, 4))
def test_damaged_logs_are_temporary_or_read(data: bytes, cut: int) -> None:
    log = build_log("CallQueued", QUEUED)
    damaged = Log(log.address, log.topics[: 1 + cut], data, log.block, log.block_hash, log.index,
                  log.transaction)  # fmt: skip
    with contextlib.suppress(Temporary):
        assert isinstance(events.decode(damaged), events.CallQueued)


@pytest.mark.parametrize("change", [{"kind": 9}, {"kind": 0}, {"timestamp": 1 << 70}])
def test_values_that_no_contract_gives_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(Temporary, match="damaged CallQueued"):
        events.decode(build_log("CallQueued", QUEUED | change))
