"""An execution as bytes, for a service's own store: JSON, then the position roots, 32 bytes each.

Private to this version of the code: a store that does not decode is damaged or of another version.
"""

from __future__ import annotations

import json
from typing import Any

from oyez.protocol.errors import Fatal
from oyez.protocol.transition import Execution
from oyez.protocol.types import Cell, Code, Entry, Hash32, Outcome, Value

_LENGTH_BYTES = 4


def encode_execution(execution: Execution) -> bytes:
    """Return the bytes; the entry is not among them."""
    document = {
        "manifest_hash": execution.manifest_hash.hex(),
        "outcome": int(execution.outcome),
        "code": int(execution.code),
        "detail": execution.detail,
        "prompt": execution.prompt,
        "tokens": execution.tokens,
        "output": execution.output.hex(),
        "cell_key": execution.cell_key.hex(),
        "cell_before": encode_cell(execution.cell_before),
        "cell_after": encode_cell(execution.cell_after),
        "first_sampler": execution.first_sampler.hex(),
        "seed": None if execution.seed is None else execution.seed.hex(),
    }
    head = json.dumps(document, separators=(",", ":")).encode()
    return len(head).to_bytes(_LENGTH_BYTES, "big") + head + b"".join(execution.position_roots)


def decode_execution(entry: Entry, record: bytes) -> Execution:
    """Read an execution of this entry back; Fatal when the store is damaged."""
    try:
        size = int.from_bytes(record[:_LENGTH_BYTES], "big")
        document = json.loads(record[_LENGTH_BYTES : _LENGTH_BYTES + size])
        roots = record[_LENGTH_BYTES + size :]
        if len(roots) % 32:
            raise ValueError("cut short")
        prompt = document["prompt"]
        return Execution(
            entry=entry,
            manifest_hash=_hash(document["manifest_hash"]),
            outcome=Outcome(document["outcome"]),
            code=Code(document["code"]),
            detail=document["detail"],
            prompt=None if prompt is None else tuple(prompt),
            tokens=tuple(document["tokens"]),
            output=bytes.fromhex(document["output"]),
            cell_key=_hash(document["cell_key"]),
            cell_before=decode_cell(document["cell_before"]),
            cell_after=decode_cell(document["cell_after"]),
            first_sampler=_hash(document["first_sampler"]),
            position_roots=tuple(
                Hash32(roots[start : start + 32]) for start in range(0, len(roots), 32)
            ),
            seed=None if document["seed"] is None else _hash(document["seed"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Fatal(
            f"the stored execution of call {entry.call_id} is damaged: "
            "start with an empty home, everything is derived again from the chain"
        ) from error


def encode_cell(cell: Cell | None) -> dict[str, Any] | None:  # Any: JSON
    """Return a cell as JSON; text as hex, so that booleans, integers and texts stay apart."""
    if cell is None:
        return None
    return {
        "manifest_hash": cell.manifest_hash.hex(),
        "version": cell.version,
        "values": [_encode_value(value) for value in cell.values],
    }


def decode_cell(document: dict[str, Any] | None) -> Cell | None:  # Any: JSON
    """Read a cell back; ValueError, KeyError or TypeError when it is damaged."""
    if document is None:
        return None
    return Cell(
        manifest_hash=_hash(document["manifest_hash"]),
        version=document["version"],
        values=tuple(_decode_value(value) for value in document["values"]),
    )


def _encode_value(value: Value) -> Any:  # Any: JSON
    if isinstance(value, tuple):
        return [_encode_value(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


def _decode_value(value: Any) -> Any:  # Any: JSON, and a Value whose items are Scalars
    if isinstance(value, list):
        return tuple(_decode_value(item) for item in value)
    return bytes.fromhex(value) if isinstance(value, str) else value


def _hash(text: str) -> Hash32:
    word = bytes.fromhex(text)
    if len(word) != 32:
        raise ValueError("not a hash")
    return Hash32(word)
