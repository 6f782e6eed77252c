"""`oyez call` sends a call and may wait for it; `oyez status` says what became of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oyez.commands import arguments, disputes, output
from oyez.commands.settings import Settings, build_client, pass_settings
from oyez.protocol.types import CallId, Hash32, Outcome

if TYPE_CHECKING:
    from oyez.status import CallStatus

WAITS = ("executed", "posted", "final")


@click.command()
@click.argument("action_id", type=arguments.HASH)
@click.argument("text", required=False)
@click.option("--input-file", type=click.Path(path_type=Path), help="Read the input's bytes here.")
@click.option("--input-hex", metavar="HEX", help="The input's bytes as hex.")
@click.option(
    "--cell",
    type=arguments.CELL,
    default="",
    help="Name of the cell, for an action with named cells.",
)
@click.option("--fee", type=click.IntRange(min=0), metavar="WEI", help="Send this, not the quote.")
@click.option("--force", is_flag=True, help="Send an input that will be rejected.")
@click.option(
    "--wait",
    type=click.Choice(WAITS),
    is_flag=False,
    flag_value="executed",
    help="Wait until the call is executed, posted or final  [alone: executed].",
)
@click.option("--timeout", type=click.FloatRange(min=0), help="Stop waiting after these seconds.")
@arguments.confirmations_option
@click.option(
    "--again",
    is_flag=True,
    help="Send another call even though a command that sent this one broke.",
)
@pass_settings
def call(
    settings: Settings,
    *,
    action_id: Hash32,
    text: str | None,
    input_file: Path | None,
    input_hex: str | None,
    cell: str,
    fee: int | None,
    force: bool,
    wait: str | None,
    timeout: float | None,
    confirmations: int | None,
    again: bool,
) -> None:
    """Send TEXT to an action and print the call's id.

    The fee is the inbox's quote; what is sent beyond the fee is credited to the caller. The signed
    transaction is kept in the home: a re-org that removes it has it sent again, and this command,
    repeated after it was cut off, goes on with it and pays nothing more.
    """
    data = arguments.build_input(text, input_file, input_hex)
    client = build_client(settings, signing=True, journal=True, report=output.Notes())
    action = client.fetch_action(action_id)
    warning = arguments.check_input(
        data, client.find_bad_byte(action, data), action.manifest.max_input, force=force
    )
    if warning is not None:
        click.echo(f"oyez: {warning}", err=True)
    queued = client.call(
        action_id, data, cell=cell.encode(), fee=fee, confirmations=confirmations, again=again
    )
    result: dict[str, Any] = {
        "call_id": queued.call_id,
        "batch": queued.batch,
        "action_id": output.format_hex(action_id),
        "fee": queued.fee,
        "paid": queued.paid,
        "transaction": output.format_hex(queued.transaction),
        "moved_from": None,
    }
    lines = [f"call {queued.call_id} queued in batch {queued.batch}"]
    lines.append(f"fee {output.format_ether(queued.fee)}")
    if queued.paid > queued.fee:
        lines[-1] += f", {output.format_ether(queued.paid - queued.fee)} credited"
    if wait is not None:
        # known before waiting: whoever interrupts the wait has not lost the call
        click.echo(f"oyez: call {queued.call_id} is queued, waiting", err=True)
        progress = output.Progress()
        found = client.wait(
            queued.transaction,
            until=wait,
            timeout=timeout,
            report=lambda now: progress.show(f"call {now.call_id}: {describe_stage(now)}"),
        )
        progress.clear()
        result |= build_status(found, queued.call_id)
        lines += describe(found, queued.call_id)
    output.emit(result, lines, as_json=settings.json)
    # told only now: cut off before, the same command goes on with the same transaction
    client.acknowledge(queued.record)


@click.command()
@click.argument("subject", metavar="CALL_ID|TRANSACTION", type=arguments.CALL_OR_TRANSACTION)
@pass_settings
def status(settings: Settings, *, subject: CallId | Hash32) -> None:
    """Say what became of a call: how final it is, how it ended, what the model wrote.

    A call that was sent from this home is followed through re-orgs: it is found at its new id, and
    sent again if it was lost.
    """
    client = build_client(settings, journal=True, report=output.Notes())
    found = client.status(subject)
    asked = None if isinstance(subject, bytes) else subject
    output.emit(build_status(found, asked), describe(found, asked), as_json=settings.json)


def build_status(found: CallStatus, asked: CallId | None) -> dict[str, Any]:
    """Return a call's status as JSON; `asked` is the id under which it was known."""
    entry = found.entry
    return {
        "call_id": found.call_id,
        "finality": found.finality.name,
        "attested": found.attested,
        "batch": found.batch,
        "action_id": output.format_hex(entry.action_id),
        "caller": output.format_hex(entry.caller),
        "input": decode_text(entry.input),
        "fee": entry.fee,
        "outcome": found.outcome.name,
        "code": found.code.name,
        "detail": found.detail,
        "output": decode_text(found.output),
        "source": found.source,
        **disputes.build_dispute(found.siblings, found.disputed_at),
        "moved_from": asked if asked != found.call_id else None,
    }


def describe_stage(found: CallStatus) -> str:
    """Return where a call stands, in a few words."""
    if found.outcome is Outcome.NONE:
        return f"{found.finality.name}, not executed yet"
    attested = ", ATTESTED" if found.attested else ""
    return f"{found.finality.name}{attested}, {describe_outcome(found)}"


def describe_outcome(found: CallStatus) -> str:
    """Return an outcome as the protocol writes it: ACCEPTED, REJECTED(code)."""
    if found.outcome is Outcome.REJECTED:
        return f"REJECTED({found.code.name}), detail {found.detail}"
    return found.outcome.name


def describe(found: CallStatus, asked: CallId | None) -> list[str]:
    """Return a call's status as lines of text."""
    entry = found.entry
    lines = []
    if asked is not None and asked != found.call_id:
        lines.append(f"call {asked} is call {found.call_id} since the chain was re-organised")
    lines += [
        f"call {found.call_id} of {output.format_hex(entry.caller)}: {describe_stage(found)}",
        f"input  {decode_text(entry.input)!r}",
    ]
    if found.outcome is not Outcome.NONE:
        lines.append(f"output {decode_text(found.output)!r}")
        lines.append(f"source {found.source}, batch {found.batch}")
    return lines + disputes.describe_dispute(found.siblings, found.disputed_at)


def decode_text(data: bytes) -> str:
    """Return bytes as text for people; what is not UTF-8 shows as an escape."""
    return data.decode("utf-8", "backslashreplace")
