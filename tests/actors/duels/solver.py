"""The shipped honest client as a party: `oyez.dispute` decides from the events that all see.

Only the journal and the signing are left out: what it decides at a block is sent at that block.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import eth_abi
from eth_utils import abi as abi_types

from oyez.chain import contracts, duel_states, game_events
from oyez.chain.contracts import Transaction
from oyez.chain.deployment import Deployment
from oyez.chain.duel_states import Descent, Fall, Leaf
from oyez.chain.events import Place, StakeChanged
from oyez.chain.game import Game, MovePay
from oyez.dispute import moves as honest_moves
from oyez.dispute import rules
from oyez.dispute.duels import Duels
from oyez.dispute.tree import Node, Tree
from oyez.dispute.view import GameView, Own, Periods, View
from oyez.dispute.witness import UnfoundedMove, Witness
from oyez.protocol.types import Address, BatchNumber, Claim, Hash32
from tests.actors.duels import moves
from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.actors.duels.moves import Act
from tests.actors.duels.party import is_true, make_truth
from tests.duel_node import ToyTraces

FATES = {
    "AssertionFinalized": Tree.finalize,
    "AssertionDefeated": Tree.defeat,
    "AssertionVoided": Tree.void,
}
CONTRACTS = {"DuelGame": "game", "MovePay": "pay"}


@dataclass(frozen=True)
class Terms:
    """What a deployment fixed, for a client."""

    chain_id: int
    rollup: Address
    game: Address
    pay: Address
    sequencer: Address
    window: int
    response: int
    first_child: int
    stake: int


class Solver:
    """One key with one stake, played by `oyez.dispute`."""

    def __init__(self, address: bytes, terms: Terms) -> None:
        self.address = Address(address)
        self.stakes: tuple[bytes, ...] = (address,)
        self.terms = terms
        self.runs = ToyTraces({})
        self.unfounded: list[str] = []
        self.board: Board | None = None
        self.read = 0
        names = {"DuelGame": terms.game, "MovePay": terms.pay}
        place = Deployment(rpc="", chain_id=terms.chain_id, deployment_block=0, contracts=names)
        chain: Any = None  # nothing is read through it
        self.witness = Witness(Game(chain, place), MovePay(chain, place), self.runs, self.runs)

    def decide(self, board: Board) -> list[Act]:
        view = self.look(board)
        decision = rules.decide(view)
        return [act for move in decision.moves for act in self.build(board, move)]

    # --- what it sees ---

    def look(self, board: Board) -> View:
        if board is not self.board:  # another chain: read from the start
            self.board, self.read = board, 0
            self.tree, self.duels = Tree(Hash32(board.genesis)), Duels(rec.INNER_LEVELS)
        for seen in board.history[self.read :]:
            read(self.tree, self.duels, seen)
        self.read = len(board.history)
        for batch in board.batches.values():
            self.runs.sides[batch.number] = make_truth(batch)
        terms = self.terms
        head = board.assertions.get(board.head)
        return View(
            chain_id=terms.chain_id,
            rollup=terms.rollup,
            time=board.now,
            periods=Periods(terms.window, terms.response, terms.first_child, terms.stake),
            tree=self.tree,
            own={b.number: self.derive(b) for b in board.batches.values()},
            head_is_true=head is None or is_true(board, head),
            me=self.address,
            stake=read_stake(board, self.address),
            sequencer=terms.sequencer,
            sequencer_stake=read_stake(board, terms.sequencer),
            game=GameView(self.duels, has_machine=True, credit=0, quarter=terms.stake // 4),
        )

    def derive(self, batch: rec.Batch) -> Own:
        claim = self.runs.sides[batch.number].proposal.claim
        return Own(BatchNumber(batch.number), Hash32(batch.hash), batch.opened_at, claim)

    # --- what it does ---

    def build(self, board: Board, move: honest_moves.Move) -> list[Act]:
        match move:
            case honest_moves.Propose():
                batch = board.batches[move.batch]
                side = self.runs.sides[move.batch]
                return [moves.propose(self.address, move.parent, batch, side, move.attempt)]
            case honest_moves.StepDown():
                return [Act(self.address, "rollup", "step_down", (list(move.path),))]
            case honest_moves.Finalize() | honest_moves.MarkVoid():
                return [Act(self.address, "rollup", move.kind, (move.assertion_id,))]
            case honest_moves.CancelWithdrawal():
                return [Act(self.address, "rollup", move.kind)]
            case _:
                try:
                    return [self.read_call(self.witness.build(move))]
                except UnfoundedMove as error:
                    self.unfounded.append(str(error))
                    return []

    def read_call(self, call: Transaction) -> Act:
        """A transaction as an act: name and arguments again."""
        file = "DuelGame" if call.to == self.terms.game else "MovePay"
        name, types = find_function(file, call.data[:4])
        return Act(self.address, CONTRACTS[file], name, eth_abi.abi.decode(types, call.data[4:]))


@functools.cache
def find_function(file: str, selector: bytes) -> tuple[str, list[str]]:
    functions: list[Any] = [e for e in contracts.load_abi(file) if e["type"] == "function"]
    (found,) = [
        (entry["name"], [abi_types.collapse_if_tuple(item) for item in entry["inputs"]])
        for entry in functions
        if abi_types.function_abi_to_4byte_selector(entry) == selector
    ]
    return found


def read_stake(board: Board, staker: bytes) -> contracts.Stake:
    """A staker's word, as the Rollup would answer."""
    found = board.stake(staker)
    if found is None or found.status != rec.LIVE:
        return contracts.Stake(0 if found is None else found.status, 0, 0, 0, Hash32(bytes(32)))
    held = [
        champion
        for duel in board.duels.values()
        for champion in duel.champions.values()
        if champion.staker == staker and champion.state == "alive"
    ]
    tip = found.tip or bytes(32)
    return contracts.Stake(
        found.status, board.proposals(staker), len(held), found.requested_at, Hash32(tip)
    )


