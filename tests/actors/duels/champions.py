"""Adversaries by their champions: garbage, silence, stakes that are gone, stakes meant for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from oyez.testing import toy
from tests.actors.duels import moves, trees
from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.actors.duels.moves import Act
from tests.actors.duels.party import Liar, Plan, find_truth, make_truth, on_head
from tests.contracts.duelling import Side


class GarbageChampion(Liar):
    """Gets a garbage tree that ends in the true record committed before the honest one.

    Its lying champion then beats the garbage, in whose name it moves itself, in one block.
    """

    passes = 12

    needs = 3

    def make_plans(self) -> Iterable[Plan]:
        yield Plan(self.stakes[0], self.make, on_head, (self.stakes[1],))

    @property
    def garbage(self) -> bytes:
        return self.stakes[2]

    def foresee(self, board: Board, pending: Sequence[Act]) -> Iterator[Act]:
        yield from self.litter(board)

    def decide(self, board: Board) -> Iterator[Act]:
        yield from self.litter(board)
        yield from super().decide(board)

    def litter(self, board: Board) -> Iterator[Act]:
        for duel in board.duels.values():
            lies = [i for i in duel.ids if i in self.sides]
            if len(lies) != 1 or duel.descent.phase != rec.COMMIT or board.is_moot(duel):
                continue
            side = 1 - duel.ids.index(lies[0])
            if (side, self.garbage) not in duel.champions and board.is_live(self.garbage):
                inner = self.make_garbage(board, duel)
                yield moves.commit(self.garbage, duel, side, inner)

    def make_garbage(self, board: Board, duel: rec.Duel) -> toy.Inner:
        batch = board.batches[board.assertions[duel.ids[0]].batch]
        return trees.make_garbage(trees.run_to_end(batch.hash).inner(duel.descent.index))

    def move(self, board: Board, bout: rec.Bout, mine: int, inner: toy.Inner) -> Iterator[Act]:
        yield from super().move(board, bout, mine, inner)
        rival = bout.champions[1 - mine]
        if rival.staker != self.garbage:
            return
        state, duel = bout.descent, rival.duel
        if state.phase == rec.RESOLVABLE:
            lie = board.assertions[duel.ids[mine]]
            side = self.sides[lie.id]
            yield moves.resolve(self.stakes[0], bout, lie.content, side, inner)
        elif state.turn != mine and board.now < state.deadline(1 - mine):
            act = moves.move_inner(self.garbage, bout, self.make_garbage(board, duel))
            if act is not None:
                yield act


class SilentProposer(Liar):
    """Proposes the truth itself and never moves for it; its lie comes when little time is left."""

    wants_sequencer = True

    needs = 3

    def __init__(self, seed: int = 0, **how: Any) -> None:
        super().__init__(seed, **how)
        self.delay = (self.window - 10, 0, self.window // 2)[seed % 3]

    def make_plans(self) -> Iterable[Plan]:
        yield Plan(self.stakes[0], make_truth, on_head, is_defended=False)
        yield Plan(self.stakes[1], self.make, self.find_late_place, self.stakes[2:])

    def find_late_place(self, board: Board) -> bytes | None:
        first = self.find_own(board, self.stakes[0])
        if first is None or board.now < first.created_at + self.delay:
            return None
        return board.genesis


class SlashedElsewhere(Liar):
    """One stake champions a lie of each batch: it loses one at once, and stalls in the other."""

    batches = 2

    needs = 3

    def make_plans(self) -> Iterable[Plan]:
        yield Plan(self.stakes[0], self.make, on_head, (self.stakes[2],))
        yield Plan(self.stakes[1], self.make, self.find_second, (self.stakes[2],), batch=2)

    def find_second(self, board: Board) -> bytes | None:
        """The true child of genesis."""
        found = find_truth(board, board.genesis)
        return None if found is None else found.id

    def may_propose(self, board: Board, parent: bytes) -> bool:
        # with the sequencer's stake bound to a lie, anyone is first above the truth
        return self.is_sequencer or super().may_propose(board, parent)

    def wants(self, board: Board, state: rec.Descent, side: int, game: rec.Duel | rec.Bout) -> bool:
        if isinstance(game, rec.Bout):
            duel = game.champions[0].duel
            if board.assertions[duel.ids[0]].batch == 2:
                return False
            # not before it stands in both
            both = [c for d in board.duels.values() for c in d.champions.values()]
            if sum(c.staker == self.stakes[2] for c in both) < 2:
                return False
        return super().wants(board, state, side, game)


class Stallers(Liar):
    """Champions of a lie stall in the duel with the truth until the lie falls in another duel."""

    needs = 6

    def make_plans(self) -> Iterable[Plan]:
        yield Plan(self.stakes[0], self.make, on_head, self.stakes[2:])
        yield Plan(self.stakes[1], self.make_other, on_head)

    def make_other(self, batch: rec.Batch) -> Side:
        return trees.make_run(batch.hash, (2, 3, 700, 249), salt=self.stakes[1])

    def wants(self, board: Board, state: rec.Descent, side: int, game: rec.Duel | rec.Bout) -> bool:
        if isinstance(game, rec.Bout):
            return len(game.movers) < 1
        mine = {a.id for a in board.assertions.values() if a.proposer == self.stakes[0]}
        ours = {a.id for a in board.assertions.values() if a.proposer in self.stakes}
        if set(game.ids) <= ours:
            return game.ids[side] not in mine
        return super().wants(board, state, side, game)


class OneStakeForAll(Liar):
    """Several lies, and one stake that would champion every one of them."""

    needs = 5

    def make_plans(self) -> Iterable[Plan]:
        for i, staker in enumerate(self.stakes[:-1]):
            yield Plan(staker, self.make_nth(i), on_head, self.stakes[-1:])

    def make_nth(self, i: int) -> Callable[[rec.Batch], Side]:
        def make(batch: rec.Batch) -> Side:
            return trees.make_run(batch.hash, (1, 3, 700, 250 - i), salt=self.stakes[i])

        return make
