"""Adversaries on the way to the chain: front-runners, re-orgs, too little gas, contracts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from tests.actors.duels import moves
from tests.actors.duels.board import Board
from tests.actors.duels.moves import Act
from tests.actors.duels.party import Adversary, Liar, Plan, make_truth, on_head
from tests.contracts.harness import actor


class FrontRunner(Liar):
    """Lies, and gets every act of the honest party mined first in its own name."""

    needs = 3

    def make_plans(self) -> Iterable[Plan]:
        yield Plan(self.stakes[0], self.make, on_head, self.stakes[1:2])

    def foresee(self, board: Board, pending: Sequence[Act]) -> Iterator[Act]:
        for act in pending:
            if act.name not in ("release", "step_down", "cancel_withdrawal"):
                yield replace(act, sender=self.stakes[2])


class OutOfGasCaller(Liar):
    """Gets every act of the honest party tried first with too little gas for all of it."""

    def foresee(self, board: Board, pending: Sequence[Act]) -> Iterator[Act]:
        for act in pending:
            if act.contract == "game" and act.name != "commit":
                for _ in range(3):
                    gas = self.rng.randrange(25_000, 150_000)
                    yield replace(act, sender=self.stakes[0], gas=gas)


class Reorger(Liar):
    """Lies, and has the newest blocks undone, half of their acts lost, half reordered."""

    #: Blocks that it undoes in all; they count as censored.
    budget = 24

    def reorg(self) -> int:
        """How many blocks to undo now."""
        if self.budget == 0 or self.rng.random() < 0.6:
            return 0
        depth = min(self.budget, self.rng.randrange(1, 4))
        self.budget -= depth
        return depth


class ContractWallet(Adversary):
    """A contract proposes the truth first and moves for it; whatever is paid to it reverts."""

    needs = 1

    def __init__(self, seed: int = 0, **how: Any) -> None:
        super().__init__(seed, **{**how, "sequencer": None})
        self.owner = actor(f"owner {seed}")

    def move_in(self, wallet: bytes) -> None:
        """Take the wallet's address, known once it is deployed."""
        self.stakes = (wallet,)

    def foresee(self, board: Board, pending: Sequence[Act]) -> Iterator[Act]:
        (wallet,) = self.stakes
        parent, batch = on_head(board), board.batch_after(board.genesis)
        if parent is None or batch is None:
            return
        for act in pending:
            if act.name == "propose" and act.args[0] == parent and board.living(parent):
                yield moves.propose(wallet, parent, batch, make_truth(batch))
            elif act.contract == "game" and act.name not in ("commit", "release"):
                yield replace(act, sender=wallet)
