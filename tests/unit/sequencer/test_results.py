"""What duels ask of the store does not cost the whole history each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from oyez.protocol.transition import Execution
from oyez.protocol.types import Entry, Hash32, Manifest
from sequencer import results
from sequencer.results import OwnResults
from sequencer.store import Store, open_store
from tests.unit.sequencer.build import ACTION, Story

LENGTH = 12


class Manifests:
    """Stands for the source: one action."""

    def collect(self, entries: Sequence[Entry]) -> dict[Hash32, Manifest]:
        return {ACTION.hash: ACTION}

    def fetch(self, manifest_hash: Hash32) -> Manifest:
        return ACTION


class Counted:
    """A store that counts the batches whose executions it gave."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.given = 0

    def list_executions(self, entries: Sequence[Entry]) -> list[Execution]:
        self.given += 1
        return self._store.list_executions(entries)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
def story(tmp_path: Path) -> tuple[Story, Counted, OwnResults]:
    made, store = Story(LENGTH), open_store(tmp_path / "store.db")
    for index in range(LENGTH):
        made.write(store, index)
    counted, stand_in = Counted(store), Manifests()
    kept: Any = counted
    manifests: Any = stand_in
    return made, counted, OwnResults(kept, manifests)


def check(made: Story, own: OwnResults, batch: int) -> None:
    state, closed, executions = own.fetch_executed(batch)
    before = made.results[batch - 2].state.root if batch > 1 else bytes(32)
    assert state.root == before
    assert closed == made.batches[batch - 1]
    assert list(executions) == [made.executions[batch - 1]]


def test_duels_on_several_batches_fold_the_history_once(
    story: tuple[Story, Counted, OwnResults],
) -> None:
    """Rule: CHAL-45"""
    made, store, own = story
    check(made, own, LENGTH)
    assert store.given == LENGTH
    for batch in (LENGTH, LENGTH - 1, LENGTH, 3, 1, LENGTH):
        before = store.given
        check(made, own, batch)
        assert store.given == before + 1


@pytest.mark.parametrize("kept", [1, 2, 5])
def test_few_kept_states_change_no_answer(
    story: tuple[Story, Counted, OwnResults], monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Rule: CHAL-45"""
    made, _, own = story
    monkeypatch.setattr(results, "KEPT", kept)
    for batch in (LENGTH, 4, 5, 9, 1, 2, LENGTH):
        check(made, own, batch)
        assert len(own._states) <= kept
