"""Calls run together, whatever interrupts them: a crash, a re-org, a node that does not answer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oyez.chain.events import CallQueued
from oyez.derivation import calls, replay
from oyez.protocol.errors import Temporary
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.transition import Execution
from oyez.protocol.types import BatchNumber, Cell, CellKind, Entry, Hash32, Manifest
from sequencer.executor import Executor
from sequencer.metrics import Metrics
from sequencer.store import Store, open_store
from tests.unit.protocol.actions import build_action, build_entry
from tests.unit.sequencer.build import ENGINE, checkpoint, place

NAMED = build_action(cell_kind=CellKind.NAMED)


class Manifests:
    """Gives one manifest, and sometimes does not answer."""

    def __init__(self, rng: random.Random, faults: float = 0.0) -> None:
        self._rng = rng
        self.faults = faults

    def fetch(self, manifest_hash: Hash32) -> Manifest:
        if self._rng.random() < self.faults:
            raise Temporary("the node is down")
        assert manifest_hash == NAMED.hash
        return NAMED

    def fetch_bytes(self, manifest_hash: Hash32) -> bytes:
        assert manifest_hash == NAMED.hash
        return encode_manifest(NAMED)


def build_executor(store: Store, manifests: Manifests) -> Executor:
    source: Any = manifests
    return Executor(
        store=store,
        manifests=source,
        engine=ENGINE,
        metrics=Metrics(),
        clock=lambda: 0.0,
        log=lambda event, **facts: None,
    )


def build_entries(rng: random.Random, first: int, count: int) -> list[Entry]:
    """Calls on three cells; some are refused at once."""
    inputs = (b"fine", b"a lovely day", b"bad\nline", b"x" * 150)
    return [
        build_entry(
            NAMED,
            index,
            cell=rng.choice([b"one", b"two", b"three"]),
            input=rng.choice(inputs) + b"%d" % rng.randrange(99),
        )
        for index in range(first, first + count)
    ]


def queue(store: Store, entries: list[Entry], block: int) -> None:
    """Write entries, one a block."""
    for offset, entry in enumerate(entries):
        at = block + offset
        store.apply_window(
            queued=[CallQueued(entry, BatchNumber(1), place(at))],
            closed=[],
            proposed=[],
            ended=[],
            checkpoint=checkpoint(at),
            time=at,
        )


def execute_in_order(entries: list[Entry]) -> list[Execution]:
    cells: dict[Hash32, Cell | None] = {}
    done = []
    for entry in entries:
        key = calls.get_cell_key(entry, NAMED)
        done.append(replay.execute(entry, cells.get(key), lambda _: NAMED, ENGINE))
        cells[key] = done[-1].cell_after
    return done


def run(executor: Executor, steps: int) -> bool:
    """Run steps; False when there was nothing left to do. A node that is down is asked again."""
    for _ in range(steps):
        try:
            if not executor.run_next():
                return False
        except Temporary:
            continue
    return True


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32), faults=st.sampled_from([0.0, 0.04]))
def test_crashes_lose_and_repeat_nothing_that_was_stored(
    tmp_path_factory: pytest.TempPathFactory, seed: int, faults: float
) -> None:
    """The executions are those of the calls one by one, in whatever order they were stored.

    Rule: SEQ-4
    """
    rng = random.Random(seed)
    entries = build_entries(rng, 0, 24)
    path, crashes = tmp_path_factory.mktemp("crash") / "sequencer.db", 0
    store = open_store(path)
    queue(store, entries[:16], 1)
    executor = build_executor(store, Manifests(rng, faults))
    while run(executor, rng.randint(1, 5)):
        crashes += 1
        store.close()
        store = open_store(path)
        executor = build_executor(store, Manifests(rng, faults))
        if crashes == 2:
            queue(store, entries[16:], 17)
    assert crashes >= 2
    assert [store.get_execution(index) for index in range(24)] == execute_in_order(entries)
    store.close()


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_node_that_often_does_not_answer_loses_no_end(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Rule: SEQ-4."""
    rng = random.Random(seed)
    entries = build_entries(rng, 0, 12)
    store = open_store(tmp_path_factory.mktemp("faults") / "sequencer.db")
    queue(store, entries, 1)
    manifests = Manifests(rng)
    executor = build_executor(store, manifests)
    assert executor.run_next()
    manifests.faults = 0.3
    while run(executor, 1):
        pass
    assert [store.get_execution(index) for index in range(12)] == execute_in_order(entries)
    store.close()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), kept=st.integers(0, 11), steps=st.integers(0, 8))
def test_a_reorg_among_calls_that_run_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, seed: int, kept: int, steps: int
) -> None:
    """Other calls take the ids of those that the chain let go, on the same cells.

    Rule: SEQ-23
    """
    rng = random.Random(seed)
    old = build_entries(rng, 0, 12)
    new = [*old[:kept], *build_entries(rng, kept, 12 - kept)]
    store = open_store(tmp_path_factory.mktemp("reorg") / "sequencer.db")
    queue(store, old, 1)
    executor = build_executor(store, Manifests(rng))
    run(executor, steps)
    store.rewind(checkpoint(kept) if kept else None)
    queue(store, new[kept:], kept + 1)
    while executor.run_next():
        pass
    assert [store.get_execution(index) for index in range(12)] == execute_in_order(new)
    store.close()


def test_what_is_executed_is_not_gone_through_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search begins where the last one found something, however long the history.

    Rule: SEQ-4
    """
    store = open_store(tmp_path / "sequencer.db")
    queue(store, build_entries(random.Random(3), 0, 12), 1)
    executor = build_executor(store, Manifests(random.Random(1)))
    asked, right = [], store.list_unexecuted

    def watch(limit: int, since: int = 0) -> list[Entry]:
        asked.append(since)
        return right(limit, since)

    monkeypatch.setattr(store, "list_unexecuted", watch)
    while executor.run_next():
        pass
    executor.run_next()
    assert (asked[0], asked[-1]) == (0, 12)
    assert asked == sorted(asked)
    store.rewind(checkpoint(5))
    executor.run_next()
    assert asked[-1] == 0
    store.close()


def test_calls_on_other_cells_do_not_wait_for_a_long_one(tmp_path: Path) -> None:
    """Rule: SEQ-1, SEQ-4."""
    entries = [
        build_entry(NAMED, 0, cell=b"one", input=b"fine"),
        build_entry(NAMED, 1, cell=b"two", input=b"bad\nline"),
        build_entry(NAMED, 2, cell=b"one", input=b"bad\nline"),
    ]
    store = open_store(tmp_path / "sequencer.db")
    queue(store, entries, 1)
    executor = build_executor(store, Manifests(random.Random(1)))
    assert executor.run_next()
    # The second needs no model; the third waits for its cell although it needs none either.
    assert [entry.call_id for entry in store.list_unexecuted(9)] == [0, 2]
    while executor.run_next():
        pass
    assert [store.get_execution(index) for index in range(3)] == execute_in_order(entries)
    store.close()
