"""`oyez state` reads an action's cell: final, posted, or what the sequencer has not posted yet."""

from __future__ import annotations

import json
from typing import Any

import click

from oyez import proof
from oyez.cell_state import CellState
from oyez.commands import arguments, disputes, output
from oyez.commands.settings import Settings, build_client, has_key, pass_settings
from oyez.protocol.types import Hash32


@click.command()
@click.argument("action_id", type=arguments.HASH)
@click.option("--cell", type=arguments.CELL, default="", help="Name, or address, of the cell.")
@click.option("--posted", "level", flag_value="posted", help="Read posted state, not yet final.")
@click.option("--unposted", "level", flag_value="unposted", help="Ask the sequencer's service.")
@pass_settings
def state(settings: Settings, *, action_id: Hash32, cell: str, level: str | None) -> None:
    """Read the fields of an action's cell, by default at the last final batch.

    Final and posted state is rebuilt from the batch data on chain and checked against the roots;
    unposted state is the sequencer's word.
    """
    client = build_client(settings, signing=has_key())
    if level == "unposted":
        found = client.unposted_state(action_id, cell)
        lines = [f"{name}: {json.dumps(value)}" for name, value in found["state"].items()]
        output.emit(found, [*lines, "the sequencer's word, not posted yet"], as_json=settings.json)
        return
    read = client.state(action_id, cell, level=level or "final")
    output.emit(build_state(read), describe(read), as_json=settings.json)


def build_state(found: CellState) -> dict[str, Any]:
    """Return a cell as JSON."""
    return {
        "action_id": output.format_hex(found.action_id),
        "cell": output.format_hex(found.k),
        "level": found.level,
        "batch": found.batch,
        "state_root": output.format_hex(found.state_root),
        "version": found.version,
        "manifest_hash": output.format_hex(found.manifest_hash),
        **disputes.build_dispute(found.siblings, found.disputed_at),
        "state": build_fields(found),
    }


def build_fields(found: CellState) -> dict[str, Any]:
    """Return a cell's fields by name, in manifest order."""
    return {
        field.name.decode(): proof.build_value(field, value)
        for field, value in zip(found.manifest.fields, found.values, strict=True)
    }


def describe(found: CellState) -> list[str]:
    """Return a cell as lines of text."""
    fields = [f"{n}: {json.dumps(v, ensure_ascii=False)}" for n, v in build_fields(found).items()]
    written = f"version {found.version}" if found.version else "never written: initial values"
    disputed = disputes.describe_dispute(found.siblings, found.disputed_at)
    return [*fields, f"{found.level} at batch {found.batch}, {written}", *disputed]
