"""A challenger that acts, on a whole rollup with the scripted engine: lies get true siblings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oyez.chain.client import Chain, Reverted
from oyez.derivation.history import SkippedLog
from oyez.dispute.responder import Responder
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Hash32, Status
from tests.actors.liar import Liar
from tests.lies import FALSE, challenger, close, honest_ids, read, status
from tests.local_rollup import LocalRollup, build_counter
from tests.services import ChallengerActor


@pytest.fixture
def rollup() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@pytest.fixture
def action(rollup: LocalRollup) -> Hash32:
    return rollup.client(1).publish(build_counter()).action_id


def test_a_lie_gets_its_true_sibling_and_neither_is_final(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: CHAL-12, CHAL-22."""
    actor = challenger(rollup, tmp_path)
    close(rollup, action, b"one", b"two")
    lie = Liar(rollup).propose(false_call=1)

    actor.run()

    (truth,) = honest_ids(rollup)
    assert status(rollup, truth) is Status.PENDING
    written = read(tmp_path)
    assert [(v["match"], v["first_call"]) for v in written["verdicts"]] == [
        (False, 1),
        (True, None),
    ]
    (move,) = written["moves"]
    assert (move["kind"], move["assertion"]) == ("propose", "0x" + truth.hex())
    assert written["staker"] == "0x" + rollup.keys[5].address.hex()
    rollup.anvil.advance(601)
    actor.run()
    for sibling in (lie.assertion_id, truth):
        with pytest.raises(Reverted, match="rollup: a sibling lives"):
            rollup.send(rollup.sequencer.rollup.build_finalize(sibling))
    assert len(read(tmp_path)["moves"]) == 1


def test_only_a_live_stake_may_act(rollup: LocalRollup, tmp_path: Path) -> None:
    """Rule: CHAL-23."""
    with pytest.raises(Fatal, match="is missing: deposit 1 ETH with `oyez stake deposit`, or"):
        ChallengerActor(rollup, tmp_path, key=5)
    rollup.client(5).deposit_stake()
    ChallengerActor(rollup, tmp_path, key=5).store.close()
    slash(rollup, 5)
    with pytest.raises(Fatal, match="was slashed, for ever: use a key that never was, or give"):
        ChallengerActor(rollup, tmp_path, key=5)
    ChallengerActor(rollup, tmp_path).store.close()


def slash(rollup: LocalRollup, key: int) -> None:
    """Slash a stake, as the game."""
    rollup.act(9, rollup.sequencer.rollup.build("slash", "0x" + rollup.keys[key].address.hex()))


