"""Rewrite requirements/*.txt from requirements/*.in: exact versions, hashes, no addresses."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = (
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
    "--no-annotate",
    "--quiet",
)
#: Lock files whose packages are wanted without what they declare to need.
ALONE = {"model", "compiler", "llama"}


def main() -> None:
    """Compile each input file into its lock file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", help="lock files to rewrite; all by default")
    names = parser.parse_args().name or sorted(
        path.stem for path in (ROOT / "requirements").glob("*.in")
    )
    for name in names:
        print(f"lock: requirements/{name}.txt", flush=True)
        uv = (Path(sys.executable).parent / "uv", "pip", "compile", *OPTIONS)
        alone = ("--no-deps",) if name in ALONE else ()
        files = (f"requirements/{name}.in", "-o", f"requirements/{name}.txt")
        subprocess.run((*uv, *alone, *files), cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
