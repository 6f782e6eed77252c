"""The survivors that were accepted, each with the proof that no test can notice it.

tests/equivalent_mutants.json is a list of {"proof": text, "mutants": [names]}.
"""

from __future__ import annotations

import json
from pathlib import Path

FILE = "tests/equivalent_mutants.json"


def read_equivalent(root: Path) -> dict[str, str]:
    """Return the proof of each accepted mutant by its name.

    Raises:
        ValueError: a mutant is named twice, or a proof is empty.
    """
    found: dict[str, str] = {}
    for entry in json.loads((root / FILE).read_text(encoding="utf-8")):
        for name in entry["mutants"]:
            if name in found or not entry["proof"].strip():
                raise ValueError(f"named twice, or without a proof: {name}")
            found[name] = entry["proof"]
    return found
