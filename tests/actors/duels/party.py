"""The one interface of everyone who plays, and the liar that most adversaries are made of."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from oyez.testing import toy
from tests.actors.duels import moves, trees
from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.actors.duels.moves import Act
from tests.contracts.duelling import Side
from tests.contracts.harness import actor


class Party(Protocol):
    """Decides from the board alone; every address in `stakes` has a stake."""

    stakes: tuple[bytes, ...]

    def decide(self, board: Board) -> Iterable[Act]:
        """What to do at this block; what the chain refuses is forgotten."""
        ...


class Adversary:
    """Does harm from the board alone.

    Attributes:
        stakes: its addresses, each with a stake.
        is_sequencer: whether the first of them may propose every batch first.
    """

    #: Whether it needs the sequencer's place to do its harm.
    wants_sequencer = False
    #: Batches over which it does.
    batches = 1
    #: Addresses with a stake that it needs.
    needs = 2
    #: How often it decides in a block before the others.
    passes = 1

    def __init__(
        self,
        seed: int = 0,
        *,
        sequencer: bytes | None = None,
        stakes: int | tuple[bytes, ...] | None = None,
    ) -> None:
        """Take a seed; the sequencer's address where the place is its own; addresses, or how many.

        Without `stakes` it makes up as many addresses as it needs.
        """
        self.rng = random.Random(f"{type(self).__name__} {seed}")
        made: list[bytes]
        if isinstance(stakes, tuple):
            made = list(stakes)
        else:
            name, count = type(self).__name__, stakes or self.needs
            made = [actor(f"{name} {seed} {i}") for i in range(count)]
        if sequencer is not None:
            made[0] = sequencer
        self.stakes: tuple[bytes, ...] = tuple(made)
        self.is_sequencer = sequencer is not None

    def decide(self, board: Board) -> Iterable[Act]:
        return ()

    def foresee(self, board: Board, pending: Sequence[Act]) -> Iterable[Act]:
        """What to get mined before the others' pending acts, which it sees."""
        return ()

    def may_propose(self, board: Board, parent: bytes) -> bool:
        """Whether it is first by right, or someone was."""
        return self.is_sequencer or bool(board.living(parent))


@dataclass(frozen=True)
class Plan:
    """One assertion that an adversary means to post.

    Attributes:
        staker: whose; it posts one assertion of a batch.
        batch: its number.
        make: the side that it posts for a batch.
        place: the parent to post on now, None to wait.
        champions: stakes that are to stand behind it.
        is_defended: whether its moves are made.
    """

    staker: bytes
    make: Callable[[rec.Batch], Side]
    place: Callable[[Board], bytes | None]
    champions: tuple[bytes, ...] = ()
    batch: int = 1
    is_defended: bool = True


def make_truth(batch: rec.Batch) -> Side:
    """The true side of a batch."""
    return trees.make_run(batch.hash)


def is_true(board: Board, assertion: rec.Assertion) -> bool:
    """Whether its content is the truth of its batch; its parent is judged apart."""
    return assertion.claim == make_truth(board.batches[assertion.batch]).proposal.words


def find_truth(board: Board, parent: bytes) -> rec.Assertion | None:
    """The living true child."""
    return next((a for a in board.living(parent) if is_true(board, a)), None)


def on_head(board: Board) -> bytes | None:
    """The first batch's parent, as soon as the batch is closed."""
    return board.genesis if board.head == board.genesis else None


