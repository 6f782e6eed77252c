"""Which moves of a decision may be on their way at once."""

from __future__ import annotations

from typing import Any

import pytest

from oyez.chain.duel_states import Champion, Content, Duel
from oyez.dispute import duel_moves as duels
from oyez.dispute.duels import Bout, Contest, Fighter
from oyez.dispute.moves import CancelWithdrawal, Finalize, MarkVoid, Move, Propose, StepDown
from oyez.dispute.scopes import list_scopes, waits_for_ancestor
from oyez.dispute.tree import Tree
from oyez.protocol.types import ZERO_HASH, BatchNumber, Hash32
from tests.unit.dispute.board import GENESIS, SEQUENCER, Board
from tests.unit.dispute.duel_board import ME, OTHER

ONE = BatchNumber(1)
NOTHING: Any = None
#: A tree without any of the assertions named here.
NOWHERE = Tree(GENESIS)


def name(n: int) -> Hash32:
    return Hash32(bytes([n]) * 32)


def contest(n: int) -> Contest:
    return Contest(Duel(name(n), name(n + 100), NOTHING))


def fighter(n: int, staker: Any = OTHER) -> Fighter:
    return Fighter(0, Champion(staker, ZERO_HASH, 0), name(n), ())


def bout(n: int, staker: Any = OTHER) -> Bout:
    return Bout((fighter(n, staker), fighter(n + 100, staker)), NOTHING, ())


def content(n: int) -> Content:
    return Content(GENESIS, 0, ONE, name(n), NOTHING)


def open_duel(n: int) -> duels.OpenDuel:
    return duels.OpenDuel(ONE, name(n), (name(n), name(n + 100)), (content(1), content(2)))


PROPOSE = Propose(ONE, name(9), GENESIS, 0, name(1))
DOWN = StepDown(ONE, (name(1),))
CANCEL = CancelWithdrawal(ONE, name(1), 7)
HEAD = Finalize(ONE, name(1))


def reveal(n: int) -> Move:
    return duels.Reveal(ONE, name(n), contest(n), 9)


def commit(n: int) -> Move:
    return duels.Commit(ONE, name(n), contest(n), 0, 9)


def defeat(n: int) -> Move:
    return duels.Defeat(ONE, name(n), contest(n), 0)


def fight(n: int) -> Move:
    return duels.Fight(ONE, name(1), contest(1), bout(n), 0, 9)


def resolve(n: int) -> Move:
    return duels.Resolve(ONE, name(1), contest(1), bout(n), 0, content(1))


def time_out(n: int) -> Move:
    return duels.TimeoutBout(ONE, name(1), contest(1), bout(n))


def expel(n: int) -> Move:
    return duels.Expel(ONE, name(1), contest(1), fighter(n))


def release(n: int) -> Move:
    return duels.Release(ONE, name(1), contest(1), fighter(n))


def pay_bout(n: int, staker: Any) -> Move:
    return duels.PayBout(ONE, name(1), contest(1), bout(n, staker), 0)


APART = [
    *((make(1), make(2)) for make in (open_duel, reveal, commit, defeat, fight, resolve, time_out)),
    *((make(1), make(2)) for make in (expel, release)),
    (PROPOSE, HEAD), (PROPOSE, reveal(1)), (PROPOSE, commit(1)), (HEAD, expel(1)),
    (CANCEL, reveal(1)), (DOWN, reveal(1)), (reveal(1), fight(1)), (commit(1), open_duel(2)),
    (expel(1), fight(2)), (pay_bout(1, OTHER), pay_bout(2, SEQUENCER)), (defeat(1), release(2)),
    (MarkVoid(ONE, name(1)), MarkVoid(ONE, name(2))),
]  # fmt: skip
TOGETHER = [
    (PROPOSE, CANCEL), (PROPOSE, DOWN), (CANCEL, DOWN), (DOWN, HEAD), (HEAD, HEAD),
    (commit(1), defeat(1)), (reveal(1), defeat(1)), (open_duel(1), reveal(1)),
    (fight(1), resolve(1)), (fight(1), time_out(1)), (expel(1), release(1)),
    (pay_bout(1, OTHER), pay_bout(2, OTHER)),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), APART)
def test_moves_that_know_nothing_of_each_other_share_nothing(first: Move, second: Move) -> None:
    """Rule: CHAL-47"""
    assert list_scopes(first, NOWHERE)
    assert not list_scopes(first, NOWHERE) & list_scopes(second, NOWHERE)


@pytest.mark.parametrize(("first", "second"), TOGETHER)
def test_moves_that_touch_one_thing_share_it(first: Move, second: Move) -> None:
    """Rule: CHAL-47"""
    assert list_scopes(first, NOWHERE) & list_scopes(second, NOWHERE)


def test_the_pay_of_a_duel_and_of_a_bout_against_one_loser_come_one_by_one() -> None:
    """What is left of its quarter is known after the first. Rule: CHAL-47"""
    board = Board()
    board.deposit(SEQUENCER)
    board.close_batch()
    lie = board.propose(SEQUENCER, GENESIS)
    duel = duels.PayDuel(ONE, lie, contest(1), 0)
    shared = list_scopes(duel, board.tree) & list_scopes(pay_bout(1, SEQUENCER), board.tree)
    assert shared
    assert not list_scopes(duel, board.tree) & list_scopes(pay_bout(1, OTHER), board.tree)
    credit = duels.WithdrawPay(ONE, lie, 5, 1, ME)
    assert not list_scopes(credit, board.tree) & list_scopes(duel, board.tree)


def test_a_child_waits_until_its_parent_is_void() -> None:
    """Rule: CHAL-47"""
    board = Board()
    board.deposit(SEQUENCER)
    for _ in range(3):
        board.close_batch()
    line = [board.propose(SEQUENCER, GENESIS)]
    for _ in range(2):
        line.append(board.propose(SEQUENCER, line[-1]))
    board.defeat(line[0])
    voids = [MarkVoid(ONE, assertion) for assertion in line[1:]]
    assert [waits_for_ancestor(move, board.tree) for move in voids] == [False, True]
    assert not waits_for_ancestor(Finalize(ONE, line[2]), board.tree)
    board.tree.void(line[1])
    assert not waits_for_ancestor(voids[1], board.tree)
