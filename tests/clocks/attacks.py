"""The audits' schedules: each broke the rollup, or made it dear, until one rule was added.

An attack takes a chain, the model or a mirror of the contracts, and plays it to the end. `CLAIMS`
says what must hold at the end with the rule, and what fails without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.clocks import contents
from tests.clocks.game import ALIVE, BOUT_MOVES, Chain, Duel
from tests.clocks.honest import Honest
from tests.clocks.rollup import SLASHED, attempt
from tests.clocks.schedule import Outcome, play

Claim = Callable[[Outcome], bool]
T, D = 60, 16


@dataclass
class Script:
    """Hostile stakes that do listed things at their seconds, and others in every second."""

    chain: Chain
    stakes: int = 12
    timed: list[tuple[int, Callable[[], object]]] = field(default_factory=list)
    always: list[Callable[[], object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for i in range(self.stakes):
            self.chain.deposit_stake(f"z{i}")

    def propose(self, at: int, who: str, parent: int, content: int) -> None:
        self.timed.append((at, lambda: attempt(self.chain.propose, who, parent, 0, content)))

    def act(self) -> None:
        for at, call in self.timed:
            if at == self.chain.now:
                call()
        for call in self.always:
            call()

    # --- what liars do all the time ---

    def duels_of(self, id: int) -> list[tuple[Duel, int]]:
        found = [d for d in self.chain.duels.values() if id in d.sides]
        return [(duel, duel.sides.index(id)) for duel in found]

    def meet_all(self) -> None:
        """Every pair of living siblings duels at once."""
        for parent in list(self.chain.children):
            living = self.chain.living(parent)
            for x in living:
                for y in living:
                    if x < y and self.chain.sort_pair(x, y) not in self.chain.duels:
                        attempt(self.chain.open_duel, *self.chain.sort_pair(x, y))

    def move_for(self, id: int, *, lazy: bool = False, only: int | None = None) -> None:
        """Outer moves of an assertion, in its duel with one sibling or in all."""
        for duel, side in self.duels_of(id):
            if duel.is_found or duel.turn != side or (only is not None and only not in duel.sides):
                continue
            if not lazy or self.chain.now - duel.last == duel.rem[side] - 1:
                attempt(self.chain.outer, duel)

    def champion(self, id: int, who: str, garbage: int = 0) -> None:
        for duel, side in self.duels_of(id):
            if duel.is_found and (side, who) not in duel.champions:
                attempt(self.chain.commit, duel, side, who, garbage)

    def fight_for(self, who: str, *, lazy: bool = False, stops: int = 99) -> None:
        """Moves of a hostile champion in all its bouts."""
        chain = self.chain
        for duel in chain.duels.values():
            for (side, name), own in list(duel.champions.items()):
                if name != who or own.status != ALIVE:
                    continue
                for (other, rival), theirs in list(duel.champions.items()):
                    if other == side or theirs.status != ALIVE:
                        continue
                    pair = (name, rival) if side == 0 else (rival, name)
                    bout = chain.load_bout(duel, *pair)
                    if bout.turn != side or bout.moves >= min(BOUT_MOVES, stops):
                        continue
                    if not lazy or chain.now - bout.last == bout.rem[side] - 1:
                        attempt(chain.bout_move, duel, *pair)

    def strike_all(self) -> None:
        """Whatever may be defeated is, in moot duels too."""
        for duel in list(self.chain.duels.values()):
            for side in (0, 1):
                attempt(self.chain.defeat, duel, side)

    def release_all(self) -> None:
        for duel in self.chain.duels.values():
            for side, who in duel.champions:
                attempt(self.chain.release, duel, side, who)

    def settle_all(self) -> None:
        """Every bout that may end does."""
        for duel in list(self.chain.duels.values()):
            for pair in list(duel.bouts):
                attempt(self.chain.timeout_bout, duel, *pair)
                attempt(self.chain.resolve, duel, *pair)

    def finalize_all(self) -> None:
        for id in list(self.chain.children[self.chain.finals[-1]]):
            attempt(self.chain.finalize, id)

    def hurry(self) -> None:
        """What every attack does besides its own."""
        self.always += [self.meet_all, self.settle_all, self.strike_all, self.finalize_all]


def locked_out(chain: Chain) -> Outcome:
    """S1. A championship keeps the honest stake from answering a lie one batch later."""
    script = Script(chain)
    script.propose(0, "z0", 0, contents.TRUTH)
    script.propose(0, "z1", 0, 1)
    script.propose(10, "z0", 1, 1)
    script.always += [
        lambda: script.move_for(2),
        lambda: script.champion(2, "z2"),
        lambda: script.fight_for("z2", lazy=True),
        lambda: script.move_for(3, lazy=True),
    ]
    script.hurry()
    return play(chain, Honest(chain), script, range(60, 60 + 14))


def moot_duel(chain: Chain) -> Outcome:
    """S2. A liar falls elsewhere while the truth is on turn against it, and then the truth dies."""
    script = Script(chain)
    script.propose(0, "z0", 0, 1)
    script.propose(0, "z3", 0, 2)

    def move() -> None:
        older, newer = chain.sort_pair(1, 2)
        script.move_for(newer, only=older)
        if chain.now == T:
            script.move_for(older, only=3)

    script.always += [move]
    script.hurry()
    return play(chain, Honest(chain), script, range(41))


def stalling_champions(chain: Chain) -> Outcome:
    """S3. Champions make one move, stall until their assertion falls elsewhere, and go free."""
    script = Script(chain)
    script.propose(0, "z0", 0, 1)
    script.propose(0, "z1", 0, 2)
    names = [f"z{i}" for i in range(4, 10)]

    def move() -> None:
        if len(chain.assertions) > 3:
            older, newer = chain.sort_pair(1, 2)
            script.move_for(newer, only=older)
            script.move_for(older, only=3)
            for name in names:
                script.champion(older, name)
                script.fight_for(name, stops=2)

    script.always += [move, script.release_all]
    script.hurry()
    return play(chain, Honest(chain), script)


def champion_everywhere(chain: Chain) -> Outcome:
    """S4. One stake champions every lie of a fork, so that honest work grows with the square."""
    script = Script(chain, stakes=3 * 6)
    for content in (1, 2, 3):
        script.propose(0, f"z{content - 1}", 0, content)
    names = [f"z{i}" for i in range(4, 10)]

    def move() -> None:
        for lie in (1, 2, 3):
            if lie in chain.assertions:
                script.move_for(lie, only=4)
                for name in names:
                    script.champion(lie, name)
        for name in names:
            script.fight_for(name)

    script.always.append(move)
    script.hurry()
    return play(chain, Honest(chain), script)


def costly_allies(chain: Chain) -> Outcome:
    """S5. Hostile champions of the truth, never burned, multiply the bouts that one may play."""
    script = Script(chain)
    script.propose(0, "z0", 0, 1)

    def move() -> None:
        if 2 not in chain.assertions:
            return
        script.move_for(1)
        for i in range(2, 6):
            script.champion(2, f"z{i}")
            script.champion(1, f"z{i + 4}")
            script.fight_for(f"z{i + 4}")

    script.always.append(move)
    script.hurry()
    return play(chain, Honest(chain), script)


def slow_then_censored(chain: Chain) -> Outcome:
    """S6. Posting takes most of D, then all that may be censored is."""
    script = Script(chain)
    script.propose(0, "z0", 0, 1)
    script.always += [
        lambda: script.move_for(1),
        lambda: script.champion(1, "z2"),
        lambda: script.fight_for("z2"),
    ]
    script.hurry()
    late = D - 4 if "S6" in chain.without else D - 8
    return play(chain, Honest(chain, patience=late), script, range(late + 1, late + 1 + T - D))


def disarmed(chain: Chain) -> Outcome:
    """S7. A lie comes while the honest party withdraws its stake."""
    script = Script(chain)
    chain.deposit_stake("h")
    chain.request_withdrawal("h")
    script.propose(1, "z0", 0, 1)
    script.always += [
        lambda: script.move_for(1),
        lambda: script.champion(1, "z2"),
        lambda: script.fight_for("z2"),
    ]
    script.hurry()
    late = D if "S7" in chain.without else 2
    return play(chain, Honest(chain), script, range(late + 2, late + 2 + T - D))


def right_state_wrong_trace(chain: Chain) -> Outcome:
    """C2. A right state root under a trace that nobody knows, and a lie just before T."""
    script = Script(chain)
    script.propose(0, "z0", 0, contents.NOISE)
    script.timed.append((T - 4, lambda: attempt(chain.propose, "z1", 0, 0, 1)))

    def move() -> None:
        for node in list(chain.assertions.values()):
            if node.content == 1:
                script.move_for(node.id)
                script.champion(node.id, "z2")

    script.always += [move, lambda: script.fight_for("z2")]
    script.hurry()
    return play(chain, Honest(chain), script)


def withheld_leaf(chain: Chain) -> Outcome:
    """C3. A champion never shows its leaf's bytes."""
    script = Script(chain)
    script.propose(0, "z0", 0, 1)
    script.always += [
        lambda: script.move_for(1),
        lambda: script.champion(1, "z2"),
        lambda: script.fight_for("z2", stops=2),
    ]
    script.hurry()
    return play(chain, Honest(chain), script)


