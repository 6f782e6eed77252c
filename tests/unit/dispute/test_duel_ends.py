"""What an honest client does when duels are decided; in which order; and what it notices."""

from __future__ import annotations

import pytest

from oyez.chain.duel_states import Fall, Phase
from oyez.derivation.history import SkippedLog
from oyez.dispute import duel_moves as moves
from oyez.dispute.moves import MAX_MOVES, Finalize, MarkVoid, Propose
from oyez.dispute.rules import decide
from oyez.protocol.types import Address, Status
from tests.unit.dispute.board import GENESIS, SEQUENCER, T, who
from tests.unit.dispute.duel_board import (
    LIAR,
    ME,
    OTHER,
    QUARTER,
    THIRD,
    DuelBoard,
    fork,
    make_board,
    meet,
    of,
    standing,
)


@pytest.fixture
def board() -> DuelBoard:
    return make_board()


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


@pytest.mark.parametrize("fought", [False, True])
def test_a_stake_that_is_gone_is_expelled_for_unpaid_moves_alone(
    board: DuelBoard, fought: bool
) -> None:
    """One stake may stand up at any number of heights, and is slashed once. Rule: CHAL-36"""
    contest = meet(board, LIAR)
    if fought:
        bout = board.fight(board.bout(contest, LIAR, ME), LIAR)
        board.fight(bout, ME)
    board.slash(LIAR)
    board.defeat(contest.duel.a)
    found = [m.fighter.staker for m in of(board, ME, moves.Expel)]
    assert found == ([LIAR] if fought else [])
    board.pay(b"x" * 32, LIAR, QUARTER)
    assert of(board, ME, moves.Expel) == []


@pytest.mark.parametrize("what", ["opening", "commit", "pay"])
def test_a_repeated_log_of_what_happens_once_is_noticed(board: DuelBoard, what: str) -> None:
    """Rule: CHAL-46"""
    contest = meet(board, LIAR)
    board.pay(contest.duel.key, LIAR, 5)
    again = {
        "opening": lambda: board.open(*contest.duel.ids, THIRD),
        "commit": lambda: board.commit(contest, 0, LIAR),
        "pay": lambda: board.pay(contest.duel.key, LIAR, 5),
    }
    with pytest.raises(SkippedLog, match="repeat what happens once"):
        again[what]()


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
    assert of(board, ME, MarkVoid) == []
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
    fast, slow = (board.open(truth, lie, ME) for lie in lies)
    fast = board.reveal(fast, ME)
    board.now += 9
    board.reveal(fast, LIAR)
    board.close_batch()
    found = decide(board.view(ME)).moves
    # a lie on another height would be answered first; a batch without one can wait
    assert [m.kind for m in found] == ["start", "advance", "propose", "open_duel"]
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
    hurried = [m for m in found if isinstance(m, moves.DuelMove) and m.deadline < moves.NEVER]
    after = ["open_duel"] * (MAX_MOVES - 1 - len(hurried))
    assert [move.kind for move in found] == ["open_duel"] * len(hurried) + ["propose", *after]
    assert after
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


# CHAL-46


def test_a_lost_event_is_noticed(board: DuelBoard) -> None:
    """Rule: CHAL-46"""
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
    """Rule: CHAL-46"""
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
