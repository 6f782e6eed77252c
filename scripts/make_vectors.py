"""Write the shared test vectors: `python -m scripts.make_vectors [--check]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import manifest_cases

ROOT = Path(__file__).resolve().parents[1] / "tests" / "vectors"

#: File -> what builds its JSON.
VECTORS: dict[str, Callable[[], Any]] = {"manifests.json": manifest_cases.build_vectors}


def render(name: str) -> str:
    """Return the text of one vector file."""
    return json.dumps(VECTORS[name](), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write every file, or with --check say which ones are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    arguments = parser.parse_args()
    stale = []
    for name in VECTORS:
        path, text = ROOT / name, render(name)
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not arguments.check:
                path.write_text(text)
    print("stale" if arguments.check else "written", stale)
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
