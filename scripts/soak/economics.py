"""Attacks on the inbox under many schedules: what an hour of each costs and reaches."""

from __future__ import annotations

from collections import Counter

from scripts.economics.attacks import run_all
from scripts.soak.part import Block, Part, Result

WEI_PER_GWEI = 10**9


def run(block: Block) -> Result:
    """Simulate every attack so many times, each under a schedule of its own."""
    rng = block.rng()
    counts: Counter[str] = Counter()
    for _ in range(block.items):
        for attack in run_all(rng.getrandbits(32)):
            name = f"{attack.attacker}, {attack.goal}"
            counts[f"{name}: hours"] += 1
            counts[f"{name}: gwei lost or burned"] += (attack.lost + attack.burned) // WEI_PER_GWEI
            counts[f"{name}: {attack.reached}"] += 1
    return Result(counts)


PART = Part("economics", "attacks on the inbox, an hour each, many schedules", run, 10, 2)
