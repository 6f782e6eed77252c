"""Writes contracts/abi/<Contract>.json, the bare ABI arrays; --check tells if they are current."""

from __future__ import annotations

import json
from pathlib import Path

import click

from oyez.chain.deploy import ROOT, compile_contracts

FOLDER = ROOT / "contracts" / "abi"


def build_files() -> dict[Path, str]:
    """Compile, and return each file's content."""
    return {
        FOLDER / f"{name}.json": json.dumps(artifact.abi, indent=1) + "\n"
        for name, artifact in compile_contracts().items()
    }


def find_stale() -> list[Path]:
    """Return the files that are missing, out of date, or of no contract."""
    files = build_files()
    stale = [p for p, text in files.items() if not p.exists() or p.read_text("utf-8") != text]
    return sorted(stale + [p for p in FOLDER.glob("*.json") if p not in files])


@click.command(help=__doc__)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is not current.")
def main(check: bool) -> None:
    """Write the files, or check them."""
    if check:
        stale = find_stale()
        for path in stale:
            click.echo(f"{path.relative_to(ROOT)} is not current: run scripts/abi.py")
        raise SystemExit(1 if stale else 0)
    FOLDER.mkdir(exist_ok=True)
    files = build_files()
    for path in FOLDER.glob("*.json"):
        if path not in files:
            path.unlink()
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        click.echo(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
