"""Each rule of the honest client in duels, on hand-made views."""

from __future__ import annotations

import pytest

from oyez.chain.duel_states import Fall, Phase
from oyez.dispute import duel_moves as moves
from oyez.dispute.moves import CancelWithdrawal
from oyez.dispute.rules import decide
from tests.unit.dispute.board import GENESIS, SEQUENCER, T, who
from tests.unit.dispute.duel_board import (
    LATENCY,
    LIAR,
    ME,
    OTHER,
    THIRD,
    DuelBoard,
    duel_moves,
    fork,
    make_board,
    meet,
    of,
    why,
)


@pytest.fixture
def board() -> DuelBoard:
    return make_board()


# CHAL-28, CHAL-29


@pytest.mark.parametrize("lie_first", [True, False])
def test_every_living_false_sibling_is_duelled_once(board: DuelBoard, lie_first: bool) -> None:
    """Rule: CHAL-28, CHAL-29"""
    truth, lie = fork(board, lie_first=lie_first)
    second = board.propose(THIRD, GENESIS, content=2)
    opened = of(board, ME, moves.OpenDuel)
    assert {frozenset(move.ids) for move in opened} == {
        frozenset((truth, lie)), frozenset((truth, second)),
    }  # fmt: skip
    for move in opened:
        assert move.assertion_id == truth
        for assertion_id, content in zip(move.ids, move.contents, strict=True):
            made = board.all[assertion_id]
            own = board.own(made.batch, made.content)
            assert (content.parent, content.attempt, content.batch) == (GENESIS, 0, 1)
            assert (content.batch_hash, content.claim) == (own.batch_hash, own.claim)
        created = [board.all[assertion_id].created_at for assertion_id in move.ids]
        assert created == sorted(created)
    board.open(truth, lie, ME)
    assert len(of(board, ME, moves.OpenDuel)) == 1
    board.defeat(second)
    assert of(board, ME, moves.OpenDuel) == []


def test_of_one_second_the_smaller_id_is_older(board: DuelBoard) -> None:
    """Rule: CHAL-29"""
    for attempt in range(4):
        truth = board.propose(SEQUENCER if not attempt else who(20 + attempt), GENESIS, 0, attempt)
        lies = []
        for content in (1, 2):
            liar = who(40 + 10 * attempt + content)
            board.deposit(liar)
            lies.append(board.propose(liar, GENESIS, 1 + content + 2 * attempt))
        for move in of(board, ME, moves.OpenDuel):
            assert move.ids == tuple(sorted(move.ids))
        for dead in (truth, *lies):
            board.defeat(dead)
        board.deposit(who(21 + attempt))
        board.now += T


def test_nothing_is_played_for_a_lie_nor_on_one(board: DuelBoard) -> None:
    """Rule: CHAL-28"""
    first = board.propose(SEQUENCER, GENESIS, content=1)
    board.propose(LIAR, GENESIS, content=2)
    on_lie = board.propose(SEQUENCER, first)
    board.propose(OTHER, first, content=1)
    assert duel_moves(board) == []
    board.open(first, board.id_of(GENESIS, 2), LIAR)
    assert duel_moves(board) == []
    assert board.all[on_lie].content == 0


def test_an_own_lie_is_never_defended_and_the_truth_against_it_is(board: DuelBoard) -> None:
    """A proposer whose assertion is wrong by its own recomputation plays for the other side.

    Rule: CHAL-28
    """
    truth, lie = fork(board, lie_first=False, proposer=OTHER)
    # LIAR's own proposal is the newer and on turn: it owes the first reveal, and does not make it
    contest = board.open(truth, lie, OTHER)
    assert contest.state.turn == 1
    assert board.all[lie].proposer == LIAR
    assert duel_moves(board, LIAR) == []
    board.reveal(contest, OTHER)
    assert duel_moves(board, LIAR) == ["advance"]
    (move,) = of(board, LIAR, moves.Reveal)
    assert move.assertion_id == truth
    contest = board.find(truth, lie)
    while contest.state.phase is not Phase.COMMIT:
        contest = board.reveal(contest, OTHER)
    (commit,) = of(board, LIAR, moves.Commit)
    assert (commit.side, commit.assertion_id) == (0, truth)
    board.now += T
    assert [move.assertion_id for move in of(board, LIAR, moves.Defeat)] == [lie]


def test_what_was_not_replayed_yet_is_duelled_by_nobody(board: DuelBoard) -> None:
    """Rule: CHAL-28"""
    fork(board, lie_first=True)
    assert decide(board.view(ME, built=0)).moves == ()


# CHAL-30


@pytest.mark.parametrize("lie_first", [True, False])
def test_the_true_side_moves_when_it_is_on_turn(board: DuelBoard, lie_first: bool) -> None:
    """Rule: CHAL-30"""
    contest = board.open(*fork(board, lie_first=lie_first), ME)
    side = 1 if lie_first else 0
    seen = []
    while contest.state.phase is not Phase.COMMIT:
        kinds = duel_moves(board)
        assert bool(kinds) == (contest.state.turn == side)
        seen += kinds
        board.now += 1
        contest = board.reveal(contest, THIRD)
    expected = ["start", "advance", "advance", "last"] if lie_first else ["advance"] * 3
    assert seen == expected


