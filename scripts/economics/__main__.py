"""Print what an hour of each attack on the inbox costs and what it reaches."""

from __future__ import annotations

import argparse
import json
from typing import Any

from scripts.economics.attacks import Result, run_all

GAS_PRICES = (1.0, 20.0, 100.0)
WEI_PER_ETHER = 10**18


def describe(result: Result, prices: tuple[float, ...]) -> dict[str, Any]:  # Any: JSON
    """Return a result as JSON: ETH an hour by gas price in gwei."""
    return {
        "attacker": result.attacker,
        "goal": result.goal,
        "reached": result.reached,
        "measure": result.measure,
        "gas": result.gas,
        "fees_lost_eth": result.lost / WEI_PER_ETHER,
        "burned_eth": result.burned / WEI_PER_ETHER,
        "cost_eth": {f"{p:g}": result.cost(p) / WEI_PER_ETHER for p in prices},
        "proposer_eth": {f"{p:g}": result.profit(p) / WEI_PER_ETHER for p in prices},
    }


def format_table(results: list[Result], prices: tuple[float, ...]) -> str:
    """Return the table that people read."""
    rows = [
        (
            "attacker",
            "goal",
            "reached",
            *(f"ETH/h at {p:g}" for p in prices),
            *(f"proposer at {p:g}" for p in prices),
            "measured",
        )
    ]
    for result in results:
        rows.append(
            (
                result.attacker,
                result.goal,
                result.reached,
                *(f"{result.cost(p) / WEI_PER_ETHER:.3f}" for p in prices),
                *(f"{result.profit(p) / WEI_PER_ETHER:+.3f}" for p in prices),
                result.measure,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def main() -> None:
    """Run every attacker and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--gas-price", type=float, action="append", metavar="GWEI", help="instead of 1, 20, 100"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the other callers' calls")
    options = parser.parse_args()
    prices = tuple(options.gas_price or GAS_PRICES)
    results = run_all(options.seed)
    if options.json:
        print(json.dumps([describe(result, prices) for result in results], indent=1))
    else:
        print(format_table(results, prices))


if __name__ == "__main__":
    main()
