"""Services far behind the chain: what a window in the past shows is no reason to do anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oyez.chain.client import Chain, RpcError
from oyez.chain.contracts import compute_topic
from oyez.derivation import follow
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Hash32
from tests.actors.liar import Liar
from tests.local_rollup import LocalRollup, build_counter
from tests.services import ChallengerActor, SequencerActor

FALSE = {"receipts_root": Hash32(b"\x01" * 32)}


@pytest.fixture
def rollup() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@pytest.fixture
def action(rollup: LocalRollup) -> Hash32:
    return rollup.client(1).publish(build_counter()).action_id


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that end within batches; the node keeps no state but that of its newest blocks."""
    monkeypatch.setattr(follow, "WINDOW_BLOCKS", 2)
    original = Chain.request

    def request(self: Chain, method: str, *params: object) -> object:
        if method == "eth_call" and len(at := str(params[1])) == 66:
            asked = self.fetch_block(Hash32(bytes.fromhex(at[2:])))
            if asked.number < self.fetch_block().number - 1:
                raise RpcError(method, -32000, "missing trie node")
        return original(self, method, *params)

    monkeypatch.setattr(Chain, "request", request)


def queue(rollup: LocalRollup, action: Hash32, *texts: bytes) -> None:
    for index, text in enumerate(texts):
        rollup.client(1 + index % 3).call(action, text)
        rollup.anvil.advance(3)


@pytest.mark.usefixtures("small")
def test_a_sequencer_far_behind_closes_and_forgets_nothing_on_its_way(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: SEQ-19."""
    for _ in range(3):
        queue(rollup, action, b"one", b"two", b"three")
        rollup.close_batch()
    sequencer = SequencerActor(rollup, tmp_path)
    sequencer.run()
    assert sequencer.log.named("reading_again") == sequencer.log.named("retry") == []
    assert sequencer.engine.opened == 9
    assert [facts["batch"] for facts in sequencer.log.named("proposed")] == [1, 2, 3]


def test_a_closing_that_the_node_lost_hides_no_lie(
    rollup: LocalRollup, action: Hash32, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other batch need close. Rule: CHAL-6, SEQ-12."""
    rollup.client(5).deposit_stake()
    challenger = ChallengerActor(rollup, tmp_path / "c", key=5)
    sequencer = SequencerActor(rollup, tmp_path / "s")
    queue(rollup, action, b"one")
    rollup.close_batch()
    lost, original = compute_topic("Inbox", "BatchClosed"), Chain.fetch_logs
    with monkeypatch.context() as patch:
        patch.setattr(
            Chain, "fetch_logs", lambda *a: (g for g in original(*a) if g.topics[0] != lost)
        )
        challenger.run()
        with pytest.raises(Temporary):
            sequencer.run()
    Liar(rollup).propose(false_roots=FALSE)
    challenger.run()
    sequencer.run()
    assert [verdict.matches for verdict in challenger.service.verdicts] == [False, True]
    assert len(challenger.log.named("moved")) == 1
    assert sequencer.store.count_batches() == 1


@pytest.mark.usefixtures("small")
def test_a_challenger_far_behind_tells_no_move_again(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: CHAL-25."""
    rollup.client(5).deposit_stake()
    actor = ChallengerActor(rollup, tmp_path, key=5)
    queue(rollup, action, b"one", b"two", b"three")
    rollup.close_batch()
    Liar(rollup).propose(false_roots=FALSE)
    rollup.anvil.mine(5)
    actor.run()
    rollup.anvil.mine(5)
    assert len(actor.log.named("moved")) == 1
    actor.restart()
    actor.run()
    assert [len(actor.log.named(event)) for event in ("answering", "moved")] == [1, 1]
    assert [report["event"] for report in actor.reports].count("move") == 1
