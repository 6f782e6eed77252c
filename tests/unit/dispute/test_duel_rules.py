"""Each rule of the honest client in duels, on hand-made views."""

from __future__ import annotations

from typing import Any

import pytest

from oyez.chain.duel_states import Fall, Phase
from oyez.derivation.history import SkippedLog
from oyez.dispute import duel_moves as moves
from oyez.dispute.duels import Contest
from oyez.dispute.moves import MAX_MOVES, CancelWithdrawal, Finalize, MarkVoid, Propose
from oyez.dispute.rules import decide
from oyez.protocol.types import Address, Hash32, Status
from tests.unit.dispute.board import GENESIS, SEQUENCER, T, who
from tests.unit.dispute.duel_board import QUARTER, DuelBoard, standing

ME, LIAR, OTHER, THIRD = who(7), who(8), who(9), who(10)
LATENCY = 15


@pytest.fixture
def board() -> DuelBoard:
    made = DuelBoard()
    for staker in (SEQUENCER, ME, LIAR, OTHER, THIRD):
        made.deposit(staker)
    for _ in range(3):
        made.close_batch()
    return made


def fork(board: DuelBoard, *, lie_first: bool, proposer: Address = OTHER) -> tuple[Hash32, Hash32]:
    """A true and a false child of genesis: (truth, lie), seven seconds apart."""
    if lie_first:
        lie = board.propose(SEQUENCER, GENESIS, content=1)
        board.now += 7
        return board.propose(proposer, GENESIS), lie
    truth = board.propose(SEQUENCER, GENESIS)
    board.now += 7
    return truth, board.propose(LIAR, GENESIS, content=1)


def of(board: DuelBoard, me: Address, kind: type[Any]) -> list[Any]:
    return [move for move in decide(board.view(me)).moves if isinstance(move, kind)]


def duel_moves(board: DuelBoard, me: Address = ME) -> list[str]:
    return [m.kind for m in decide(board.view(me)).moves if isinstance(m, moves.DuelMove)]


def why(board: DuelBoard, me: Address = ME) -> list[str]:
    return [b.why for b in decide(board.view(me)).blocked if isinstance(b.move, moves.DuelMove)]


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


def meet(board: DuelBoard, *rivals: Address) -> Contest:
    """ME champions the newer truth, then rivals the older lie."""
    contest = board.reach_record(*fork(board, lie_first=True, proposer=OTHER), THIRD)
    contest = board.commit(contest, 1, ME)
    for rival in rivals:
        board.now += 3
        contest = board.commit(contest, 0, rival)
    return contest


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


# CHAL-36 to CHAL-38


@pytest.mark.parametrize("me", [ME, OTHER, THIRD])
def test_champions_of_a_fallen_lie_are_expelled_by_who_stood_up(
    board: DuelBoard, me: Address
) -> None:
    """Rule: CHAL-36; Audit 3 S3"""
    contest = meet(board, LIAR)
    lie = contest.duel.a
    assert of(board, me, moves.Expel) == []
    board.defeat(lie)
    expected = [] if me == THIRD else [(lie, LIAR)]
    found = [(m.assertion_id, m.fighter.staker) for m in of(board, me, moves.Expel)]
    assert found == expected
    board.now += T
    board.finalize(contest.duel.b)
    found = [(m.assertion_id, m.fighter.staker) for m in of(board, me, moves.Expel)]
    assert found == expected
    board.put_out(contest, 0, LIAR, Fall.BY_FALL)
    assert of(board, me, moves.Expel) == []


def test_champions_of_a_fallen_truth_are_left_alone(board: DuelBoard) -> None:
    """Rule: CHAL-36"""
    contest = board.reach_record(*fork(board, lie_first=True, proposer=OTHER), THIRD)
    board.commit(contest, 1, THIRD)
    board.commit(contest, 0, LIAR)
    board.defeat(contest.duel.b)
    for me in (LIAR, SEQUENCER, ME):
        assert of(board, me, moves.Expel) == []


def test_the_own_lock_is_taken_back_once_the_duel_is_moot(board: DuelBoard) -> None:
    """Rule: CHAL-37"""
    contest = meet(board, LIAR)
    assert of(board, ME, moves.Release) == []
    board.defeat(contest.duel.a)
    assert [m.fighter.staker for m in of(board, ME, moves.Release)] == [ME]
    assert of(board, OTHER, moves.Release) == []
    board.now += T
    board.finalize(contest.duel.b)
    assert len(of(board, ME, moves.Release)) == 1
    board.release(contest, 1, ME)
    assert of(board, ME, moves.Release) == []


def test_a_champion_of_the_fallen_gets_nothing_back(board: DuelBoard) -> None:
    """Rule: CHAL-37"""
    contest = meet(board, LIAR)
    board.defeat(contest.duel.b)
    assert of(board, ME, moves.Release) == []
    assert len(of(board, LIAR, moves.Release)) == 1


