"""Vyper's hashes equal oyez.protocol.codec on random words (CodecHarness.vy exports them)."""

from __future__ import annotations

import dataclasses
import functools

from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from oyez.protocol import codec, merkle
from oyez.protocol.types import (
    Address,
    BatchHeader,
    BatchNumber,
    CallId,
    Claim,
    Code,
    Entry,
    EntryKind,
    Hash32,
    ModelShape,
    Outcome,
    Receipt,
)
from tests.contracts.harness import Contract, World

WORD = st.integers(0, 2**256 - 1)
HASH = st.binary(min_size=32, max_size=32).map(Hash32)
ADDRESS = st.binary(min_size=20, max_size=20).map(Address)
EXAMPLES = budget(max_examples=25, deadline=None)


@functools.cache
def codecs() -> Contract:
    return World().deploy("tests/contracts/CodecHarness.vy")


@EXAMPLES
@given(ADDRESS, HASH)
def test_action_id(author: Address, manifest_hash: Hash32) -> None:
    assert codecs().action_id(author, manifest_hash) == codec.compute_action_id(
        author, manifest_hash
    )


@EXAMPLES
@given(st.lists(st.integers(0, 2**32), min_size=11, max_size=11), st.binary(max_size=32))
def test_shape_hash(numbers: list[int], missing: bytes) -> None:
    shape = ModelShape(*numbers, missing=missing)
    words = codec.compute_shape_words(shape)

    assert codecs().shape_hash(words) == codec.compute_shape_hash(shape)


@EXAMPLES
@given(WORD, WORD, ADDRESS, WORD, WORD, HASH, HASH, st.binary(max_size=64), st.binary())
def test_entry_hash(
    call_id: int,
    timestamp: int,
    caller: Address,
    value: int,
    fee: int,
    action_id: Hash32,
    manifest_hash: Hash32,
    cell: bytes,
    text: bytes,
) -> None:
    """Audit 2 K3: the fee is in the entry."""
    entry = Entry(
        EntryKind.CALL,
        CallId(call_id),
        timestamp,
        caller,
        value,
        fee,
        action_id,
        manifest_hash,
        cell,
        text,
    )
    hashes = codec.keccak(cell), codec.keccak(text)
    words = call_id, timestamp, caller, value, fee, action_id, manifest_hash, *hashes

    assert codecs().entry_hash(*words) == codec.compute_entry_hash(entry)


@EXAMPLES
@given(WORD, WORD, WORD, WORD, HASH, HASH)
def test_batch_hash(n: int, first: int, count: int, at: int, mix: Hash32, root: Hash32) -> None:
    """Audit 2 H7: as the contract hashes it."""
    header = BatchHeader(BatchNumber(n), CallId(first), count, at, mix, root)

    assert codecs().batch_hash(n, first, count, at, mix, root) == codec.compute_batch_hash(header)


@EXAMPLES
@given(HASH, HASH, WORD, HASH, WORD)
def test_state_hashes(a: Hash32, b: Hash32, index: int, word: Hash32, version: int) -> None:
    name = b"name"

    assert codecs().cell_key(a, b) == codec.compute_cell_key_of(a, b)
    assert codecs().cell_leaf(a, b, word, version) == codec.compute_cell_leaf(a, b, word, version)
    assert codecs().field_leaf(index, codec.keccak(name), a, word) == codec.compute_field_leaf(
        index, name, a, word
    )


@EXAMPLES
@given(WORD, st.sampled_from(Outcome), st.sampled_from(Code), WORD, HASH, HASH, HASH, HASH, WORD)
def test_receipt_leaf(
    call_id: int,
    outcome: Outcome,
    code: Code,
    detail: int,
    manifest_hash: Hash32,
    key: Hash32,
    leaf: Hash32,
    output: Hash32,
    fee: int,
) -> None:
    receipt = Receipt(
        CallId(call_id), outcome, code, detail, manifest_hash, key, leaf, output, 7, fee
    )
    words = tuple(getattr(receipt, field.name) for field in dataclasses.fields(receipt))

    assert codecs().receipt_leaf(words) == codec.compute_receipt_leaf(receipt)


@EXAMPLES
@given(HASH, WORD, st.integers(0, 2**32 - 1), HASH, HASH, HASH, HASH, HASH)
def test_assertion_and_genesis_ids(
    parent: Hash32,
    attempt: int,
    n: int,
    batch_hash: Hash32,
    trace: Hash32,
    state: Hash32,
    outbox: Hash32,
    receipts: Hash32,
) -> None:
    rollup = codecs().address
    claim = Claim(trace, state, outbox, receipts)

    ours = codecs().assertion_id(parent, attempt, n, batch_hash, (trace, state, outbox, receipts))
    assert ours == codec.compute_assertion_id(
        chain_id=1,
        rollup=rollup,
        parent=parent,
        attempt=attempt,
        batch=BatchNumber(n),
        batch_hash=batch_hash,
        claim=claim,
    )
    assert codecs().genesis_id() == codec.compute_genesis_id(1, rollup)
    assert codecs().outbox_root(n, trace) == codec.compute_outbox_root(n, trace)


def test_empty_roots() -> None:
    """Audit 2 L5: absent is a chain of node(0, 0)."""
    for height in range(33):
        assert codecs().empty_root(height) == merkle.compute_root([], height)