def test_too_late_for_a_reveal_is_said(board: DuelBoard) -> None:
    """Rule: CHAL-30"""
    truth, lie = fork(board, lie_first=True)
    contest = board.open(truth, lie, ME)
    board.now = contest.state.get_deadline() - 1
    assert duel_moves(board) == ["start"]
    board.now += 1
    assert duel_moves(board) == []
    assert why(board) == ["the true side's time in the outer tree is up"]


# CHAL-31


def test_the_own_champion_comes_whoever_else_did(board: DuelBoard) -> None:
    """Rule: CHAL-31"""
    contest = board.reach_record(*fork(board, lie_first=True), THIRD)
    for other in (None, OTHER):
        if other is not None:
            contest = board.commit(contest, 1, other)
        (move,) = of(board, ME, moves.Commit)
        assert (move.side, move.deadline) == (1, contest.state.get_deadline(1))
    board.commit(contest, 1, ME)
    assert of(board, ME, moves.Commit) == []
    board.put_out(contest, 1, ME, Fall.BY_TIME)
    assert of(board, ME, moves.Commit) == []


def test_what_a_champion_lacks_is_said(board: DuelBoard) -> None:
    """Rule: CHAL-31"""
    contest = board.reach_record(*fork(board, lie_first=True), THIRD)
    board.machine = False
    (reason,) = why(board)
    assert reason.startswith("this node has no machine")
    board.machine = True
    kept = board.stakers[ME]
    del board.stakers[ME]
    assert why(board) == ["there is no stake: `oyez stake deposit`"]
    board.stakers[ME] = kept
    board.request(ME)
    assert why(board) == []
    kinds = [type(move) for move in decide(board.view(ME)).moves]
    assert kinds == [CancelWithdrawal]
    board.cancel(ME)
    board.now = contest.state.get_deadline(1)
    assert why(board)[0] == "it is too late for champions of the truth"
    board.slash(ME)
    board.now -= 1
    assert why(board) == ["the stake was slashed: watch with another key"]


def test_no_champion_without_time_but_for_the_own_proposal(board: DuelBoard) -> None:
    """Rule: CHAL-31"""
    contest = board.reach_record(*fork(board, lie_first=True, proposer=OTHER), THIRD)
    board.now = contest.state.get_deadline(1) - LATENCY
    assert len(of(board, ME, moves.Commit)) == 1
    board.now += 1
    assert of(board, ME, moves.Commit) == []
    assert why(board) == ["too little time is left to play a bout"]
    assert len(of(board, OTHER, moves.Commit)) == 1


# CHAL-32 to CHAL-34, CHAL-44


def test_the_own_champion_plays_and_resolves_its_bout(board: DuelBoard) -> None:
    """Rule: CHAL-32, CHAL-44"""
    contest = meet(board, LIAR)
    bout = board.bout(contest, LIAR, ME)
    seen = []
    while bout.state.phase is not Phase.RESOLVABLE:
        found = of(board, ME, moves.Fight)
        assert bool(found) == (bout.state.turn == 1)
        for move in found:
            seen.append(move.kind)
            assert (move.side, move.deadline) == (1, bout.state.get_deadline())
        board.now += 1
        bout = board.fight(bout, THIRD)
    assert seen == ["advance_bout", "leaf"]
    (move,) = of(board, ME, moves.Resolve)
    assert (move.side, move.content.claim) == (1, board.own(1).claim)
    board.machine = False
    assert of(board, ME, moves.Resolve) == []
    assert len(why(board)) == 1
    board.machine = True
    board.resolve(bout, THIRD)
    board.put_out(contest, 0, LIAR, Fall.BY_LANE)
    assert of(board, ME, moves.Resolve) == []


def test_the_first_move_of_a_bout_is_the_later_champions(board: DuelBoard) -> None:
    """Rule: CHAL-32"""
    contest = board.reach_record(*fork(board, lie_first=True, proposer=OTHER), THIRD)
    contest = board.commit(contest, 0, LIAR)
    board.now += 3
    board.commit(contest, 1, ME)
    (move,) = of(board, ME, moves.Fight)
    assert move.kind == "inner"
    board.machine = False
    assert of(board, ME, moves.Fight) == []
    assert len(why(board)) == 1


def test_others_bouts_are_their_owners_business(board: DuelBoard) -> None:
    """Rule: CHAL-32; Audit 3 S5"""
    contest = board.reach_record(*fork(board, lie_first=True, proposer=OTHER), THIRD)
    board.commit(contest, 0, LIAR)
    board.now += 3
    board.commit(contest, 1, OTHER)
    board.now += 3
    assert duel_moves(board) == ["commit"]
    board.commit(contest, 1, ME)
    assert [move.bout for move in of(board, ME, moves.Fight)] == [board.bout(contest, LIAR, ME)]
    board.put_out(contest, 1, ME, Fall.BY_TIME)
    assert duel_moves(board) == []


