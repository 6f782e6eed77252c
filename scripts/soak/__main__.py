"""The large seeded counts, part by part; writes tests/soak.json.

    make soak                        all parts, one after another
    make soak PART=trees SEED=7      one part under another seed

Each part can be cut and goes on where it was; the same part and seed give the same counts again.
--check compares with the counts that are committed, and writes nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import signal
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from scripts.soak.part import Part
from scripts.soak.progress import compute_print, run_part
from scripts.soak.registry import PARTS

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "tests" / "soak.json"
FOLDER = ROOT / "build" / "soak"
PACKAGES = ("hypothesis", "pyrevm", "vyper")

Row = dict[str, Any]  # JSON


def say(line: str) -> None:
    """Print one line of progress."""
    print(f"soak: {line}", flush=True)


def run(part: Part, seed: int) -> Row:
    """Run one part; return its row of tests/soak.json."""
    start = time.monotonic()
    result = run_part(part, seed, FOLDER, compute_print(ROOT), say)
    say(f"{part.name}: done in {time.monotonic() - start:.0f} s: {dict(result.counts)}")
    return {
        "seed": seed,
        "blocks": part.blocks,
        "items": part.items,
        "counts": dict(sorted(result.counts.items())),
        "survivors": result.survivors,
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in PACKAGES},
    }


def main() -> None:
    """Run the parts asked for, and write or check their counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="*", help="names of parts; none: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blocks", type=int, help="fewer blocks than a full run has")
    parser.add_argument("--items", type=int, help="items of a block")
    parser.add_argument("--list", action="store_true", help="name the parts and run none")
    parser.add_argument("--check", action="store_true", help="compare with what is committed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that temporary folders go
    if options.list:
        for part in PARTS.values():
            print(f"{part.name:24}{part.blocks:4} x {part.items:5}  {part.summary}")
        return
    unknown = sorted(set(options.part) - set(PARTS))
    if unknown:
        sys.exit(f"soak: no such part: {', '.join(unknown)}; see --list")
    differ = []
    for name in options.part or PARTS:
        part = dataclasses.replace(
            PARTS[name],
            blocks=options.blocks or PARTS[name].blocks,
            items=options.items or PARTS[name].items,
        )
        row = run(part, options.seed)
        rows: dict[str, Row] = json.loads(RESULT.read_text(encoding="utf-8"))
        if not options.check:
            rows[name] = row
            RESULT.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        elif any(row[key] != rows.get(name, {}).get(key) for key in ("seed", "items", "counts")):
            differ.append(name)
            say(f"{name}: not the committed counts: {rows.get(name)}")
    if differ:
        sys.exit(f"soak: other counts than the committed ones: {', '.join(differ)}")


if __name__ == "__main__":
    main()
