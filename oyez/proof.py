"""Proofs as documents: what `oyez prove` prints and the Rollup's views check.

A document's JSON is complete: name, type and value stand beside the siblings, so that whoever
holds it can compute every word that the contract is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oyez.protocol import codec, schema
from oyez.protocol.state import AbsenceProof, FieldProof
from oyez.protocol.types import BatchNumber, Field, FieldType, Hash32, Receipt, Scalar, Value


@dataclass(frozen=True, slots=True)
class FieldDocument:
    """Proof of one field of a cell under a final state root.

    Attributes:
        k: the word that names the cell: 0, the caller, or keccak of its name.
    """

    batch: BatchNumber
    state_root: Hash32
    action_id: Hash32
    k: bytes
    index: int
    field: Field
    value: Value
    proof: FieldProof

    @property
    def view(self) -> str:
        """The Rollup's view that checks this."""
        return "verify_field"

    @property
    def arguments(self) -> tuple[Any, ...]:  # Any: ABI values
        """Arguments of `Rollup.verify_field`, in order."""
        return (
            self.batch,
            self.action_id,
            self.k,
            self.index,
            codec.keccak(self.field.name),
            schema.compute_type_hash(self.field),
            schema.compute_value_word(self.field, self.value),
            (
                self.proof.manifest_hash,
                self.proof.version,
                list(self.proof.field_siblings),
                list(self.proof.siblings),
            ),
        )

    def build_json(self) -> dict[str, Any]:
        """Return the document of interfaces.md section 5.

        Rule: PROOF-1
        """
        return {
            "batch": self.batch,
            "state_root": _hex(self.state_root),
            "action_id": _hex(self.action_id),
            "cell": _hex(self.k),
            "field": {
                "index": self.index,
                "name": self.field.name.decode(),
                "type": _hex(schema.encode_type(self.field)),
                "value": build_value(self.field, self.value),
            },
            "version": self.proof.version,
            "manifest_hash": _hex(self.proof.manifest_hash),
            "field_siblings": [_hex(word) for word in self.proof.field_siblings],
            "siblings": [_hex(word) for word in self.proof.siblings],
        }


@dataclass(frozen=True, slots=True)
class AbsenceDocument:
    """Proof that a cell is absent under a final state root: it has its initial values."""

    batch: BatchNumber
    state_root: Hash32
    action_id: Hash32
    k: bytes
    proof: AbsenceProof

    @property
    def view(self) -> str:
        """The Rollup's view that checks this."""
        return "verify_absent"

    @property
    def arguments(self) -> tuple[Any, ...]:  # Any: ABI values
        """Arguments of `Rollup.verify_absent`, in order."""
        proof = self.proof
        words = (
            proof.other_key,
            proof.other_manifest,
            proof.other_fields,
            proof.other_version,
            list(proof.siblings),
        )
        return self.batch, self.action_id, self.k, words

    def build_json(self) -> dict[str, Any]:
        """Return the document as JSON.

        Rule: PROOF-2
        """
        return {
            "batch": self.batch,
            "state_root": _hex(self.state_root),
            "action_id": _hex(self.action_id),
            "cell": _hex(self.k),
            "absent": True,
            "other_key": _hex(self.proof.other_key),
            "other_manifest_hash": _hex(self.proof.other_manifest),
            "other_fields_root": _hex(self.proof.other_fields),
            "other_version": self.proof.other_version,
            "siblings": [_hex(word) for word in self.proof.siblings],
            "arguments": _build_arguments(self.arguments),
        }


@dataclass(frozen=True, slots=True)
class ReceiptDocument:
    """Proof of one call's receipt under a final receipts root."""

    batch: BatchNumber
    receipts_root: Hash32
    receipt: Receipt
    siblings: tuple[Hash32, ...]

    @property
    def view(self) -> str:
        """The Rollup's view that checks this."""
        return "verify_receipt"

    @property
    def arguments(self) -> tuple[Any, ...]:  # Any: ABI values
        """Arguments of `Rollup.verify_receipt`, in order."""
        receipt = self.receipt
        words = (
            receipt.call_id,
            int(receipt.outcome),
            int(receipt.code),
            receipt.detail,
            receipt.manifest_hash,
            receipt.cell_key,
            receipt.cell_leaf,
            receipt.output_hash,
            receipt.positions,
            receipt.fee,
        )
        return self.batch, words, list(self.siblings)

    def build_json(self) -> dict[str, Any]:
        """Return the document as JSON; enums as their numbers, as the contract takes them.

        Rule: PROOF-3
        """
        receipt = self.receipt
        return {
            "batch": self.batch,
            "receipts_root": _hex(self.receipts_root),
            "receipt": {
                "call_id": receipt.call_id,
                "outcome": int(receipt.outcome),
                "code": int(receipt.code),
                "detail": receipt.detail,
                "manifest_hash": _hex(receipt.manifest_hash),
                "cell_key": _hex(receipt.cell_key),
                "cell_leaf": _hex(receipt.cell_leaf),
                "output_hash": _hex(receipt.output_hash),
                "positions": receipt.positions,
                "fee": receipt.fee,
            },
            "siblings": [_hex(word) for word in self.siblings],
        }


Document = FieldDocument | AbsenceDocument | ReceiptDocument


def build_value(field: Field, value: Value) -> Any:
    """Return a field's value as JSON has it: text, true or false, a number, or a list."""
    if field.type is FieldType.ARRAY:
        assert isinstance(value, tuple)
        return [_build_scalar(item) for item in value]
    assert not isinstance(value, tuple)
    return _build_scalar(value)


def _build_scalar(value: Scalar) -> str | bool | int:
    return value.decode() if isinstance(value, bytes) else value


def _build_arguments(value: Any) -> Any:  # Any: ABI values in, JSON out
    """Return a view's arguments as JSON: bytes as 0x and hex, structs as lists."""
    if isinstance(value, bytes):
        return _hex(value)
    return [_build_arguments(item) for item in value] if isinstance(value, tuple | list) else value


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
