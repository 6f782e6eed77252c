"""`oyez bench gas` measures what the contracts cost, on a local chain that it starts and stops."""

from __future__ import annotations

import click

from oyez.commands import output
from oyez.commands.settings import Settings, pass_settings


@click.group()
def bench() -> None:
    """Measure what this installation costs."""


@bench.command()
@pass_settings
def gas(settings: Settings) -> None:
    """Measure gas and code sizes against their budgets; exit code 1 if one is exceeded.

    Whole transactions from their receipts, on a fresh local chain with accounts that have done
    nothing; verify_field as a call from a contract. No deployment and no key is needed.
    """
    from oyez.chain.devnet import Devnet
    from oyez.gas import budgets

    with Devnet() as devnet:
        measured = budgets.measure(devnet)
    over = measured.find_over()
    lines = [f"{'':34}{'measured':>10}{'budget':>10}"]
    for name, value in measured.main.items():
        lines.append(f"{name:34}{value:>10,}{budgets.BUDGETS[name]:>10,}{_mark(name, over)}")
    for name, detail in measured.detail.items():
        budget = budgets.DETAIL_BUDGETS.get(name)
        limit = f"{budget:>10,}" if budget is not None else ""
        text = f"{detail:,}" if isinstance(detail, int) else detail
        lines.append(f"  {name:32}{text:>10}{limit}{_mark(name, over)}")
    output.emit({**measured.main, "detail": measured.detail}, lines, as_json=settings.json)
    if over:
        click.get_current_context().exit(output.Exit.NEGATIVE)


def _mark(name: str, over: dict[str, int]) -> str:
    return "  exceeded" if name in over else ""
