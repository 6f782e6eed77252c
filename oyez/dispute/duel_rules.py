"""What to do in duels, each rule a function of the chain's present state; `rules` joins them in.

Only the true assertion is ever stood up for, whoever proposed it: a key that once lied now plays
against its own lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from oyez.chain.contracts import Stake
from oyez.chain.duel_states import Content, Phase
from oyez.dispute.duel_moves import (
    NEVER,
    Commit,
    Defeat,
    DuelMove,
    Expel,
    Fight,
    OpenDuel,
    Resolve,
    Reveal,
    TimeoutBout,
)
from oyez.dispute.duels import Bout, Contest, Fighter
from oyez.dispute.moves import Blocked
from oyez.dispute.tree import Node
from oyez.dispute.view import LIVE, SLASHED, GameView, View
from oyez.protocol.types import Hash32

NO_MACHINE = (
    "this node has no machine that makes inner traces: run one that has, before the deadline"
)


def list_duel_moves(view: View, branch: Sequence[Hash32]) -> tuple[list[DuelMove], list[Blocked]]:
    """Return what running duels of the true branch ask for, by deadline; and what is not possible.

    Why by deadline: so many are sent at once and no more, and only a clock that runs out is lost.

    Rule: CHAL-39
    """
    moves: list[DuelMove] = []
    blocked: list[Blocked] = []
    if view.game is None:
        return moves, blocked
    for truth, lie in list_rivals(view, branch):
        for found in play(view, view.game, truth, lie):
            if isinstance(found, Blocked):
                blocked.append(found)
            else:
                moves.append(found)
    return sorted(moves, key=lambda move: move.deadline), blocked


def list_rivals(view: View, branch: Sequence[Hash32]) -> Iterator[tuple[Node, Node]]:
    """Yield each PENDING true assertion whose ancestry is true, with each living false sibling.

    Why: what stands on a lie falls with it, and between two lies there is nothing to defend. The
    own proposals are not asked for: one that this node's replay calls false gets no move.

    Rule: CHAL-28
    """
    for parent, truth in pairwise(branch):
        node = view.tree.get(truth)
        if node is not None:
            for lie in view.list_lies(parent, truth):
                yield node, lie


def play(view: View, game: GameView, truth: Node, lie: Node) -> Iterator[DuelMove | Blocked]:
    """Yield what one duel asks for now."""
    contest = game.duels.find(truth.assertion_id, lie.assertion_id)
    if contest is None:
        yield open_duel(view, truth, lie)
        return
    side = contest.duel.ids.index(truth.assertion_id)
    if contest.state.phase is Phase.COMMIT:
        commit = find_commit(view, game, truth, contest, side)
        if commit is not None:
            yield commit
        yield from list_fights(view, game, truth, contest, side)
    else:
        reveal = find_reveal(view, truth, contest, side)
        if reveal is not None:
            yield reveal
    defeat = find_defeat(view, lie, contest, 1 - side)
    if defeat is not None:
        yield defeat


def open_duel(view: View, truth: Node, lie: Node) -> OpenDuel:
    """Return the opening of a duel with a false sibling.

    Why: every living one stands in the way of finality, and where the truth is the newer its clock
    runs from its proposal on, not from the opening.

    Rule: CHAL-29
    """
    older, newer = sorted((truth, lie), key=lambda node: (node.created_at, node.assertion_id))
    fork = view.tree.get_fork(truth.parent)
    deadline = NEVER
    if newer is truth and fork is not None:
        deadline = fork.started_at + view.periods.challenge
    return OpenDuel(
        batch=truth.batch,
        assertion_id=truth.assertion_id,
        ids=(older.assertion_id, newer.assertion_id),
        contents=(build_content(view, older), build_content(view, newer)),
        deadline=deadline,
    )


def build_content(view: View, node: Node) -> Content:
    """Return what an assertion on a true parent hashes: the Rollup took it for that batch alone."""
    batch_hash = view.own[node.batch].batch_hash
    return Content(node.parent, node.attempt, node.batch, batch_hash, node.claim)


def find_reveal(view: View, truth: Node, contest: Contest, side: int) -> Reveal | Blocked | None:
    """Return the reveal that the true side owes in the outer tree.

    Why: it is forced by the trace root, so there is exactly one, and it costs nothing but gas; who
    proposed the truth may be silent.

    Rule: CHAL-30
    """
    state = contest.state
    if state.turn != side:
        return None
    move = Reveal(truth.batch, truth.assertion_id, contest, state.get_deadline())
    if view.time >= move.deadline:
        return Blocked(move, "the true side's time in the outer tree is up")
    return move


def find_commit(
    view: View, game: GameView, truth: Node, contest: Contest, side: int
) -> Commit | Blocked | None:
    """Return the own champion of the true side, as soon as the record is known.

    Why: nothing forces an inner root, so one's own is the only champion to rely on: another's may
    be garbage that is put up to lose. With less than a latency left it could not play its bout, and
    its stake would be lost for nothing, unless it falls with the assertion anyway.

    Rule: CHAL-31
    """
    if contest.get_fighter(side, view.me) is not None:
        return None
    deadline = contest.state.get_deadline(side)
    move = Commit(truth.batch, truth.assertion_id, contest, side, deadline)
    if view.time >= deadline:
        return Blocked(move, "it is too late for champions of the truth")
    if view.stake.status != LIVE:
        return Blocked(move, explain_dead(view.stake))
    if has_championed_sibling(view, game, truth):
        return Blocked(move, "the stake has championed a sibling: run another key, too")
    if view.stake.requested_at:
        return None  # it is cancelled first
    if not game.has_machine:
        return Blocked(move, NO_MACHINE)
    if deadline - view.time < view.periods.latency and truth.proposer != view.me:
        return Blocked(move, "too little time is left to play a bout")
    return move


def has_championed_sibling(view: View, game: GameView, truth: Node) -> bool:
    """Tell whether the own stake stood up for another child of that parent: it is bound to it.

    So it is when an earlier attempt of the truth died, or this key once took a lie for true; the
    game would refuse the champion at every block.
    """
    nodes = (view.tree.get(known) for known in game.duels.list_championed(view.me))
    return any(node and node.parent == truth.parent and node != truth for node in nodes)


def explain_dead(stake: Stake) -> str:
    """Return why a stake that is not live can be put behind nothing."""
    if stake.status == SLASHED:
        return "the stake was slashed: watch with another key"
    return "there is no stake: `oyez stake deposit`"


def list_fights(
    view: View, game: GameView, truth: Node, contest: Contest, side: int
) -> Iterator[DuelMove | Blocked]:
    """Yield what the bouts of the own champion ask for.

    Why the own one's alone: others' champions of the truth are their owners' business, or an
    attacker's true champions would cost honest gas and never a stake.

    Rule: CHAL-32
    """
    mine = contest.get_fighter(side, view.me)
    if mine is None or not mine.is_alive:
        return
    for rival in contest.list_alive(1 - side):
        found = find_fight(view, game, truth, contest, (mine, rival))
        if found is not None:
            yield found


def find_fight(
    view: View, game: GameView, truth: Node, contest: Contest, pair: tuple[Fighter, Fighter]
) -> DuelMove | Blocked | None:
    """Return what one bout asks for: `pair` is the own champion and its opponent."""
    mine, rival = pair
    first, second = (mine, rival) if mine.side == 0 else (rival, mine)
    bout = game.duels.get_bout(first, second)
    state = bout.state
    if rival.staker in game.duels.slashed:
        deadline = state.get_deadline() if state.turn == mine.side else NEVER
        return expel_slashed(truth, contest, rival, deadline)
    if state.phase is Phase.RESOLVABLE:
        return resolve(view, game, truth, contest, (bout, mine.side))
    is_late = view.time >= state.get_deadline()
    if state.turn != mine.side:
        return time_out(truth, contest, bout) if is_late else None
    fight = Fight(truth.batch, truth.assertion_id, contest, bout, mine.side, state.get_deadline())
    if is_late:
        return Blocked(fight, "the own champion's time is up")
    return fight if game.has_machine else Blocked(fight, NO_MACHINE)


def time_out(truth: Node, contest: Contest, bout: Bout) -> TimeoutBout:
    """Return the end of a champion whose time in a bout with the own one is up.

    Why: it blocks the defeat of its assertion as long as it counts as alive.

    Rule: CHAL-33
    """
    return TimeoutBout(truth.batch, truth.assertion_id, contest, bout)


def resolve(
    view: View, game: GameView, truth: Node, contest: Contest, where: tuple[Bout, int]
) -> Resolve | Blocked:
    """Return the resolution of a bout of the own champion, opened under its own trees.

    Why: no clock makes anybody do it, and of the other's trees only what it showed is known.

    Rule: CHAL-44
    """
    bout, side = where
    content = build_content(view, truth)
    move = Resolve(truth.batch, truth.assertion_id, contest, bout, side, content)
    return move if game.has_machine else Blocked(move, NO_MACHINE)


def expel_slashed(truth: Node, contest: Contest, rival: Fighter, deadline: int) -> Expel:
    """Return the expulsion of an opponent whose stake was slashed elsewhere.

    Why: one transaction instead of the whole bout, which runs on until then.

    Rule: CHAL-34
    """
    return Expel(truth.batch, truth.assertion_id, contest, rival, deadline)


def find_defeat(view: View, lie: Node, contest: Contest, side: int) -> Defeat | None:
    """Return the defeat of a lie that is late, or that no champion stands behind any more.

    Why: nobody else need do it, and the head waits for it. The truth is struck by nobody here.

    Rule: CHAL-35
    """
    state = contest.state
    if view.time < state.get_deadline(side):
        return None
    if state.phase is Phase.COMMIT:
        if contest.list_alive(side):
            return None
    elif state.turn != side:
        return None
    return Defeat(lie.batch, lie.assertion_id, contest, side)
