"""Runs a part's blocks, keeps each finished one in a file, and goes on from there."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

from scripts.soak.part import Block, Part, Result

#: What a count depends on; when any of it changes, a part begins anew.
SOURCES = (
    *("contracts", "oyez/protocol", "oyez/chain", "oyez/engines", "oyez/testing"),
    *("scripts", "tests"),
)
SUFFIXES = {".py", ".vy", ".vyi", ".c", ".h"}


def compute_print(root: Path) -> str:
    """Return a hash over all sources that counts depend on."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES:
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def run_part(
    part: Part, seed: int, folder: Path, sources: str, say: Callable[[str], None]
) -> Result:
    """Run all blocks of a part that are not done yet; return what all of them found.

    Args:
        part: what to run.
        seed: of all its blocks.
        folder: where finished blocks are kept.
        sources: print of what counts depend on; a file of another print is not read.
        say: told one line a block.
    """
    path = folder / f"{part.name}-{seed}-{part.blocks}x{part.items}.json"
    done: dict[str, dict[str, int]] = {}
    survivors: dict[str, list[str]] = {}
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["sources"] == sources:
            done, survivors = kept["blocks"], kept["survivors"]
            say(f"{part.name}: goes on after {len(done)} of {part.blocks} blocks")
    total, start, before = Result(), time.monotonic(), len(done)
    for number in range(part.blocks):
        key = str(number)
        if key not in done:
            result = part.run(Block(part.name, seed, number, part.items))
            done[key], survivors[key] = dict(result.counts), result.survivors
            _write(path, {"sources": sources, "blocks": done, "survivors": survivors})
            pace = (time.monotonic() - start) / (len(done) - before)
            left = pace * (part.blocks - len(done))
            say(f"{part.name}: block {len(done)} of {part.blocks}, about {left:.0f} s left")
        total.counts.update(done[key])
        total.survivors += survivors[key]
    return total


def _write(path: Path, whole: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(whole), encoding="utf-8")
    beside.replace(path)
