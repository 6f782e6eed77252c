"""Applies the named mutants of tests/contracts: the one test of each must fail.

    python -m scripts.mutate.named                      all of them
    python -m scripts.mutate.named "Invariant 14"       those of one tag

Ends with status 1 when a test does not notice its mutant, or fails without it.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from scripts.mutate.copy import PrivateCopy
from scripts.mutate.targets import list_harnesses
from tests.contracts.named_mutants import NAMED, Named
from tests.contracts.step_mutants import STEPS
from tests.contracts.tdx_mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 400.0


@dataclass
class Outcome:
    """Names of mutants by end; `wrong` are the tests that fail without any change."""

    killed: list[str] = field(default_factory=list)
    survived: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def run_named(root: Path, mutants: Sequence[Named], say: Callable[[str], None]) -> Outcome:
    """Run each mutant against its own test, and that test on the contracts as they are.

    Args:
        root: the tree; mutants are written in a private copy alone.
        mutants: which.
        say: told one line a mutant.

    Raises:
        RuntimeError: a mutant does not compile, or pytest could not run.
    """
    outcome = Outcome()
    for target, group in groupby(sorted(mutants, key=lambda m: m.target), lambda m: m.target):
        _run_target(root, f"contracts/{target}.vy", list(group), outcome, say)
    return outcome


def _run_target(
    root: Path, target: str, mutants: list[Named], outcome: Outcome, say: Callable[[str], None]
) -> None:
    harnesses = {m.path: list_harnesses(root, m.path) for m in mutants}
    stale = sorted({path for paths in harnesses.values() for path in paths})
    passed: set[str] = set()
    with PrivateCopy(root, target, stale, 1) as copy:
        for mutant in mutants:
            source = (root / mutant.path).read_text(encoding="utf-8")
            ask: dict[str, Any] = {
                "source": mutant.path,
                "target": target,
                "stale": harnesses[mutant.path],
                "files": [mutant.test],
                "rank": [],
                "seed": 1,
                "seconds": LIMIT_SECONDS,
            }
            if mutant.test not in passed:
                plain = copy.ask(ask | {"text": None})
                if plain["status"] != "survived":
                    outcome.wrong.append(mutant.test)
                    say(f"FAILS WITHOUT A CHANGE: {mutant.test}: {plain}")
                    continue
                passed.add(mutant.test)
            answer = copy.ask(ask | {"text": source.replace(mutant.old, mutant.new)})
            name = f"{mutant.tag}: {mutant.path}"
            if answer["status"] in ("broken", "same", "refused"):
                raise RuntimeError(f"no mutant: {name}: {answer}")
            alive = answer["status"] == "survived"
            (outcome.survived if alive else outcome.killed).append(name)
            say(f"{answer['status']} in {answer['seconds']} s: {name}: {mutant.test}")


def main() -> None:
    """Run the named mutants asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tag", nargs="*", help="tags such as 'Invariant 14'; none: all")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the private copy goes
    chosen = [m for m in (*NAMED, *STEPS, *MUTANTS) if not options.tag or m.tag in options.tag]
    outcome = run_named(ROOT, chosen, lambda line: print(line, flush=True))
    print(f"killed {len(outcome.killed)} of {len(chosen)}")
    for name in outcome.survived:
        print(f"SURVIVES: {name}")
    sys.exit(1 if outcome.survived or outcome.wrong else 0)


if __name__ == "__main__":
    main()
