"""The large seeded counts: the fuzzers of `make test` over many seeds, and what they counted.

Writes docs/measurements/soak.json with the machine and the versions. The first failure stops; its
seed is printed, and OYEZ_SEED repeats it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "docs" / "measurements" / "soak.json"
CALLS = (
    "tests/unit/protocol/test_call_fuzz.py::test_fuzzed_calls_end_in_one_outcome_with_valid_state"
)
GATE = "tests/differential/test_manifest_gate.py"


def run(test: str, seed: int, **settings: str) -> tuple[str, float]:
    """Run one test file under a seed; return what it printed and its seconds."""
    start = time.monotonic()
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-s", "-x", test),
        cwd=ROOT,
        env={**os.environ, "OYEZ_SEED": str(seed), **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout[-4000:], file=sys.stderr)
        sys.exit(f"soak: {test} fails with OYEZ_SEED={seed}")
    return done.stdout, time.monotonic() - start


def count_codes(printed: str) -> dict[str, int]:
    """Read the counts per outcome that the call fuzzer prints."""
    return {name: int(count) for name, count in re.findall(r"\b([A-Z_]{5,})\b[:= ]+(\d+)", printed)}


def main() -> None:
    """Run every seed of both fuzzers and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="seeds of each fuzzer")
    parser.add_argument("--calls", type=int, default=10_000, help="calls a seed")
    options = parser.parse_args()
    totals: dict[str, int] = {}
    rows: list[dict[str, Any]] = []  # Any: JSON
    for seed in range(100, 100 + options.seeds):
        printed, seconds = run(CALLS, seed, OYEZ_FUZZ_CALLS=str(options.calls))
        counts = count_codes(printed)
        totals = {name: totals.get(name, 0) + count for name, count in counts.items()}
        _, gate_seconds = run(GATE, seed)
        rows.append({"seed": seed, "calls": counts, "seconds": round(seconds + gate_seconds, 1)})
        print(f"soak: seed {seed}: {counts}, gate and parser agree", flush=True)
    result = {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "calls_a_seed": options.calls,
        "manifests_a_seed": 1_000,
        "totals": totals,
        "seeds": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"soak: {sum(totals.values())} calls, totals {totals}; wrote {RESULT.name}")


if __name__ == "__main__":
    main()
