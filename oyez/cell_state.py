"""Cells as a reader names and sees them: their word, their fields, their values."""

from __future__ import annotations

from dataclasses import dataclass

from oyez.protocol import codec, schema
from oyez.protocol.errors import Invalid
from oyez.protocol.state import State
from oyez.protocol.types import (
    Address,
    BatchNumber,
    CellKind,
    Hash32,
    Manifest,
    Value,
)
from oyez.reader import Reader


@dataclass(frozen=True, slots=True)
class CellState:
    """A cell's fields at a batch; `version` 0: absent, `values` are the initial ones.

    Attributes:
        siblings: the living assertions of that batch, the one that was read among them; empty at
            genesis.
        disputed_at: the first batch up to this one of which several live.
    """

    action_id: Hash32
    k: bytes
    batch: BatchNumber
    state_root: Hash32
    level: str
    version: int
    manifest_hash: Hash32
    manifest: Manifest
    values: tuple[Value, ...]
    siblings: tuple[Hash32, ...]
    disputed_at: BatchNumber | None


def fetch_cell(reader: Reader, action_id: Hash32, k: bytes, *, level: str = "final") -> CellState:
    """Return a cell's fields at the last final, or the last posted, batch."""
    history = reader.fetch_history()
    path = reader.select(history, level=level)
    rebuilt = reader.rebuild(history, path)
    state = rebuilt[-1].state if rebuilt else State.empty()
    cell = state.get(codec.compute_cell_key_of(action_id, k))
    manifest_hash = (
        cell.manifest_hash if cell is not None else reader.fetch_current_manifest(action_id)
    )
    found = reader.fetch_manifest(manifest_hash)
    return CellState(
        action_id=action_id,
        k=k,
        batch=BatchNumber(len(rebuilt)),
        state_root=state.root,
        level=level,
        version=cell.version if cell is not None else 0,
        manifest_hash=manifest_hash,
        manifest=found,
        values=cell.values if cell is not None else schema.initial_values(found.fields),
        siblings=reader.list_siblings(history, path[-1]) if path else (),
        disputed_at=reader.find_dispute(history, path),
    )


def find_field(found: Manifest, name: str) -> int:
    """Return a field's index by name.

    Raises:
        Invalid: READER-8; the text lists the names there are.

    Rule: READER-8
    """
    names = [field.name.decode() for field in found.fields]
    if name not in names:
        raise Invalid("READER-8", f"the action has no field {name!r}: it has {', '.join(names)}")
    return names.index(name)


def compute_k(kind: CellKind, cell: str, own: Address | None) -> bytes:
    """Return the word that names a cell of an action with this kind of cells.

    `cell` is a name or an address as given, empty where none was; `own` is the key's account, the
    default where every caller has a cell.

    Raises:
        Invalid: READER-9; the text says what the kind needs.

    Rule: READER-9
    """
    if kind is CellKind.SHARED:
        if cell:
            raise Invalid("READER-9", "this action has one shared cell: leave --cell out")
        return codec.compute_cell_k(kind, Address(bytes(20)), b"")
    if kind is CellKind.NAMED:
        if not cell:
            raise Invalid("READER-9", "this action has named cells: give --cell NAME")
        try:
            name = cell.encode()
        except UnicodeEncodeError as error:
            raise Invalid("READER-9", f"{cell!r} is no cell's name: it is not UTF-8") from error
        return codec.compute_cell_k(kind, Address(bytes(20)), name)
    caller = own if not cell else _decode_address(cell)
    if caller is None:
        raise Invalid("READER-9", "this action has a cell per caller: give --cell ADDRESS")
    return codec.compute_cell_k(kind, caller, b"")


def _decode_address(text: str) -> Address | None:
    digits = text.removeprefix("0x")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        return None
    return Address(data) if len(data) == 20 else None
