"""`oyez bench`: what contracts, duels and disputes cost in gas, the engine against llama.cpp."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import asdict

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


@bench.command()
@pass_settings
def duel(settings: Settings) -> None:
    """Measure every move of a duel against its budget; exit code 1 if one is exceeded.

    Whole transactions from their receipts, over full heights, on a fresh local chain. The machine
    is a toy: `resolve` is dearer by what a step of the real one costs.
    """
    from oyez.chain.devnet import Devnet
    from oyez.gas import duels

    with Devnet() as devnet:
        measured = duels.measure(devnet)
    over = measured.find_over()
    totals = {name: value for name, value in asdict(measured).items() if name != "gas_moves"}
    lines = [f"{'':34}{'measured':>10}{'budget':>10}"]
    for name, value in (measured.gas_moves | totals).items():
        budget = duels.BUDGETS.get(name)
        limit = "" if budget is None else f"{budget:,}"
        lines.append(f"{name:34}{value:>10,}{limit:>10}{_mark(name, over)}")
    output.emit(asdict(measured), lines, as_json=settings.json)
    if over:
        click.get_current_context().exit(output.Exit.NEGATIVE)


@bench.command()
@pass_settings
def dispute(settings: Settings) -> None:
    """Break every kind of number once and prove it on a local chain; exit code 1 if one stands.

    The real model and its step verifiers, one long call, full tree heights: for each kind somebody
    defends the true result with one such number false until the contract recomputes it. Then the
    same for a random model of a billion weights, of which only what a duel touches is computed
    (2 GB of memory). Some minutes. No deployment and no key is needed.
    """
    from oyez.gas import disputes

    progress = output.Progress()
    measured = disputes.measure(progress.show)
    progress.clear()
    over = measured.find_over()
    wide = measured.wide
    lines = [f"{'resolve':34}{'gas':>10}{'1B shape':>10}{'budget':>10}"]
    for kind, gas in wide.gas_resolve.items():
        own = measured.gas_resolve.get(kind)
        mark = "  exceeded" if kind in over or f"wide {kind}" in over else ""
        shown = "-" if own is None else f"{own:,}"
        lines.append(f"{kind:34}{shown:>10}{gas:>10,}{disputes.BUDGETS['gas_resolve']:>10,}{mark}")
    for name in ("moves_max", "gas_move_max", "gas_duel_honest", "openings_max"):
        budget = disputes.BUDGETS.get(name)
        limit = "" if budget is None else f"{budget:,}"
        mark = "  exceeded" if name in over or f"wide {name}" in over else ""
        both = f"{getattr(measured, name):>10,}{getattr(wide, name):>10,}"
        lines.append(f"{name:34}{both}{limit:>10}{mark}")
    ratios = f"{measured.detect_ratio:>10,}{f'<= {wide.detect_ratio_at_most}':>10}"
    limit = f"{disputes.BUDGETS['detect_ratio']:,}"
    lines.append(f"{'detect_ratio':34}{ratios}{limit:>10}{_mark('detect_ratio', over)}")
    for name, one in (("", measured), (" of 1B shape", wide)):
        proven, wanted = len(one.op_kinds_proven), len(one.op_kinds)
        lines.append(f"{proven} of {wanted} kinds of numbers{name} proven on chain")
    output.emit(asdict(measured), lines, as_json=settings.json)
    if over:
        click.get_current_context().exit(output.Exit.NEGATIVE)


def _mark(name: str, over: Container[str]) -> str:
    return "  exceeded" if name in over else ""


@bench.command()
@click.option("--rows", help="Comma-separated measurements to run  [default: all].")
@pass_settings
def engine(settings: Settings, rows: str | None) -> None:
    """Measure the exact engine against llama.cpp on the same file; exit code 1 if a must is missed.

    Divergence from a float64 reference on eight texts, and ratios of speed, each the median of
    interleaved pairs with two threads on both sides. llama.cpp is built for this machine into the
    cache when it is missing (about 5 minutes; it needs a C++ compiler and cmake), then all rows
    take about 8 minutes. Busy neighbours make ratios worthless: see the load in the result.
    """
    from oyez.measure import bench as measuring
    from oyez.measure import targets
    from oyez.measure.rows import ROWS

    names = list(ROWS) if rows is None else [name.strip() for name in rows.split(",")]
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise click.UsageError(f"no measurement {unknown[0]!r}; there are {', '.join(ROWS)}")
    result = measuring.run_rows(ROWS, names, output.Notes())
    judged = list(targets.judge(result))
    lines = [f"{'':34}{'measured':>11}{'must':>9}{'aim':>9}"]
    for target in judged:
        bounds = f"{target.must:>9.3g}{target.aim:>9.3g}"
        lines.append(f"{target.name:34}{target.value:>11.3g}{bounds}  {target.verdict}")
    load = result["machine"]
    lines.append(f"load of the machine: {load['load_before']} before, {load['load_after']} after")
    output.emit(result, lines, as_json=settings.json)
    if any(target.verdict == "missed" for target in judged):
        click.get_current_context().exit(output.Exit.NEGATIVE)