def test_a_stake_lost_on_the_way_says_what_it_would_have_done(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: CHAL-21, CHAL-22."""
    actor = challenger(rollup, tmp_path)
    slash(rollup, 5)
    close(rollup, action, b"one")
    Liar(rollup).propose(false_roots=FALSE)
    for _ in range(2):
        rollup.anvil.mine()
        actor.run()
    (truth,) = honest_ids(rollup)
    assert status(rollup, truth) is Status.NONE
    why = "the stake was slashed: watch with another key"
    assert [facts["reason"] for facts in actor.log.named("blocked")] == [why]
    move = {"kind": "propose", "assertion": "0x" + truth.hex(), "why": why}
    assert (read(tmp_path)["blocked"], read(tmp_path)["moves"]) == ([move], [])


def test_a_watcher_never_acts(rollup: LocalRollup, action: Hash32, tmp_path: Path) -> None:
    actor = ChallengerActor(rollup, tmp_path)
    close(rollup, action, b"one")
    Liar(rollup).propose(false_roots=FALSE)
    actor.run()
    (truth,) = honest_ids(rollup)
    assert status(rollup, truth) is Status.NONE
    assert [v.matches for v in actor.service.verdicts] == [False]
    assert read(tmp_path)["staker"] is None


def test_of_two_challengers_one_posts_and_both_go_on(
    rollup: LocalRollup, action: Hash32, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: CHAL-19."""
    first = challenger(rollup, tmp_path / "first", key=5)
    second = challenger(rollup, tmp_path / "second", key=6)
    close(rollup, action, b"one")
    Liar(rollup).propose(false_roots=FALSE)
    nonces = [rollup.chain.fetch_nonce(rollup.keys[key].address) for key in (5, 6)]
    perform = Responder.perform

    def overtaken(responder: Responder, *arguments: Any) -> Any:
        """The other one acts between this one's decision and its transaction."""
        monkeypatch.undo()
        first.run()
        return perform(responder, *arguments)

    monkeypatch.setattr(Responder, "perform", overtaken)
    second.run()

    (truth,) = honest_ids(rollup)
    assert status(rollup, truth) is Status.PENDING
    assert [m["assertion"] for m in read(tmp_path / "first")["moves"]] == ["0x" + truth.hex()]
    assert read(tmp_path / "second")["moves"] == []
    reasons = [facts["reason"] for facts in second.log.named("refused")]
    assert reasons == ["rollup: already proposed"]
    after = [rollup.chain.fetch_nonce(rollup.keys[key].address) for key in (5, 6)]
    assert after == [nonces[0] + 1, nonces[1]]  # found before anything was sent


def test_a_log_that_the_node_lost_is_read_again_before_anything_is_sent(
    rollup: LocalRollup, action: Hash32, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: CHAL-19."""
    close(rollup, action, b"one")
    Liar(rollup).propose(false_roots=FALSE)
    challenger(rollup, tmp_path / "first", key=6).run()
    (truth,) = honest_ids(rollup)
    actor = challenger(rollup, tmp_path / "second")
    nonce = rollup.chain.fetch_nonce(rollup.keys[5].address)
    original = Chain.fetch_logs
    with monkeypatch.context() as patch:
        patch.setattr(
            Chain, "fetch_logs", lambda *a: (log for log in original(*a) if truth not in log.topics)
        )
        with pytest.raises(SkippedLog, match="is PENDING on the chain and NONE by the node's logs"):
            actor.run()
    actor.run()
    assert [v.assertion_id for v in actor.service.verdicts][1:] == [truth]
    assert rollup.chain.fetch_nonce(rollup.keys[5].address) == nonce
    assert actor.store.list_signed() == {}


def test_calls_are_replayed_while_a_transaction_is_not_mined(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """An answer that nobody mines is tried once a block; the calls behind it do not wait.

    Rule: CHAL-26
    """
    close(rollup, action, b"one")
    Liar(rollup).propose(false_roots=FALSE)
    for text in range(8):
        rollup.client(1).call(action, b"later %d" % text)
    rollup.client(5).deposit_stake()
    rollup.anvil.request("evm_setAutomine", False)
    actor = ChallengerActor(rollup, tmp_path, key=5, patience=0.5)
    actor.run()
    assert len(actor.log.named("replayed")) == 9
    assert ["not mined" in str(told["reason"]) for told in actor.log.named("put_off")] == [True]
    rollup.anvil.request("evm_setAutomine", True)
    rollup.anvil.mine()
    actor.run()
    assert [status(rollup, truth) for truth in honest_ids(rollup)] == [Status.PENDING]
    assert len(read(tmp_path)["moves"]) == 1


def test_one_stake_answers_a_lie_on_each_true_tip(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: CHAL-10, CHAL-12, CHAL-15."""
    actor = challenger(rollup, tmp_path)
    for number, key in enumerate((0, 6, 7)):
        if key:
            rollup.client(key).deposit_stake()
        close(rollup, action, b"call %d" % number)
        liar = Liar(rollup, key=key)
        for _ in range(number):
            liar.skip()
        liar.propose(false_call=number)
        actor.run()
    truths = honest_ids(rollup)
    assert [status(rollup, truth) for truth in truths] == [Status.PENDING] * 3
    written = read(tmp_path)
    assert [m["assertion"] for m in written["moves"]] == ["0x" + truth.hex() for truth in truths]
    lies = [v for v in written["verdicts"] if not v["match"]]
    assert [v["first_call"] for v in lies] == [0, 1, 2]
    assert [v["parent"] for v in lies][1:] == [m["assertion"] for m in written["moves"]][:2]
    assert rollup.client(5).fetch_stake().proposals == 3

    # The game ends each lie: the whole true branch becomes final, and the stake is free.
    for lie in lies:
        rollup.defeat(Hash32(bytes.fromhex(lie["assertion_id"][2:])))
    rollup.anvil.advance(601)
    actor.run()
    for _ in range(3):
        rollup.anvil.mine()
        actor.run()
    assert [status(rollup, truth) for truth in truths] == [Status.FINAL] * 3
    assert rollup.client(5).fetch_stake().proposals == 0


def test_a_truth_that_fell_is_voided_above_and_posted_again(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: CHAL-11, CHAL-17."""
    for number in range(2):
        close(rollup, action, b"call %d" % number)
    first = Liar(rollup).propose()
    rollup.anvil.advance(71)
    actor = challenger(rollup, tmp_path)
    actor.run()
    _, second = honest_ids(rollup)
    assert status(rollup, second) is Status.PENDING
    rollup.defeat(first.assertion_id)
    for _ in range(4):
        actor.run()
        rollup.anvil.mine()
    actor.run()
    assert status(rollup, second) is Status.VOID
    kinds = [move["kind"] for move in read(tmp_path)["moves"]]
    assert kinds == ["propose", "mark_void", "propose", "propose"]
    again = [v for v in read(tmp_path)["verdicts"] if v["match"]][-2:]
    assert [(v["batch"], v["attempt"]) for v in again] == [(1, 1), (2, 0)]


def test_a_withdrawal_is_cancelled_when_a_lie_stands(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: CHAL-16."""
    actor = challenger(rollup, tmp_path)
    contract = rollup.sequencer.rollup
    for number in range(2):
        rollup.act(5, contract.build("request_withdrawal"))
        if number == 0:
            actor.run()
            rollup.act(5, contract.build_cancel_withdrawal())
            rollup.anvil.advance(5)
    close(rollup, action, b"one")
    Liar(rollup).propose(false_roots=FALSE)
    for _ in range(2):
        actor.run()
    (truth,) = honest_ids(rollup)
    assert status(rollup, truth) is Status.PENDING
    assert contract.fetch_stake(rollup.keys[5].address).requested_at == 0
    assert [m["kind"] for m in read(tmp_path)["moves"]] == ["cancel_withdrawal", "propose"]
