from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from challenger.deriver import Deriver
from challenger.replayer import Replayer
from challenger.store import open_store
from oyez.chain import events
from oyez.derivation import replay
from oyez.derivation.follow import Checkpoint, Window
from oyez.derivation.history import Batch, SkippedLog
from oyez.dispute.tree import Fork
from oyez.protocol import codec
from oyez.protocol.errors import Invalid, Temporary
from oyez.protocol.state import State
from oyez.protocol.types import Address, BatchNumber, Claim, Hash32, Status
from tests.unit.chain.test_events import PLACE
from tests.unit.derivation.test_replay import (
    ENGINE,
    MANIFESTS,
    NAMED,
    SHARED,
    build_batches,
    build_entries,
)
from tests.unit.protocol.actions import build_header

ENTRIES = build_entries(
    [(SHARED, b"", b"one"), (NAMED, b"two", b"x"), (SHARED, b"", b"\xff"), (NAMED, b"one", b"y")]
)
BATCHES = build_batches(ENTRIES, 2)
GENESIS = Hash32(b"\x0e" * 32)
WHO = Address(b"\x0f" * 20)


def date(place: events.Place) -> int:
    return 1_000 + place.block


class Manifests:
    """Stands for ManifestSource."""

    fetch = staticmethod(MANIFESTS.__getitem__)
    collect = staticmethod(lambda _entries: MANIFESTS)


def build_window(*found: events.Event) -> Window:
    here = Checkpoint(1, Hash32(bytes(32)))
    return Window(found, here, 0, here)


def build_events(batches: list[Batch] = BATCHES) -> list[events.Event]:
    made: list[events.Event] = []
    for batch in batches:
        made += [events.CallQueued(e, BatchNumber(batch.number), PLACE) for e in batch.entries]
        batch_hash = codec.compute_batch_hash(batch.header)
        made.append(events.BatchClosed(batch.header, batch_hash, Address(bytes(20)), PLACE))
    return made


def test_calls_and_batches_come_out_as_the_chain_has_them() -> None:
    """Rule: CHAL-6."""
    deriver = Deriver(GENESIS)
    checked: list[Batch] = []
    deriver.add(build_window(*build_events()), checked.append, date)
    assert list(deriver.entries) == ENTRIES
    assert list(deriver.batches) == checked == BATCHES


def test_each_call_has_its_own_batchs_header_and_none_while_that_is_open() -> None:
    """Also while batches before it wait to be built; another's seed would be another draw.

    Rule: CHAL-27
    """
    deriver = Deriver(GENESIS)
    deriver.add(build_window(*build_events()[:-1]), lambda _: None, date)
    found = [deriver.find_header(entry.call_id) for entry in ENTRIES]
    assert found == [BATCHES[0].header, BATCHES[0].header, None, None]
    deriver.add(build_window(build_events()[-1]), lambda _: None, date)
    found = [deriver.find_header(entry.call_id) for entry in ENTRIES]
    assert found == [batch.header for batch in BATCHES for _ in batch.entries]


@pytest.mark.parametrize("lost", range(5))
def test_a_lost_event_is_noticed(lost: int) -> None:
    """Rule: CHAL-6."""
    found = build_events()
    del found[lost]
    with pytest.raises((Temporary, Invalid)):
        Deriver(GENESIS).add(build_window(*found), lambda _: None, date)


def build_assertions() -> list[events.Event]:
    """Two assertions on each other; the first is final, the second defeated, its child void."""
    ids = [Hash32(bytes([n]) * 32) for n in (1, 2, 3)]
    claim = Claim(*[Hash32(bytes(32))] * 4)
    made: list[events.Event] = [
        events.AssertionProposed(one, parent, BatchNumber(n), WHO, 0, claim, b"", PLACE)
        for n, (one, parent) in enumerate(zip(ids, (GENESIS, *ids), strict=False), 1)
    ]
    made.append(events.AssertionFinalized(ids[0], BatchNumber(1), PLACE))
    made.append(events.AssertionDefeated(ids[1], BatchNumber(2), PLACE))
    made.append(events.AssertionVoided(ids[2], BatchNumber(3), PLACE))
    return made


