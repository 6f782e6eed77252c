"""The real quotes and collateral of tests/vectors/tdx, with what is known of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent / "vectors" / "tdx"
QUOTES = sorted(path.stem for path in ROOT.glob("*.bin"))
TDX_QUOTES = [name for name in QUOTES if name.startswith("tdx_")]
SGX_QUOTES = [name for name in QUOTES if name.startswith("sgx_")]


@dataclass(frozen=True, slots=True)
class Case:
    """A quote, a collateral set, a time inside its window, and dcap-qvl's answer."""

    quote: str
    collateral: str
    now: int
    answer: str  # a status, or "error: ..."


def raw(name: str) -> bytes:
    return (ROOT / f"{name}.bin").read_bytes()


def facts(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((ROOT / f"{name}.json").read_text())
    return read


def collateral(name: str) -> str:
    return (ROOT / "collateral" / f"{name}.json").read_text()


def about(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((ROOT / "collateral" / f"{name}.meta.json").read_text())
    return read


def cases() -> list[Case]:
    """Return every quote with every collateral set that dcap-qvl judged it by."""
    return [
        Case(
            name,
            result["collateral"],
            result["now"],
            result["verify"].get("status") or f"error: {result['verify']['error']}",
        )
        for name in QUOTES
        for result in facts(name)["dcap_qvl_python"]["results"]
    ]
