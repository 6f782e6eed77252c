"""What a call does to its cell, given its output: no model, so readers can do the same."""

from __future__ import annotations

from oyez.protocol import codec, expressions, schema
from oyez.protocol.types import Cell, Code, Entry, Hash32, Manifest, Value


def compute_key(entry: Entry, manifest: Manifest) -> Hash32:
    """Return the key of the cell that an entry meets."""
    return codec.compute_cell_key(entry.action_id, manifest.cell_kind, entry.caller, entry.cell)


def compute_values(
    manifest: Manifest, cell: Cell | None, previous: Manifest | None
) -> tuple[Value, ...]:
    """Return the values a call meets: initial ones if absent, migrated ones after an upgrade.

    Nothing is stored by this: a rejected call migrates no cell.

    Args:
        manifest: the one the entry names.
        cell: as stored; None when absent.
        previous: the manifest the cell was stored under, if that is another one.

    Raises:
        ValueError: the cell was stored under another manifest than `previous`.

    Rule: TRANSITION-3
    """
    if cell is None:
        return schema.initial_values(manifest.fields)
    if cell.manifest_hash == manifest.hash:
        return cell.values
    if previous is None or previous.hash != cell.manifest_hash:
        raise ValueError(f"the cell's manifest is 0x{cell.manifest_hash.hex()}: pass that one")
    return schema.migrate_values(previous, cell.values, manifest)


def apply_output(
    *,
    manifest: Manifest,
    entry: Entry,
    cell: Cell | None,
    values: tuple[Value, ...],
    output: bytes,
) -> tuple[Cell | None, Code, int]:
    """Return the cell after a whole output, and the code and detail of a rejection.

    An accepted call adds one to the version and binds the entry's manifest. A rejected one
    leaves the cell as it was.

    Args:
        manifest: the one the entry names.
        entry: for the caller, the value and the time.
        cell: as stored; None when absent.
        values: what `compute_values` said.
        output: the whole output JSON.

    Raises:
        Invalid: SCHEMA-5, the output is not one of this manifest.

    Rule: TRANSITION-4
    """
    merged = expressions.merge_values(
        manifest,
        values,
        schema.parse_output(manifest.fields, output),
        caller=int.from_bytes(entry.caller, "big"),
        value=entry.value,
        time=entry.timestamp,
    )
    if merged.code is not Code.NONE:
        return cell, merged.code, merged.detail
    version = cell.version + 1 if cell is not None else 1
    return Cell(entry.manifest_hash, version, merged.values), Code.NONE, 0
