"""Writes the cost table of docs/threat-model.md from the kept measurements; --check compares."""

from __future__ import annotations

import json
from typing import Any

from oyez.chain.deploy import ROOT
from scripts.pages import build_command

PAGE = ROOT / "docs" / "threat-model.md"
BEGIN, END = "<!-- costs -->\n", "<!-- end of costs -->\n"
GWEI = (1, 20, 100)
RIVALS = (1, 100)


def load(name: str) -> dict[str, Any]:
    """Return a kept measurement."""
    found: dict[str, Any] = json.loads((ROOT / "docs/measurements" / f"{name}.json").read_text())
    return found


def build_rows() -> list[tuple[str, int]]:
    """Return who spends what in one dispute: words and gas, by the number of rivals."""
    gas, dispute, moves = load("gas"), load("dispute"), load("duel")["gas_moves"]
    once = gas["propose"] + moves["finalize"] + moves["release"]
    # a liar posts, commits and makes every second move
    liar = gas["propose"] + moves["commit"] + moves["start"] + 3 * moves["advance"]
    liar += moves["inner"] + moves["leaf"]
    rows = []
    for rivals in RIVALS:
        name = "one rival" if rivals == 1 else f"{rivals} rivals"
        rows.append(
            (f"the honest party against {name}", once + rivals * dispute["gas_duel_honest"])
        )
        rows.append((f"{name}, beside the stakes", rivals * liar))
    rows.append(
        (
            "the contract's recomputation of one number, at most",
            max(dispute["gas_resolve"].values()),
        )
    )
    return rows


def build_table() -> str:
    """Return the table: gas, and ether at three prices."""
    prices = " | ".join(f"{price} gwei" for price in GWEI)
    lines = [f"| who, for what | gas | {prices} |", "|---|---|" + "---|" * len(GWEI)]
    for name, gas in build_rows():
        ether = " | ".join(f"{gas * price / 10**9:.4f} ETH" for price in GWEI)
        lines.append(f"| {name} | {gas:,} | {ether} |")
    return "\n".join(lines) + "\n"


def build_page(page: str) -> str:
    """Return the page with the table of today's measurements."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + build_table() + END + after


main = build_command(PAGE, lambda: build_page(PAGE.read_text(encoding="utf-8")), __doc__)

if __name__ == "__main__":
    main()
