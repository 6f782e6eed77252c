"""Every adversary there is, by name, and a play against some of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

from tests.actors.duels import champions, forkers, judge, liars, meddlers
from tests.actors.duels.honest import Honest
from tests.actors.duels.party import Adversary, Liar, Party
from tests.actors.duels.solver import Solver, Terms
from tests.actors.duels.stage import HONEST, Recorder, Stage, find_arena
from tests.contracts.harness import SEQUENCER

ADVERSARIES: dict[str, type[Adversary]] = {
    name: found
    for module in (liars, champions, forkers, meddlers)
    for name, found in vars(module).items()
    if isinstance(found, type)
    and issubclass(found, Adversary)
    and found.__module__ == module.__name__
}
#: They do no harm alone: somebody must lie beside them.
HELPERS = ("ContractWallet",)
#: Blocks of a play in which the honest party may be censored, T - D in all.
CENSORABLE = 96

#: Address, a deployment's terms, and whether it is the sequencer -> an honest party.
MakeHonest = Callable[[bytes, Terms, bool], Party]


def make_reference(address: bytes, terms: Terms, is_sequencer: bool) -> Party:
    """An honest party written for these tests, apart from the shipped one."""
    return Honest(address, is_sequencer=is_sequencer, window=terms.window)


def make_solver(address: bytes, terms: Terms, is_sequencer: bool) -> Party:
    """The shipped client; who is the sequencer stands in the terms."""
    return Solver(address, terms)


def read_terms(arena: Recorder) -> Terms:
    """What an arena's deployment fixed."""
    settings = arena.settings
    return Terms(
        chain_id=1,
        rollup=arena.rollup.address,
        game=arena.game.address,
        pay=arena.pay.address,
        sequencer=settings.sequencer,
        window=settings.challenge_window,
        response=settings.response_window,
        first_child=settings.max_batch_seconds + settings.sequencer_grace,
        stake=settings.stake,
    )


HONEST_PARTIES: dict[str, MakeHonest] = {"reference": make_reference, "solver": make_solver}


def set_stage(
    names: Sequence[str],
    *,
    seed: int = 0,
    liar_first: bool = True,
    make_honest: MakeHonest = make_solver,
) -> Stage:
    """A stage with these adversaries; with `liar_first` the first of them is the sequencer."""
    adversaries = [
        ADVERSARIES[name](seed, sequencer=SEQUENCER if liar_first and i == 0 else None)
        for i, name in enumerate(names)
    ]
    if set(names) <= set(HELPERS):
        adversaries.append(Liar(seed, sequencer=SEQUENCER if liar_first else None))
    arena = find_arena(SEQUENCER)
    address = HONEST if liar_first else SEQUENCER
    honest = make_honest(address, read_terms(arena), not liar_first)
    return Stage(honest, adversaries, arena, seed=seed)


def play(stage: Stage, censored: Sequence[int] = ()) -> Stage:
    """Close the batches, play until all are final, and judge."""
    batches = max(adversary.batches for adversary in stage.adversaries)
    for _ in range(batches - 1):
        stage.close_batch()
    stage.began = stage.arena.now
    stage.censored = set(censored)
    stage.play(batches)
    judge.check(stage, batches)
    return stage


def play_random(seed: int, make_honest: MakeHonest = make_solver) -> Stage:
    """Two to four adversaries together, the honest party censored for up to T - D in pieces."""
    rng = random.Random(f"combination {seed}")
    names = rng.sample(sorted(ADVERSARIES), rng.randrange(2, 5))
    # only one can be the sequencer
    wanting = [name for name in names if ADVERSARIES[name].wants_sequencer]
    names = wanting[:1] + [name for name in names if name not in wanting]
    liar_first = bool(wanting) or rng.random() < 0.5
    stage = set_stage(names, seed=seed, liar_first=liar_first, make_honest=make_honest)
    censored: set[int] = set()
    if rng.random() < 0.5:
        budget = CENSORABLE - max(0, 24 * sum(name == "Reorger" for name in names))
        while len(censored) < budget and rng.random() < 0.8:
            start, length = rng.randrange(0, 160), rng.randrange(1, budget)
            censored |= set(range(start, start + min(length, budget - len(censored))))
    return play(stage, sorted(censored))


def count(stage: Stage) -> Counter[str]:
    """What a play came to."""
    board, report = stage.board, stage.report
    counts = Counter({f"with {type(a).__name__}": 1 for a in stage.adversaries})
    counts["plays"] = 1
    counts["assertions"] = len(board.assertions)
    counts["duels"] = len(board.duels)
    counts["bouts"] = len(board.bouts)
    counts["lanes resolved"] = len(board.lanes)
    counts["stakes slashed"] = len(board.slashed)
    counts["honest transactions"] = sum(report.count(who) for who in stage.honest.stakes)
    counts["acts refused"] = sum(report.refused.values())
    counts["blocks censored"] = len(stage.censored)
    counts["blocks undone"] = report.undone
    return counts
