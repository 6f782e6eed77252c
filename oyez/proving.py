"""Builds proofs under final roots, out of state that was rebuilt from posted batch data."""

from __future__ import annotations

from oyez import proof as proofs
from oyez.cell_state import find_field
from oyez.protocol import codec, receipts
from oyez.protocol.errors import Invalid
from oyez.protocol.state import State
from oyez.protocol.types import BatchNumber, CallId, Hash32
from oyez.reader import Reader


def prove_field(
    reader: Reader, action_id: Hash32, k: bytes, name: str, *, batch: int | None = None
) -> proofs.FieldDocument | proofs.AbsenceDocument:
    """Return the proof of a field under a final root (the last by default).

    Raises:
        Invalid: READER-6, the batch is not final, or the action has no such field.

    Rule: READER-6
    """
    number, state = _rebuild_final(reader, batch)
    key = codec.compute_cell_key_of(action_id, k)
    cell = state.get(key)
    if cell is None:
        find_field(reader.fetch_manifest(reader.fetch_current_manifest(action_id)), name)
        absence = state.build_absence_proof(key)
        return proofs.AbsenceDocument(number, state.root, action_id, k, absence)
    found = reader.fetch_manifest(cell.manifest_hash)
    index = find_field(found, name)
    return proofs.FieldDocument(
        batch=number,
        state_root=state.root,
        action_id=action_id,
        k=k,
        index=index,
        field=found.fields[index],
        value=cell.values[index],
        proof=state.build_field_proof(key, found.fields, index),
    )


def prove_absent(
    reader: Reader, action_id: Hash32, k: bytes, *, batch: int | None = None
) -> proofs.AbsenceDocument:
    """Return the proof that a cell is absent under a final root (the last by default).

    Raises:
        Invalid: the batch is not final, or READER-11, the cell exists there.

    Rule: READER-11
    """
    number, state = _rebuild_final(reader, batch)
    key = codec.compute_cell_key_of(action_id, k)
    cell = state.get(key)
    if cell is not None:
        raise Invalid(
            "READER-11",
            f"the cell exists after batch {number}, {cell.version} calls were accepted on it: "
            "prove one of its fields, or choose an earlier batch",
        )
    absence = state.build_absence_proof(key)
    return proofs.AbsenceDocument(number, state.root, action_id, k, absence)


def _rebuild_final(reader: Reader, batch: int | None) -> tuple[BatchNumber, State]:
    """Return a final batch's number, the last one's by default, and the state after it.

    Raises:
        Invalid: READER-6, the batch is not final.
    """
    history = reader.fetch_history()
    path = reader.select(history, level="final")
    number = len(path) if batch is None else batch
    if not 0 <= number <= len(path):
        raise Invalid(
            "READER-6", f"batch {number} is not final, {len(path)} is the last: choose another"
        )
    rebuilt = reader.rebuild(history, path[:number])
    return BatchNumber(number), rebuilt[-1].state if rebuilt else State.empty()


def prove_receipt(reader: Reader, call_id: CallId) -> proofs.ReceiptDocument:
    """Return the proof of a final call's receipt.

    Raises:
        Invalid: READER-7, the call is not final.

    Rule: READER-7
    """
    history = reader.fetch_history()
    batch = history.find_batch(call_id)
    path = reader.select(history, level="final")
    if batch is None or batch.number > len(path):
        raise Invalid(
            "READER-7", f"call {call_id} is not final: see `oyez status {call_id}`, and wait"
        )
    posted = reader.rebuild(history, path[: batch.number])[-1]
    index = call_id - batch.header.first_call
    leaves = [codec.compute_receipt_leaf(receipt) for receipt in posted.receipts]
    return proofs.ReceiptDocument(
        batch=batch.number,
        receipts_root=posted.assertion.claim.receipts_root,
        receipt=posted.receipts[index],
        siblings=receipts.build_receipt_proof(leaves, index),
    )
