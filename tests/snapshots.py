"""Numbers that may only change on purpose: they show as a diff in tests/snapshots/.

Rewrite them with `OYEZ_UPDATE_SNAPSHOTS=1 pytest ...` and say in the commit why they moved.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "snapshots"


def check_snapshot(name: str, measured: Any, tolerance: float = 0.0) -> None:
    """Compare with tests/snapshots/<name>.json; `tolerance` is a share of each number."""
    path = FOLDER / f"{name}.json"
    if os.environ.get("OYEZ_UPDATE_SNAPSHOTS") == "1":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    kept = json.loads(path.read_text(encoding="utf-8"))
    if tolerance == 0:
        assert measured == kept
        return
    assert measured.keys() == kept.keys()
    moved = {
        key: (kept[key], number)
        for key, number in measured.items()
        if abs(number - kept[key]) > tolerance * kept[key]
    }
    assert moved == {}