def test_what_stands_on_the_dead_is_voided_for_its_champion(board: DuelBoard) -> None:
    """Rule: CHAL-37, CHAL-17"""
    first = board.propose(SEQUENCER, GENESIS)
    truth = board.propose(SEQUENCER, first)
    board.now += 80
    lie = board.propose(LIAR, first, content=1)
    contest = board.reach_record(truth, lie, THIRD)
    board.commit(contest, 0, ME)
    assert of(board, ME, MarkVoid) == []
    board.defeat(first)
    assert of(board, ME, moves.Release) == []
    assert [m.assertion_id for m in of(board, ME, MarkVoid)] == [truth]
    board.mark_void(truth)
    assert len(of(board, ME, moves.Release)) == 1


def test_own_moves_against_a_fallen_lie_are_paid_once(board: DuelBoard) -> None:
    """Rule: CHAL-38"""
    truth, lie = fork(board, lie_first=True)  # the lie is side 0
    contest = board.open(truth, lie, OTHER)
    contest = board.reveal(contest, ME)  # side 1's
    contest = board.reveal(contest, THIRD)  # side 0's
    assert of(board, ME, moves.PayDuel) == []
    board.defeat(lie)
    for me, count in ((ME, 1), (OTHER, 1), (THIRD, 0), (LIAR, 0)):
        found = of(board, me, moves.PayDuel)
        assert [(m.loser, m.assertion_id) for m in found] == [(0, lie)] * count
    board.pay(b"x" * 32, SEQUENCER, QUARTER - 1)
    assert len(of(board, ME, moves.PayDuel)) == 1
    board.pay(b"y" * 32, SEQUENCER, 1)
    assert of(board, ME, moves.PayDuel) == []
    board.pay(contest.duel.key, LIAR, 1)
    assert of(board, OTHER, moves.PayDuel) == []


def test_a_paid_duel_is_not_paid_again(board: DuelBoard) -> None:
    """Rule: CHAL-38"""
    truth, lie = fork(board, lie_first=True)
    contest = board.open(truth, lie, ME)
    board.defeat(lie)
    board.pay(contest.duel.key, SEQUENCER, 5)
    assert of(board, ME, moves.PayDuel) == []


def test_own_moves_in_a_bout_are_paid(board: DuelBoard) -> None:
    """Rule: CHAL-38"""
    contest = meet(board, LIAR)
    bout = board.bout(contest, LIAR, ME)
    for mover in (LIAR, ME, LIAR, ME):
        bout = board.fight(bout, mover)
    board.resolve(bout, THIRD)
    assert of(board, ME, moves.PayBout) == []
    board.put_out(contest, 0, LIAR, Fall.BY_LANE)
    (move,) = of(board, ME, moves.PayBout)
    assert (move.loser, move.bout.movers) == (0, (LIAR, ME, LIAR, ME, THIRD))
    board.pay(bout.key, LIAR, 5)
    assert of(board, ME, moves.PayBout) == []


@pytest.mark.parametrize(("mover", "resolver", "count"), [(THIRD, ME, 1), (THIRD, THIRD, 0)])
def test_who_resolved_is_paid_too(
    board: DuelBoard, mover: Address, resolver: Address, count: int
) -> None:
    """Rule: CHAL-38"""
    contest = meet(board, LIAR)
    bout = board.bout(contest, LIAR, ME)
    for _ in range(4):
        bout = board.fight(bout, mover)
    board.resolve(bout, resolver)
    board.put_out(contest, 0, LIAR, Fall.BY_LANE)
    assert len(of(board, ME, moves.PayBout)) == count


def test_a_bout_without_a_move_pays_nobody(board: DuelBoard) -> None:
    """Rule: CHAL-38"""
    contest = meet(board, LIAR)
    board.put_out(contest, 0, LIAR, Fall.BY_TIME)
    assert of(board, ME, moves.PayBout) == []


def test_credit_is_withdrawn_when_nothing_else_is_to_do(board: DuelBoard) -> None:
    """Rule: CHAL-38"""
    board.credit = 5
    (move,) = decide(board.view(ME)).moves
    assert (move.kind, move.credit, move.owner) == ("withdraw_pay", 5, ME)
    board.pay(b"x" * 32, LIAR, 5)
    (later,) = decide(board.view(ME)).moves
    assert later.key != move.key
    fork(board, lie_first=True)
    assert of(board, ME, moves.WithdrawPay) == []


# CHAL-39, CHAL-40


