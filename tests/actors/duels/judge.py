"""What must hold after every play, whoever played."""

from __future__ import annotations

from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.actors.duels.party import is_true
from tests.actors.duels.stage import BLOCK, D, Stage, T
from tests.contracts.harness import actor, reverts


def check(stage: Stage, batches: int = 1) -> None:
    """The truth is final in time, every liar is slashed once, the honest stake comes back."""
    board = stage.look()
    check_finals(stage, board, batches)
    check_slashes(stage, board)
    stage.arena.check_solvent()
    check_stake_comes_back(stage)


def check_finals(stage: Stage, board: Board, batches: int) -> None:
    """Nothing false is final; every batch is, within T and what was censored and the moves."""
    assert len(board.finals) == batches
    assert stage.arena.rollup.head() == batches
    lost = (len(stage.censored) + stage.report.undone) * BLOCK
    before = 0
    for assertion_id, time in board.finals:
        found = board.assertions[assertion_id]
        assert is_true(board, found)
        siblings = [a for a in board.assertions.values() if a.parent == found.parent]
        began = min(a.created_at for a in siblings)
        assert time <= max(before, began + T) + lost + stage.latencies * BLOCK
        before = time


def find_liars(board: Board) -> tuple[set[bytes], set[bytes]]:
    """Who proposed or championed a lie against a truth; and whose champions fought lies alone."""
    beaten = {a.id for a in board.assertions.values() if a.status == rec.DEFEATED}
    liars = {board.assertions[i].proposer for i in beaten}
    stuck: set[bytes] = set()
    for duel in board.duels.values():
        others = [is_true(board, board.assertions[i]) for i in reversed(duel.ids)]
        for champion in duel.champions.values():
            if duel.ids[champion.side] in beaten:
                (liars if others[champion.side] else stuck).add(champion.staker)
    return liars, stuck - liars


def check_slashes(stage: Stage, board: Board) -> None:
    """No truth is defeated, no lie beside one is left, and each liar lost its stake, once."""
    for assertion in board.assertions.values():
        true = is_true(board, assertion)
        assert not (true and assertion.status == rec.DEFEATED)
        on_truth = assertion.parent == board.genesis or is_true(
            board, board.assertions[assertion.parent]
        )
        if on_truth and not true:
            assert assertion.status == rec.DEFEATED
    liars, stuck = find_liars(board)
    assert len(board.slashed) == len(set(board.slashed))
    assert liars <= set(board.slashed)
    assert not set(stage.honest.stakes) & set(board.slashed)
    out = {
        champion.staker
        for duel in board.duels.values()
        for champion in duel.champions.values()
        if champion.state == "out"
    }
    assert set(board.slashed) <= liars | out
    for staker in stuck - set(board.slashed):
        # nobody expels it, and its stake never comes back
        with reverts("rollup: stake not idle"):
            stage.arena.rollup.request_withdrawal(sender=staker)


def check_stake_comes_back(stage: Stage) -> None:
    """The honest party has its whole stake back, and no count is left on it."""
    arena, purse = stage.arena, actor("honest purse")
    for staker in stage.honest.stakes:
        word = arena.rollup.stake(staker)
        assert (word.status, word.proposals, word.championships) == (1, 0, 0)
        arena.rollup.request_withdrawal(sender=staker)
        arena.pass_time(D)
        before = arena.balance(purse)
        arena.rollup.withdraw_stake(purse, sender=staker)
        assert arena.balance(purse) - before == arena.settings.stake
