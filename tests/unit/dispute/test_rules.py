"""Each rule of the honest client on the model of the Rollup."""

from __future__ import annotations

import pytest

from oyez.dispute.moves import (
    Blocked,
    CancelWithdrawal,
    Decision,
    Finalize,
    MarkVoid,
    Propose,
    StepDown,
)
from oyez.dispute.rules import decide, find_attempt, find_branch
from oyez.protocol.types import Hash32, Status
from tests.unit.dispute.board import FIRST, GENESIS, SEQUENCER, Board, D, T, who

ME, LIAR, OTHER = who(7), who(8), who(9)


@pytest.fixture
def board() -> Board:
    """Three closed batches, and stakes for everybody."""
    made = Board()
    for staker in (SEQUENCER, ME, LIAR, OTHER):
        made.deposit(staker)
    for _ in range(3):
        made.close_batch()
    return made


def only(decision: Decision) -> object:
    assert decision.blocked == ()
    (move,) = decision.moves
    return move


def test_the_true_branch_is_the_heads_pending_true_descendants(board: Board) -> None:
    """Rule: CHAL-10."""
    first = board.propose(SEQUENCER, GENESIS)
    second = board.propose(SEQUENCER, first)
    board.propose(LIAR, first, content=1)
    assert find_branch(board.view(ME)) == (GENESIS, first, second)
    assert find_branch(board.view(ME, built=1)) == (GENESIS, first)
    board.defeat(second)
    assert find_branch(board.view(ME)) == (GENESIS, first)


def test_nothing_is_built_on_a_lie_nor_on_a_false_head(board: Board) -> None:
    """Rule: CHAL-10."""
    lie = board.propose(SEQUENCER, GENESIS, content=1)
    board.propose(SEQUENCER, lie)
    board.now += FIRST + 1
    # A true batch on a lie is no place, whatever stands there: the one answer is beside the lie.
    move = only(decide(board.view(ME)))
    assert isinstance(move, Propose)
    assert move.parent == GENESIS
    board.now += T
    board.finalize(lie)
    assert decide(board.view(ME)) == Decision((), ())


def test_the_truth_is_never_posted_twice(board: Board) -> None:
    """Rule: CHAL-11."""
    board.propose(SEQUENCER, GENESIS, content=1)
    truth = board.propose(OTHER, GENESIS)
    decision = decide(board.view(ME))
    assert [m for m in decision.moves if getattr(m, "parent", None) == GENESIS] == []
    view = board.view(ME)
    assert find_attempt(view, GENESIS, view.own[1]) == (0, truth, Status.PENDING)


def test_the_least_attempt_whose_predecessor_is_defeated_is_posted(board: Board) -> None:
    """Rule: CHAL-11."""
    board.propose(SEQUENCER, GENESIS, content=1)
    for attempt, staker in enumerate((OTHER, who(10), who(11))):
        board.deposit(staker)
        board.defeat(board.propose(staker, GENESIS, 0, attempt))
        move = only(decide(board.view(ME)))
        assert isinstance(move, Propose)
        assert move.attempt == attempt + 1
    board.perform(ME, move)
    third = board.id_of(GENESIS, 0, 3)
    assert find_branch(board.view(ME))[1] == third


def test_a_lie_on_a_true_parent_is_answered(board: Board) -> None:
    """Rule: CHAL-12."""
    truth = board.propose(SEQUENCER, GENESIS)
    board.now += FIRST + 1
    board.propose(LIAR, truth, content=1)
    board.propose(OTHER, truth, content=2)
    expected, batch_hash = board.id_of(truth), board.own(2).batch_hash
    assert only(decide(board.view(ME))) == Propose(2, batch_hash, truth, 0, expected, answers=2)


@pytest.mark.parametrize(("waited", "late_by"), [(0, 0), (15, 0), (16, 1), (T - 1, T - 16)])
def test_an_answer_is_due_within_d_minus_seven_latencies(
    board: Board, waited: int, late_by: int
) -> None:
    """Rule: CHAL-12; Audit 3 S6."""
    assert D - 7 * board.view(ME).periods.latency == 15
    board.propose(SEQUENCER, GENESIS, content=1)
    board.now += waited
    move = only(decide(board.view(ME)))
    assert isinstance(move, Propose)
    assert move.late_by == late_by


def test_a_fork_is_joined_as_long_as_the_rollup_allows(board: Board) -> None:
    """Rule: CHAL-13."""
    board.propose(SEQUENCER, GENESIS, content=1)
    board.now += T - 1
    survivor = board.propose(LIAR, GENESIS, content=2)
    board.now += 1
    (late,) = decide(board.view(ME)).blocked
    assert late.why == "its fork can no longer be joined: the lie becomes final"
    board.defeat(board.id_of(GENESIS, 1))  # one survivor, younger than T: joining is open again
    board.now = board.all[survivor].created_at + T - 1
    move = only(decide(board.view(ME)))
    board.perform(ME, move)
    board.defeat(board.id_of(GENESIS))
    board.now += 1
    assert isinstance(decide(board.view(OTHER)).blocked[0], Blocked)