def test_the_nearest_deadline_comes_first(board: DuelBoard) -> None:
    """Rule: CHAL-39"""
    lies = [board.propose(SEQUENCER, GENESIS, content=1), board.propose(THIRD, GENESIS, content=2)]
    board.now += 7
    truth = board.propose(OTHER, GENESIS)
    board.now += 7
    newest = board.propose(LIAR, GENESIS, content=3)
    slow, fast = (board.open(truth, lie, ME) for lie in lies)
    fast = board.reveal(fast, ME)
    board.now += 9
    board.reveal(fast, LIAR)
    board.close_batch()
    found = decide(board.view(ME)).moves
    assert isinstance(found[0], Propose)  # a lie on another height would be answered first
    rest = [m for m in found if isinstance(m, moves.DuelMove)]
    assert [m.kind for m in rest] == ["start", "advance", "open_duel"]
    assert rest[0].contest == slow
    assert rest[0].deadline < rest[1].deadline < rest[2].deadline == moves.NEVER
    assert rest[2].ids == (truth, newest)
    # where the truth is the newer its clock runs before anybody opened
    hurried = [m for m in decide(board.view(ME)).moves if isinstance(m, moves.OpenDuel)]
    board.duels = type(board.duels)(3)
    opened = [m for m in decide(board.view(ME)).moves if isinstance(m, moves.OpenDuel)]
    assert [m.deadline for m in opened] == [board.starts[GENESIS] + T] * 2 + [moves.NEVER]
    assert hurried == opened[2:]


def test_a_decision_holds_so_many_moves(board: DuelBoard) -> None:
    """Rule: CHAL-40"""
    truth, _ = fork(board, lie_first=True)
    for number in range(MAX_MOVES + 6):
        liar = who(100 + number)
        board.deposit(liar)
        board.propose(liar, GENESIS, content=2 + number)
    found = decide(board.view(ME)).moves
    assert len(found) == MAX_MOVES
    assert [move.kind for move in found] == ["propose"] + ["open_duel"] * (MAX_MOVES - 1)
    assert board.tree.get_status(truth) is Status.PENDING


def test_finality_comes_after_all_duels(board: DuelBoard) -> None:
    """Rule: CHAL-39"""
    truth, lie = fork(board, lie_first=True, proposer=ME)
    contest = board.open(truth, lie, ME)
    board.reveal(contest, ME)
    board.now += T
    board.defeat(lie)
    kinds = [type(m) for m in decide(board.view(ME)).moves]
    assert kinds == [
        Propose,
        Finalize,
        moves.PayDuel,
    ]  # of the next batch, which it may be first on


# CHAL-27


def test_a_lost_event_is_noticed(board: DuelBoard) -> None:
    """Rule: CHAL-27"""
    contest = board.open(*fork(board, lie_first=True), ME)
    board.now += 1
    before = board.duels.copy()
    contest = board.reveal(contest, ME)
    after = board.duels
    board.now += 1
    board.reveal(contest, ME)
    second = board.find(*contest.duel.ids)
    board.duels = before
    with pytest.raises(SkippedLog, match="lack a move"):
        board.reveal(contest, ME)
    assert before.find(*contest.duel.ids) != after.find(*contest.duel.ids)
    board.duels = type(before)(3)
    for event in (lambda: board.reveal(second, ME), lambda: board.commit(second, 0, ME)):
        with pytest.raises(SkippedLog, match="lack the opening"):
            event()


def test_a_lost_commit_is_noticed(board: DuelBoard) -> None:
    """Rule: CHAL-27"""
    contest = meet(board, LIAR)
    bout = board.bout(contest, LIAR, ME)
    lost = DuelBoard(
        now=board.now, opened=board.opened, all=board.all, starts=board.starts,
        stakers=board.stakers, finals=board.finals, tree=board.tree,
    )  # fmt: skip
    contest = lost.reach_record(contest.duel.a, contest.duel.b, THIRD)
    with pytest.raises(SkippedLog, match="lack the opening"):
        lost.fight(bout, LIAR)
    with pytest.raises(SkippedLog, match="lack the commit"):
        lost.put_out(contest, 0, LIAR, Fall.BY_TIME)
    lost.commit(contest, 0, LIAR)
    lost.put_out(contest, 0, LIAR, Fall.BY_TIME)
    assert standing(lost, contest, 0, LIAR).value == "out"
    with pytest.raises(SkippedLog, match="lack the commit"):
        lost.release(contest, 0, LIAR)


def test_keys_name_the_state_that_a_move_goes_from(board: DuelBoard) -> None:
    keys: set[str] = set()
    count = 0

    def note() -> None:
        nonlocal count
        for who_acts in (ME, OTHER, LIAR):
            for move in decide(board.view(who_acts)).moves:
                if isinstance(move, moves.DuelMove) and move.key not in keys:
                    keys.add(move.key)
                    count += 1
                    kind = move.key.split(" ")[0]
                    assert kind in moves.KINDS
                    assert kind == move.kind

    contest = board.open(*fork(board, lie_first=True, proposer=OTHER), ME)
    while contest.state.phase is not Phase.COMMIT:
        note()
        board.now += 1
        contest = board.reveal(contest, ME)
    note()
    board.commit(contest, 1, ME)
    board.now += 1
    board.commit(contest, 0, LIAR)
    bout = board.bout(contest, LIAR, ME)
    while bout.state.phase is not Phase.RESOLVABLE:
        note()
        board.now += 1
        bout = board.fight(bout, ME)
    note()
    assert count == len(keys) == 8
