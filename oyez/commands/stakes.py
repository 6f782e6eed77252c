"""`oyez stake deposit` puts the proposer's money at risk; `oyez stake status` looks at it."""

from __future__ import annotations

from typing import Any

import click

from oyez.answers import Stake
from oyez.commands import arguments, output
from oyez.commands.settings import Settings, build_client, pass_settings
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Address


@click.group()
def stake() -> None:
    """Deposit a stake or look at it."""


@stake.command()
@click.option("--amount", type=click.IntRange(min=1), metavar="WEI", help="[default: the stake]")
@arguments.confirmations_option
@pass_settings
def deposit(settings: Settings, *, amount: int | None, confirmations: int | None) -> None:
    """Deposit the key's stake, so that it may propose."""
    client = build_client(settings, signing=True, journal=True, report=output.Notes())
    found = client.deposit_stake(amount, confirmations=confirmations)
    lines = [f"{output.format_hex(found.owner)} has a stake of {output.format_ether(found.amount)}"]
    output.emit(_build(found), lines, as_json=settings.json)


@stake.command()
@click.argument("address", required=False)
@pass_settings
def status(settings: Settings, *, address: str | None) -> None:
    """Show the stake of ADDRESS, or of the key. Exit code 1: there is none."""
    client = build_client(settings, signing=address is None)
    found = client.fetch_stake(parse_address(address) if address is not None else None)
    word = "slashed" if found.slashed else "deposited" if found.amount else "none"
    lines = [f"{output.format_hex(found.owner)}: {word}, {output.format_ether(found.amount)}"]
    lines.append(f"required {output.format_ether(found.required)}, proposals {found.proposals}")
    output.emit(_build(found), lines, as_json=settings.json)
    if not found.amount or found.slashed:
        click.get_current_context().exit(output.Exit.NEGATIVE)


def parse_address(text: str) -> Address:
    """Return an account's 20 bytes.

    Rule: CLI-10

    Raises:
        Invalid: it is no address, or its mixed-case checksum is wrong.
    """
    from eth_utils import address

    mixed = text.removeprefix("0x") not in (text[2:].lower(), text[2:].upper())
    if not address.is_address(text) or (mixed and not address.is_checksum_address(text)):
        raise Invalid("CLI-10", f"{text!r} is no address: give 0x and 40 hex digits")
    return Address(bytes(address.to_canonical_address(text)))


def _build(found: Stake) -> dict[str, Any]:
    return {
        "address": output.format_hex(found.owner),
        "amount": found.amount,
        "required": found.required,
        "proposals": found.proposals,
        "slashed": found.slashed,
    }
