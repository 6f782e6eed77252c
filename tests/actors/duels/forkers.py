"""Adversaries by their assertions: many, one after another, both sides, deep in a branch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from tests.actors.duels import moves, trees
from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.actors.duels.moves import Act
from tests.actors.duels.party import Liar, Plan, find_truth, is_true, make_truth, on_head
from tests.contracts.duelling import Side


class SiblingSpammer(Liar):
    """As many lies as it has pairs of stakes, each with a champion, all at once."""

    needs = 12

    def make_plans(self) -> Iterable[Plan]:
        half = len(self.stakes) // 2
        for i in range(half):
            yield Plan(self.stakes[i], self.make_nth(i), self.place, (self.stakes[half + i],))

    def place(self, board: Board) -> bytes | None:
        return on_head(board)

    def get_nth(self, i: int) -> trees.Change:
        return i % 4, 3, 700, 255 - i

    def make_nth(self, i: int) -> Callable[[rec.Batch], Side]:
        def make(batch: rec.Batch) -> Side:
            return trees.make_run(batch.hash, self.get_nth(i), salt=self.stakes[i])

        return make


class ReRivaller(SiblingSpammer):
    """One lie after another, each when the last one's champion is beaten, one in the last block."""

    def post(self, board: Board) -> Iterator[Act]:
        yield from itertools.islice(super().post(board), 1)

    def place(self, board: Board) -> bytes | None:
        if board.head != board.genesis:
            return None
        own = [a for a in board.assertions.values() if self.find_plan(a) is not None]
        first = min((a.created_at for a in board.living(board.genesis)), default=board.now)
        is_last = len(own) == len(self.plans) - 1
        if own and is_last and board.now < first + self.window - 5:
            return None
        if own and not is_last and not self.is_beaten(board, own[-1]):
            return None
        return board.genesis

    def is_beaten(self, board: Board, lie: rec.Assertion) -> bool:
        return any(
            champion.state == "out" and champion.side == side
            for duel, side in board.duels_of(lie.id)
            for champion in duel.champions.values()
        )


class BothSides(Liar):
    """Posts the truth before the honest party does, and the lie, and makes all moves of both."""

    def make_plans(self) -> Iterable[Plan]:
        yield Plan(self.stakes[0], self.make, on_head, (self.stakes[0],))
        yield Plan(self.stakes[1], make_truth, on_head, (self.stakes[1],))

    def decide(self, board: Board) -> Iterator[Act]:
        yield from super().decide(board)
        for duel in board.duels.values():
            for bout in duel.bouts.values():
                staker, other = (champion.staker for champion in bout.champions)
                is_due = bout.is_on and bout.descent.phase == rec.RESOLVABLE
                if is_due and {staker, other} == set(self.stakes):
                    yield self.resolve(board, duel, bout)
        yield from self.collect(board)

    def resolve(self, board: Board, duel: rec.Duel, bout: rec.Bout) -> Act:
        lie = board.assertions[duel.ids[0]]
        side = self.sides[lie.id]
        inner = side.machine.inner(duel.descent.index)
        return moves.resolve(self.stakes[1], bout, lie.content, side, inner)

    def foresee(self, board: Board, pending: Sequence[Act]) -> Iterator[Act]:
        yield from self.post(board)

    def collect(self, board: Board) -> Iterator[Act]:
        """Have every move paid, to the loser's own accomplice."""
        for duel in board.duels.values():
            for side, assertion in enumerate(duel.ids):
                if board.status(assertion) == rec.DEFEATED and duel.key not in board.paid:
                    yield Act(self.stakes[1], "pay", "pay_duel", (duel.words, side, duel.movers))
            for bout in duel.bouts.values():
                for side, champion in enumerate(bout.champions):
                    if champion.state == "out" and bout.key not in board.paid and bout.movers:
                        pair = tuple(c.staker for c in bout.champions)
                        args = (duel.key, pair, bout.descent.state, side, bout.movers)
                        yield Act(self.stakes[1], "pay", "pay_bout", args)


class TipLocker(Liar):
    """Locks the honest stake with a lie, then hides another two batches up, on truths."""

    wants_sequencer = True
    batches = 3

    needs = 4

    def make_plans(self) -> Iterable[Plan]:
        yield Plan(self.stakes[0], self.make, on_head, self.stakes[3:])
        yield Plan(self.stakes[1], make_truth, self.find_child, batch=2, is_defended=False)
        yield Plan(self.stakes[2], self.make, self.find_grandchild, self.stakes[3:], batch=3)

    def find_child(self, board: Board) -> bytes | None:
        """The honest answer to the first lie."""
        found = find_truth(board, board.genesis)
        return None if found is None else found.id

    def find_grandchild(self, board: Board) -> bytes | None:
        found = self.find_own(board, self.stakes[1], 2)
        return None if found is None else found.id

    def may_propose(self, board: Board, parent: bytes) -> bool:
        # the sequencer's stake is bound to its lie: anyone is first above the truth
        return True


class OverlappingForks(Liar):
    """Its champion drags a bout out; then a lie of the next batch stands alone on the truth."""

    wants_sequencer = True
    batches = 2

    needs = 4

    def make_plans(self) -> Iterable[Plan]:
        yield Plan(self.stakes[0], make_truth, on_head, is_defended=False)
        yield Plan(self.stakes[1], self.make, self.find_place, self.stakes[2:3])
        yield Plan(self.stakes[0], self.make, self.find_busy, self.stakes[3:], batch=2)

    def find_place(self, board: Board) -> bytes | None:
        return board.genesis if find_truth(board, board.genesis) else None

    def find_busy(self, board: Board) -> bytes | None:
        """The truth of the first batch, once an honest champion stands for it."""
        for duel in board.duels.values():
            for champion in duel.champions.values():
                truth = board.assertions[duel.ids[champion.side]]
                if champion.staker not in self.stakes and is_true(board, truth):
                    return truth.id
        return None

    def wants(self, board: Board, state: rec.Descent, side: int, game: rec.Duel | rec.Bout) -> bool:
        in_time = isinstance(game, rec.Duel) or state.deadline(side) - board.now <= 5
        return in_time and super().wants(board, state, side, game)


class Sprayer(Liar):
    """One stake that would stand behind many lies of one fork at once."""

    def decide(self, board: Board) -> Iterator[Act]:
        yield from super().decide(board)
        parent, batch = on_head(board), board.batch_after(board.genesis)
        if parent is None or batch is None or not board.is_live(self.stakes[0]):
            return
        for value in range(200, 204):
            other = trees.make_run(batch.hash, (1, 3, 700, value), salt=value)
            yield moves.propose(self.stakes[0], parent, batch, other)
