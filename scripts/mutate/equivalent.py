"""The survivors that were accepted, each with the proof that no test can notice it.

tests/equivalent_mutants.json is a list of {"proof": text, "mutants": [names]}; with "contract":
name the proof holds for what that contract makes of a module that others use, too.
"""

from __future__ import annotations

import json
from pathlib import Path

FILE = "tests/equivalent_mutants.json"


def read_equivalent(root: Path, contract: str) -> dict[str, str]:
    """Return the proof of each mutant that is accepted in a contract, by its name.

    Raises:
        ValueError: a mutant is named twice, or a proof is empty.
    """
    found: dict[str, str] = {}
    for entry in json.loads((root / FILE).read_text(encoding="utf-8")):
        if entry.get("contract", contract) != contract:
            continue
        for name in entry["mutants"]:
            if name in found or not entry["proof"].strip():
                raise ValueError(f"named twice, or without a proof: {name}")
            found[name] = entry["proof"]
    return found
