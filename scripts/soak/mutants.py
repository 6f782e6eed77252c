"""Mutants of one contract and its modules: a test notices each, or it is proven the same."""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from pathlib import Path

from scripts.mutate.run import Plan
from scripts.mutate.run import run as run_mutants
from scripts.mutate.targets import FAMILIES, TESTS
from scripts.soak.part import Block, Part, Result

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "mutate"
#: Mutants of a full run that compile to other code.
COUNT = 120
#: The gate's tests judge thousands of manifests and take the longest; the steps are eleven.
FEWER = {"ManifestGate": 60, **dict.fromkeys(FAMILIES, 100)}


def run(contract: str, block: Block) -> Result:
    """Run so many mutants, chosen by the block's seed; a cut run goes on within the block.

    OYEZ_KEEP_KILLED=1 trusts that what a test noticed before tests changed, it still notices.
    """
    trusted = os.environ.get("OYEZ_KEEP_KILLED") == "1"
    plan = Plan(contract, count=block.items, seed=block.seed, keep_killed=trusted)
    outcome = run_mutants(ROOT, plan, FOLDER, lambda line: print(f"soak: {line}", flush=True))
    counts = Counter(outcome.counts) + Counter({"proven equivalent": len(outcome.equivalent)})
    counts["not proven"] = len(outcome.survivors)
    return Result(counts, [*outcome.survivors, *(f"proven: {n}" for n in outcome.equivalent)])


PARTS = tuple(
    Part(
        f"mutants_{contract.lower()}",
        f"mutants of {contract}.vy and its modules",
        partial(run, contract),
        1,
        FEWER.get(contract, COUNT),
    )
    for contract in TESTS
)