def test_two_survivors_of_an_old_fork_are_not_joined(board: Board) -> None:
    """Rule: CHAL-13."""
    first = board.propose(SEQUENCER, GENESIS, content=1)
    board.now += T - 1
    board.propose(LIAR, GENESIS, content=2)
    board.propose(OTHER, GENESIS, content=3)
    board.now += 1
    board.defeat(first)
    (late,) = decide(board.view(ME)).blocked
    assert late.why == "its fork can no longer be joined: the lie becomes final"


def test_an_empty_fork_begins_anew(board: Board) -> None:
    """Rule: CHAL-13."""
    board.defeat(board.propose(SEQUENCER, GENESIS, content=1))
    board.now += T + 1
    board.propose(LIAR, GENESIS, content=2)
    board.now += T - 1
    assert isinstance(only(decide(board.view(ME))), Propose)


def test_the_sequencer_is_first_while_it_can_be(board: Board) -> None:
    """Rule: CHAL-14."""
    assert decide(board.view(ME)) == Decision((), ())
    assert isinstance(only(decide(board.view(SEQUENCER))), Propose)
    board.now += FIRST
    assert decide(board.view(ME)) == Decision((), ())
    board.now += 1
    assert isinstance(only(decide(board.view(ME))), Propose)


def test_others_are_first_at_once_when_the_sequencer_cannot_be(board: Board) -> None:
    """Rule: CHAL-14."""
    lie = board.propose(SEQUENCER, GENESIS, content=1)
    truth = board.propose(OTHER, GENESIS)
    move = only(decide(board.view(ME)))  # bound beside the true branch
    assert isinstance(move, Propose)
    assert move.parent == truth
    board.defeat(lie)
    assert isinstance(only(decide(board.view(ME))), Propose)  # slashed


def test_a_sequencer_that_may_step_down_is_waited_for(board: Board) -> None:
    """Rule: CHAL-14."""
    truth = board.propose(SEQUENCER, GENESIS)
    board.now += FIRST + 1
    second = board.propose(OTHER, truth)
    board.opened[2] = board.now
    assert decide(board.view(ME)) == Decision((), ())
    board.perform(SEQUENCER, only(decide(board.view(SEQUENCER))))
    assert board.stakers[SEQUENCER].tip == second
    assert isinstance(only(decide(board.view(SEQUENCER))), Propose)


def test_one_stake_follows_the_true_branch(board: Board) -> None:
    """Rule: CHAL-15."""
    board.propose(SEQUENCER, GENESIS, content=1)
    mine = only(decide(board.view(ME)))
    assert isinstance(mine, Propose)
    board.perform(ME, mine)
    board.propose(LIAR, mine.assertion_id, content=1)
    second = board.propose(OTHER, mine.assertion_id)
    board.deposit(who(10))
    board.propose(who(10), second, content=1)
    # Its own tip is not the parent: down along the true child of another, then the answer.
    assert only(decide(board.view(ME))) == StepDown(2, (second,))
    board.perform(ME, StepDown(2, (second,)))
    third = only(decide(board.view(ME)))
    assert isinstance(third, Propose)
    assert (third.parent, third.answers) == (second, 1)
    board.perform(ME, third)
    assert len(board.pending_of(ME)) == 2


def test_a_long_way_down_is_made_in_steps_of_32(board: Board) -> None:
    """Rule: CHAL-15."""
    board.propose(SEQUENCER, GENESIS, content=1)
    tip = board.propose(ME, GENESIS)
    for _ in range(40):
        board.close_batch()
        tip = board.propose(OTHER, tip)
    board.propose(LIAR, tip, content=1)
    lengths = []
    while isinstance(move := only(decide(board.view(ME))), StepDown):
        lengths.append(len(move.path))
        board.perform(ME, move)
    assert lengths == [32, 8]
    assert isinstance(move, Propose)


def test_a_stake_beside_the_true_branch_is_told_and_not_moved(board: Board) -> None:
    """Rule: CHAL-15."""
    mine = board.propose(SEQUENCER, GENESIS, content=1)
    decision = decide(board.view(SEQUENCER))
    assert decision.moves == ()
    (blocked,) = decision.blocked
    assert blocked.why == f"the stake is bound to 0x{mine.hex()}, beside the true branch"


@pytest.mark.parametrize("lost", ["slashed", "never"])
def test_a_lost_stake_says_what_it_would_have_done(board: Board, lost: str) -> None:
    """Rule: CHAL-15."""
    board.propose(SEQUENCER, GENESIS, content=1)
    if lost == "slashed":
        board.slash(ME)
    else:
        del board.stakers[ME]
    decision = decide(board.view(ME))
    assert decision.moves == ()
    (blocked,) = decision.blocked
    assert isinstance(blocked.move, Propose)
    text = {"slashed": "the stake was slashed", "never": "there is no stake"}[lost]
    assert blocked.why.startswith(text)


