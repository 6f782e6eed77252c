"""`oyez analyze` measures an action's choice on labelled inputs; needs no chain."""

from __future__ import annotations

from pathlib import Path

import click

from oyez.commands import actions, arguments, output
from oyez.commands.settings import Settings, pass_settings


@click.command()
@click.argument("file", type=actions.FILE)
@click.option(
    "--inputs",
    type=actions.FILE,
    required=True,
    help="JSON lines with `input` and `label`.",
)
@click.option(
    "--predictions", type=actions.FILE, help="Write one JSON line an input here: its scores."
)
@pass_settings
def analyze(settings: Settings, *, file: Path, inputs: Path, predictions: Path | None) -> None:
    """Run labelled inputs through an action's prompt and say how often it agrees.

    Prints n, the accuracy with its 95 % Wilson interval, the accuracy of always giving the
    commonest label, and each option's recall.
    """
    from oyez.author import analyze as analysis
    from oyez.engines import exact

    rows = analysis.parse_labelled(actions.read_text(inputs))
    compiled = actions.compile_file(file, settings)
    actions.warn(compiled.warnings)
    if compiled.manifest.temperature:
        click.echo("oyez: judged at temperature 0: the model's best answer to each input", err=True)
    engine = exact.load_engine(settings.model)
    progress = output.Progress()
    found = analysis.analyze(
        compiled.manifest,
        rows,
        engine=engine,
        allowed=engine.allowed,
        progress=lambda done, total: progress.show(f"{done} of {total} inputs"),
    )
    progress.clear()
    if predictions is not None:
        text = "".join(f"{line}\n" for line in found.iterate_lines())
        arguments.write_file(predictions, text.encode())
    low, high = found.interval
    lines = [
        f"{found.field} on {found.n} inputs: accuracy {found.accuracy:.3f} "
        f"(95 % interval {low:.3f} to {high:.3f})",
        f"always the commonest label: {found.majority:.3f}",
    ]
    for option, recall in found.recall.items():
        lines.append(f"recall of {option}: {'none' if recall is None else f'{recall:.3f}'}")
    output.emit(found.to_summary(), lines, as_json=settings.json)
