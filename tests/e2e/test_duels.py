"""Both services in duels on a whole rollup with a game: outer trees of real traces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oyez.chain.contracts import Rollup
from oyez.chain.game import Game
from oyez.protocol import trace
from oyez.protocol.types import Hash32, Status
from tests.actors.liar import Liar
from tests.actors.lying_engine import LyingEngine
from tests.lies import FALSE, challenger, close, honest_ids, read, status
from tests.local_rollup import LocalRollup, build_counter
from tests.services import ChallengerActor, SequencerActor

#: The token whose first layer the lying engine falsifies: trace position 8 of call 0.
LIE_AT = 7


@pytest.fixture
def rollup() -> Iterator[LocalRollup]:
    with LocalRollup(has_game=True) as made:
        yield made


@pytest.fixture
def action(rollup: LocalRollup) -> Hash32:
    return rollup.client(1).publish(build_counter()).action_id


def settle(*actors: ChallengerActor | SequencerActor) -> None:
    """Run all in turn until none sends anything more."""
    for _ in range(40):
        before = actors[0].rollup.chain.fetch_block("latest").number
        for actor in actors:
            actor.run()
        if actors[0].rollup.chain.fetch_block("latest").number == before:
            return
    raise AssertionError("they never come to rest")


def test_a_deployment_with_a_game_is_linked(rollup: LocalRollup) -> None:
    """Rule: DUEL-20"""
    place = rollup.deployment
    assert place.has_game
    links = Game(rollup.chain, place).fetch_settings()
    assert links.rollup == place.address("Rollup")
    assert links.pay == place.address("MovePay")
    assert (links.outer_levels, links.inner_levels) == (6, 3)
    assert Rollup(rollup.chain, place).fetch_settings().game == place.address("DuelGame")


def test_a_silent_lie_dies_and_its_stake_pays(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: CHAL-29, CHAL-30, CHAL-35, CHAL-38, CHAL-22"""
    actor = challenger(rollup, tmp_path)
    close(rollup, action, b"one", b"two")
    lie = Liar(rollup).propose(false_roots=FALSE)
    rollup.anvil.advance(5)  # of one second, the greater id would be on turn
    settle(actor)
    kinds = [move["kind"] for move in read(tmp_path)["moves"]]
    assert kinds == ["propose", "open_duel", "start"]
    before = rollup.chain.fetch_balance(rollup.keys[5].address)
    for _ in range(2):
        rollup.anvil.advance(601)
        settle(actor)
    (truth,) = honest_ids(rollup)
    assert status(rollup, lie.assertion_id) is Status.DEFEATED
    assert status(rollup, truth) is Status.FINAL
    moves = read(tmp_path)["moves"]
    assert [move["kind"] for move in moves][3:] == ["defeat", "finalize", "pay_duel"]
    assert moves[3]["assertion"] == "0x" + lie.assertion_id.hex()
    assert rollup.chain.fetch_balance(rollup.keys[5].address) > before
    assert rollup.client(5).fetch_stake().proposals == 0


@pytest.mark.parametrize("defender", ["sequencer", "challenger"])
def test_an_outer_tree_is_walked_to_the_false_record(
    rollup: LocalRollup, action: Hash32, tmp_path: Path, defender: str
) -> None:
    """The liar runs the same client over an engine that lies in one record; nobody has a machine.

    Rule: CHAL-30, CHAL-31, CHAL-45, SEQ-30
    """
    rollup.client(6).deposit_stake()
    rollup.client(5).deposit_stake()
    rollup.client(1).call(action, b"one")
    rollup.client(2).call(action, b"two")
    rollup.anvil.advance(3)
    sequencer = SequencerActor(rollup, tmp_path / "s")
    sequencer.run()
    (truth,) = honest_ids(rollup)
    assert status(rollup, truth) is Status.PENDING
    honest: ChallengerActor | SequencerActor = sequencer
    if defender == "challenger":
        honest = ChallengerActor(rollup, tmp_path / "c", key=5)
    liar = ChallengerActor(rollup, tmp_path / "l", key=6, engine=LyingEngine(rollup.engine, LIE_AT))
    rollup.anvil.advance(5)
    settle(liar, honest)

    told = [facts for facts in honest.log.named("blocked") if facts["move"] == "commit"]
    assert [str(facts["reason"]).startswith("this node has no machine") for facts in told] == [True]
    (duel,) = list_duels(liar)
    record = trace.compute_outer_index(0, LIE_AT + 1, 0)
    assert duel == record
    # the younger side's time is over first: it has no champion, and falls
    for _ in range(140):
        rollup.anvil.advance(5)
        honest.run()
        if status(rollup, truth) is Status.FINAL:
            break
    assert status(rollup, truth) is Status.FINAL
    assert rollup.client(6).fetch_stake().amount == 0


def list_duels(actor: ChallengerActor) -> list[int]:
    """The records that a challenger's duels have found."""
    duels = actor.service._deriver.duels
    assert duels is not None
    return [contest.state.index for contest in duels.list_all()]


def test_a_sequencer_that_starts_anew_reads_its_duels_again(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: SEQ-30"""
    rollup.client(6).deposit_stake()
    rollup.client(1).call(action, b"one")
    rollup.anvil.advance(3)
    sequencer = SequencerActor(rollup, tmp_path / "s")
    sequencer.run()
    liar = ChallengerActor(rollup, tmp_path / "l", key=6, engine=LyingEngine(rollup.engine, LIE_AT))
    for _ in range(12):
        liar.run()
        sequencer.store.close()
        sequencer.restart()
        sequencer.run()
    (duel,) = list_duels(liar)
    assert duel == trace.compute_outer_index(0, LIE_AT + 1, 0)
