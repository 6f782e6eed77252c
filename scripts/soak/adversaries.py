"""Adversaries of duels, two to four together, against an honest party censored for up to T - D."""

from __future__ import annotations

from collections import Counter

from scripts.soak.part import Block, Part, Result
from tests.actors.duels import catalog


def run(block: Block) -> Result:
    """Play so many plays; each ends with the truth final in time and every liar slashed once.

    Raises:
        AssertionError: a play ended otherwise; its seed comes before it in the traceback.
    """
    rng = block.rng()
    counts: Counter[str] = Counter()
    for _ in range(block.items):
        seed, honest = rng.getrandbits(32), rng.choice(sorted(catalog.HONEST_PARTIES))
        counts += catalog.count(catalog.play_random(seed, catalog.HONEST_PARTIES[honest]))
        counts[f"honest: {honest}"] += 1
    return Result(counts)


PART = Part("adversaries", "adversaries of duels, several at once", run, 10, 20)
