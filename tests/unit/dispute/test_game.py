"""Liars with any number of stakes against one honest stake, on the model of the Rollup.

Whatever they do, in whatever order, with re-orgs and replayed bytes: the honest stake stands on the
truth alone, every lie on a true parent gets its true sibling in time, and so no lie becomes final.
"""

from __future__ import annotations

import copy
import os

from hypothesis import HealthCheck
from hypothesis import settings as budget
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from oyez.dispute.moves import Move
from oyez.dispute.rules import decide
from oyez.protocol.types import Address, Hash32, Status
from tests.unit.dispute.board import GENESIS, SEQUENCER, Board, D, RefusedError, T, who

ME, OTHER = who(20), who(21)
LIARS = [who(30 + n) for n in range(5)]
#: Longer than this the honest stake never takes to look again: a latency.
LATENCY = D // 8
DEEPEST = 8


class Game(RuleBasedStateMachine):
    """Every rule is one event; the honest parties act after each."""

    def __init__(self) -> None:
        super().__init__()
        self.board = Board()
        self.honest = [ME]
        self.history: list[Board] = []
        self.signed: list[tuple[Address, Move]] = []

    @initialize(lying=st.booleans(), batches=st.integers(2, 4))
    def begin(self, lying: bool, batches: int) -> None:
        for staker in (SEQUENCER, ME, OTHER, *LIARS):
            self.board.deposit(staker)
        self.liars = [*LIARS]
        self.honest = [ME, OTHER]
        for _ in range(batches):
            self.board.close_batch()
        if lying:
            self.liars.append(SEQUENCER)
            self.board.propose(SEQUENCER, GENESIS, content=1)
        else:
            self.honest.append(SEQUENCER)
        self.away: Address | None = None
        self.settle()

    # What liars do; a refusal is the end of the attempt

    def attempt(self, act: object, *arguments: object) -> None:
        assert callable(act)
        self.history = [*self.history[-DEEPEST + 1 :], copy.deepcopy(self.board)]
        try:
            act(*arguments)
        except RefusedError:
            self.history.pop()
            return
        self.settle()

    def pick(self, place: int) -> Hash32:
        """Any parent that may still matter, the newest first."""
        places = [self.board.finals[-1]]
        places += [a.id for a in self.board.all.values() if a.status is Status.PENDING]
        return places[-1 - place % len(places)]

    @rule(
        liar=st.integers(0, 5), place=st.integers(0, 9), content=st.integers(0, 2),
        attempt=st.integers(0, 1),
    )  # fmt: skip
    def propose(self, liar: int, place: int, content: int, attempt: int) -> None:
        staker = self.liars[liar % len(self.liars)]
        self.attempt(self.board.propose, staker, self.pick(place), content, attempt)

    @rule(place=st.integers(0, 3), content=st.integers(0, 2))
    def lie(self, place: int, content: int) -> None:
        """Whoever of them can puts something on the true branch."""
        branch = self.walk()
        parent = branch[-1 - place % len(branch)]
        for liar in self.liars:
            try:
                self.board.propose(liar, parent, content)
            except RefusedError:
                continue
            break
        self.settle()

    @rule(who_leaves=st.sampled_from([None, ME, OTHER]))
    def leave(self, who_leaves: Address | None) -> None:
        """One of the two challengers sleeps; the other one is enough."""
        self.away = who_leaves
        self.settle()

    @rule(liar=st.integers(0, 5), place=st.integers(0, 9))
    def step_down(self, liar: int, place: int) -> None:
        staker = self.liars[liar % len(self.liars)]
        self.attempt(self.board.step_down, staker, (self.pick(place),))

    @rule()
    def close_batch(self) -> None:
        if len(self.board.opened) < self.board.batch_of(self.board.finals[-1]) + 9:
            self.attempt(self.board.close_batch)

    @rule(liar=st.integers(0, 5), contents=st.lists(st.integers(0, 1), min_size=1, max_size=3))
    def race(self, liar: int, contents: list[int]) -> None:
        """A batch closes, and a liar is there before the honest: with the truth, too."""
        self.board.close_batch()
        parent = self.walk()[-1]
        for place, content in enumerate(contents):
            try:
                self.board.propose(self.liars[(liar + place) % len(self.liars)], parent, content)
            except RefusedError:
                continue
        self.settle()

    @rule(place=st.integers(0, 9))
    def finalize(self, place: int) -> None:
        found = self.pick(place)
        if found in self.board.all:
            self.attempt(self.board.finalize, found)

    @rule(place=st.integers(0, 9))
    def mark_void(self, place: int) -> None:
        found = self.pick(place)
        if found in self.board.all:
            self.attempt(self.board.mark_void, found)

    @rule(place=st.integers(0, 9))
    def defeat(self, place: int) -> None:
        """Duels end lies; and a liar's truth, where that leaves each honest stake one branch.

        A true id never dies while one champion stands for it, so a stake bound below a dead tip
        is out of the rules; a stake that falls whole is freed by voiding.
        """
        found = self.board.all.get(self.pick(place))
        if found is None:
            return
        if self.board.is_true(found.id):
            if found.proposer in self.honest:
                return
            for staker in self.honest:
                fallen = [self.stands_on(a.id, found.id) for a in self.board.pending_of(staker)]
                if any(fallen) and not all(fallen):
                    return
        self.attempt(self.board.defeat, found.id)

    def stands_on(self, above: Hash32, below: Hash32) -> bool:
        while above in self.board.all and above != below:
            above = self.board.all[above].parent
        return above == below

    @rule()
    def request(self) -> None:
        self.attempt(self.board.request, ME)

    @rule(seconds=st.integers(1, LATENCY))
    def wait(self, seconds: int) -> None:
        self.board.now += seconds
        self.settle()

    @precondition(lambda self: len(self.board.all) > 6)
    @rule(steps=st.integers(1, 45))
    def wait_long(self, steps: int) -> None:
        for _ in range(steps):
            self.board.now += LATENCY
            self.settle()

    @precondition(lambda self: len(self.history) > 1)
    @rule(depth=st.integers(1, DEEPEST), seconds=st.integers(1, 5))
    def reorganise(self, depth: int, seconds: int) -> None:
        """Go back some events; the same batches close a little later, so they are others."""
        now = self.board.now
        for _ in range(min(depth, len(self.history) - 1)):
            self.board = self.history.pop()
        last = self.board.batch_of(self.board.finals[-1])
        used = max((a.batch for a in self.board.all.values()), default=0)
        for batch in range(max(last, used) + 1, len(self.board.opened) + 1):
            self.board.opened[batch - 1] += seconds
        self.board.now = max(now, self.board.now)
        self.settle()

    @rule(which=st.integers(0, 30))
    def replay(self, which: int) -> None:
        """Anybody may send again what an honest party once signed."""
        if self.signed:
            self.attempt(self.board.perform, *self.signed[-1 - which % len(self.signed)])

    @rule(liar=st.integers(0, 5), place=st.integers(0, 9), content=st.integers(0, 2))
    def overtake(self, liar: int, place: int, content: int) -> None:
        """A liar acts between an honest decision and its transaction."""
        stale = decide(self.board.view(ME))
        staker = self.liars[liar % len(self.liars)]
        try:
            self.board.propose(staker, self.pick(place), content)
            for move in stale.moves:
                self.board.perform(ME, move)
        except RefusedError:
            pass
        self.settle()

    # What honest parties do, and what then holds

    def settle(self) -> None:
        """Let each honest party act to its rest: the Rollup refuses none of its moves."""
        for staker in self.honest:
            if staker == self.away:
                continue
            for _ in range(60):
                decision = decide(self.board.view(staker))
                if not decision.moves:
                    break
                self.signed.append((staker, decision.moves[0]))
                self.board.perform(staker, decision.moves[0])
            else:
                raise AssertionError(f"{staker.hex()} never comes to rest")
        self.check()

    def check(self) -> None:
        board = self.board
        assert all(board.is_true(final) for final in board.finals)
        for staker in self.honest:
            assert not board.stakers[staker].slashed
            assert all(board.is_true(found.id) for found in board.pending_of(staker))
        branch = self.walk()
        for parent in branch:
            living = board.living(parent)
            lies = [a for a in living if a.content and a.status is Status.PENDING]
            truths = [a for a in living if not a.content]
            assert len(truths) <= 1
            assert not lies or truths, "a lie without its sibling"
        for parent in branch[:-1]:
            assert any(not a.content for a in board.living(parent))

    def walk(self) -> list[Hash32]:
        """The true branch, found by content alone."""
        branch = [self.board.finals[-1]]
        while True:
            above = [a.id for a in self.board.living(branch[-1]) if not a.content]
            if not above:
                return branch
            branch.append(above[0])

    def teardown(self) -> None:
        """Once the game has ended all lies, every closed batch becomes final."""
        if not self.board.stakers:
            return
        self.away = None
        for staker in self.honest:
            if self.board.stakers[staker].requested_at:
                self.board.cancel(staker)  # who leaves owes nothing any more
        for _ in range(2 * len(self.board.opened) + 2):
            for found in list(self.board.all.values()):
                if found.content and found.status is Status.PENDING:
                    self.board.defeat(found.id)
            self.settle()
            for _ in range(4):
                self.board.now += T // 3
                self.settle()
        assert self.board.batch_of(self.board.finals[-1]) == len(self.board.opened)
        assert self.board.finals[0] == GENESIS


TestGame = Game.TestCase
TestGame.settings = budget(
    max_examples=int(os.environ.get("OYEZ_GAME_EXAMPLES", "20")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
