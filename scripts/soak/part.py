"""A part of the soak: so many blocks of so much work, each of them seeded on its own.

A block depends on nothing but its seed, its number and its size, so that a run may be cut between
two blocks and go on, and counts add up to the same whoever ran them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Block:
    """What to run: the part's seed, the block's number from 0 and how many items it has."""

    part: str
    seed: int
    number: int
    items: int

    def rng(self) -> random.Random:
        """Return this block's own generator."""
        return random.Random(f"{self.part}/{self.seed}/{self.number}")


@dataclass(slots=True)
class Result:
    """What a block found: counts that add up, and names of survivors that join."""

    counts: Counter[str] = field(default_factory=Counter)
    survivors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Part:
    """One part.

    Attributes:
        name: on the command line and in tests/soak.json.
        summary: one line for --list.
        run: runs one block; an assertion that fails stops the soak.
        blocks, items: of a full run.
    """

    name: str
    summary: str
    run: Callable[[Block], Result]
    blocks: int
    items: int
