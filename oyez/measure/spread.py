"""Medians with their spread, and ratios of two parties measured in turn.

A *pair* is one run of each party, one right after the other: what else the machine does hits both.
Which of them begins alternates.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Does a piece of work and returns the seconds it took.
Run = Callable[[], float]

#: Pairs of a ratio that is judged, at least.
PAIRS = 7


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of one thing."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def to_json(self, digits: int = 4) -> dict[str, Any]:  # Any: numbers and their count
        """Return minimum, median, maximum and count."""
        return {
            "min": round_to(min(self.values), digits),
            "median": round_to(self.median, digits),
            "max": round_to(max(self.values), digits),
            "n": len(self.values),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two parties' rates, measured in pairs.

    Attributes:
        ours, theirs: work a second of each run, in the order of the pairs.
        names: what the two are called.
    """

    ours: Spread
    theirs: Spread
    names: tuple[str, str] = ("oyez", "llama.cpp")

    @property
    def ratios(self) -> Spread:
        """Our rate over theirs, by pair."""
        pairs = zip(self.ours.values, self.theirs.values, strict=True)
        return Spread(tuple(mine / other for mine, other in pairs))

    def to_json(self) -> dict[str, Any]:  # Any: see Spread
        """Return the spreads of the ratio and of both rates."""
        ours, theirs = self.names
        return {
            "ratio": self.ratios.to_json(),
            ours: self.ours.to_json(),
            theirs: self.theirs.to_json(),
        }


def compare(
    ours: Run,
    theirs: Run,
    work: float,
    pairs: int = PAIRS,
    names: tuple[str, str] = ("oyez", "llama.cpp"),
) -> Comparison:
    """Measure two parties in turn, after one run of each that does not count.

    Args:
        ours: a run of the first party.
        theirs: the same work by the second.
        work: what a run does, in whatever unit the rates shall have.
        pairs: at least 1.
        names: what the two are called.
    """
    ours()
    theirs()
    seconds: tuple[list[float], list[float]] = [], []
    for pair in range(pairs):
        for party in (0, 1) if pair % 2 == 0 else (1, 0):
            seconds[party].append((ours, theirs)[party]())
    mine, others = (Spread(tuple(work / value for value in part)) for part in seconds)
    return Comparison(mine, others, names)


def measure(run: Run, times: int = PAIRS) -> Spread:
    """Measure one party alone, after one run that does not count."""
    run()
    return Spread(tuple(run() for _ in range(times)))


def round_to(value: float, digits: int = 4) -> float:
    """Return a number with so many significant digits."""
    return float(f"{value:.{digits}g}")
