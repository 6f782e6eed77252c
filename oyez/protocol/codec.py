"""Every hash and id that contracts share: `H(NAME, w1, w2, ...)` and what is made of it.

A word is 32 bytes: an int in two's complement, a bool as 0 or 1, an address padded on the left,
or 32 bytes as they are. Dynamic bytes enter as their Keccak-256.
"""

from __future__ import annotations

import functools
import hashlib

from oyez.protocol.types import (
    Address,
    BatchHeader,
    BatchNumber,
    CallId,
    CellKind,
    Claim,
    Entry,
    Hash32,
    ModelShape,
    Receipt,
)

Word = int | bytes

_MIN_WORD = -(1 << 255)
_END_WORD = 1 << 256
_MAX_MISSING = 32


def keccak(data: bytes) -> Hash32:
    """Return the Keccak-256 of `data`."""
    # Imported late: its package asks for its own version, 15 ms that an engine need not wait for.
    from eth_hash.auto import keccak as compute

    return Hash32(compute(data))


def sha256(data: bytes) -> Hash32:
    """Return the SHA-256 of `data`."""
    return Hash32(hashlib.sha256(data).digest())


def encode_word(word: Word) -> bytes:
    """Return the 32 bytes of one static ABI word.

    Raises:
        ValueError: an int outside [-2**255, 2**256), or bytes of another length than 20 or 32.
    """
    if isinstance(word, int):
        if not _MIN_WORD <= word < _END_WORD:
            raise ValueError(f"an integer of {word.bit_length()} bits does not fit a word")
        return (word % _END_WORD).to_bytes(32, "big")
    if len(word) == 32:
        return word
    if len(word) == 20:
        return bytes(12) + word
    raise ValueError(f"a word has 32 bytes and an address 20, not {len(word)}")


@functools.cache
def tag(name: str) -> Hash32:
    """Return the domain tag of a hash kind, such as "CELL_KEY".

    Rule: CODEC-1
    """
    return keccak(f"oyez.{name.lower()}.v1".encode())


def H(name: str, *words: Word) -> Hash32:
    """Return keccak256(tag ‖ words): the only way an id or a leaf is made.

    At least two words: a preimage is then 96 bytes or more, and never an inner node's 64.

    Rule: CODEC-2
    """
    return keccak(encode_hashed(name, *words))


def encode_hashed(name: str, *words: Word) -> bytes:
    """Return what `H` takes the Keccak-256 of: the preimage of an id or a leaf."""
    if len(words) < 2:
        raise ValueError("H takes at least two words")
    return tag(name) + b"".join(encode_word(word) for word in words)


def compute_action_id(author: Address, manifest_hash: Hash32) -> Hash32:
    """Return the id of an action: its first manifest together with its author.

    Rule: CODEC-3
    """
    return H("ACTION", author, manifest_hash)


def compute_shape_hash(shape: ModelShape) -> Hash32:
    """Return the hash a model's record commits its shape with.

    Rule: CODEC-4
    """
    return H("SHAPE", *compute_shape_words(shape))


def compute_shape_words(shape: ModelShape) -> tuple[Word, ...]:
    """Return the shape's twelve words, in storage order.

    The last one packs the missing bytes, one per byte ascending from the highest byte.
    """
    if len(shape.missing) > _MAX_MISSING:
        raise ValueError(f"at most {_MAX_MISSING} missing bytes fit a word")
    return (
        shape.layers,
        shape.width,
        shape.feed_forward,
        shape.heads,
        shape.kv_heads,
        shape.head_size,
        shape.vocabulary,
        shape.context,
        shape.position_cost,
        shape.model_height,
        shape.formats,
        shape.missing.ljust(32, b"\0"),
    )


def compute_entry_hash(entry: Entry) -> Hash32:
    """Return an inbox entry's leaf; everything a call is told is in it.

    Rule: BATCH-1
    """
    return H(
        "ENTRY",
        entry.kind,
        entry.call_id,
        entry.timestamp,
        entry.caller,
        entry.value,
        entry.fee,
        entry.action_id,
        entry.manifest_hash,
        keccak(entry.cell),
        keccak(entry.input),
    )


