"""What a run knows so far: each mutant's end, and how long each test takes; kept in one file."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from scripts.mutate.mutants import Mutant

#: Ends that say that a test noticed the change.
KILLED = ("killed", "timeout")
#: Ends of changes that change nothing, or no contract; they are not counted.
UNCOUNTED = ("same", "broken")


def compute_print(root: Path, paths: Iterable[str]) -> str:
    """Return a hash over files: what a run's results hold for."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.encode() + b"\0" + (root / path).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class Progress:
    """The results of one contract, written after every mutant so that a run may be cut."""

    def __init__(self, path: Path, sources: str, tests: str, keep_killed: bool) -> None:
        """Read what an earlier run left, as far as it still holds.

        Args:
            path: the file.
            sources: print of the contract's sources; all results fall with it.
            tests: print of the tests; survivors and the killed fall with it.
            keep_killed: trust that a change that a test noticed would be noticed again.
        """
        self.path = path
        self.prints = {"sources": sources, "tests": tests}
        self.results: dict[str, dict[str, Any]] = {}  # Any: JSON
        self.durations: dict[str, float] = {}
        if path.is_file():
            self._read(json.loads(path.read_text(encoding="utf-8")), keep_killed)

    def _read(self, kept: dict[str, Any], keep_killed: bool) -> None:
        if kept["prints"]["sources"] != self.prints["sources"]:
            # what is named alike reads alike; whether it compiles to the same may have changed
            held: tuple[str, ...] = KILLED if keep_killed else ()
            self.results = {n: r for n, r in kept["results"].items() if r["status"] in held}
            return
        self.results = kept["results"]
        if kept["prints"]["tests"] == self.prints["tests"]:
            self.durations = kept["durations"]
            return
        held = (*UNCOUNTED, *KILLED) if keep_killed else UNCOUNTED
        self.results = {n: r for n, r in self.results.items() if r["status"] in held}

    def note(self, mutant: Mutant, answer: dict[str, Any]) -> None:
        """Keep one mutant's end."""
        kept = {key: answer[key] for key in ("status", "killer", "seconds") if key in answer}
        self.results[mutant.name] = kept | {"where": [mutant.file, mutant.function]}
        self.write()

    def write(self) -> None:
        """Write the file whole, so that a cut run leaves the old one or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = {"prints": self.prints, "durations": self.durations, "results": self.results}
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps(whole, indent=1), encoding="utf-8")
        beside.replace(self.path)

    def rank(self, mutant: Mutant) -> list[str]:
        """Return the tests in the order in which they should run on a mutant.

        First those that noticed a change of the same function, the latest first; then by how often
        a test noticed any, a second; then the cheapest.
        """
        near: dict[str, None] = {}
        kills: Counter[str] = Counter()
        for result in reversed(self.results.values()):
            if result.get("killer") and result["status"] == "killed":
                kills[result["killer"]] += 1
                if result["where"] == [mutant.file, mutant.function]:
                    near.setdefault(result["killer"])
        cost = {name: max(seconds, 0.01) for name, seconds in self.durations.items()}
        useful = sorted(kills, key=lambda name: -kills[name] / cost.get(name, 1.0))
        cheap = sorted(cost, key=lambda name: cost[name])
        return list(dict.fromkeys([*list(near)[:6], *useful, *cheap]))

    def count(self, mutants: Sequence[Mutant]) -> dict[str, int]:
        """Return how many of some mutants ended how."""
        ends = Counter(self.results[m.name]["status"] for m in mutants if m.name in self.results)
        return {
            "mutants": sum(count for end, count in ends.items() if end not in UNCOUNTED),
            "killed": sum(ends[end] for end in KILLED),
            "survived": ends["survived"],
            "not counted, same code": ends["same"],
            "not counted, do not compile": ends["broken"],
        }