def test_every_living_opponent_is_met(board: DuelBoard) -> None:
    """Rule: CHAL-32"""
    contest = meet(board, LIAR, SEQUENCER)
    for rival in (LIAR, SEQUENCER):
        board.fight(board.bout(contest, rival, ME), rival)
    assert [move.kind for move in of(board, ME, moves.Fight)] == ["advance_bout"] * 2
    board.put_out(contest, 0, LIAR, Fall.BY_LANE)
    assert len(of(board, ME, moves.Fight)) == 1


def test_a_late_opponent_is_timed_out_and_the_own_lateness_is_said(board: DuelBoard) -> None:
    """Rule: CHAL-33"""
    contest = meet(board, LIAR)
    bout = board.bout(contest, LIAR, ME)
    assert bout.state.turn == 0
    board.now = bout.state.get_deadline() - 1
    assert duel_moves(board) == []
    board.now += 1
    (move,) = of(board, ME, moves.TimeoutBout)
    assert move.bout == bout
    board.now -= 5
    bout = board.fight(bout, LIAR)
    board.now = bout.state.get_deadline()
    assert of(board, ME, moves.Fight) == []
    assert of(board, ME, moves.TimeoutBout) == []
    assert "the own champion's time is up" in why(board)


def test_a_slashed_opponent_is_expelled_not_fought(board: DuelBoard) -> None:
    """Rule: CHAL-34"""
    contest = meet(board, LIAR)
    board.fight(board.bout(contest, LIAR, ME), LIAR)
    assert duel_moves(board) == ["advance_bout"]
    board.slash(LIAR)
    (move,) = of(board, ME, moves.Expel)
    assert duel_moves(board) == ["expel"]
    assert move.fighter.staker == LIAR
    assert move.deadline == board.bout(contest, LIAR, ME).state.get_deadline()


@pytest.mark.parametrize("ended", ["attempt", "lie"])
def test_a_stake_that_championed_a_sibling_is_not_tried_again_at_each_block(
    board: DuelBoard, ended: str
) -> None:
    """The Rollup binds a stake to one child of a parent for ever. Rule: CHAL-31"""
    truth, lie = fork(board, lie_first=True, proposer=OTHER)
    contest = board.reach_record(truth, lie, THIRD)
    if ended == "lie":
        board.commit(contest, contest.duel.ids.index(lie), ME)
    else:
        board.commit(contest, contest.duel.ids.index(truth), ME)
        board.defeat(truth)
        again = board.propose(THIRD, GENESIS, attempt=1)
        contest = board.reach_record(again, lie, THIRD)
    assert of(board, ME, moves.Commit) == []
    assert "the stake has championed a sibling: run another key, too" in why(board)
    assert [m.kind for m in of(board, LIAR, moves.Commit)] == ["commit"]


def test_a_next_batch_waits_for_what_a_clock_does_not_wait_for(board: DuelBoard) -> None:
    """Batches close all the time; a reveal that is late is lost. Rule: CHAL-39"""
    truth, lie = fork(board, lie_first=True, proposer=OTHER)
    board.open(truth, lie, THIRD)
    assert [move.kind for move in decide(board.view(ME)).moves] == ["start", "propose"]
    board.propose(LIAR, truth, content=1)
    assert [move.kind for move in decide(board.view(ME)).moves] == ["propose", "start"]


# CHAL-35


@pytest.mark.parametrize("lie_first", [True, False])
def test_a_lie_that_is_late_is_defeated(board: DuelBoard, lie_first: bool) -> None:
    """Rule: CHAL-35"""
    truth, lie = fork(board, lie_first=lie_first)
    contest = board.open(truth, lie, ME)
    if lie_first:
        contest = board.reveal(contest, ME)
    side = 0 if lie_first else 1
    assert contest.state.turn == side
    board.now = contest.state.get_deadline() - 1
    assert duel_moves(board) == []
    board.now += 1
    (move,) = of(board, ME, moves.Defeat)
    assert (move.assertion_id, move.side) == (lie, side)
    assert duel_moves(board) == ["defeat"]


def test_a_lie_on_turn_is_not_defeated_while_the_truth_is_late(board: DuelBoard) -> None:
    """Rule: CHAL-35"""
    contest = board.open(*fork(board, lie_first=True), ME)
    board.now += 2 * T
    assert contest.state.turn == 1
    assert of(board, ME, moves.Defeat) == []


def test_a_lie_without_a_living_champion_is_defeated_after_its_deadline(board: DuelBoard) -> None:
    """Rule: CHAL-35"""
    truth, lie = fork(board, lie_first=True)
    contest = board.reach_record(truth, lie, THIRD)
    deadline = contest.state.get_deadline(0)
    assert deadline > contest.state.get_deadline(1)
    board.commit(contest, 1, ME)
    board.now = deadline - 1
    assert of(board, ME, moves.Defeat) == []
    board.now += 1
    assert [m.assertion_id for m in of(board, ME, moves.Defeat)] == [lie]
    board.now -= 1
    board.commit(contest, 0, LIAR)
    board.now += 1
    assert of(board, ME, moves.Defeat) == []
    board.put_out(contest, 0, LIAR, Fall.BY_TIME)
    assert len(of(board, ME, moves.Defeat)) == 1