def test_a_withdrawal_is_cancelled_once_a_lie_stands(board: Board) -> None:
    """Rule: CHAL-16."""
    board.request(ME)
    truth = board.propose(SEQUENCER, GENESIS)
    assert decide(board.view(ME)) == Decision((), ())
    lie = board.propose(LIAR, GENESIS, content=1)
    # Although the truth stands already: a stake under a request could not champion it.
    assert only(decide(board.view(ME))) == CancelWithdrawal(1, lie, board.now)
    board.cancel(ME)
    assert decide(board.view(ME)) == Decision((), ())
    board.request(ME)
    board.now += FIRST + 1
    board.propose(OTHER, truth, content=1)
    board.perform(ME, only(decide(board.view(ME))))
    assert isinstance(only(decide(board.view(ME))), Propose)


def test_what_was_not_replayed_yet_is_no_lie(board: Board) -> None:
    """Rule: CHAL-16."""
    board.request(ME)
    board.propose(SEQUENCER, GENESIS)
    for built in (0, 1):
        assert decide(board.view(ME, built=built)) == Decision((), ())
    lie = board.propose(LIAR, GENESIS, content=1)
    assert decide(board.view(ME, built=0)) == Decision((), ())
    assert only(decide(board.view(ME, built=1))) == CancelWithdrawal(1, lie, board.now)


def test_a_withdrawal_is_cancelled_where_only_the_lie_stands(board: Board) -> None:
    """Rule: CHAL-16."""
    board.request(ME)
    lie = board.propose(SEQUENCER, GENESIS, content=1)
    assert only(decide(board.view(ME))) == CancelWithdrawal(1, lie, board.now)


def test_what_others_voided_below_is_gone_on_from(board: Board) -> None:
    """Rule: CHAL-17."""
    first = board.propose(SEQUENCER, GENESIS)
    second = board.propose(SEQUENCER, first)
    board.now += FIRST + 1
    third = board.propose(ME, second)
    board.defeat(first)
    board.mark_void(second)
    assert decide(board.view(ME)).moves == (MarkVoid(3, third),)


def test_what_is_dead_is_voided_so_that_the_own_stake_is_free(board: Board) -> None:
    """Rule: CHAL-17."""
    first = board.propose(SEQUENCER, GENESIS)
    second = board.propose(SEQUENCER, first)
    board.now += FIRST + 1
    third = board.propose(ME, second)
    assert decide(board.view(ME)) == Decision((), ())
    board.defeat(first)
    decision = decide(board.view(ME))
    assert decision.moves == (MarkVoid(2, second), MarkVoid(3, third))
    assert isinstance(decision.blocked[0].move, Propose)
    for move in decision.moves:
        board.perform(ME, move)
    again = only(decide(board.view(ME)))
    assert isinstance(again, Propose)
    assert (again.parent, again.attempt) == (GENESIS, 1)


def test_the_own_assertion_is_finalized_when_due_and_anothers_a_latency_later(
    board: Board,
) -> None:
    """Rule: CHAL-18."""
    truth = board.propose(SEQUENCER, GENESIS)
    expected = Finalize(1, truth)
    board.now += T - 1
    assert expected not in decide(board.view(SEQUENCER)).moves
    board.now += 1
    assert expected in decide(board.view(SEQUENCER)).moves
    assert expected not in decide(board.view(ME)).moves
    board.now += D // 8
    assert expected in decide(board.view(ME)).moves


def test_no_lie_is_finalized_and_none_while_a_sibling_lives(board: Board) -> None:
    """Rule: CHAL-18."""
    lie = board.propose(SEQUENCER, GENESIS, content=1)
    board.now += 2 * T
    assert not any(isinstance(m, Finalize) for m in decide(board.view(SEQUENCER)).moves)
    del board.all[lie]
    fresh = Board()
    fresh.deposit(SEQUENCER)
    fresh.deposit(LIAR)
    fresh.close_batch()
    fresh.propose(SEQUENCER, GENESIS)
    lie = fresh.propose(LIAR, GENESIS, content=1)
    fresh.now += 2 * T
    assert not any(isinstance(m, Finalize) for m in decide(fresh.view(SEQUENCER)).moves)
    fresh.defeat(lie)
    assert any(isinstance(m, Finalize) for m in decide(fresh.view(SEQUENCER)).moves)


def test_keys_name_their_content() -> None:
    one, two = Hash32(b"\x01" * 32), Hash32(b"\x02" * 32)
    moves = [
        Propose(1, two, GENESIS, 0, one), Propose(1, two, GENESIS, 0, two), Finalize(1, one),
        MarkVoid(1, one), StepDown(1, (one,)), StepDown(1, (one, two)),
        CancelWithdrawal(1, one, 5), CancelWithdrawal(1, one, 6),
    ]  # fmt: skip
    assert len({move.key for move in moves}) == len(moves)
