"""What the logs told of duels, against the hashes that the game keeps at the decision's block."""

from __future__ import annotations

from collections.abc import Sequence

from oyez.chain.duel_states import Phase, compute_pair_key
from oyez.chain.game import Game
from oyez.derivation.history import SkippedLog
from oyez.dispute import duel_ends, duel_rules
from oyez.dispute.duel_moves import (
    Defeat,
    DuelMove,
    Fight,
    OpenDuel,
    Resolve,
    Reveal,
    TimeoutBout,
)
from oyez.dispute.duels import Contest, Fighter
from oyez.dispute.view import LIVE, GameView, View
from oyez.protocol.types import ZERO_HASH, Hash32


def verify_duels(game: Game, view: View, branch: Sequence[Hash32], at: Hash32) -> None:
    """Check every running duel of the true branch, its champions and the own one's bouts.

    A lost log of a rival's move would let the own clock run unseen, so this is not left to the
    moves that are made: each wait is checked, too.

    Raises:
        SkippedLog: the game keeps another hash, or counts other champions.

    Rule: CHAL-42
    """
    if view.game is None:
        return
    for truth, lie in duel_rules.list_rivals(view, branch):
        contest = view.game.duels.find(truth.assertion_id, lie.assertion_id)
        if contest is None:
            move = duel_rules.open_duel(view, truth, lie)
            _need(game.fetch_duel(compute_pair_key(*move.ids), at) == ZERO_HASH, "duel")
            continue
        verify_contest(game, contest, at)
        side = contest.duel.ids.index(truth.assertion_id)
        mine = contest.get_fighter(side, view.me)
        if mine is not None and mine.is_alive:
            for rival in contest.list_alive(1 - side):
                verify_bout(game, view.game, (mine, rival), at)
    championships = sum(1 for _ in duel_ends.list_locks(view))
    if view.stake.status == LIVE and view.stake.championships != championships:
        raise SkippedLog(
            f"the own stake has {view.stake.championships} championships on the chain and "
            f"{championships} by the node's logs: reading again"
        )


def verify_contest(game: Game, contest: Contest, at: Hash32) -> None:
    """Check a duel's state, and how many champions of each side are alive."""
    key = contest.duel.key
    _need(game.fetch_duel(key, at) == contest.duel.hash, "duel")
    if contest.state.phase is Phase.COMMIT:
        alive = tuple(len(contest.list_alive(side)) for side in (0, 1))
        _need(game.fetch_alive(key, at) == alive, "champion")


def verify_bout(game: Game, view: GameView, pair: tuple[Fighter, Fighter], at: Hash32) -> None:
    """Check a bout's state."""
    bout = view.duels.get_bout(*duel_ends.order(*pair))
    first, second = bout.fighters
    _need(game.fetch_bout(first.key, second.key, at) == bout.kept, "bout")


def is_overtaken(game: Game, move: DuelMove) -> bool:
    """Tell whether the state that a move goes from is the chain's no more: someone made it.

    Rule: CHAL-43
    """
    match move:
        case OpenDuel():
            return game.fetch_duel(compute_pair_key(*move.ids)) != ZERO_HASH
        case Reveal() | Defeat():
            return game.fetch_duel(move.contest.duel.key) != move.contest.duel.hash
        case Fight() | Resolve() | TimeoutBout():
            first, second = move.bout.fighters
            return game.fetch_bout(first.key, second.key) != move.bout.kept
        case _:
            return False


def _need(condition: bool, what: str) -> None:
    if not condition:
        raise SkippedLog(
            f"the node's logs tell of another {what} than the game keeps: reading again"
        )
