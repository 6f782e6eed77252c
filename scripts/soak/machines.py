"""The stateful tests of the contracts with a larger budget, each under seeds of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from scripts.soak.part import Block, Part, Result

ROOT = Path(__file__).resolve().parents[2]
MACHINES = {
    "rollup": "tests/contracts/test_rollup_machine.py",
    "inbox": "tests/contracts/test_inbox_machine.py",
}


def run(block: Block) -> Result:
    """Run every machine for so many examples; Hypothesis gets the block's seed and no memory.

    Raises:
        AssertionError: a machine found a difference; its words are printed.
    """
    counts: Counter[str] = Counter()
    for name, path in MACHINES.items():
        counts[f"{name}, examples"] = run_machine(path, block)
    return Result(counts)


def run_machine(path: str, block: Block) -> int:
    """Run one file of stateful tests and return how many examples passed."""
    seed = block.rng().getrandbits(32)
    with tempfile.TemporaryDirectory() as memory:
        done = subprocess.run(
            (
                *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
                *(f"--hypothesis-seed={seed}", "--hypothesis-show-statistics", path),
            ),
            cwd=ROOT,
            env={
                **os.environ,
                "OYEZ_EXAMPLES": str(block.items),
                "HYPOTHESIS_STORAGE_DIRECTORY": memory,
            },
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise AssertionError(f"{path} fails with --hypothesis-seed={seed}:\n{done.stdout[-6_000:]}")
    found = re.findall(r"during generate phase.*?(\d+) passing, 0 failing", done.stdout, re.S)
    if not found:
        raise AssertionError(f"{path} ran no example:\n{done.stdout[-2_000:]}")
    return sum(map(int, found))


def run_duels(block: Block) -> Result:
    """Run the machine of Rollup, DuelGame and MovePay together."""
    found = run_machine("tests/contracts/test_duel_machine.py", block)
    return Result(Counter({"duels, examples": found}))


DUELS = Part("duels", "stateful test of Rollup, DuelGame and MovePay together", run_duels, 2, 60)
PART = Part("machines", "stateful tests of Rollup and Inbox against their models", run, 3, 100)
