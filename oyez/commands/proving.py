"""`oyez prove` prints a proof: of a field, of a cell's absence, or of a call's receipt."""

from __future__ import annotations

import click

from oyez import proof
from oyez.commands import arguments, output
from oyez.commands.settings import Settings, build_client, has_key, pass_settings
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Hash32


@click.command()
@click.argument("subject", metavar="ACTION_ID|CALL_ID")
@click.argument("field", required=False)
@click.option("--cell", type=arguments.CELL, default="", help="Name, or address, of the cell.")
@click.option("--batch", type=click.IntRange(min=0), help="A final batch  [default: the last]")
@click.option("--absent", is_flag=True, help="Prove that the cell does not exist.")
@click.option("--check", is_flag=True, help="Ask the Rollup's view; exit code 1 if it says no.")
@pass_settings
def prove(
    settings: Settings,
    *,
    subject: str,
    field: str | None,
    cell: str,
    batch: int | None,
    absent: bool,
    check: bool,
) -> None:
    """Print the proof of FIELD of an action's cell, or of a call's receipt.

    The proof of a field is what the Rollup's verify_field takes, of a receipt what verify_receipt
    takes. A cell that was never written has no field to prove: then the proof is of its absence,
    for verify_absent, and the exit code is 1. With --absent and no FIELD that is what is asked for:
    the proof is checked on chain before it is printed, and a cell that exists is an error.
    """
    client = build_client(settings, signing=has_key())
    document: proof.Document
    if absent:
        if field is not None:
            raise Invalid("CLI-6", "--absent is about a whole cell: leave FIELD out")
        document = client.prove_absent(_decode_action(subject), cell=cell, batch=batch)
    elif field is None:
        call_id = arguments.decode_call_id(subject)
        if call_id is None or cell or batch is not None:
            raise Invalid(
                "CLI-6",
                "give ACTION_ID FIELD or ACTION_ID --absent (--cell, --batch), or a CALL_ID",
            )
        document = client.prove_receipt(call_id)
    else:
        document = client.prove_field(_decode_action(subject), field, cell=cell, batch=batch)
    result = document.build_json()
    is_negative = isinstance(document, proof.AbsenceDocument) and not absent
    if is_negative:
        click.echo("oyez: the cell was never written: this proves its absence", err=True)
    if check:
        holds = client.check(document)
        click.echo(f"oyez: {document.view} says {'yes' if holds else 'no'}", err=True)
        is_negative = is_negative or not holds
    # the proof is the answer in both forms, so that it can be piped
    output.emit(result, [output.format_json(result)], as_json=settings.json)
    if is_negative:
        click.get_current_context().exit(output.Exit.NEGATIVE)


def _decode_action(text: str) -> Hash32:
    found = arguments.decode_hex(text)
    if found is None or len(found) != 32:
        raise Invalid("CLI-6", f"{text!r} is no action id: give 0x and 64 hex digits")
    return Hash32(found)
