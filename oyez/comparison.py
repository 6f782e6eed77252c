"""Where an execution of ours first differs from what was posted; pure.

What         index               ours, posted
model        model index         model roots, or shape hashes
entry        batch               entries roots (or batch hashes)
manifest     call id             manifest hashes
prompt       prompt position     token ids; null past an end
output       byte offset         output texts
field        field index         values; null in an absent cell
receipt      call id             outcomes, or receipt leaves
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from oyez import proof
from oyez.protocol import batch_data, cells, codec, prompt, receipts, state
from oyez.protocol.errors import Invalid
from oyez.protocol.transition import Execution
from oyez.protocol.types import (
    ZERO_HASH,
    Cell,
    Entry,
    Hash32,
    Manifest,
    Outcome,
    Receipt,
)
from oyez.protocol.vocabulary import Vocabulary

FetchManifest = Callable[[Hash32], Manifest]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that differs; the module's table says what each kind holds."""

    what: str
    index: int
    ours: Any  # Any: JSON
    posted: Any  # Any: JSON

    def build_json(self) -> dict[str, Any]:
        """Return the difference as JSON."""
        return {
            "what": self.what,
            "index": self.index,
            "ours": self.ours,
            "posted": self.posted,
        }


@dataclass(frozen=True, slots=True)
class PostedCall:
    """One call of a cell as its row has it, and the cell around it that the rows make."""

    entry: Entry
    row: batch_data.Row
    before: Cell | None
    after: Cell | None


def follow_cell(
    calls: Sequence[tuple[Entry, batch_data.Row]], fetch: FetchManifest
) -> Iterator[PostedCall]:
    """Yield the calls of one cell, in order, with the cell that their rows make.

    Raises:
        Invalid: an accepted row's output does not make an accepted call.
    """
    cell: Cell | None = None
    for entry, row in calls:
        before = cell
        if row.outcome is Outcome.ACCEPTED:
            manifest = fetch(entry.manifest_hash)
            previous = fetch(cell.manifest_hash) if cell is not None else None
            cell, _, _ = cells.apply_output(
                manifest=manifest,
                entry=entry,
                cell=cell,
                values=cells.compute_values(manifest, cell, previous),
                output=row.output,
            )
        yield PostedCall(entry, row, before, cell)


def find_difference(
    ours: Execution, posted: PostedCall, fetch: FetchManifest, vocabulary: Vocabulary
) -> Difference | None:
    """Return the first difference of one call: prompt, output, fields, how it ended.

    Rule: VERIFY-6
    """
    return (
        _compare_prompt(ours, posted, fetch, vocabulary)
        or _compare_output(ours.output, posted.row.output)
        or _compare_fields(ours.cell_after, posted.after, fetch)
        or _compare_end(ours, posted.row)
    )


def _compare_prompt(
    ours: Execution, posted: PostedCall, fetch: FetchManifest, vocabulary: Vocabulary
) -> Difference | None:
    """Compare with the prompt that the published manifest and the posted cell make."""
    if ours.prompt is None:
        return None
    manifest = fetch(posted.entry.manifest_hash)
    previous = fetch(posted.before.manifest_hash) if posted.before is not None else None
    values = cells.compute_values(manifest, posted.before, previous)
    try:
        theirs = prompt.build_prompt(manifest, posted.entry, values, vocabulary)
    except Invalid:
        # no prompt can be made of it either: the calls' ends are compared
        return None
    for index in range(max(len(ours.prompt), len(theirs))):
        left = ours.prompt[index] if index < len(ours.prompt) else None
        right = theirs[index] if index < len(theirs) else None
        if left != right:
            return Difference("prompt", index, left, right)
    return None


def _compare_output(ours: bytes, posted: bytes) -> Difference | None:
    if ours == posted:
        return None
    index = next(
        (i for i, (a, b) in enumerate(zip(ours, posted, strict=False)) if a != b),
        min(len(ours), len(posted)),
    )
    return Difference("output", index, _text(ours), _text(posted))


def _compare_fields(
    ours: Cell | None, posted: Cell | None, fetch: FetchManifest
) -> Difference | None:
    left, right = _list_values(ours, fetch), _list_values(posted, fetch)
    for index in range(max(len(left), len(right))):
        a = left[index] if index < len(left) else None
        b = right[index] if index < len(right) else None
        # by JSON text: to Python 1 equals True, in a list too
        if json.dumps(a) != json.dumps(b):
            return Difference("field", index, a, b)
    return None


def _list_values(cell: Cell | None, fetch: FetchManifest) -> list[Any]:  # Any: JSON
    if cell is None:
        return []
    fields = fetch(cell.manifest_hash).fields
    if len(fields) != len(cell.values):
        # ours ran under substituted bytes with other fields
        return [str(value) for value in cell.values]
    return [
        proof.build_value(field, value) for field, value in zip(fields, cell.values, strict=True)
    ]


def _compare_end(ours: Execution, posted: batch_data.Row) -> Difference | None:
    left = (ours.outcome, ours.code, ours.detail, ours.positions)
    right = (posted.outcome, posted.code, posted.detail, posted.positions)
    if left == right:
        return None
    return Difference("receipt", ours.entry.call_id, _describe_end(left), _describe_end(right))


def _describe_end(end: tuple[Any, Any, int, int]) -> str:
    outcome, code, detail, positions = end
    ended = f"REJECTED({code.name}) {detail}" if outcome is Outcome.REJECTED else outcome.name
    return f"{ended}, {positions} positions"


def build_receipt(execution: Execution, fetch: FetchManifest) -> Receipt:
    """Return the receipt that our execution makes.

    Rule: VERIFY-7
    """
    cell = execution.cell_after
    leaf = ZERO_HASH
    if cell is not None:
        fields_root = state.compute_fields_root(fetch(cell.manifest_hash).fields, cell.values)
        leaf = codec.compute_cell_leaf(
            execution.cell_key, cell.manifest_hash, fields_root, cell.version
        )
    return receipts.build_receipt(
        entry=execution.entry,
        outcome=execution.outcome,
        code=execution.code,
        detail=execution.detail,
        output=execution.output,
        positions=execution.positions,
        cell_key=execution.cell_key,
        cell_leaf=leaf,
    )


def build_entry_difference(batch: int, ours: bytes, kept: bytes) -> Difference:
    """Return the difference of a batch whose entries do not hash to what the Inbox keeps."""
    return Difference("entry", batch, _hex(ours), _hex(kept))


def build_manifest_difference(entries: Sequence[Entry], ours: bytes, kept: bytes) -> Difference:
    """Return the difference of a manifest that the node alters, at the first call that names it.

    Rule: VERIFY-10
    """
    calls = [entry.call_id for entry in entries if entry.manifest_hash == kept]
    return Difference("manifest", min(calls, default=0), _hex(ours), _hex(kept))


def build_receipt_difference(call_id: int, ours: bytes, posted: bytes) -> Difference:
    """Return the difference of a receipt that does not lie under its root."""
    return Difference("receipt", call_id, _hex(ours), _hex(posted))


def find_model_difference(
    index: int, ours: tuple[bytes, bytes], listed: tuple[bytes, bytes]
) -> Difference | None:
    """Return the first difference of (model root, shape hash), or None."""
    for left, right in zip(ours, listed, strict=True):
        if left != right:
            return Difference("model", index, _hex(left), _hex(right))
    return None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
