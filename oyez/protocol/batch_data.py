"""Batch data: one row a call, posted beside a claim, so that readers follow without a model.

Rows are not part of the claim. A reader computes from them, and from the inbox's entries and the
manifests, every root of the claim, and accepts them only if all are equal.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oyez.protocol import cells, receipts, trace
from oyez.protocol.constants import MAX_BATCH_ENTRIES, MAX_OUTPUT_BYTES
from oyez.protocol.errors import Invalid
from oyez.protocol.state import State
from oyez.protocol.types import Claim, Code, Entry, Hash32, Manifest, Outcome, Receipt

_HEAD = struct.Struct(">BBIHH")
_ROOT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Row:
    """How one call ended, as posted.

    Attributes:
        call_root: trace root of the call, so that anyone sees which call differs.
    """

    outcome: Outcome
    code: Code
    detail: int
    positions: int
    output: bytes
    call_root: Hash32


@dataclass(frozen=True, slots=True)
class Applied:
    """What rows make of a state."""

    state: State
    receipts: tuple[Receipt, ...]
    receipts_root: Hash32


def encode_rows(rows: Sequence[Row]) -> bytes:
    """Return batch data: a row a call, in call order, big-endian.

    Bytes of a row: outcome 1, code 1, detail 4, positions 2, output length 2, output, call
    root 32.

    Rule: BATCH-6
    """
    return b"".join(
        _HEAD.pack(row.outcome, row.code, row.detail, row.positions, len(row.output))
        + row.output
        + row.call_root
        for row in rows
    )


def decode_rows(data: bytes) -> list[Row]:
    """Return the rows of batch data.

    Raises:
        Invalid: BATCH-7; nothing else, whatever the bytes.

    Rule: BATCH-7
    """
    rows: list[Row] = []
    at = 0
    while at < len(data):
        if len(rows) == MAX_BATCH_ENTRIES:
            raise Invalid("BATCH-7", f"batch data has more than {MAX_BATCH_ENTRIES} rows")
        if at + _HEAD.size > len(data):
            raise Invalid("BATCH-7", f"row {len(rows)} ends inside its head")
        outcome, code, detail, positions, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        end = at + length + _ROOT_BYTES
        if length > MAX_OUTPUT_BYTES or end > len(data):
            raise Invalid("BATCH-7", f"row {len(rows)} has an output of {length} bytes")
        if outcome not in (Outcome.ACCEPTED, Outcome.REJECTED) or code not in set(Code):
            raise Invalid("BATCH-7", f"row {len(rows)} has outcome {outcome} and code {code}")
        if (outcome == Outcome.ACCEPTED) != (code == Code.NONE):
            raise Invalid("BATCH-7", f"row {len(rows)}: a code and a rejection go together")
        rows.append(
            Row(
                outcome=Outcome(outcome),
                code=Code(code),
                detail=detail,
                positions=positions,
                output=data[at : at + length],
                call_root=Hash32(data[at + length : end]),
            )
        )
        at = end
    return rows


def apply_rows(
    *,
    state: State,
    entries: Sequence[Entry],
    rows: Sequence[Row],
    manifests: Mapping[Hash32, Manifest],
) -> Applied:
    """Return the state and the receipts that rows make, computed fields recomputed.

    Believe them only after `verify_rows`.

    Args:
        state: before the batch.
        entries: the batch's, in order.
        rows: as decoded.
        manifests: by hash: of every entry, and of every cell met.

    Raises:
        Invalid: BATCH-8, there is not one row for each entry, or an accepted row's output does
            not make an accepted call.

    Rule: BATCH-8
    """
    if len(rows) != len(entries):
        raise Invalid("BATCH-8", f"{len(rows)} rows for {len(entries)} entries")
    built = []
    for entry, row in zip(entries, rows, strict=True):
        manifest = manifests[entry.manifest_hash]
        key = cells.compute_key(entry, manifest)
        if row.outcome is Outcome.ACCEPTED:
            cell = state.get(key)
            previous = manifests[cell.manifest_hash] if cell is not None else None
            after, code, detail = cells.apply_output(
                manifest=manifest,
                entry=entry,
                cell=cell,
                values=cells.compute_values(manifest, cell, previous),
                output=row.output,
            )
            if after is None or code is not Code.NONE:
                raise Invalid(
                    "BATCH-8",
                    f"call {entry.call_id} is posted as accepted but ends {code.name} {detail}",
                )
            state = state.with_cell(key, after, manifest.fields)
        built.append(
            receipts.build_receipt(
                entry=entry,
                outcome=row.outcome,
                code=row.code,
                detail=row.detail,
                output=row.output,
                positions=row.positions,
                cell_key=key,
                cell_leaf=state.get_leaf(key),
            )
        )
    return Applied(state, tuple(built), receipts.compute_receipts_root(built))


def verify_rows(applied: Applied, rows: Sequence[Row], claim: Claim) -> None:
    """Check that rows make exactly the claim's roots, the trace root included.

    Raises:
        Invalid: BATCH-9, naming the first root that differs.

    Rule: BATCH-9
    """
    if applied.state.root != claim.state_root:
        raise Invalid("BATCH-9", "the rows do not make the claim's state root")
    if applied.receipts_root != claim.receipts_root:
        raise Invalid("BATCH-9", "the rows do not make the claim's receipts root")
    last = trace.build_last_record(claim.state_root, claim.outbox_root, claim.receipts_root)
    if trace.compute_trace_root([row.call_root for row in rows], last) != claim.trace_root:
        raise Invalid("BATCH-9", "the rows' call roots do not make the claim's trace root")
