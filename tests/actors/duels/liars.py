"""Liars by their trees: what nobody knows, what is nothing, what is wrong in one place."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from oyez.testing import toy
from tests.actors.duels import records as rec
from tests.actors.duels import trees
from tests.actors.duels.board import Board
from tests.actors.duels.party import Liar, Plan, on_head
from tests.contracts.duelling import Side


class Withholder(Liar):
    """Its trace root is noise: it can never show a node."""

    def make(self, batch: rec.Batch) -> Side:
        tree = trees.Withheld(toy.OUTER_HEIGHT, {})
        return trees.seal(trees.run_to_end(batch.hash), tree, self.stakes[0])


class ZeroTree(Liar):
    """Every record is 32 zeros; no inner tree folds to that."""

    record = bytes(32)

    def make(self, batch: rec.Batch) -> Side:
        tree = trees.Constant(self.record)
        return trees.seal(trees.run_to_end(batch.hash), tree, self.stakes[0])

    def make_inner(self, board: Board, duel: rec.Duel, mine: int) -> toy.Inner | None:
        return None


class ZeroNodes(ZeroTree):
    """Nodes high in its tree are zeros, whose children nobody can show."""

    def make(self, batch: rec.Batch) -> Side:
        tree = trees.ZeroNodes(toy.OUTER_HEIGHT, {})
        return trees.seal(trees.run_to_end(batch.hash), tree, self.stakes[0])


class ConstantTree(ZeroTree):
    """Every record is the same one, whose inner tree it has: it plays to the last lane."""

    inner = toy.run_record(7)
    record = inner.record_root

    def make_inner(self, board: Board, duel: rec.Duel, mine: int) -> toy.Inner | None:
        return self.inner


class LastSecond(Liar):
    """Moves and commits in the last block in which it can."""

    late = 5


class Mute(Liar):
    """Falls silent after some moves of a duel, or of a bout."""

    def __init__(self, seed: int = 0, **how: Any) -> None:
        super().__init__(seed, **how)
        if self.rng.random() < 0.5:
            self.patience = self.rng.randrange(1, 8)
        else:
            self.bout_patience = self.rng.randrange(4)


class WrongAtRecord(Liar):
    """One lane anywhere is one too much, and all that follows follows from it."""

    def find_change(self, batch: rec.Batch) -> trees.Change:
        rng = random.Random(repr((self.stakes, batch.hash)))
        records = trees.run_to_end(batch.hash).records
        record, leaf = rng.randrange(len(records)), rng.choice(toy.LIVING)
        kind = toy.type_at(leaf)
        lane = rng.randrange(toy.LANES[kind])
        true = toy.read_lane(kind, records[record].raw[leaf], lane)
        return record, leaf, lane, true + 1

    def make(self, batch: rec.Batch) -> Side:
        return trees.make_run(batch.hash, self.find_change(batch), salt=self.stakes[0])


class HonestLanes(Liar):
    """Champions a false record with the true lanes: the first difference is in the record."""

    def make_inner(self, board: Board, duel: rec.Duel, mine: int) -> toy.Inner | None:
        lie = board.assertions[duel.ids[mine]]
        true = trees.run_to_end(board.batches[lie.batch].hash).inner(duel.descent.index)
        false = self.sides[lie.id].machine.inner(duel.descent.index)
        return trees.make_honest_lanes(true, false)


class UnknownLeaf(Liar):
    """A leaf of its champion's tree is a hash of nothing: it gets there and cannot show it."""

    leaf = 1

    def make_inner(self, board: Board, duel: rec.Duel, mine: int) -> toy.Inner | None:
        inner = self.sides[duel.ids[mine]].machine.inner(duel.descent.index)
        return trees.make_hollow(inner, self.leaf)


class PaddingLiar(Liar):
    """Goes on after the machine's end, or ends it early in the middle of a record."""

    def __init__(self, seed: int = 0, **how: Any) -> None:
        super().__init__(seed, **how)
        self.goes_on = seed % 2 == 0

    def make(self, batch: rec.Batch) -> Side:
        records = trees.run_to_end(batch.hash).records
        if self.goes_on:
            number = records[-1].first_number
            assert number is not None
            false = [*records, toy.run_record(number)]
        else:
            cut = toy.Inner({i: raw for i, raw in records[-1].raw.items() if i < 3})
            false = [*records[:-1], cut]
        return trees.make_side(toy.Machine(false), salt=self.stakes[0])


class RightStateWrongTrace(Liar):
    """The true state under nobody's trace; a second lie follows when little time is left."""

    wants_sequencer = True
    #: Seconds before the fork closes in which the second lie comes.
    lead = 20

    def make_plans(self) -> Iterable[Plan]:
        yield Plan(self.stakes[0], self.make_empty, on_head)
        yield Plan(self.stakes[1], self.make, self.find_late_place, self.stakes[1:])

    def make_empty(self, batch: rec.Batch) -> Side:
        tree = trees.Withheld(toy.OUTER_HEIGHT, {})
        return trees.seal(trees.run_to_end(batch.hash), tree, salt=0)

    def find_late_place(self, board: Board) -> bytes | None:
        first = self.find_own(board, self.stakes[0])
        if first is None or board.now < first.created_at + self.window - self.lead:
            return None
        return first.parent
