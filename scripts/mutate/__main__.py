"""Mutates a contract and its modules, and lists the mutants that no test notices.

    python -m scripts.mutate Rollup --count 60 --seed 1
    python -m scripts.mutate Inbox --list

A mutant that does not compile, or compiles to the same code, is not counted. Ends with status 1
when a mutant survives that tests/equivalent_mutants.json does not prove to be equivalent.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from scripts.mutate.run import Plan, list_all, run
from scripts.mutate.targets import TESTS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "mutate"


def main() -> None:
    """Run one contract's mutants and print the survivors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("contract", choices=TESTS)
    parser.add_argument("--count", type=int, default=0, help="mutants to count; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="of the choice and of Hypothesis")
    parser.add_argument("--only", default="", help="part of the names of the mutants to take")
    parser.add_argument("--list", action="store_true", help="name the mutants and run none")
    parser.add_argument("--keep-killed", action="store_true", help="do not run the killed again")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the private copy goes
    if options.list:
        for mutant in list_all(ROOT, options.contract):
            print(f"{mutant.file}:{mutant.row}: {mutant.name}")
        return
    plan = Plan(
        contract=options.contract,
        count=options.count,
        seed=options.seed,
        keep_killed=options.keep_killed,
        only=options.only,
    )
    outcome = run(ROOT, plan, FOLDER, lambda line: print(line, flush=True))
    print(f"{options.contract}: {outcome.counts}")
    for name in outcome.equivalent:
        print(f"equivalent, proven: {name}")
    for name in outcome.survivors:
        print(f"SURVIVES: {name}")
    sys.exit(1 if outcome.survivors else 0)


if __name__ == "__main__":
    main()
