"""A challenger that acts, killed and re-organised before any of its operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oyez.derivation import history
from oyez.protocol.types import Hash32, Status
from tests.actors.liar import Liar
from tests.lies import FALSE, challenger, close, honest_ids, read, status
from tests.local_rollup import LocalRollup, build_counter
from tests.services import Cut, KilledError, kill, run_through


@pytest.fixture
def rollup() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@pytest.fixture
def action(rollup: LocalRollup) -> Hash32:
    return rollup.client(1).publish(build_counter()).action_id


def test_a_reorg_makes_the_journal_drop_what_it_signed(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: CHAL-20."""
    actor = challenger(rollup, tmp_path)
    rollup.client(1).call(action, b"one")
    rollup.anvil.mine()
    before = rollup.anvil.snapshot()
    rollup.close_batch()
    Liar(rollup).propose(false_roots=FALSE)
    actor.run()
    (dropped,) = honest_ids(rollup)
    assert list(actor.store.list_signed()) == ["propose 0x" + dropped.hex()]

    rollup.anvil.restore(before)
    rollup.client(2).call(action, b"another")
    rollup.close_batch()
    Liar(rollup).propose(false_roots=FALSE)
    actor.run()

    (truth,) = honest_ids(rollup)
    assert truth != dropped
    assert status(rollup, truth) is Status.PENDING
    assert list(actor.store.list_signed()) == ["propose 0x" + truth.hex()]
    assert [m["assertion"] for m in read(tmp_path)["moves"]] == ["0x" + truth.hex()]


def test_bytes_signed_before_a_reorg_are_no_lie_after_it(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Nodes keep and mine again what a re-org removed: it must not speak of the new batch."""
    actor = challenger(rollup, tmp_path)
    rollup.client(1).call(action, b"one")
    rollup.anvil.mine()
    before = rollup.anvil.snapshot()
    rollup.close_batch()
    Liar(rollup).propose(false_roots=FALSE)
    actor.run()
    (signed,) = actor.store.list_signed().values()

    rollup.anvil.restore(before)
    rollup.client(2).call(action, b"another")
    rollup.close_batch()
    rollup.chain.send_raw(signed.raw)
    rollup.anvil.mine()

    mined = rollup.chain.find_mined(signed.hash)
    assert mined is not None
    assert not mined.succeeded
    assert history.fetch_history(rollup.chain, rollup.deployment).proposed == ()
    assert rollup.client(5).fetch_stake().proposals == 0


def test_a_challenger_killed_before_every_operation_posts_once(
    rollup: LocalRollup, action: Hash32, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: CHAL-4, CHAL-19, CHAL-22; SEQ-6."""
    actor = challenger(rollup, tmp_path)
    close(rollup, action, b"one", b"two")
    Liar(rollup).propose(false_call=1)
    nonce = rollup.chain.fetch_nonce(rollup.keys[5].address)
    with monkeypatch.context() as patch:
        cut = Cut(patch, actor.store, kill)
        kills = 0
        while True:
            cut.left = 1
            try:
                actor.restart()
                actor.run()
                break
            except KilledError:
                actor.store.close()
                kills += 1
    assert kills >= 3
    assert cut.log.count("put_signed") == 1
    assert rollup.chain.fetch_nonce(rollup.keys[5].address) == nonce + 1
    (truth,) = honest_ids(rollup)
    assert status(rollup, truth) is Status.PENDING
    assert [m["assertion"] for m in read(tmp_path)["moves"]] == ["0x" + truth.hex()]


@pytest.mark.parametrize("dies", [False, True])
def test_a_reorg_of_eight_blocks_before_any_operation_ends_with_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """Rule: CHAL-8, CHAL-19, CHAL-20."""
    stages = 0
    while True:
        with LocalRollup() as rollup, monkeypatch.context() as patch:
            action = rollup.client(1).publish(build_counter()).action_id
            home = tmp_path / str(stages)
            actor = challenger(rollup, home)
            rollup.anvil.mine(8)
            close(rollup, action, b"before")
            Liar(rollup).propose(false_roots=FALSE)
            cut = Cut(patch, actor.store, build_reorg(rollup, action, dies=dies), left=stages)
            run_through(actor)
            rollup.anvil.mine()
            run_through(actor)
            check_only_truth(rollup, home)
            if cut.left >= 0:
                # No operation is left: now what was mined goes, too.
                cut.left = 1_000
                build_reorg(rollup, action, dies=False)()
                run_through(actor)
                check_only_truth(rollup, home)
                assert len(actor.store.list_sent()) == 2
                actor.store.close()
                break
            actor.store.close()
        stages += 1
    assert stages >= 3


def check_only_truth(rollup: LocalRollup, home: Path) -> None:
    """Assert that the challenger's stake stands on the truth, once, and on nothing else."""
    (truth,) = honest_ids(rollup)
    assert status(rollup, truth) is Status.PENDING
    proposed = history.fetch_history(rollup.chain, rollup.deployment).proposed
    ours = [e.assertion_id for e in proposed if e.proposer == rollup.keys[5].address]
    assert ours == [truth]
    assert [m["assertion"] for m in read(home)["moves"]] == ["0x" + truth.hex()]


def build_reorg(rollup: LocalRollup, action: Hash32, *, dies: bool) -> Callable[[], None]:
    """Return what takes eight blocks back, puts another batch and lie there, and may kill."""

    def reorganise() -> None:
        rollup.anvil.request("anvil_rollback", 8)
        close(rollup, action, b"after")
        Liar(rollup).propose(false_roots=FALSE)
        if dies:
            kill()

    return reorganise