def one_trace_two_roots(chain: Chain) -> Outcome:
    """C5. Two siblings of one trace have no record that differs: the older cannot move."""
    script = Script(chain)
    script.propose(0, "z0", 0, contents.TRUTH)
    script.propose(1, "z1", 0, contents.SAME_TRACE)
    script.always.append(lambda: script.move_for(2))
    script.hurry()
    return play(chain, Honest(chain), script)


def left_behind(chain: Chain) -> Outcome:
    """C6. A true child above the honest tip keeps its stake from answering the lie above that."""
    script = Script(chain)
    script.propose(0, "z0", 0, 1)
    script.propose(2, "z1", 2, contents.TRUTH)
    script.propose(3, "z2", 3, 1)
    script.always.append(lambda: script.move_for(1, lazy=True))
    script.hurry()
    return play(chain, Honest(chain), script)


def garbage_champion(chain: Chain) -> Outcome:
    """K1. Garbage that ends in the honest record is committed for the truth before it can."""
    script = Script(chain)
    script.propose(0, "z0", 0, 1)
    script.always += [
        lambda: script.move_for(1),
        lambda: script.champion(2, "z3", 1),
        lambda: script.champion(1, "z2"),
        lambda: script.fight_for("z2"),
    ]
    script.hurry()
    return play(chain, Honest(chain), script)


