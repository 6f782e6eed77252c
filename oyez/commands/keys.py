"""`oyez key new` makes an encrypted key file; `oyez key show` prints its address, never the key."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import click

from oyez.commands import output
from oyez.commands.settings import Settings, get_home, load_key, pass_settings
from oyez.protocol.errors import Fatal


@click.group()
def key() -> None:
    """Make an encrypted key file."""


@key.command()
@click.option("--out", type=click.Path(path_type=Path), help="[default: $OYEZ_HOME/key.json]")
@pass_settings
def new(settings: Settings, *, out: Path | None) -> None:
    """Make a key and write it encrypted.

    The password comes from OYEZ_KEYSTORE_PASSWORD, else from a prompt.
    """
    from oyez.chain import keys

    path = out or settings.keystore or get_home() / "key.json"
    password = os.environ.get(keys.PASSWORD_VARIABLE)
    if password is None and not sys.stdin.isatty():
        raise Fatal(f"a new key needs a password: set {keys.PASSWORD_VARIABLE}, or use a terminal")
    if password is None:
        password = str(
            click.prompt("new password", hide_input=True, confirmation_prompt=True, err=True)
        )
    made = keys.write_keystore(path, secrets.token_bytes(32), password)
    address = output.format_hex(made.address)
    output.emit(
        {"address": address, "keystore": str(path)},
        [f"{address}", f"encrypted key in {path}"],
        as_json=settings.json,
    )


@key.command()
@pass_settings
def show(settings: Settings) -> None:
    """Print the address of the key that commands would sign with."""
    address = output.format_hex(load_key(settings).address)
    output.emit({"address": address}, [address], as_json=settings.json)