def build_deriver() -> Deriver:
    """Four closed batches."""
    deriver = Deriver(GENESIS)
    headers = [build_header([entry], number) for number, entry in enumerate(ENTRIES, 1)]
    batches = [
        Batch(header, codec.compute_batch_hash(header), (entry,))
        for header, entry in zip(headers, ENTRIES, strict=True)
    ]
    deriver.add(build_window(*build_events(batches)), lambda _: None, date)
    return deriver


@pytest.mark.parametrize("number", [0, 5, 2**255])
def test_an_assertion_of_a_batch_that_is_not_closed_means_a_lost_log(number: int) -> None:
    """Else a lie about it would stand unjudged until another batch closes. Rule: CHAL-6."""
    proposed = build_assertions()[0]
    assert isinstance(proposed, events.AssertionProposed)
    deriver = build_deriver()
    with pytest.raises(SkippedLog, match=f"assertion of batch {number}, which"):
        deriver.add(
            build_window(replace(proposed, batch=BatchNumber(number))), lambda _: None, date
        )


def test_the_tree_of_assertions_follows_the_rollups_events() -> None:
    """Rule: CHAL-6."""
    deriver = build_deriver()
    found = build_assertions()
    deriver.add(build_window(*found[:3]), lambda _: None, date)
    first, second, third = (Hash32(bytes([n]) * 32) for n in (1, 2, 3))
    assert deriver.tree.head_id == GENESIS
    assert [node.assertion_id for node in deriver.tree.list_of(WHO)] == [first, second, third]
    deriver.add(build_window(*found[3:]), lambda _: None, date)
    tree = deriver.tree
    assert (tree.head_id, tree.head) == (first, 1)
    statuses = [tree.get_status(one) for one in (first, second, third)]
    assert statuses == [Status.FINAL, Status.DEFEATED, Status.VOID]
    assert tree.get_fork(first) == Fork(date(PLACE), 0)
    assert deriver.transactions == {PLACE.transaction: PLACE.block}


@pytest.mark.parametrize("lost", range(3))
def test_a_lost_assertion_is_noticed_by_what_follows_from_it(lost: int) -> None:
    """Rule: CHAL-6."""
    found = build_assertions()
    del found[lost]
    deriver = build_deriver()
    with pytest.raises(SkippedLog):
        deriver.add(build_window(*found), lambda _: None, date)
    assert deriver.tree.get_status(GENESIS) is Status.FINAL
    assert deriver.tree.list_of(WHO) == []


def test_a_window_that_the_node_could_not_finish_is_taken_whole_later() -> None:
    """Rule: CHAL-6."""
    deriver = Deriver(GENESIS)

    def fail(batch: Batch) -> None:
        if batch.number == 2:
            raise Temporary("down")

    with pytest.raises(Temporary, match="down"):
        deriver.add(build_window(*build_events()), fail, date)
    assert (list(deriver.entries), list(deriver.batches)) == ([], [])
    deriver.add(build_window(*build_events()), lambda _: None, date)
    assert (list(deriver.entries), list(deriver.batches)) == (ENTRIES, BATCHES)


def test_calls_are_replayed_on_this_nodes_own_cells(tmp_path: Path) -> None:
    """Rule: CHAL-7."""
    expected = replay.execute_all(State.empty(), ENTRIES, MANIFESTS, ENGINE)
    results = list(replay.derive_all(BATCHES, lambda _: MANIFESTS, ENGINE))
    store = open_store(tmp_path)
    for is_new in (True, False):
        manifests: Any = Manifests()
        replayer = Replayer(ENGINE, manifests, store)
        for entry in ENTRIES:
            replayer.add(entry)
        ended = []
        while replayer.waiting:
            assert not all(replayer.has_all(batch.entries) for batch in BATCHES)
            ended += replayer.run()
        ended.sort(key=lambda each: each.execution.entry.call_id)
        assert [each.execution for each in ended] == expected
        assert [each.is_new for each in ended] == [is_new] * 4
        assert all(replayer.has_all(batch.entries) for batch in BATCHES)
        assert [replayer.build(batch).claim for batch in BATCHES] == [r.claim for r in results]
    store.close()
