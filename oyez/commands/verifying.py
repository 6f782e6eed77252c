"""`oyez verify` re-executes calls from the inbox's events and compares with what is final."""

from __future__ import annotations

from pathlib import Path

import click

from oyez.commands import arguments, output
from oyez.commands.settings import Settings, build_client, pass_settings
from oyez.comparison import Difference
from oyez.full_verification import FullVerdict
from oyez.protocol.errors import Invalid
from oyez.protocol.types import CallId
from oyez.verification import Verdict


@click.command()
@click.argument("call_id", type=arguments.CALL_ID, required=False)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    help="Canonical bytes to put in place of the published ones, to see it fail.",
)
@click.option("--full", is_flag=True, help="Re-execute every batch and compare all four roots.")
@click.option("--batch", type=click.IntRange(min=0), help="With --full: up to this final batch.")
@pass_settings
def verify(
    settings: Settings,
    *,
    call_id: CallId | None,
    manifest: Path | None,
    full: bool,
    batch: int | None,
) -> None:
    """Re-execute a final call and all earlier ones of its cell, and compare.

    Works from the chain alone, without the sequencer and without a home. Exit code 1: no match.
    """
    if full and manifest is not None:
        raise Invalid("CLI-6", "--manifest goes with one call: leave --full out")
    if not full and (call_id is None or batch is not None):
        raise Invalid("CLI-6", "give a CALL_ID, or --full with --batch N")
    progress = output.Progress()
    client = build_client(settings, report=progress.show)
    verdict: Verdict | FullVerdict
    if full:
        verdict = client.verify_full(batch=batch, call_id=call_id)
        subject = f"batches 1 to {verdict.batch}"
    else:
        assert call_id is not None
        data = arguments.read_file(manifest) if manifest is not None else None
        verdict = client.verify(call_id, data)
        subject = f"call {call_id}"
    progress.clear()
    lines = [f"{'MATCH' if verdict.match else 'NO MATCH'}: {subject}"]
    lines.append(f"{verdict.calls_replayed} calls replayed, {verdict.tokens_run} tokens run")
    if verdict.first_difference is not None:
        lines.append(describe(verdict.first_difference))
    output.emit(verdict.build_json(), lines, as_json=settings.json)
    if not verdict.match:
        click.get_current_context().exit(output.Exit.NEGATIVE)


def describe(found: Difference) -> str:
    """Return the first difference as a line of text."""
    return f"first difference: {found.what} {found.index}, ours {found.ours}, posted {found.posted}"
