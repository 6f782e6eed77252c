"""Check everything that `make test` promises: style, types, spelling, tests, coverage.

Each step prints its name first, so that a log shows where time goes. The first failure stops.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (sys.executable, "-m")
CODE = ("oyez", "sequencer", "challenger", "scripts")

STATIC: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ruff: lint", (*PYTHON, "ruff", "check", ".")),
    ("ruff: format", (*PYTHON, "ruff", "format", "--check", ".")),
    ("mypy: strict types", (*PYTHON, "mypy", *CODE)),
    ("codespell: spelling", (*PYTHON, "codespell_lib", ".")),
)
PYTEST = ("pytest", "-q", "--durations=10")
#: Tests of oyez/protocol. They alone run under coverage, which makes them 2.5 times as slow; those
#: that would take the longest run without.
MEASURED = ("tests/unit/protocol", "tests/differential")
LONGEST = (
    "tests/unit/protocol/test_call_fuzz.py",
    "tests/differential/test_gate_bounds.py",
    "tests/differential/test_manifest_gate.py",
)


def ignore(*paths: str) -> tuple[str, ...]:
    """Return pytest's options that leave paths out."""
    return tuple(f"--ignore={path}" for path in paths)


TESTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "pytest: oyez/protocol",
        (*PYTHON, "coverage", "run", "-m", *PYTEST, *MEASURED, *ignore(*LONGEST)),
    ),
    (
        "coverage of oyez/protocol, branches, at least 95 %",
        (*PYTHON, "coverage", "report", "--fail-under=95", "--skip-covered"),
    ),
    ("pytest: oyez/protocol, the longest", (*PYTHON, *PYTEST, *LONGEST)),
    ("pytest: all the rest", (*PYTHON, *PYTEST, "tests", *ignore(*MEASURED))),
)


def main() -> None:
    """Run the steps in order and stop at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--static", action="store_true", help="style, types and spelling alone")
    options = parser.parse_args()
    for name, command in STATIC if options.static else STATIC + TESTS:
        print(f"== {name}", flush=True)
        start = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code:
            sys.exit(f"== {name}: failed")
        print(f"== {name}: {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
