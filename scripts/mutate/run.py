"""Runs a contract's mutants one after another, and says which of them no test noticed."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.mutate import targets
from scripts.mutate.copy import PrivateCopy
from scripts.mutate.equivalent import read_equivalent
from scripts.mutate.mutants import Mutant, list_mutants
from scripts.mutate.progress import UNCOUNTED, Progress, compute_print

#: Of the processor's time, for one mutant's tests.
LIMIT_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.

    Attributes:
        contract: its name.
        count: how many mutants that compile to other code; 0: all there are.
        seed: of the choice and of Hypothesis.
        keep_killed: a mutant that was killed once stays so when sources or tests change.
        only: part of the names of the mutants to take; "" for all.
    """

    contract: str
    count: int = 0
    seed: int = 1
    keep_killed: bool = False
    only: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run's mutants.

    Attributes:
        counts: by end.
        survivors: names of those that no test noticed and that are not accepted as equivalent.
        equivalent: names of those that no test noticed and that are.
    """

    counts: dict[str, int]
    survivors: list[str]
    equivalent: list[str]


def list_all(root: Path, contract: str) -> list[Mutant]:
    """Return the mutants of a contract and its modules, in order of the sources."""
    found: list[Mutant] = []
    for path in targets.list_sources(root, contract):
        found += list_mutants(path, (root / path).read_text(encoding="utf-8"))
    return found


def draw(plan: Plan, mutants: Sequence[Mutant]) -> list[Mutant]:
    """Put mutants in an order of the plan's seed.

    A step contract's are drawn in turns of four: two of its own source, one of the modules of its
    family, one of those that all families share; what has run out is passed over. Each has its
    place by its name, so that a change of the sources elsewhere leaves most of the draw as it was.
    """
    if plan.contract not in targets.FAMILIES:
        drawn = list(mutants)
        random.Random(plan.seed).shuffle(drawn)
        return drawn
    groups: dict[str, list[Mutant]] = {"own": [], "family": [], "shared": []}
    drawn = sorted(mutants, key=lambda m: hashlib.sha256(f"{plan.seed}/{m.name}".encode()).digest())
    for mutant in reversed(drawn):
        groups[targets.classify(plan.contract, mutant.file)].append(mutant)
    turns = itertools.cycle(("own", "family", "own", "shared"))
    taken = (groups[turn].pop() for turn in turns if groups[turn])
    return list(itertools.islice(taken, len(drawn)))


def run(root: Path, plan: Plan, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Run the plan's mutants, from where an earlier run was cut.

    Args:
        root: the tree.
        plan: what to run.
        folder: where progress is kept.
        say: told one line a mutant.

    Raises:
        RuntimeError: the tests fail without any change, so they can judge none.
    """
    files = [f"tests/{name}" for name in targets.TESTS[plan.contract]]
    files = [name for name in files if (root / name).is_file()]
    support = sorted(str(p.relative_to(root)) for p in (root / "tests").glob("*.py"))
    support += ["tests/contracts/harness.py", "tests/contracts/proposals.py"]
    progress = Progress(
        folder / f"{plan.contract}.json",
        compute_print(root, [*targets.list_sources(root, plan.contract), *targets.KEPT]),
        compute_print(root, [*files, *support]),
        plan.keep_killed,
    )
    mutants = [m for m in list_all(root, plan.contract) if plan.only in m.name]
    mutants = draw(plan, mutants)
    taken = list(_run_each(root, plan, progress, mutants, files, say))
    accepted = read_equivalent(root, plan.contract)
    alive = sorted(m.name for m in taken if progress.results[m.name]["status"] == "survived")
    return Outcome(
        counts=progress.count(taken),
        survivors=[name for name in alive if name not in accepted],
        equivalent=[name for name in alive if name in accepted],
    )


def _run_each(
    root: Path,
    plan: Plan,
    progress: Progress,
    mutants: list[Mutant],
    files: list[str],
    say: Callable[[str], None],
) -> Iterator[Mutant]:
    """Yield the mutants with a known end until enough of them count; run those without."""
    target = f"contracts/{plan.contract}.vy"
    known = {path: targets.list_harnesses(root, path) for path in {m.file for m in mutants}}
    stale = sorted({path for paths in known.values() for path in paths})
    sources = {path: (root / path).read_text(encoding="utf-8") for path in known}
    with PrivateCopy(root, target, stale, plan.seed, files) as copy:
        question = {"target": target, "files": files, "seed": plan.seed, "seconds": LIMIT_SECONDS}
        if not progress.durations:
            blank: dict[str, Any] = {"source": target, "text": None, "stale": [], "rank": []}
            answer = copy.ask(question | blank)
            if answer["status"] != "survived":
                raise RuntimeError(f"the tests fail on the contract itself: {answer}")
            progress.durations = answer["durations"]
            progress.write()
            say(f"{plan.contract}: unchanged passes in {answer['seconds']} s")
        counted = 0
        for mutant in mutants:
            if plan.count and counted == plan.count:
                return
            if mutant.name not in progress.results:
                text = mutant.apply(sources[mutant.file])
                ask = {"source": mutant.file, "text": text, "stale": known[mutant.file]}
                answer = copy.ask(question | ask | {"rank": progress.rank(mutant)})
                if answer["status"] == "refused":
                    raise RuntimeError(f"the tests did not run: {mutant.name}: {answer}")
                progress.note(mutant, answer)
                if answer["status"] not in UNCOUNTED:
                    say(f"{plan.contract} {counted + 1}: {_tell(mutant, answer)}")
            counted += progress.results[mutant.name]["status"] not in UNCOUNTED
            yield mutant


def _tell(mutant: Mutant, answer: dict[str, Any]) -> str:
    """Say how a mutant ended and what it took."""
    return f"{answer['status']} in {answer['seconds']} s: row {mutant.row}: {mutant.name}"
