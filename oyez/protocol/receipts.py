"""Receipts: how each call of a batch ended, as leaves of one tree per batch, in call order."""

from __future__ import annotations

from collections.abc import Sequence

from oyez.protocol import codec, merkle
from oyez.protocol.constants import RECEIPTS_HEIGHT
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Code, Entry, Hash32, Outcome, Receipt


def build_receipt(
    *,
    entry: Entry,
    outcome: Outcome,
    code: Code,
    detail: int,
    output: bytes,
    positions: int,
    cell_key: Hash32,
    cell_leaf: Hash32,
) -> Receipt:
    """Return a call's receipt; `cell_leaf` is the cell's after the call, 0 when absent.

    Rule: RECEIPT-6
    """
    return Receipt(
        call_id=entry.call_id,
        outcome=outcome,
        code=code,
        detail=detail,
        manifest_hash=entry.manifest_hash,
        cell_key=cell_key,
        cell_leaf=cell_leaf,
        output_hash=codec.keccak(output),
        positions=positions,
        fee=entry.fee,
    )


def compute_receipts_root(receipts: Sequence[Receipt]) -> Hash32:
    """Return the root over a batch's receipts, in call order.

    Rule: RECEIPT-4
    """
    leaves = [codec.compute_receipt_leaf(receipt) for receipt in receipts]
    return merkle.compute_root(leaves, RECEIPTS_HEIGHT)


def build_receipt_proof(leaves: Sequence[Hash32], index: int) -> tuple[Hash32, ...]:
    """Return the siblings of a receipt's leaf, which is its call's place in the batch.

    Takes leaves rather than receipts: a reader may have the others' leaves only.

    Raises:
        ValueError: no such receipt.
    """
    if not 0 <= index < len(leaves):
        raise ValueError(f"no receipt {index} of {len(leaves)}")
    return merkle.build_proof(leaves, RECEIPTS_HEIGHT, index)


def verify_receipt(
    *, root: Hash32, first_call: int, receipt: Receipt, siblings: Sequence[bytes]
) -> None:
    """Check that a receipt lies under a batch's receipts root, in its call's own place.

    The twin of `Rollup.verify_receipt`, which answers false where this raises.

    Raises:
        Invalid: CODEC-8 or RECEIPT-5.

    Rule: RECEIPT-5
    """
    if len(siblings) != RECEIPTS_HEIGHT:
        raise Invalid("RECEIPT-5", f"a receipt has {RECEIPTS_HEIGHT} siblings")
    leaf = codec.compute_receipt_leaf(receipt)
    if merkle.fold_proof(leaf, receipt.call_id - first_call, siblings) != root:
        raise Invalid("RECEIPT-5", "the receipt does not lie under the receipts root")
