"""A sequencer beside lies keeps to its own true branch, waits, steps down; and 8 blocks go back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oyez.derivation import history
from oyez.protocol.types import Hash32, Status
from tests.actors.liar import Liar
from tests.lies import FALSE, honest_ids
from tests.local_rollup import LocalRollup, build_counter
from tests.services import ChallengerActor, Cut, SequencerActor, kill, run_through


@pytest.fixture
def rollup() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@pytest.fixture
def action(rollup: LocalRollup) -> Hash32:
    return rollup.client(1).publish(build_counter()).action_id


def call(rollup: LocalRollup, action: Hash32, text: bytes) -> None:
    rollup.client(1).call(action, text)
    rollup.anvil.advance(3)


def statuses(rollup: LocalRollup) -> list[Status]:
    return [rollup.sequencer.rollup.fetch_status(one) for one in honest_ids(rollup)]


def test_a_foreign_sibling_neither_stops_it_nor_costs_it_a_transaction(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: SEQ-10, SEQ-13."""
    sequencer = SequencerActor(rollup, tmp_path)
    call(rollup, action, b"one")
    sequencer.run()
    rollup.client(5).deposit_stake()
    lie = Liar(rollup, key=5).propose(false_roots=FALSE)
    call(rollup, action, b"two")
    sequencer.run()
    assert statuses(rollup) == [Status.PENDING] * 2

    nonce = rollup.chain.fetch_nonce(rollup.keys[0].address)
    for _ in range(4):
        rollup.anvil.advance(400)
        sequencer.run()
    assert rollup.chain.fetch_nonce(rollup.keys[0].address) == nonce
    assert sequencer.log.named("refused") == []

    rollup.defeat(lie.assertion_id)
    sequencer.run()
    assert statuses(rollup) == [Status.FINAL] * 2


def test_it_goes_on_from_what_others_proposed_in_its_absence(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: SEQ-10, CHAL-15."""
    sequencer = SequencerActor(rollup, tmp_path / "s")
    call(rollup, action, b"one")
    sequencer.run()
    call(rollup, action, b"two")
    rollup.close_batch()
    rollup.anvil.advance(71)
    rollup.client(5).deposit_stake()
    ChallengerActor(rollup, tmp_path / "c", key=5).run()
    assert statuses(rollup) == [Status.PENDING] * 2
    call(rollup, action, b"three")
    sequencer.run()
    assert statuses(rollup) == [Status.PENDING] * 3
    moves = [facts["move"] for facts in sequencer.log.named("moved")]
    assert moves == ["step_down"]


def test_a_key_that_lied_before_goes_on_and_says_what_it_cannot_do(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: SEQ-10, CHAL-15."""
    call(rollup, action, b"one")
    rollup.close_batch()
    Liar(rollup).propose(false_roots=FALSE)
    sequencer = SequencerActor(rollup, tmp_path / "s")
    sequencer.run()
    call(rollup, action, b"two")
    sequencer.run()
    assert sequencer.store.count_batches() == 2
    reasons = [str(facts["reason"]) for facts in sequencer.log.named("blocked")]
    assert [reason.endswith("beside the true branch") for reason in reasons] == [True]
    # Others are first now, on every batch, and it still has nothing to add.
    rollup.client(5).deposit_stake()
    ChallengerActor(rollup, tmp_path / "c", key=5).run()
    sequencer.run()
    assert statuses(rollup) == [Status.PENDING] * 2


@pytest.mark.parametrize("dies", [False, True])
def test_a_reorg_of_eight_blocks_before_any_operation_leaves_no_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """Rule: SEQ-3, SEQ-6, CHAL-20."""
    stages = 0
    while True:
        with LocalRollup() as rollup, monkeypatch.context() as patch:
            action = rollup.client(1).publish(build_counter()).action_id
            rollup.anvil.mine(8)
            actor = SequencerActor(rollup, tmp_path / str(stages))
            call(rollup, action, b"before")
            cut = Cut(patch, actor.store, build_reorg(rollup, action, dies=dies), left=stages)
            run_through(actor)
            rollup.anvil.mine()
            run_through(actor)
            assert len(rollup.derive()) == 1
            assert statuses(rollup) == [Status.PENDING]
            proposed = history.fetch_history(rollup.chain, rollup.deployment).proposed
            assert [event.assertion_id for event in proposed] == honest_ids(rollup)
            if cut.left >= 0:
                break
        stages += 1
    assert stages >= 8


def build_reorg(rollup: LocalRollup, action: Hash32, *, dies: bool) -> Callable[[], None]:
    """Return what takes eight blocks back, puts another call there, and may kill the service."""

    def reorganise() -> None:
        rollup.anvil.request("anvil_rollback", 8)
        call(rollup, action, b"after")
        if dies:
            kill()

    return reorganise