def read(tree: Tree, duels: Duels, seen: rec.Seen) -> None:
    """Give the client one event as its own reader would."""
    args = seen.args
    place = Place(seen.time, Hash32(bytes(32)), 0, Hash32(bytes(32)))
    if seen.name == "AssertionProposed":
        roots = ("trace_root", "state_root", "outbox_root", "receipts_root")
        tree.propose(
            Node(
                assertion_id=args["assertion_id"],
                parent=args["parent"],
                batch=args["batch"],
                proposer=args["proposer"],
                created_at=seen.time,
                attempt=args["attempt"],
                claim=Claim(*(args[root] for root in roots)),
            )
        )
    elif seen.name in FATES:
        FATES[seen.name](tree, args["assertion_id"])
    elif seen.name == "StakeSlashed":
        duels.add(StakeChanged(seen.name, args["staker"], place), lambda at: at.block)
    else:
        event = read_game_event(seen.name, args, place)
        if event is not None:
            duels.add(event, lambda at: at.block)


def read_game_event(name: str, args: dict[str, Any], place: Place) -> game_events.GameEvent | None:
    match name:
        case "DuelOpened":
            a, b, state = args["state"]
            duel = duel_states.Duel(a, b, Descent(*state))
            return game_events.DuelOpened(duel, args["opener"], place)
        case "Revealed":
            state = Descent(*args["state"])
            return game_events.Revealed(
                args["game"], args["mover"], state, tuple(args["children"]), place
            )
        case "RecordFound":
            return game_events.RecordFound(
                args["duel"], args["mover"], Descent(*args["state"]), place
            )
        case "Committed":
            children = tuple(args["children"])
            return game_events.Committed(
                args["duel"], args["side"], args["staker"], args["inner_root"], children, place
            )
        case "LeafRevealed":
            leaf = Leaf(args["type"], args["raw"])
            return game_events.LeafRevealed(
                args["bout"], args["mover"], leaf, Descent(*args["state"]), place
            )
        case "Resolved":
            state = Descent(*args["state"])
            return game_events.Resolved(
                args["bout"], args["resolver"], args["lane"], args["lane_value"], state, place
            )
        case "ChampionOut":
            return game_events.ChampionOut(
                args["duel"], args["side"], args["staker"], Fall(args["how"]), place
            )
        case "ChampionReleased":
            return game_events.ChampionReleased(args["duel"], args["side"], args["staker"], place)
        case "MovesPaid":
            return game_events.MovesPaid(args["game"], args["loser"], args["amount"], place)
    return None
