from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.chain import events
from oyez.chain.contracts import BatchRecord
from oyez.derivation.history import (
    AlteredBatch,
    Assembler,
    Batch,
    History,
    build_batch,
    verify_recorded,
)
from oyez.protocol import codec
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Address, BatchNumber, CallId, Entry, Hash32
from tests.unit.chain.test_events import PLACE
from tests.unit.protocol.actions import build_action, build_entry, build_header

ACTION = build_action()


def build_entries(count: int, first: int = 0) -> list[Entry]:
    return [build_entry(ACTION, first + i, input=b"text %d" % i) for i in range(count)]


def close(entries: list[Entry], number: int = 1) -> events.BatchClosed:
    header = build_header(entries, number)
    return events.BatchClosed(header, codec.compute_batch_hash(header), Address(bytes(20)), PLACE)


def queued(entry: Entry, batch: int = 1) -> events.CallQueued:
    return events.CallQueued(entry, BatchNumber(batch), PLACE)


CHANGES: list[dict[str, Any]] = [
    {"input": b"other"},
    {"cell": b"x"},
    {"fee": 1},
    {"value": 1},
    {"timestamp": 1},
    {"caller": Address(b"\x01" * 20)},
    {"manifest_hash": Hash32(b"\x01" * 32)},
    {"action_id": Hash32(b"\x01" * 32)},
    {"call_id": CallId(9)},
]


@pytest.mark.parametrize("change", CHANGES)
def test_an_altered_entry_is_refused(change: dict[str, Any]) -> None:
    """Rule: DERIVE-3."""
    entries = build_entries(3)
    closed = close(entries)
    assert build_batch(closed, entries).entries == tuple(entries)
    entries[1] = dataclasses.replace(entries[1], **change)
    with pytest.raises(AlteredBatch) as caught:
        build_batch(closed, entries)
    assert (caught.value.number, caught.value.rule) == (1, "DERIVE-3")


def test_missing_moved_and_added_entries_are_refused() -> None:
    """Rule: DERIVE-3."""
    entries = build_entries(3)
    closed = close(entries)
    for wrong in ([], entries[:2], entries[1:], [*entries, build_entry(ACTION, 3)], entries[::-1]):
        with pytest.raises(AlteredBatch, match="lacks entries or has others"):
            build_batch(closed, wrong)


@pytest.mark.parametrize("name", ["number", "opened_at"])
def test_an_altered_header_is_refused(name: str) -> None:
    """Rule: DERIVE-3."""
    entries = build_entries(2)
    closed = close(entries)
    change: dict[str, Any] = {name: 77}
    header = dataclasses.replace(closed.header, **change)
    with pytest.raises(AlteredBatch, match="header"):
        build_batch(dataclasses.replace(closed, header=header), entries)


class RecordedInbox:
    def __init__(self, record: BatchRecord) -> None:
        self.record = record

    def fetch_batch(self, _number: int, at: object) -> BatchRecord:
        assert at == PLACE.block_hash
        return self.record


def test_the_contracts_own_record_decides() -> None:
    """Rule: DERIVE-4."""
    entries = build_entries(2)
    batch = build_batch(close(entries), entries)
    header = batch.header
    right = BatchRecord(batch.batch_hash, header.first_call, header.count, header.opened_at, 7)
    verify_recorded(RecordedInbox(right), batch, PLACE.block_hash)  # type: ignore[arg-type]  # the seam's twin
    changes: list[dict[str, Any]] = [
        {"batch_hash": Hash32(bytes(32))},
        {"first_call": 1},
        {"count": 3},
        {"opened_at": 1},
    ]
    for change in changes:
        wrong = RecordedInbox(dataclasses.replace(right, **change))
        with pytest.raises(AlteredBatch, match="the Inbox keeps another batch 1"):
            verify_recorded(wrong, batch, PLACE.block_hash)  # type: ignore[arg-type]  # the seam's twin


@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5), rest=st.integers(0, 3))
def test_batches_come_out_as_they_were_cut(sizes: list[int], rest: int) -> None:
    """Rule: DERIVE-5."""
    assembler = Assembler()
    cut = []
    first = 0
    for number, size in enumerate(sizes, 1):
        entries = build_entries(size, first)
        for entry in entries:
            assembler.add_call(queued(entry, number))
        cut.append(assembler.close(close(entries, number)))
        first += size
    for entry in build_entries(rest, first):
        assembler.add_call(queued(entry, len(sizes) + 1))
    history = History(None, tuple(cut), tuple(assembler.open), (), ())  # type: ignore[arg-type]  # no block is asked for
    assert [entry.call_id for entry in history.entries] == list(range(first + rest))
    for batch in cut:
        for entry in batch.entries:
            assert history.find_batch(entry.call_id) == batch
    assert history.find_batch(first) is None


@pytest.mark.parametrize(("call_id", "batch"), [(1, 1), (0, 2), (5, 1)])
def test_a_skipped_log_is_temporary(call_id: int, batch: int) -> None:
    """Rule: DERIVE-5."""
    assembler = Assembler()
    with pytest.raises(Temporary, match="logs jump"):
        assembler.add_call(queued(build_entry(ACTION, call_id), batch))


def test_a_skipped_or_repeated_closing_is_temporary() -> None:
    """Rule: DERIVE-5."""
    assembler = Assembler()
    entries = build_entries(1)
    assembler.add_call(queued(entries[0]))
    with pytest.raises(Temporary, match="close batch 2"):
        assembler.close(close(entries, 2))
    batch: Batch = assembler.close(close(entries))
    assert batch.number == 1
    with pytest.raises(Temporary, match="close batch 1"):
        assembler.close(close(entries))
    with pytest.raises(Temporary, match="logs jump"):
        assembler.add_call(queued(entries[0]))
