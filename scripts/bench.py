"""Run every bench and keep its result under docs/measurements, one JSON file each.

Ratios mean something on a quiet machine alone; the engine's file says what the load was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "measurements"
#: Commands `oyez bench NAME`, quick ones first.
BENCHES = ("gas", "duel", "dispute", "engine")


def run_bench(name: str, folder: Path) -> bool:
    """Run one, keep its result and say whether every bound was kept."""
    print(f"bench: {name}", flush=True)
    command = (sys.executable, "-m", "oyez.cli", "bench", name, "--json")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"bench: {name} failed with exit code {done.returncode}")
    result = json.loads(done.stdout.splitlines()[-1])
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"bench: wrote {path.name}", flush=True)
    return done.returncode == 0


def main() -> None:
    """Run those that are named, by default all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", help=f"benches to run: {', '.join(BENCHES)}")
    names = parser.parse_args().name or BENCHES
    kept = [run_bench(name, FOLDER) for name in names]
    if not all(kept):
        sys.exit("bench: a bound was missed; the files say which")


if __name__ == "__main__":
    main()
