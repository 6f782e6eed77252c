from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from challenger.deriver import Deriver
from challenger.replayer import Replayer
from challenger.store import open_store
from oyez.chain import events
from oyez.derivation import replay
from oyez.derivation.follow import Checkpoint, Window
from oyez.derivation.history import Batch
from oyez.protocol import codec
from oyez.protocol.errors import Invalid, Temporary
from oyez.protocol.state import State
from oyez.protocol.types import Address, BatchNumber, Hash32
from tests.unit.chain.test_events import PLACE
from tests.unit.derivation.test_replay import (
    ENGINE,
    MANIFESTS,
    NAMED,
    SHARED,
    build_batches,
    build_entries,
)

ENTRIES = build_entries(
    [(SHARED, b"", b"one"), (NAMED, b"two", b"x"), (SHARED, b"", b"\xff"), (NAMED, b"one", b"y")]
)
BATCHES = build_batches(ENTRIES, 2)


class Manifests:
    """Stands for ManifestSource."""

    fetch = staticmethod(MANIFESTS.__getitem__)
    collect = staticmethod(lambda _entries: MANIFESTS)


def build_window(*found: events.Event) -> Window:
    return Window(found, Checkpoint(1, Hash32(bytes(32))), 0)


def build_events() -> list[events.Event]:
    made: list[events.Event] = []
    for batch in BATCHES:
        made += [events.CallQueued(e, BatchNumber(batch.number), PLACE) for e in batch.entries]
        batch_hash = codec.compute_batch_hash(batch.header)
        made.append(events.BatchClosed(batch.header, batch_hash, Address(bytes(20)), PLACE))
    return made


def test_calls_and_batches_come_out_as_the_chain_has_them() -> None:
    """Rule: CHAL-6."""
    deriver = Deriver()
    checked: list[Batch] = []
    deriver.add(build_window(*build_events()), checked.append)
    assert list(deriver.entries) == ENTRIES
    assert list(deriver.batches) == checked == BATCHES


@pytest.mark.parametrize("lost", range(5))
def test_a_lost_event_is_noticed(lost: int) -> None:
    """Rule: CHAL-6."""
    found = build_events()
    del found[lost]
    with pytest.raises((Temporary, Invalid)):
        Deriver().add(build_window(*found), lambda _: None)


def test_a_window_that_the_node_could_not_finish_is_taken_whole_later() -> None:
    """Rule: CHAL-6."""
    deriver = Deriver()

    def fail(batch: Batch) -> None:
        if batch.number == 2:
            raise Temporary("down")

    with pytest.raises(Temporary, match="down"):
        deriver.add(build_window(*build_events()), fail)
    assert (list(deriver.entries), list(deriver.batches)) == ([], [])
    deriver.add(build_window(*build_events()), lambda _: None)
    assert (list(deriver.entries), list(deriver.batches)) == (ENTRIES, BATCHES)


def test_calls_are_replayed_on_this_nodes_own_cells(tmp_path: Path) -> None:
    """Rule: CHAL-7."""
    expected = replay.execute_all(State.empty(), ENTRIES, MANIFESTS, ENGINE)
    results = list(replay.derive_all(BATCHES, lambda _: MANIFESTS, ENGINE))
    store = open_store(tmp_path)
    for is_new in (True, False):
        manifests: Any = Manifests()
        replayer = Replayer(ENGINE, manifests, store)
        runs = [replayer.run(entry) for entry in ENTRIES]
        assert [execution for execution, _ in runs] == expected
        assert [new for _, new in runs] == [is_new] * 4
        assert [replayer.build(batch).claim for batch in BATCHES] == [r.claim for r in results]
    store.close()