def compute_batch_hash(header: BatchHeader) -> Hash32:
    """Return the hash that fixes a batch's one content, `count` and the closing block included.

    Rule: BATCH-2
    """
    return keccak(encode_batch(header))


def encode_batch(header: BatchHeader) -> bytes:
    """Return what a batch's hash is the Keccak-256 of."""
    return encode_hashed(
        "BATCH",
        header.number,
        header.first_call,
        header.count,
        header.opened_at,
        header.prevrandao,
        header.entries_root,
    )


def compute_seed(prevrandao: Hash32, call_id: CallId) -> Hash32:
    """Return a call's seed: of the closing block, so later than the submission.

    Rule: BATCH-3
    """
    return H("SEED", prevrandao, call_id)


def compute_cell_k(kind: CellKind, caller: Address, name: bytes) -> bytes:
    """Return what tells an action's cells apart, as a word: 0, the caller, or keccak(name).

    Rule: STATE-1
    """
    if kind is CellKind.SHARED:
        return bytes(32)
    if kind is CellKind.PER_CALLER:
        return encode_word(caller)
    return keccak(name)


def compute_cell_key_of(action_id: Hash32, k: bytes) -> Hash32:
    """Return the state tree's key of an action's cell `k`.

    Rule: STATE-2
    """
    return H("CELL_KEY", action_id, k)


def compute_cell_key(action_id: Hash32, kind: CellKind, caller: Address, name: bytes) -> Hash32:
    """Return the key of the cell that a call meets."""
    return compute_cell_key_of(action_id, compute_cell_k(kind, caller, name))


def compute_field_leaf(index: int, name: bytes, type_hash: Hash32, word: Word) -> Hash32:
    """Return one field's leaf; it binds place, name, type and value.

    Rule: STATE-3
    """
    return H("FIELD", index, keccak(name), type_hash, word)


def compute_cell_leaf(
    key: Hash32, manifest_hash: Hash32, fields_root: Hash32, version: int
) -> Hash32:
    """Return a cell's leaf in the state tree; it carries the whole key.

    Rule: STATE-4
    """
    return H("CELL", key, manifest_hash, fields_root, version)


def compute_receipt_leaf(receipt: Receipt) -> Hash32:
    """Return a receipt's leaf in its batch's receipts tree.

    Rule: RECEIPT-1
    """
    return H(
        "RECEIPT",
        receipt.call_id,
        receipt.outcome,
        receipt.code,
        receipt.detail,
        receipt.manifest_hash,
        receipt.cell_key,
        receipt.cell_leaf,
        receipt.output_hash,
        receipt.positions,
        receipt.fee,
    )


def compute_message_hash(
    *, index: int, call_id: CallId, action_id: Hash32, to: Address, value: int, data: bytes
) -> Hash32:
    """Return an outbox message's leaf.

    Rule: RECEIPT-2
    """
    return H("MESSAGE", index, call_id, action_id, to, value, keccak(data))


def compute_outbox_root(count: int, root: Hash32) -> Hash32:
    """Return the commitment to all messages so far; the count makes the next append computable.

    Rule: RECEIPT-3
    """
    return H("OUTBOX", count, root)


def compute_assertion_id(
    *,
    chain_id: int,
    rollup: Address,
    parent: Hash32,
    attempt: int,
    batch: BatchNumber,
    batch_hash: Hash32,
    claim: Claim,
) -> Hash32:
    """Return an assertion's id: chain, rollup, parent, attempt, the batch and all four roots.

    Rule: ASSERTION-1
    """
    return H(
        "ASSERTION",
        chain_id,
        rollup,
        parent,
        attempt,
        batch,
        batch_hash,
        claim.trace_root,
        claim.state_root,
        claim.outbox_root,
        claim.receipts_root,
    )


def compute_genesis_id(chain_id: int, rollup: Address) -> Hash32:
    """Return the id of batch 0, final from the start.

    Rule: ASSERTION-2
    """
    return H("ASSERTION", chain_id, rollup)
