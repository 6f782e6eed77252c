"""Rollup, DuelGame and MovePay beside the clock model: anyone calls anything, at any time.

Each call is made on both (tests/clocks/mirror.py): a refusal must be the model's, word for word,
and what is done must leave the same clocks, champions, stakes and credits.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings as budget
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.clocks import contents
from tests.clocks.game import BOUT_MOVES, Duel
from tests.clocks.mirror import Mirror
from tests.clocks.rollup import Refused
from tests.contracts.duelling import NO_MOVE, read_digits
from tests.contracts.harness import ETHER, GRAVE, Reverted, reverts

T, D, GRACE = 60, 16, 3
NAMES = [f"z{i}" for i in range(6)]
WHO = st.sampled_from(NAMES)
SIDE = st.integers(0, 1)
PLACE = st.integers(0, 5)
CONTENT = st.sampled_from(
    [contents.TRUTH, *contents.LIES] * 2 + [contents.NOISE, contents.SAME_TRACE]
)
LATE = st.sampled_from([-1, 0, 1])


class Duels(RuleBasedStateMachine):
    """Stakers who lie, champion, stall, withdraw and re-order; a chain that is re-organised."""

    @initialize(
        first=st.sampled_from([contents.TRUTH, 1]),
        depth=st.integers(0, 3),
        seats=st.permutations(NAMES),
        garbage=st.sampled_from([0, 0, 1]),
    )
    def begin(self, first: int, depth: int, seats: list[str], garbage: int) -> None:
        """Two siblings; their duel opened, or at its record, with champions, or fought."""
        self.chain = Mirror(window=T, response=D, grace=GRACE, batches=4, gap=20)
        self.grave = self.chain.arena.balance(GRAVE)
        self.clocks: dict[tuple[int, int], int] = {}
        for who in NAMES[:5]:
            self.chain.deposit_stake(who)
        self.chain.propose("z0", 0, 0, first)
        self.chain.propose("z1", 0, 0, 1 - first)
        self.meet(0)
        if depth == 1:
            self.descend(0, 7, 1, "z5")
        if depth > 1:
            self.champion_all(0, seats, garbage)
        for seat in range(4 if depth == 3 else 0):
            self.fight(0, seat, 4, 0, "z5")

    def try_to(self, call: Callable[..., object], *arguments: Any) -> bool:
        try:
            call(*arguments)
        except Refused:
            return False
        return True

    # --- what there is ---

    def pick(self, place: int) -> int:
        """One of the latest assertions; never genesis."""
        return max(1, len(self.chain.assertions) - 1 - place)

    def duel(self, place: int) -> Duel | None:
        known = list(self.chain.duels.values())
        return known[-1 - place % len(known)] if known else None

    def pair(self, duel: Duel, place: int) -> tuple[str, str] | None:
        """A champion of each side."""
        sides = [[who for side, who in duel.champions if side == s] for s in (0, 1)]
        pairs = [(x, y) for x in sides[0] for y in sides[1]]
        return pairs[-1 - place % len(pairs)] if pairs else None

    # --- time ---

    @rule(seconds=st.sampled_from([0, 1, 1, 2, 5, 20, T]))
    def wait(self, seconds: int) -> None:
        self.chain.wait_until(self.chain.now + seconds)

    @rule(place=PLACE, side=SIDE, late=LATE, inner=st.booleans())
    def wait_for_a_deadline(self, place: int, side: int, late: int, inner: bool) -> None:
        """To the very second of a clock, and to both beside it; then all that it decides.

        Invariant 15
        """
        duel = self.duel(place)
        if duel is None:
            return
        clocks: list[tuple[int, int]] = [
            (duel.last, duel.rem[side if duel.is_found else duel.turn])
        ]
        if inner:
            clocks += [(bout.last, bout.rem[bout.turn]) for bout in duel.bouts.values()]
        at = clocks[-1][0] + clocks[-1][1] + late
        if at >= self.chain.now:
            self.chain.wait_until(at)
        for loser in (0, 1):
            self.try_to(self.chain.defeat, duel, loser)
        for x, y in list(duel.bouts):
            self.try_to(self.chain.bout_move, duel, x, y)
            self.try_to(self.chain.timeout_bout, duel, x, y)

    # --- stakes and assertions ---

    @rule(who=WHO, what=st.sampled_from(["deposit", "request", "cancel", "withdraw"]))
    def move_stake(self, who: str, what: str) -> None:
        chain = self.chain
        calls = {
            "deposit": chain.deposit_stake,
            "request": chain.request_withdrawal,
            "cancel": chain.cancel_withdrawal,
            "withdraw": chain.withdraw_stake,
        }
        self.try_to(calls[what], who)

    @rule(who=WHO, place=PLACE, content=CONTENT, attempt=st.sampled_from([None, None, None, 0, 1]))
    def propose(self, who: str, place: int, content: int, attempt: int | None) -> None:
        chain = self.chain
        parent = len(chain.assertions) - 1 - place if place < len(chain.assertions) else 0
        if attempt is None:
            attempt = sum(key[0] == parent and key[2] == content for key in chain.made)
        self.try_to(chain.propose, who, parent, attempt, content)

    @rule(who=WHO, place=PLACE, content=CONTENT)
    def rival(self, who: str, place: int, content: int) -> None:
        """A sibling of what stands, and its duels."""
        parent = self.chain.assertions[self.pick(place)].parent
        if self.try_to(self.chain.propose, who, parent, 0, content):
            self.meet(parent)

    @rule(who=WHO, place=PLACE, stray=st.booleans())
    def step_down(self, who: str, place: int, stray: bool) -> None:
        tip = self.chain.stake_of(who).tip
        below = self.chain.children.get(tip, []) if tip is not None else []
        path = [self.pick(place)] if stray or not below else below[-1:]
        self.try_to(self.chain.step_down, who, path)

    @rule(place=PLACE, what=st.sampled_from(["finalize", "mark_void"]))
    def settle(self, place: int, what: str) -> None:
        self.try_to(getattr(self.chain, what), self.pick(place))

    # --- duels ---

    def meet(self, parent: int) -> None:
        for x in self.chain.living(parent):
            for y in self.chain.living(parent):
                if x < y and self.chain.sort_pair(x, y) not in self.chain.duels:
                    self.try_to(self.chain.open_duel, *self.chain.sort_pair(x, y), "z5")

    @rule(x=PLACE, y=PLACE, who=WHO)
    def open_any(self, x: int, y: int, who: str) -> None:
        """In any order, twice, with itself, with cousins and the dead. Invariant 38"""
        self.try_to(self.chain.open_duel, self.pick(x), self.pick(y), who)

    @rule(place=PLACE, moves=st.integers(1, 8), pause=st.integers(0, 3), who=WHO)
    def descend(self, place: int, moves: int, pause: int, who: str) -> None:
        duel = self.duel(place)
        for _ in range(moves if duel else 0):
            assert duel is not None
            self.chain.wait_until(self.chain.now + pause)
            self.try_to(self.chain.outer, duel, who)

    @rule(place=PLACE, side=SIDE, who=WHO)
    def defeat(self, place: int, side: int, who: str) -> None:
        duel = self.duel(place)
        if duel is not None:
            self.try_to(self.chain.defeat, duel, side, who)

    @rule(place=PLACE, side=SIDE, who=WHO, garbage=st.sampled_from([0, 0, 1, 2]))
    def commit(self, place: int, side: int, who: str, garbage: int) -> None:
        duel = self.duel(place)
        if duel is not None:
            self.try_to(self.chain.commit, duel, side, who, garbage)

    @rule(place=PLACE, seats=st.permutations(NAMES), garbage=st.sampled_from([0, 1, 2]))
    def champion_all(self, place: int, seats: list[str], garbage: int) -> None:
        """Several champions a side, one of them perhaps with garbage."""
        duel = self.duel(place)
        if duel is None:
            return
        self.descend(place, 8, 0, "z5")
        for i, who in enumerate(seats[:4]):
            self.try_to(self.chain.commit, duel, i & 1, who, garbage if i == 2 else 0)
            self.chain.wait_until(self.chain.now + (i & 1))

    @rule(place=PLACE, seat=PLACE, moves=st.integers(1, 5), pause=st.integers(0, 3), who=WHO)
    def fight(self, place: int, seat: int, moves: int, pause: int, who: str) -> None:
        duel = self.duel(place)
        pair = self.pair(duel, seat) if duel else None
        for _ in range(moves if pair else 0):
            assert duel is not None
            assert pair is not None
            self.chain.wait_until(self.chain.now + pause)
            self.try_to(self.chain.bout_move, duel, *pair, who)

    @rule(place=PLACE, seat=PLACE, what=st.sampled_from(["resolve", "timeout_bout"]), who=WHO)
    def end_bout(self, place: int, seat: int, what: str, who: str) -> None:
        duel = self.duel(place)
        pair = self.pair(duel, seat) if duel else None
        if duel is not None and pair is not None:
            self.try_to(getattr(self.chain, what), duel, *pair, who)

    @rule(place=PLACE, side=SIDE, who=WHO, what=st.sampled_from(["expel", "release"]))
    def part(self, place: int, side: int, who: str, what: str) -> None:
        duel = self.duel(place)
        if duel is not None:
            self.try_to(getattr(self.chain, what), duel, side, who)

    # --- pay ---

    @rule(place=PLACE, seat=PLACE, loser=SIDE, outer=st.booleans())
    def pay(self, place: int, seat: int, loser: int, outer: bool) -> None:
        duel = self.duel(place)
        pair = self.pair(duel, seat) if duel else None
        if duel is not None and outer:
            self.try_to(self.chain.pay_duel, duel, loser)
        elif duel is not None and pair is not None:
            self.try_to(self.chain.pay_bout, duel, *pair, loser)

    @rule(who=WHO)
    def draw(self, who: str) -> None:
        """Pull what moves earned; a second time there is nothing. Invariant 32"""
        chain = self.chain
        owner, pay = chain.name(who), chain.arena.pay
        owed = pay.credit(owner)
        before = chain.arena.balance(owner)
        if owed:
            pay.withdraw(owner, sender=owner)
            chain.credit[who] = 0
        assert chain.arena.balance(owner) == before + owed
        with reverts("pay: no credit"):
            pay.withdraw(owner, sender=owner)

    # --- what no honest party sends ---

    @rule(place=PLACE, other=PLACE)
    def use_the_state_of_another_duel(self, place: int, other: int) -> None:
        """Invariant 36"""
        one, two = self.duel(place), self.duel(other)
        if one is None or two is None or one is two:
            return
        a, b = self.chain.plays[one.sides], self.chain.plays[two.sides]
        mixed = (*a.state[:2], b.state[2])
        if mixed == a.state:
            return
        with reverts("duel: another state"):
            a.game.defeat(mixed, 0)
        with reverts("duel: another state"):
            a.game.last(mixed, NO_MOVE)

    @rule(place=PLACE, index=st.integers(0, 16), shift=st.integers(1, 15))
    def tamper(self, place: int, index: int, shift: int) -> None:
        """Another child than the first that differs, or children that are not the own one's.

        Invariant 5
        """
        duel = self.duel(place)
        if duel is None or not 0 < duel.moves < 6:
            return
        if contents.NOISE in [self.chain.assertions[id].content for id in duel.sides]:
            return
        play = self.chain.plays[duel.sides]
        right = play.make_move()
        at = [*play.path, right[0]]
        children = play.sides[play.turn].tree.children(24 - 4 * len(at), read_digits(at))
        wrong = (index, *right[1:])
        turned = (*children[shift:], *children[:shift])
        with pytest.raises(Reverted):
            play.game.advance(play.state, right, turned)
        if index != right[0]:
            with pytest.raises(Reverted):
                play.game.advance(play.state, wrong, children)

    @rule(place=PLACE, seat=PLACE, lane=st.integers(0, 1_024))
    def resolve_another_lane(self, place: int, seat: int, lane: int) -> None:
        duel = self.duel(place)
        pair = self.pair(duel, seat) if duel else None
        bout = duel.bouts.get(pair) if duel and pair else None
        if bout is None or bout.moves < BOUT_MOVES or duel is None or pair is None:
            return
        fight = self.chain.fight(duel, *pair)
        play = self.chain.plays[duel.sides]
        if lane != play.find_lane(fight):
            with pytest.raises(Reverted):
                play.resolve(fight, lane=lane)

    @rule(place=PLACE, order=st.permutations(NAMES), seconds=st.sampled_from([0, 1, T]))
    def reorg(self, place: int, order: list[str], seconds: int) -> None:
        """Proposals, moves and slashes are undone, and come again in another order."""
        mark, clocks = self.chain.mark(), dict(self.clocks)
        for who in order[:3]:
            self.rival(who, place, 2)
            self.descend(place, 3, 0, who)
        self.defeat(place, 0, order[0])
        self.agree()
        self.chain.undo(mark)
        self.clocks = clocks
        self.chain.wait_until(self.chain.now + seconds)
        for who in order[2::-1]:
            self.rival(who, place, 2)
            self.descend(place, 3, 0, who)

    @rule()
    def burn(self) -> None:
        """Whoever burns what slashes left changes nothing else."""
        rollup = self.chain.arena.rollup
        if self.rest() == 0:
            with reverts("rollup: nothing to burn"):
                rollup.burn()
        else:
            rollup.burn()
            assert self.rest() == 0

    def rest(self) -> int:
        arena, rollup = self.chain.arena, self.chain.arena.rollup
        return arena.balance(rollup.address) - rollup.total_stakes() - rollup.total_credits()

    # --- always ---

    @invariant()
    def agree(self) -> None:
        """Invariant 1, Invariant 25, Invariant 26, Invariant 27"""
        self.chain.check()

    @invariant()
    def a_slash_burns_three_quarters_once(self) -> None:
        """Invariant 27, Invariant 29: a quarter of each stake is paid for moves at most."""
        chain = self.chain
        burned = chain.arena.balance(GRAVE) - self.grave
        assert burned + self.rest() == len(chain.slashed) * ETHER * 3 // 4
        assert len(set(chain.slashed)) == len(chain.slashed)
        assert all(units <= 250 for units in chain.drawn.values())

    @invariant()
    def what_is_left_never_grows(self) -> None:
        """Invariant 14"""
        for pair, duel in self.chain.duels.items():
            left = sum(duel.rem)
            assert left <= self.clocks.get(pair, left) or duel.moves == 0
            self.clocks[pair] = left

    @invariant()
    def one_final_child(self) -> None:
        """Invariant 2"""
        for children in self.chain.children.values():
            assert sum(self.chain.assertions[id].status == 2 for id in children) <= 1


TestDuels = Duels.TestCase
TestDuels.settings = budget(
    max_examples=int(os.environ.get("OYEZ_EXAMPLES", "8")),
    stateful_step_count=40,
    deadline=None,
)