class Liar(Adversary):
    """Posts false siblings of the truth, defends them with their own trees, champions them.

    The hooks say what is posted where and when, which inner tree is put up, and at what pace.
    """

    #: Seconds before a clock runs out in which it moves; None: it moves at once.
    late: int | None = None
    #: Moves made in a descent, by anyone, after which it falls silent; in a bout.
    patience, bout_patience = 99, 99
    #: Seconds in which an assertion may be answered.
    window = 600
    #: A lane that every record has; record, leaf, lane, value.
    change: trees.Change = (2, 3, 700, 250)

    def __init__(self, seed: int = 0, **how: Any) -> None:
        super().__init__(seed, **how)
        self.sides: dict[bytes, Side] = {}
        self.plans = list(self.make_plans())

    # --- hooks ---

    def make_plans(self) -> Iterable[Plan]:
        """One lie on the first batch, by its first stake, championed by the others."""
        yield Plan(self.stakes[0], self.make, on_head, self.stakes[1:])

    def make(self, batch: rec.Batch) -> Side:
        """The false side of a batch."""
        return trees.make_run(batch.hash, self.change, salt=self.stakes[0])

    def make_inner(self, board: Board, duel: rec.Duel, mine: int) -> toy.Inner | None:
        """The inner tree to champion a side with; None: no champion."""
        return self.sides[duel.ids[mine]].machine.inner(duel.descent.index)

    def is_time(self, board: Board, state: rec.Descent, side: int) -> bool:
        return self.late is None or state.deadline(side) - board.now <= self.late

    # --- decisions ---

    def decide(self, board: Board) -> Iterator[Act]:
        yield from self.escape(board)
        yield from self.post(board)
        for assertion in list(board.assertions.values()):
            plan = self.find_plan(assertion)
            if plan is None or assertion.status != rec.PENDING:
                continue
            if assertion.id not in self.sides:
                self.sides[assertion.id] = plan.make(board.batches[assertion.batch])
            if plan.is_defended:
                yield from self.defend(board, assertion, plan)
                yield from self.finalize(board, assertion)

    def find_plan(self, assertion: rec.Assertion) -> Plan | None:
        named = (assertion.proposer, assertion.batch)
        return next((plan for plan in self.plans if (plan.staker, plan.batch) == named), None)

    def find_own(self, board: Board, staker: bytes, batch: int = 1) -> rec.Assertion | None:
        """What a stake posted for a batch."""
        named = (staker, batch)
        found = (a for a in board.assertions.values() if (a.proposer, a.batch) == named)
        return next(found, None)

    def post(self, board: Board) -> Iterator[Act]:
        """Post what it is time for."""
        for plan in self.plans:
            done = self.find_own(board, plan.staker, plan.batch) is not None
            if done or not board.is_live(plan.staker):
                continue
            parent = plan.place(board)
            batch = None if parent is None else board.batch_after(parent)
            if parent is None or batch is None or not self.may_propose(board, parent):
                continue
            side = plan.make(batch)
            if all(child.claim != side.proposal.words for child in board.living(parent)):
                yield moves.propose(plan.staker, parent, batch, side)

    def defend(self, board: Board, lie: rec.Assertion, plan: Plan) -> Iterator[Act]:
        """Whatever moves the lie has in its duels, and whatever can be done to the others."""
        for rival in board.living(lie.parent):
            if rival.id != lie.id and board.find_duel(lie.id, rival.id) is None:
                yield moves.open_duel(plan.staker, lie, rival)
        for duel, mine in board.duels_of(lie.id):
            if board.is_moot(duel):
                continue
            if moves.is_late(board, duel, 1 - mine):
                yield moves.defeat(plan.staker, duel, 1 - mine)
            elif duel.descent.phase == rec.COMMIT:
                yield from self.stand(board, duel, mine, plan)
            elif duel.descent.turn == mine and self.wants(board, duel.descent, mine, duel):
                act = moves.move_outer(plan.staker, duel, self.sides[lie.id].tree)
                if act is not None:
                    yield act

    def foresee(self, board: Board, pending: Sequence[Act]) -> Iterable[Act]:
        return self.escape(board)

    def escape(self, board: Board) -> Iterator[Act]:
        """Take the stakes of champions back before anyone expels them."""
        for duel in board.duels.values():
            for side in (0, 1):
                for champion in duel.alive(side):
                    if champion.staker in self.stakes and board.is_moot(duel):
                        yield moves.release(champion.staker, champion)

    def finalize(self, board: Board, lie: rec.Assertion) -> Iterator[Act]:
        """Make a lie final that nobody has answered."""
        alone = lie.parent == board.head and len(board.living(lie.parent)) == 1
        if alone and board.now >= lie.created_at + self.window:
            yield Act(lie.proposer, "rollup", "finalize", (lie.id,))

    def wants(self, board: Board, state: rec.Descent, side: int, game: rec.Duel | rec.Bout) -> bool:
        """Whether to make the move that is due."""
        limit = self.patience if isinstance(game, rec.Duel) else self.bout_patience
        return len(game.movers) < limit and self.is_time(board, state, side)

    def stand(self, board: Board, duel: rec.Duel, mine: int, plan: Plan) -> Iterator[Act]:
        """Champion the lie and move in its champions' bouts."""
        inner = self.make_inner(board, duel, mine)
        if inner is None:
            return
        for staker in plan.champions:
            in_time = board.now < duel.descent.deadline(mine)
            is_new = (mine, staker) not in duel.champions and board.is_live(staker)
            if is_new and in_time and self.is_time(board, duel.descent, mine):
                yield moves.commit(staker, duel, mine, inner)
        for bout in duel.bouts.values():
            if bout.champions[mine].staker in plan.champions and bout.is_on:
                yield from self.move(board, bout, mine, inner)

    def move(self, board: Board, bout: rec.Bout, mine: int, inner: toy.Inner) -> Iterator[Act]:
        state, who = bout.descent, bout.champions[mine].staker
        if state.phase == rec.RESOLVABLE:
            return
        if state.turn != mine and board.now >= state.deadline(1 - mine):
            yield moves.time_out(who, bout)
        elif state.turn == mine and self.wants(board, state, mine, bout):
            act = moves.move_inner(who, bout, inner)
            if act is not None:
                yield act
