"""Random hostile schedules: what 12 stakes of a liar do, when, and how lazily they move.

A *genome* is plain data, so that a failing one can be printed, mutated and replayed; each step has
a kind, a time, a stake and two numbers that choose among what stands.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass

from tests.clocks import contents
from tests.clocks.game import ALIVE, BOUT_MOVES, Chain, Duel
from tests.clocks.rollup import PENDING, attempt

#: truth, lie, lie on a lie, lie's champion, garbage, true champion, duel of two lies, withdrawal,
#: step down, release, void, a champion of whichever side, pay
KINDS = (
    *["truth"] * 5,
    *["lie"] * 5,
    "on a lie",
    *["champion"] * 3,
    *("garbage", "ally", "lies", "withdraw", "step", "release", "void", "any side", "pay"),
)
PACES = ("fast", "lazy", "lazy", "dead", "random")
POLICIES = 24


@dataclass
class Step:
    at: int
    kind: str
    stake: int
    x: int
    y: int
    patience: int


@dataclass
class Genome:
    """`paces` are of sides and champions: how they move, and after how many moves they stop."""

    cut: list[tuple[int, int]]
    steps: list[Step]
    paces: list[tuple[str, int]]
    sequencer: str
    gap: int
    seed: int
    stakes: int = 12
    honest_first: bool = False

    def censored(self, budget: int) -> set[int]:
        found: set[int] = set()
        for start, length in self.cut:
            for second in range(start, start + length):
                if len(found) < budget:
                    found.add(second)
        return found


def make_step(pick: random.Random, window: int, stakes: int) -> Step:
    places = [pick.randrange(8), pick.randrange(window), pick.randrange(window - 3, window + 4)]
    return Step(
        pick.choice([*places, pick.randrange(3 * window)]),
        pick.choice(KINDS),
        pick.randrange(stakes),
        pick.randrange(6),
        pick.randrange(6),
        pick.choice([1, 5, 40, 200]),
    )


def make_pace(pick: random.Random) -> tuple[str, int]:
    return pick.choice(PACES), pick.choice([99, 99, 1, 2, 3, 5, 7])


def make_cut(pick: random.Random, window: int, budget: int) -> list[tuple[int, int]]:
    mode = pick.random()
    if mode < 0.3 or not budget:
        return []
    if mode < 0.6:
        return [(pick.randrange(4 * window), budget)]
    found, left = [], budget
    while left > 0:
        found.append((pick.randrange(4 * window), pick.randint(1, left)))
        left -= found[-1][1]
    return found


def make(pick: random.Random, window: int, response: int, stakes: int = 12) -> Genome:
    return Genome(
        cut=make_cut(pick, window, window - response),
        steps=[make_step(pick, window, stakes) for _ in range(pick.randint(3, 26))],
        paces=[make_pace(pick) for _ in range(POLICIES)],
        sequencer=pick.choice(["z0", "z0", "h", "none"]),
        gap=pick.choice([0, 0, 3, 20, 40]),
        seed=pick.randrange(10**9),
        stakes=stakes,
        honest_first=pick.random() < 0.3,
    )


def mutate(genome: Genome, pick: random.Random, window: int, response: int) -> Genome:
    made = copy.deepcopy(genome)
    for _ in range(pick.choice([1, 1, 2, 4])):
        roll = pick.random()
        if roll < 0.35 and made.steps:
            step, other = pick.choice(made.steps), make_step(pick, window, made.stakes)
            name = pick.choice(["at", "kind", "stake", "x", "y", "patience"])
            near = max(0, step.at + pick.choice([-3, -1, 1, 3]))
            is_near = name == "at" and pick.random() < 0.5
            setattr(step, name, near if is_near else getattr(other, name))
        elif roll < 0.55:
            made.steps.append(make_step(pick, window, made.stakes))
        elif roll < 0.65 and len(made.steps) > 2:
            made.steps.pop(pick.randrange(len(made.steps)))
        elif roll < 0.8:
            made.paces[pick.randrange(POLICIES)] = make_pace(pick)
        elif roll < 0.9:
            made.cut = make_cut(pick, window, window - response)
        elif roll < 0.93:
            made.sequencer = pick.choice(["h", "z0", "none"])
        elif roll < 0.96:
            made.honest_first = not made.honest_first
        else:
            made.gap = pick.choice([0, 3, 20])
    return made


class Crowd:
    """Plays a genome: its steps as they fall due, and every hostile reveal at its pace."""

    def __init__(self, chain: Chain, genome: Genome) -> None:
        self.chain, self.genome = chain, genome
        self.pick = random.Random(genome.seed)
        self.names = [f"z{i}" for i in range(genome.stakes)]
        self.waiting = list(genome.steps)
        for name in self.names:
            chain.deposit_stake(name)

    def act(self) -> None:
        now = self.chain.now
        due = [s for s in self.waiting if s.at <= now <= s.at + s.patience]
        for step in due:
            if self.take(step):
                self.waiting.remove(step)
        self.meet()
        for duel in list(self.chain.duels.values()):
            if self.chain.are_pending(duel):
                if duel.is_found:
                    self.play_bouts(duel)
                    self.strike(duel)
                else:
                    self.play_outer(duel)
            else:
                for side in (0, 1):
                    attempt(self.chain.defeat, duel, side)
        for id in list(self.chain.children.get(self.chain.finals[-1], ())):
            attempt(self.chain.finalize, id)

    # --- steps ---

    def find_branch(self) -> list[int]:
        branch = [self.chain.finals[-1]]
        while True:
            nodes = [self.chain.assertions[i] for i in self.chain.living(branch[-1])]
            true = [n.id for n in nodes if n.is_true and n.status == PENDING]
            if not true:
                return branch
            branch.append(true[0])

    def count_attempts(self, parent: int, content: int) -> int:
        number = 0
        while (parent, number, content) in self.chain.made:
            number += 1
        return number

    def propose(self, name: str, parent: int, content: int) -> bool:
        number = self.count_attempts(parent, content)
        return attempt(self.chain.propose, name, parent, number, content)

    def find_duels(self, with_truth: bool) -> list[Duel]:
        nodes = self.chain.assertions
        return [
            duel
            for duel in self.chain.duels.values()
            if duel.is_found
            and self.chain.are_pending(duel)
            and (not with_truth or any(nodes[id].is_true for id in duel.sides))
        ]

    def take(self, step: Step) -> bool:
        chain, name = self.chain, self.names[step.stake]
        match step.kind:
            case "truth":
                return self.propose(name, self.find_branch()[-1], contents.TRUTH)
            case "lie":
                branch = self.find_branch()
                return self.propose(name, branch[step.x % len(branch)], 1 + step.y % 3)
            case "on a lie":
                nodes = chain.assertions.values()
                lies = [n.id for n in nodes if not n.is_true and n.status == PENDING]
                return bool(lies) and self.propose(name, lies[step.x % len(lies)], step.y % 3)
            case "champion" | "garbage" | "ally":
                return self.champion(step, name)
            case "any side":
                duels = self.find_duels(with_truth=False)
                if not duels:
                    return False
                duel = duels[step.x % len(duels)]
                return attempt(chain.commit, duel, step.y % 2, name, step.x % 2)
            case "lies":
                pairs = self.list_lying_pairs()
                return bool(pairs) and attempt(chain.open_duel, *pairs[step.x % len(pairs)], name)
            case "withdraw":
                return self.withdraw(name)
            case "step":
                tip = chain.stake_of(name).tip
                below = chain.living(tip) if tip is not None else []
                return bool(below) and attempt(chain.step_down, name, [below[step.x % len(below)]])
            case "release":
                for duel in chain.duels.values():
                    for side, who in duel.champions:
                        attempt(chain.release, duel, side, who)
            case "void":
                for id in list(chain.assertions)[1:]:
                    attempt(chain.mark_void, id)
            case "pay":
                self.pay()
        return True

    def champion(self, step: Step, name: str) -> bool:
        duels = self.find_duels(with_truth=True)
        if not duels:
            return False
        duel, chain = duels[step.x % len(duels)], self.chain
        true_side = 0 if chain.assertions[duel.a].is_true else 1
        if step.kind != "champion":
            garbage = 1 + step.y if step.kind == "garbage" else 0
            return attempt(chain.commit, duel, true_side, name, garbage)
        at_last = step.y % 2 and chain.now - duel.last < duel.rem[1 - true_side] - 1
        return not at_last and attempt(chain.commit, duel, 1 - true_side, name)

    def list_lying_pairs(self) -> list[tuple[int, int]]:
        chain, found = self.chain, []
        for parent in chain.children:
            lies = [i for i in chain.living(parent) if not chain.assertions[i].is_true]
            found += [chain.sort_pair(x, y) for x in lies for y in lies if x < y]
        return found

    def withdraw(self, name: str) -> bool:
        stake = self.chain.stake_of(name)
        if stake.status != 1:
            return attempt(self.chain.deposit_stake, name)
        if stake.requested_at is None:
            attempt(self.chain.request_withdrawal, name)
        else:
            attempt(self.chain.withdraw_stake, name)
        return False

    def pay(self) -> None:
        for duel in self.chain.duels.values():
            for loser in (0, 1):
                attempt(self.chain.pay_duel, duel, loser)
                for pair in list(duel.bouts):
                    attempt(self.chain.pay_bout, duel, *pair, loser)

    # --- reveals ---

    def meet(self) -> None:
        """Open the truth's duels at once, against it."""
        chain = self.chain
        for parent in list(chain.children):
            living = chain.living(parent)
            for x in living:
                if chain.assertions[x].is_true:
                    for y in living:
                        pair = chain.sort_pair(x, y)
                        if y != x and pair not in chain.duels:
                            attempt(chain.open_duel, *pair)

    def wants(self, pace: tuple[str, int], elapsed: int, rem: int, moves: int) -> bool:
        how, stops = pace
        if moves >= stops or how == "dead":
            return False
        if how == "fast":
            return True
        if how == "lazy":
            return elapsed == rem - 1
        return self.pick.random() < 0.2

    def pace_of(self, number: int) -> tuple[str, int]:
        return self.genome.paces[number % POLICIES]

    def play_outer(self, duel: Duel) -> None:
        chain = self.chain
        mine, theirs = (chain.assertions[id] for id in chain.on_turn(duel))
        if mine.is_true:
            attempt(chain.defeat, duel, duel.turn)
            return
        elapsed, rem = chain.now - duel.last, duel.rem[duel.turn]
        if self.wants(self.pace_of(mine.id + 7 * theirs.is_true), elapsed, rem, duel.moves):
            attempt(chain.outer, duel)
        elif elapsed >= rem and not theirs.is_true and self.pace_of(duel.a)[0] != "dead":
            attempt(chain.defeat, duel, duel.turn)

    def play_bouts(self, duel: Duel) -> None:
        chain = self.chain
        for (side, x), one in list(duel.champions.items()):
            for (other, y), two in list(duel.champions.items()):
                if (side, other) != (0, 1) or one.status != ALIVE or two.status != ALIVE:
                    continue
                bout = chain.load_bout(duel, x, y)
                if bout.moves == BOUT_MOVES:
                    if "h" not in (x, y):
                        attempt(chain.resolve, duel, x, y)
                    continue
                on_turn = (one, two)[bout.turn]
                elapsed, rem = chain.now - bout.last, bout.rem[bout.turn]
                if on_turn.staker == "h":
                    attempt(chain.timeout_bout, duel, x, y)
                elif self.wants(
                    self.pace_of(12 + int(on_turn.staker[1:])), elapsed, rem, bout.moves
                ):
                    attempt(chain.bout_move, duel, x, y)
                elif elapsed >= rem and "h" not in (x, y):
                    attempt(chain.timeout_bout, duel, x, y)

    def strike(self, duel: Duel) -> None:
        nodes = self.chain.assertions
        has_truth = any(nodes[id].is_true for id in duel.sides)
        for side in (0, 1):
            if has_truth or self.pace_of(duel.sides[side] + 3)[0] != "dead":
                attempt(self.chain.defeat, duel, side)
