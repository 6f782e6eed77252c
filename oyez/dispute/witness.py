"""Builds the transaction of each move in a duel: the chain's states, nodes of the own traces."""

from __future__ import annotations

from dataclasses import dataclass

from oyez.chain.client import Chain
from oyez.chain.contracts import Transaction
from oyez.chain.deployment import Deployment
from oyez.chain.duel_states import (
    HEX,
    HEX_BITS,
    NO_CHOICE,
    NO_DESCENT,
    Choice,
    Descent,
    Phase,
)
from oyez.chain.game import Game, MovePay
from oyez.dispute import duel_moves as moves
from oyez.dispute import lanes
from oyez.dispute.traces import Machine, NodeTree, TraceSource, list_children, list_siblings
from oyez.protocol import codec
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Hash32


class UnfoundedMove(Invalid):
    """What stands on the chain does not fit this node's own trace: there is no such move."""

    def __init__(self, why: str) -> None:
        """Say what does not fit."""
        super().__init__("CHAL-41", why)


@dataclass(frozen=True, slots=True)
class Witness:
    """The game, and this node's traces; without a machine it builds all but champions' moves."""

    game: Game
    pay: MovePay
    traces: TraceSource
    machine: Machine | None

    def build(self, move: moves.DuelMove) -> Transaction:
        """Return the transaction of a move.

        Raises:
            UnfoundedMove: the chain's state and the own trace do not fit.

        Rule: CHAL-41
        """
        game, pay = self.game, self.pay
        match move:
            case moves.OpenDuel():
                return game.build_open(*move.contents)
            case moves.Reveal():
                return self._reveal(move)
            case moves.Commit():
                return self._commit(move)
            case moves.Fight():
                return self._fight(move)
            case moves.Resolve():
                return self._resolve(move)
            case moves.TimeoutBout():
                a, b = (fighter.champion for fighter in move.bout.fighters)
                state = move.bout.state if move.bout.is_begun else NO_DESCENT
                return game.build_timeout_bout(move.contest.duel, a, b, state)
            case moves.Expel():
                fighter = move.fighter
                return game.build_expel(move.contest.duel, fighter.side, fighter.staker)
            case moves.Defeat():
                return game.build_defeat(move.contest.duel, move.side)
            case moves.Release():
                fighter = move.fighter
                return game.build_release(move.contest.duel, fighter.side, fighter.staker)
            case moves.PayDuel():
                return pay.build_pay_duel(move.contest.duel, move.loser, move.contest.movers)
            case moves.PayBout():
                bout = move.bout
                first, second = (fighter.staker for fighter in bout.fighters)
                key = move.contest.duel.key
                return pay.build_pay_bout(key, (first, second), bout.state, move.loser, bout.movers)
            case moves.WithdrawPay():
                return pay.build_withdraw(move.owner)

    def _reveal(self, move: moves.Reveal) -> Transaction:
        contest, tree = move.contest, self.traces.open_outer(move.batch)
        state = contest.state
        if state.phase is Phase.START:
            verify_node(tree, tree.height, 0, state.moving)
            return self.game.build_start(contest.duel, list_children(tree, tree.height, 0))
        choice = choose(tree, state, contest.children)
        if move.kind == "last":
            return self.game.build_last(contest.duel, choice)
        level = HEX_BITS * (state.level - 1)
        children = list_children(tree, level, HEX * state.index + choice.index)
        return self.game.build_advance(contest.duel, choice, children)

    def _commit(self, move: moves.Commit) -> Transaction:
        state = move.contest.state
        tree = self._get_machine().open_inner(move.batch, state.index)
        last = (1 << (tree.height - HEX_BITS)) - 1
        verify_node(tree, HEX_BITS, last, (state.waiting, state.moving)[move.side])
        return self.game.build_commit(
            move.contest.duel,
            move.side,
            list_siblings(tree, HEX_BITS, last),
            list_children(tree, tree.height, 0),
        )

    def _fight(self, move: moves.Fight) -> Transaction:
        bout, state = move.bout, move.bout.state
        tree = self._get_machine().open_inner(move.batch, state.record)
        a, b = bout.fighters
        if state.phase is Phase.LEAF:
            leaf = tree.get_leaf(state.index)
            return self.game.build_leaf(a.key, b.key, state, NO_CHOICE, leaf)
        choice = choose(tree, state, bout.children)
        index = HEX * state.index + choice.index
        if state.level == 1:
            leaf = tree.get_leaf(index)
            return self.game.build_leaf(a.key, b.key, state, choice, leaf)
        children = list_children(tree, HEX_BITS * (state.level - 1), index)
        if bout.is_begun:
            return self.game.build_advance_bout(a.key, b.key, state, choice, children)
        duel = move.contest.duel
        return self.game.build_inner(duel, a.champion, b.champion, choice, children)

    def _resolve(self, move: moves.Resolve) -> Transaction:
        bout, state = move.bout, move.bout.state
        first, second = bout.leaves
        lane = lanes.find_first_lane(first, second)
        proof = self._get_machine().prove_step(
            move.batch, state.record, state.index, lane, move.content.parent
        )
        a, b = (fighter.champion for fighter in bout.fighters)
        return self.game.build_resolve(
            move.contest.duel, move.content, a, b, state, (first, second), lane, proof
        )

    def _get_machine(self) -> Machine:
        if self.machine is None:
            raise UnfoundedMove("this node has no machine that makes inner traces")
        return self.machine


def open_witness(
    chain: Chain, deployment: Deployment, traces: TraceSource, machine: Machine | None
) -> Witness | None:
    """Return a deployment's game with this node's traces; None where there is no game."""
    if not deployment.has_game:
        return None
    return Witness(Game(chain, deployment), MovePay(chain, deployment), traces, machine)


def choose(tree: NodeTree, state: Descent, theirs: tuple[Hash32, ...]) -> Choice:
    """Return the first child in which the own node differs from the waiting side's, with paths.

    Raises:
        UnfoundedMove: the own tree has another node there, or none of its children differs.
    """
    level = HEX_BITS * state.level
    verify_node(tree, level, state.index, state.moving)
    mine = list_children(tree, level, state.index)
    if len(theirs) != HEX:
        raise UnfoundedMove("the logs show no children of the waiting side")
    index = next((i for i in range(HEX) if mine[i] != theirs[i]), None)
    if index is None:
        raise UnfoundedMove("all 16 children agree")
    return Choice(
        index, theirs[index], mine[index], list_path(theirs, index), list_path(mine, index)
    )


def list_path(children: tuple[Hash32, ...], index: int) -> tuple[Hash32, ...]:
    """Return the four siblings of one of 16 nodes, upwards."""
    siblings, nodes = [], list(children)
    for _ in range(HEX_BITS):
        siblings.append(nodes[index ^ 1])
        nodes = [codec.sha256(nodes[i] + nodes[i + 1]) for i in range(0, len(nodes), 2)]
        index >>= 1
    return tuple(siblings)


def verify_node(tree: NodeTree, level: int, index: int, expected: Hash32) -> None:
    """Check that the own tree has this node; UnfoundedMove when it has another."""
    if tree.get_node(level, index) != expected:
        raise UnfoundedMove(f"this node's own trace has another node {index} on level {level}")
