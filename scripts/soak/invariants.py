"""Every named mutant dies by its own test; crowds raise no gas, win no time, beat no client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from scripts.mutate.named import run_named
from scripts.soak.part import Block, Part, Result
from tests.actors.duels import onslaught
from tests.clocks.attacks import T
from tests.clocks.rivals import play_rivals
from tests.contracts.crowds import Crowd
from tests.contracts.named_mutants import NAMED, Named
from tests.contracts.step_mutants import STEPS
from tests.contracts.test_duel_crowds import TOLERANCE

ROOT = Path(__file__).resolve().parents[2]
#: rivals at once
RIVALS = (1, 10, 100, 500)
#: lies with a champion each, at once, against the shipped client on a node; T is 600 s
LIES = (24, 48)
#: siblings with as many duels, and the depth of a dead chain
SIBLINGS, DEPTH = 10_000, 1_000


def run_mutants(mutants: Sequence[Named], block: Block) -> Result:
    """Run all named mutants, of steps or of the rest.

    Raises:
        AssertionError: a test does not notice its mutant, or fails without it.
    """
    outcome = run_named(ROOT, mutants, lambda line: print(f"soak: {line}", flush=True))
    assert not outcome.wrong, outcome.wrong
    assert not outcome.survived, outcome.survived
    return Result(Counter({"named mutants killed": len(outcome.killed)}))


def run_crowds(block: Block) -> Result:
    """Measure gas alone and in the crowd; play so many rivals, and so many lies on a node."""
    alone, among = Crowd(1, 1).run(), Crowd(SIBLINGS, DEPTH).run()
    dearer = {name: among[name] - alone[name] for name in alone}
    assert max(dearer.values()) < TOLERANCE, dearer
    counts = Counter({f"gas among {SIBLINGS} siblings, {name}": g for name, g in among.items()})
    for rivals in RIVALS:
        outcome = play_rivals(rivals)
        assert not outcome.broken, outcome.broken
        counts[f"{rivals} rivals, final after"] = outcome.chain.final_at[1]
        counts[f"{rivals} rivals, honest transactions"] = outcome.honest.sent.total()
    counts["T"] = T
    for lies in LIES:
        found = onslaught.play(lies)
        counts[f"{lies} lies on a node, blocks from T to the end"] = found.blocks
        counts[f"{lies} lies on a node, honest transactions"] = found.moves.total()
        counts[f"{lies} lies on a node, most of them in a block"] = found.most
        counts[f"{lies} lies on a node, seconds left on the shortest clock"] = found.left
    return Result(counts)


PART = Part(
    "invariants",
    "each named mutant dies by its own test",
    partial(run_mutants, NAMED),
    1,
    len(NAMED),
)
STEP_PART = Part(
    "invariants_steps",
    "each named mutant of a step dies by its own test",
    partial(run_mutants, STEPS),
    1,
    len(STEPS),
)
CROWDS = Part(
    "crowds", "gas among 10,000 siblings; 500 rivals, 48 lies at once", run_crowds, 1, SIBLINGS
)
