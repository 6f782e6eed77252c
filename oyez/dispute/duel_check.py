"""What the logs told of duels, against the hashes that the game keeps at the decision's block."""

from __future__ import annotations

from collections.abc import Sequence

from oyez.chain.duel_states import Phase, compute_leaves, compute_pair_key
from oyez.chain.game import Game
from oyez.derivation.follow import Checkpoint
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
from oyez.dispute.duels import Bout, Contest, Fighter
from oyez.dispute.traces import fold_children
from oyez.dispute.tree import Node
from oyez.dispute.view import LIVE, GameView, View
from oyez.protocol.types import ZERO_HASH, Hash32

#: Duels whose slots are read at one block; where more run, each has its turn.
MOST_READ = 64


def verify_duels(game: Game, view: View, branch: Sequence[Hash32], block: Checkpoint) -> None:
    """Check running duels of the true branch, their champions and the own one's bouts.

    A lost log of a rival's move would let the own clock run unseen, so this is not left to the
    moves that are made: each wait is checked, too. Where very many run, requests must not take
    longer than a block: each duel is read once in so many blocks.

    Raises:
        SkippedLog: the game keeps another hash, or counts other champions; or what was shown does
            not hash to what it keeps.

    Rule: CHAL-42
    """
    if view.game is None:
        return
    rivals = list(duel_rules.list_rivals(view, branch))
    first = block.number * MOST_READ % max(1, len(rivals))
    for i, (truth, lie) in enumerate(rivals):
        is_read = (i - first) % len(rivals) < MOST_READ
        verify_duel(game, view, view.game, (truth, lie), block.hash if is_read else None)
    championships = sum(1 for _ in duel_ends.list_locks(view))
    if view.stake.status == LIVE and view.stake.championships != championships:
        raise SkippedLog(
            f"the own stake has {view.stake.championships} championships on the chain and "
            f"{championships} by the node's logs: reading again"
        )


def verify_duel(
    game: Game, view: View, seen: GameView, pair: tuple[Node, Node], at: Hash32 | None
) -> None:
    """Check one duel with all that the own champion has in it; its slots only with `at`."""
    truth, lie = pair
    contest = seen.duels.find(truth.assertion_id, lie.assertion_id)
    if contest is None:
        if at is not None:
            move = duel_rules.open_duel(view, truth, lie)
            _need(game.fetch_duel(compute_pair_key(*move.ids), at) == ZERO_HASH, "duel")
        return
    verify_contest(game, contest, at)
    side = contest.duel.ids.index(truth.assertion_id)
    mine = contest.get_fighter(side, view.me)
    if mine is not None and mine.is_alive:
        for rival in contest.list_alive(1 - side):
            verify_bout(game, seen.duels.get_bout(*duel_ends.order(mine, rival)), contest, at)


def verify_contest(game: Game, contest: Contest, at: Hash32 | None) -> None:
    """Check a duel's state, what was shown in it, and how many champions a side are alive."""
    key, state = contest.duel.key, contest.state
    if state.phase is Phase.DESCENT:
        _need(fold_children(contest.children) == state.waiting, "node")
    for fighter in (*contest.list_alive(0), *contest.list_alive(1)):
        _need(fold_children(fighter.children) == fighter.champion.inner_root, "champion")
    if at is None:
        return
    _need(game.fetch_duel(key, at) == contest.duel.hash, "duel")
    if state.phase is Phase.COMMIT:
        alive = tuple(len(contest.list_alive(side)) for side in (0, 1))
        _need(game.fetch_alive(key, at) == alive, "champion")


def verify_bout(game: Game, bout: Bout, contest: Contest, at: Hash32 | None) -> None:
    """Check a bout's state, and what was shown in it; before its first move both champions."""
    first, second = bout.fighters
    if bout.state.phase is Phase.DESCENT:
        _need(fold_children(bout.children) == bout.state.waiting, "node")
    else:
        _need(compute_leaves(bout.leaves) == bout.state.leaves, "leaf")
    if at is None:
        return
    _need(game.fetch_bout(first.key, second.key, at) == bout.kept, "bout")
    for fighter in () if bout.is_begun else bout.fighters:
        _need(is_kept(game, contest, fighter, at), "champion")


def is_kept(game: Game, contest: Contest, fighter: Fighter, at: Hash32) -> bool:
    """Tell whether the game keeps a champion with this root and time."""
    key = contest.duel.key
    return game.fetch_champion(key, fighter.side, fighter.staker, at)[1] == fighter.kept


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
