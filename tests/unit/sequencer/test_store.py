from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from oyez.chain.delivery import Signed
from oyez.chain.events import CallQueued
from oyez.derivation import replay
from oyez.protocol.errors import Fatal
from oyez.protocol.state import State
from oyez.protocol.types import BatchNumber, Hash32
from sequencer.rows import ClosedBatch
from sequencer.store import Store, open_store
from tests.unit.protocol.actions import build_entry
from tests.unit.sequencer.build import ACTION, ENGINE, Story, build_batch, checkpoint, place

STORY = Story(4)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(tmp_path / "s" / "sequencer.db")
    yield made
    made.close()


def fill(store: Store) -> None:
    for index in range(4):
        STORY.write(store, index)


def test_what_is_written_is_read_after_a_restart(tmp_path: Path) -> None:
    """Rule: SEQ-2, SEQ-4, SEQ-5."""
    path = tmp_path / "sequencer.db"
    first = open_store(path)
    fill(first)
    first.close()
    store = open_store(path)
    assert [store.get_entry(i) for i in range(4)] == STORY.entries
    assert [store.get_execution(i) for i in range(4)] == STORY.executions
    assert [store.get_batch(n) for n in range(1, 5)] == STORY.batches
    assert store.list_results(after=0) == STORY.built
    assert store.list_results(after=3) == STORY.built[3:]
    assert (store.assertions.get_head(), store.assertions.list_pending(), store.list_open()) == (
        4,
        [],
        [],
    )
    assert (store.get_checkpoint(), store.get_time()) == (checkpoint(36), 1_036)
    store.close()


def test_a_window_is_written_whole_or_not_at_all(store: Store) -> None:
    """Rule: SEQ-2."""
    fill(store)
    before = store.get_checkpoint()
    with pytest.raises(IntegrityError):
        # An entry that is there already: the window must leave no checkpoint either.
        STORY.write(store, 0, "queued")
    assert store.get_checkpoint() == before
    assert store.count_calls() == 4


@pytest.mark.parametrize("again", ["put_execution", "put_result"])
def test_nothing_is_stored_twice(store: Store, again: str) -> None:
    """Rule: SEQ-4, SEQ-5."""
    fill(store)
    item = STORY.executions[0] if again == "put_execution" else STORY.built[0]
    with pytest.raises(IntegrityError):
        getattr(store, again)(item)


@settings(
    deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(block=st.integers(-1, 40))
def test_a_rewind_leaves_exactly_what_was_known_at_that_block(
    tmp_path_factory: pytest.TempPathFactory, block: int
) -> None:
    """Rule: SEQ-3."""
    store = open_store(tmp_path_factory.mktemp("rewind") / "sequencer.db")
    fill(store)
    kept = next((c for c in store.list_checkpoints() if c.number <= block), None)
    store.rewind(kept)

    last = -1 if kept is None else kept.number
    queued = [i for i in range(4) if 10 * i + 1 <= last]
    closed = [i for i in queued if 10 * i + 3 <= last]
    proposed = [i for i in closed if 10 * i + 5 <= last]
    final = [i for i in proposed if 10 * i + 6 <= last]
    assert store.count_calls() == store.count_executions() == len(queued)
    assert store.count_batches() == store.count_results() == len(closed)
    assert [a.batch - 1 for a in store.assertions.list_pending()] == [
        i for i in proposed if i not in final
    ]
    assert store.assertions.get_head() == len(final)
    assert store.get_checkpoint() == kept
    # What was forgotten can be written again.
    for index in range(len(queued), 4):
        STORY.write(store, index)
    store.close()


@pytest.mark.parametrize("block", [3, 7, 8])
@pytest.mark.parametrize("sampled", [{0, 1, 3}, {2}, {0}, set()])
def test_a_batch_that_is_open_again_loses_what_its_seed_made(
    store: Store, sampled: set[int], block: int
) -> None:
    """Its first sampled call and all after it; what ran before, or in a batch that stays, is kept.

    Rule: SEQ-22
    """
    entries = [build_entry(ACTION, index) for index in range(5)]
    executions = [
        replace(each, seed=Hash32(bytes(32)) if each.entry.call_id in sampled else None)
        for each in replay.execute_all(State.empty(), entries, {ACTION.hash: ACTION}, ENGINE)
    ]
    batches = [build_batch(entries[:1], 1), build_batch(entries[1:4], 2)]
    numbers = [BatchNumber(number) for number in (1, 2, 2, 2, 3)]
    queued = [CallQueued(e, n, place(0)) for e, n in zip(entries, numbers, strict=True)]
    # All are queued in block 0, closed in blocks 2 and 8; the last call's batch is open.
    for at in range(9):
        closed = {2: batches[:1], 8: batches[1:]}.get(at, [])
        store.apply_window(
            queued=[] if at else queued,
            closed=[ClosedBatch(batch, at) for batch in closed],
            proposed=[],
            ended=[],
            checkpoint=checkpoint(at),
            time=at,
        )
    for execution in executions:
        store.put_execution(execution)
    store.rewind(checkpoint(block))
    lost = [call for call in sampled if call > 0] if block < 8 else []
    kept = executions[: min(lost, default=5)]
    assert [e for e in map(store.get_execution, range(5)) if e is not None] == kept


def test_signed_transactions_outlive_a_rewind(store: Store) -> None:
    """Rule: SEQ-3, SEQ-6."""
    signed = Signed(4, b"raw", Hash32(b"\x01" * 32))
    store.put_signed("close 1", signed)
    store.rewind(None)
    assert store.get_signed("close 1") == signed
    raised = Signed(4, b"more", Hash32(b"\x02" * 32), (signed.hash, Hash32(b"\x03" * 32)))
    store.put_signed("close 1", raised)
    assert store.get_signed("close 1") == raised
    store.drop_signed("close 1")
    assert store.get_signed("close 1") is None


def test_a_store_belongs_to_one_rollup(store: Store) -> None:
    """Rule: SEQ-11."""
    names = {"chain id": "1", "rollup": "aa"}
    store.claim_for(names)
    store.claim_for(names)
    with pytest.raises(Fatal, match=r"rollup differ.*--home"):
        store.claim_for(names | {"rollup": "bb"})


def test_a_contradiction_is_found(store: Store) -> None:
    fill(store)
    assert store.assertions.find_contradiction() is None
    store.rewind(checkpoint(30))
    wrong = Story(4).built[3]
    claim = replace(wrong.claim, trace_root=Hash32(b"\x06" * 32))
    other = replace(wrong, assertion_id=Hash32(b"\x07" * 32), claim=claim)
    STORY.write(store, 3, "closed")
    store.put_result(other)
    STORY._window(store, 3, "proposed", 35)
    STORY._window(store, 3, "final", 36)
    found = store.assertions.find_contradiction()
    assert found is not None
    assert (found.batch, found.final, found.ours) == (
        4,
        STORY.built[3].assertion_id,
        b"\x07" * 32,
    )


def test_manifests_are_kept_once(store: Store) -> None:
    key = Hash32(b"\x01" * 32)
    assert store.get_manifest(key) is None
    store.put_manifest(key, b"bytes")
    store.put_manifest(key, b"bytes")
    assert store.get_manifest(key) == b"bytes"


def test_old_checkpoints_are_dropped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sequencer.store.KEPT_CHECKPOINTS", 3)
    fill(store)
    assert [c.number for c in store.list_checkpoints()] == [36, 35, 33]
