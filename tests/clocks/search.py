"""Searches random schedules, and climbs from the worst towards worse ones."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.clocks.game import Chain
from tests.clocks.genome import Crowd, Genome, Step, make, mutate
from tests.clocks.honest import FAR, Honest
from tests.clocks.schedule import Outcome, play

#: T, D and the sequencer's grace, in latencies; batches that must all become final
WINDOW, RESPONSE, GRACE, BATCHES = 60, 16, 3, 5
CLIMB = 30


def plan(
    steps: list[tuple[int, str, int, int, int, int]],
    paces: dict[int, tuple[str, int]] | None = None,
    cut: tuple[tuple[int, int], ...] = (),
    gap: int = 0,
) -> Genome:
    """A genome by hand: sides move at once, champions at their last second."""
    usual: list[tuple[str, int]] = [("fast", 99)] * 12 + [("lazy", 99)] * 12
    for place, pace in (paces or {}).items():
        usual[place] = pace
    return Genome(list(cut), [Step(*step) for step in steps], usual, "z0", gap, 1)


#: where climbing starts: overlapping forks, a late lie with censorship, a chain of true children
#: with lies on it, and a fork that opens again for a young survivor
SEEDS = (
    plan(
        [
            *((0, "truth", 0, 0, 0, 5), (0, "lie", 1, 0, 0, 5), (8, "champion", 2, 0, 0, 40)),
            *((40, "truth", 0, 0, 0, 5), (40, "lie", 3, 1, 0, 5), (40, "lie", 4, 2, 1, 5)),
            *((46, "champion", 5, 0, 0, 60), (46, "champion", 5, 1, 0, 60)),
        ],
        gap=20,
    ),
    plan(
        [
            *((0, "truth", 0, 0, 0, 5), (0, "lie", 1, 0, 0, 5), (8, "champion", 2, 0, 0, 40)),
            (10, "lie", 4, 1, 1, 9),
        ],
        cut=((60, 14),),
    ),
    plan(
        [
            *((0, "truth", 0, 0, 0, 5), (0, "truth", 0, 0, 0, 5), (0, "truth", 0, 0, 0, 5)),
            *((0, "lie", 1, 0, 0, 5), (8, "champion", 2, 0, 0, 40), (10, "lie", 4, 3, 1, 40)),
            *((50, "lie", 5, 1, 1, 40), (55, "lie", 6, 2, 1, 40)),
        ],
        cut=((60, 14),),
    ),
    plan(
        [
            *((0, "lie", 0, 0, 0, 5), (20, "lie", 1, 0, 1, 5), (21, "lies", 1, 0, 0, 5)),
            *((83, "lie", 2, 0, 2, 15), (84, "champion", 3, 0, 0, 40)),
        ],
        paces={1: ("lazy", 0), 8: ("dead", 0), 9: ("dead", 0)},
        cut=((0, 41),),
    ),
)


@dataclass
class Found:
    """What a search saw; `failure` is the shortest schedule that broke a property."""

    counts: Counter[str] = field(default_factory=Counter)
    margin: int = FAR
    excess: int = 0
    failure: tuple[Genome, Outcome] | None = None

    def note(self, genome: Genome, outcome: Outcome) -> None:
        self.counts["schedules"] += 1
        self.counts["forks with a lie"] += outcome.chain.slashed != []
        self.counts["joins of a young survivor's fork"] += outcome.chain.joined_again
        for what in outcome.broken:
            self.counts[f"broken: {what.lstrip('0123456789 ')}"] += 1
        if not outcome.broken:
            self.margin = min(self.margin, outcome.honest.margin)
            self.excess = max(self.excess, outcome.excess)
        elif self.failure is None or len(outcome.chain.log) < len(self.failure[1].chain.log):
            self.failure = genome, outcome


def run_genome(
    genome: Genome,
    without: Iterable[str] = (),
    batches: int = BATCHES,
    window: int = WINDOW,
    response: int = RESPONSE,
) -> Outcome:
    chain = Chain(
        window=window,
        response=response,
        grace=GRACE,
        batches=batches,
        gap=genome.gap,
        sequencer=genome.sequencer,
        without=without,
    )
    return run_on(chain, genome)


def run_on(chain: Chain, genome: Genome) -> Outcome:
    crowd = Crowd(chain, genome)
    honest = Honest(chain)
    silent = genome.censored(chain.T - chain.D)
    return play(chain, honest, crowd, silent, honest_first=genome.honest_first)


def search(
    pick: random.Random, runs: int, seeds: Iterable[Genome] = SEEDS, without: Iterable[str] = ()
) -> Found:
    """So many schedules, two in five at random, the rest climbing for margin, delay or waiting."""
    found, known, off = Found(), list(seeds), tuple(without)

    def run(genome: Genome) -> Outcome:
        outcome = run_genome(genome, off)
        found.note(genome, outcome)
        return outcome

    def fresh() -> Genome:
        if known and pick.random() < 0.4:
            return mutate(pick.choice(known), pick, WINDOW, RESPONSE)
        return make(pick, WINDOW, RESPONSE)

    for _ in range(2 * runs // 5):
        run(fresh())
    while found.counts["schedules"] < runs:
        aim, best = pick.choice(["margin", "excess", "blocked"]), fresh()
        score = rate(run(best), aim)
        for _ in range(min(CLIMB, runs - found.counts["schedules"])):
            near = mutate(best, pick, WINDOW, RESPONSE)
            outcome = run(near)
            if outcome.broken:
                break
            if rate(outcome, aim) >= score:
                best, score = near, rate(outcome, aim)
    return found


def rate(outcome: Outcome, aim: str) -> int:
    if aim == "margin":
        return -outcome.honest.margin
    return outcome.excess if aim == "excess" else outcome.honest.blocked