def silent_proposer(chain: Chain) -> Outcome:
    """K1. Whoever proposed the truth commits nothing for it, and a lie comes late."""
    script = Script(chain)
    script.propose(0, "z0", 0, contents.TRUTH)
    script.propose(T - 12, "z1", 0, 1)
    script.always += [
        lambda: script.move_for(2),
        lambda: script.champion(2, "z1"),
        lambda: script.fight_for("z1"),
    ]
    script.hurry()
    return play(chain, Honest(chain), script)


def many_lies_of_one_stake(chain: Chain) -> Outcome:
    """K2. One stake posts many children of the head, and only one of them costs it anything."""
    script = Script(chain)
    for content in (1, 2, 3):
        script.propose(0, "z0", 0, content)
    script.hurry()
    return play(chain, Honest(chain), script)


def joined_too_late(chain: Chain) -> Outcome:
    """H1. A sibling after t0 + T has no time left: its duels cannot be opened."""
    script = Script(chain)
    script.propose(0, "z0", 0, contents.TRUTH)
    script.timed.append((T, lambda: attempt(chain.propose, "z1", 0, 0, 1)))
    script.hurry()
    return play(chain, Honest(chain), script)


def withdrawn_before_the_slash(chain: Chain) -> Outcome:
    """M2. A liar withdraws its stake while its lie is pending."""
    script = Script(chain)
    script.propose(0, "z0", 0, 1)
    script.timed += [
        (1, lambda: attempt(chain.request_withdrawal, "z0")),
        (1 + D, lambda: attempt(chain.withdraw_stake, "z0")),
    ]
    script.hurry()
    return play(chain, Honest(chain), script)


# --- what must hold ---


def is_safe(outcome: Outcome) -> bool:
    """Late or not, the truth stands and costs nothing."""
    return all("late" in what for what in outcome.broken)


def is_whole(outcome: Outcome) -> bool:
    return not outcome.broken


def burns_every_champion(outcome: Outcome) -> bool:
    stakes = outcome.chain.stakes
    liars = {
        who
        for duel in outcome.chain.duels.values()
        for side, who in duel.champions
        if not outcome.chain.assertions[duel.sides[side]].is_true
    }
    return len(liars) >= 6 and all(stakes[who].status == SLASHED for who in liars)


def is_cheap(outcome: Outcome) -> bool:
    """At most 8 transactions a lie and 3 a (champion, fork); one to propose, one to finalize."""
    chain = outcome.chain
    lies = sum(not node.is_true for node in chain.assertions.values())
    fought = {
        (who, chain.assertions[duel.a].parent)
        for duel in chain.duels.values()
        for side, who in duel.champions
        if not chain.assertions[duel.sides[side]].is_true
    }
    return is_whole(outcome) and outcome.honest.sent.total() <= 8 * lies + 3 * len(fought) + 2


def costs_each_liar_a_stake(outcome: Outcome) -> bool:
    lies = sum(not node.is_true for node in outcome.chain.assertions.values())
    return is_whole(outcome) and lies == len(outcome.chain.slashed)


@dataclass(frozen=True)
class Attack:
    """`rule` is what `without` takes; `batches` and `gap` are the chain's."""

    rule: str
    run: Callable[[Chain], Outcome]
    holds: Claim = is_whole
    batches: int = 1
    gap: int = 0

    def make_chain(self, kind: type[Chain] = Chain, *, without: bool = False) -> Chain:
        off = (self.rule,) if without else ()
        return kind(window=T, response=D, grace=3, batches=self.batches, gap=self.gap, without=off)


ATTACKS = (
    Attack("S1", locked_out, batches=2, gap=10),
    Attack("S2", moot_duel),
    Attack("S3", stalling_champions, burns_every_champion),
    Attack("S4", champion_everywhere, is_cheap),
    Attack("S5", costly_allies, is_cheap),
    Attack("S6", slow_then_censored, is_safe),
    Attack("S7", disarmed),
    Attack("C2", right_state_wrong_trace),
    Attack("C3", withheld_leaf),
    Attack("C5", one_trace_two_roots),
    Attack("C6", left_behind, batches=3, gap=1),
    Attack("K1", garbage_champion),
    Attack("K1, proposer", silent_proposer),
    Attack("K2", many_lies_of_one_stake, costs_each_liar_a_stake),
    Attack("H1", joined_too_late),
    Attack("M2", withdrawn_before_the_slash),
)
