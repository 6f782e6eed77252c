"""What the service answers over HTTP; reads the store only, never the chain.

Hashes and addresses are 0x and hex digits, amounts in wei are decimal strings.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from eth_utils.address import is_address
from fastapi import APIRouter, HTTPException, Path, Response

from oyez.protocol import codec
from oyez.protocol.manifest import ModelLimits, parse_manifest
from oyez.protocol.types import (
    BatchNumber,
    CellKind,
    Entry,
    Hash32,
    Manifest,
    ModelShape,
    Value,
)
from sequencer.metrics import Metrics
from sequencer.store import Store

#: SQLite's integers end here; no inbox ever will.
LAST_CALL = 2**63 - 1


class Level(StrEnum):
    """How far a call has come; `queued` means that it is not executed yet."""

    QUEUED = "queued"
    UNPOSTED = "unposted"
    POSTED = "posted"
    FINAL = "final"


class Reader:
    """Answers from the store."""

    def __init__(self, store: Store, shape: ModelShape) -> None:
        """Take the store and the shape of the model that the actions run on."""
        self._store = store
        self._limits = ModelLimits(shape.vocabulary, shape.context, shape.missing)

    def get_health(self) -> dict[str, Any]:  # Any: JSON
        """Return how far the service has come."""
        checkpoint = self._store.get_checkpoint()
        return {
            "status": "ok",
            "block": None if checkpoint is None else checkpoint.number,
            "calls": self._store.count_calls(),
            "executed": self._store.count_executions(),
            "batches": self._store.count_batches(),
            "built": self._store.count_results(),
            "head": self._store.assertions.get_head(),
        }

    def get_call(self, call_id: int) -> dict[str, Any]:  # Any: JSON
        """Return a call and what became of it; 404 when the inbox has none of that number.

        Rule: SEQ-15
        """
        entry, number = self._store.get_entry(call_id), self._store.get_batch_number(call_id)
        if entry is None or number is None:
            total = self._store.count_calls()
            raise HTTPException(404, f"the inbox holds no call {call_id}: it holds {total}")
        execution = self._store.get_execution(call_id)
        result = self._store.get_result(number)
        answer: dict[str, Any] = {
            "call_id": call_id,
            "batch": number,
            "finality": Level.QUEUED if execution is None else self._get_level(number),
            "action_id": show(entry.action_id),
            "caller": show(entry.caller),
            "cell": show(entry.cell),
            "manifest_hash": show(entry.manifest_hash),
            "fee": str(entry.fee),
            "entry_hash": show(codec.compute_entry_hash(entry)),
            "assertion_id": None if result is None else show(result.assertion_id),
            "outcome": None,
        }
        if execution is not None:
            answer |= {
                "outcome": execution.outcome.name,
                "code": execution.code.name,
                "detail": execution.detail,
                # An output cut short by OUT_OF_TOKENS may end inside a character.
                "output": execution.output.decode("utf-8", "replace"),
                "output_hex": show(execution.output),
                "positions": execution.positions,
            }
        return answer

    def get_state(self, action_id: Hash32, cell: str, level: Level) -> dict[str, Any]:
        """Return a cell after the last call that has come at least this far; Any: JSON.

        404 when no call has run on the cell yet, or none has come so far.

        Rule: SEQ-16
        """
        newest = self._store.find_last_entry(action_id)
        data = None if newest is None else self._store.get_manifest(newest.manifest_hash)
        if newest is None or data is None:
            raise HTTPException(404, f"no call of action {show(action_id)} was executed yet")
        manifest = parse_manifest(data, self._limits)
        key = get_cell_key(newest, manifest, cell)
        below = self._store.count_calls()
        while (execution := self._store.find_last_execution(key, below)) is not None:
            call_id = execution.entry.call_id
            number = self._store.get_batch_number(call_id)
            reached = Level.UNPOSTED if number is None else self._get_level(number)
            after = execution.cell_after
            if is_at_least(reached, level) and after is not None:
                stored = self._store.get_manifest(after.manifest_hash)
                if stored is None:
                    break
                fields = parse_manifest(stored, self._limits).fields
                return {
                    "action_id": show(action_id),
                    "cell": cell,
                    "finality": reached,
                    "call_id": call_id,
                    "version": after.version,
                    "manifest_hash": show(after.manifest_hash),
                    "state": {
                        field.name.decode(): to_json(value)
                        for field, value in zip(fields, after.values, strict=True)
                    },
                }
            below = call_id
        raise HTTPException(404, f"no {level} state of this cell: no such call was accepted")

    def _get_level(self, number: BatchNumber) -> Level:
        """Return how far an executed call's batch has come."""
        if number <= self._store.assertions.get_head():
            return Level.FINAL
        result = self._store.get_result(number)
        pending = {item.assertion_id for item in self._store.assertions.list_pending()}
        posted = result is not None and result.assertion_id in pending
        return Level.POSTED if posted else Level.UNPOSTED


def build_router(reader: Reader, metrics: Metrics) -> APIRouter:
    """Return the service's routes."""
    router = APIRouter()

    @router.get("/healthz")
    def healthz() -> dict[str, Any]:  # Any: JSON
        return reader.get_health()

    @router.get("/metrics")
    def metrics_text() -> Response:
        return Response(metrics.format(), media_type="text/plain; version=0.0.4")

    @router.get("/calls/{call_id}")
    def call(call_id: Annotated[int, Path(ge=0, le=LAST_CALL)]) -> dict[str, Any]:  # Any: JSON
        return reader.get_call(call_id)

    @router.get("/actions/{action_id}/state")
    def state(
        action_id: str,
        cell: str = "",
        finality: Literal["unposted", "posted", "final"] = "unposted",
    ) -> dict[str, Any]:  # Any: JSON
        return reader.get_state(parse_hash(action_id), cell, Level(finality))

    return router


def get_cell_key(newest: Entry, manifest: Manifest, cell: str) -> Hash32:
    """Return the key of the cell that a query names; 422 when it does not fit the action.

    `cell` is empty for a shared cell, an address for one per caller, a name for a named one.
    """
    caller, name = newest.caller, b""
    if manifest.cell_kind is CellKind.PER_CALLER:
        if not is_address(cell):
            raise HTTPException(422, "this action has a cell per caller: give cell=0xADDRESS")
        caller = type(caller)(bytes.fromhex(cell[2:]))
    elif manifest.cell_kind is CellKind.NAMED:
        if not cell:
            raise HTTPException(422, "this action has named cells: give cell=NAME")
        name = cell.encode()
    elif cell:
        raise HTTPException(422, "this action has one shared cell: leave `cell` out")
    return codec.compute_cell_key(newest.action_id, manifest.cell_kind, caller, name)


def parse_hash(text: str) -> Hash32:
    """Read a hash out of a path; 422 when it is none."""
    try:
        word = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        word = b""
    if len(word) != 32:
        raise HTTPException(422, "an action id is 0x and 64 hex digits")
    return Hash32(word)


def show(data: bytes) -> str:
    """Write bytes as 0x and hex digits."""
    return "0x" + data.hex()


def to_json(value: Value) -> Any:  # Any: JSON
    """Return a field's value as JSON: text, true or false, or a number."""
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def is_at_least(reached: Level, wanted: Level) -> bool:
    """Tell whether one level is the other or beyond it."""
    order = list(Level)
    return order.index(reached) >= order.index(wanted)
