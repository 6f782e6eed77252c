"""Ids and hashes against an independent ABI encoder, and what each id must bind."""

from __future__ import annotations

import dataclasses

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from oyez.protocol import codec
from oyez.protocol.constants import TAG_NAMES
from oyez.protocol.types import (
    Address,
    BatchHeader,
    BatchNumber,
    CallId,
    CellKind,
    Claim,
    Code,
    Entry,
    EntryKind,
    Hash32,
    ModelShape,
    Outcome,
    Receipt,
)

ENTRY = Entry(
    kind=EntryKind.CALL,
    call_id=CallId(7),
    timestamp=1_700_000_000,
    caller=Address(b"\x11" * 20),
    value=0,
    fee=10**15,
    action_id=Hash32(b"\x22" * 32),
    manifest_hash=Hash32(b"\x33" * 32),
    cell=b"room-1",
    input=b"a lovely evening",
)
HEADER = BatchHeader(
    number=BatchNumber(3),
    first_call=CallId(7),
    count=2,
    opened_at=1_700_000_000,
    prevrandao=Hash32(b"\x44" * 32),
    entries_root=Hash32(b"\x55" * 32),
)
RECEIPT = Receipt(
    call_id=CallId(7),
    outcome=Outcome.REJECTED,
    code=Code.GUARD,
    detail=2,
    manifest_hash=Hash32(b"\x33" * 32),
    cell_key=Hash32(b"\x66" * 32),
    cell_leaf=Hash32(bytes(32)),
    output_hash=Hash32(b"\x77" * 32),
    positions=114,
    fee=10**15,
)
CLAIM = Claim(*(Hash32(bytes([n]) * 32) for n in (1, 2, 3, 4)))
SHAPE = ModelShape(30, 576, 1536, 9, 3, 64, 49152, 2046, 1, 20, 1, b"\xc0\xc1\xf1")


def abi(name: str, types: list[str], values: list[object]) -> bytes:
    tag = codec.keccak(f"oyez.{name}.v1".encode())
    return codec.keccak(encode(["bytes32", *types], [tag, *values]))


def test_keccak_is_the_ethereum_one() -> None:
    assert codec.keccak(b"").hex() == (
        "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    )


def test_tags_are_lower_case_names_and_differ() -> None:
    # Rule: CODEC-1
    assert codec.tag("CELL_KEY") == codec.keccak(b"oyez.cell_key.v1")
    assert len({codec.tag(name) for name in TAG_NAMES}) == len(TAG_NAMES)


@given(st.integers(0, 2**256 - 1), st.integers(-(2**255), -1), st.binary(min_size=32, max_size=32))
def test_h_equals_keccak_of_abi_encode(unsigned: int, signed: int, word: bytes) -> None:
    # Rule: CODEC-2
    actual = codec.H("FIELD", unsigned, signed, word, b"\x01" * 20, True)

    assert actual == abi(
        "field",
        ["uint256", "int256", "bytes32", "address", "bool"],
        [unsigned, signed, word, "0x" + "01" * 20, True],
    )


@pytest.mark.parametrize("word", [2**256, -(2**255) - 1, b"", b"\x00" * 31, b"\x00" * 33])
def test_what_is_not_a_word_is_refused(word: int | bytes) -> None:
    with pytest.raises(ValueError, match=r"word"):
        codec.encode_word(word)


def test_h_refuses_a_preimage_as_short_as_an_inner_node() -> None:
    # Rule: CODEC-2
    with pytest.raises(ValueError, match="at least two"):
        codec.H("ENTRY", 1)


def test_entry_hash_is_the_abi_encoding_of_its_fields() -> None:
    # Rule: BATCH-1
    assert codec.compute_entry_hash(ENTRY) == abi(
        "entry",
        [
            *["uint256", "uint256", "uint256", "address", "uint256", "uint256"],
            *["bytes32", "bytes32", "bytes32", "bytes32"],
        ],
        [
            *[1, 7, 1_700_000_000, "0x" + "11" * 20, 0, 10**15],
            *[b"\x22" * 32, b"\x33" * 32, codec.keccak(b"room-1")],
            codec.keccak(b"a lovely evening"),
        ],
    )


def test_batch_hash_and_seed() -> None:
    """Audit 2 H7: count and opening are bound."""
    # Rule: BATCH-2
    assert codec.compute_batch_hash(HEADER) == abi(
        "batch",
        ["uint256", "uint256", "uint256", "uint256", "bytes32", "bytes32"],
        [3, 7, 2, 1_700_000_000, b"\x44" * 32, b"\x55" * 32],
    )
    # Rule: BATCH-3
    assert codec.compute_seed(HEADER.prevrandao, CallId(7)) == abi(
        "seed", ["bytes32", "uint256"], [b"\x44" * 32, 7]
    )


def test_action_id_and_shape_hash() -> None:
    # Rule: CODEC-3
    assert codec.compute_action_id(ENTRY.caller, ENTRY.manifest_hash) == abi(
        "action", ["address", "bytes32"], ["0x" + "11" * 20, b"\x33" * 32]
    )
    # Rule: CODEC-4
    assert codec.compute_shape_hash(SHAPE) == abi(
        "shape",
        ["uint256"] * 11 + ["bytes32"],
        [30, 576, 1536, 9, 3, 64, 49152, 2046, 1, 20, 1, b"\xc0\xc1\xf1" + bytes(29)],
    )
    with pytest.raises(ValueError, match="32 missing"):
        codec.compute_shape_hash(dataclasses.replace(SHAPE, missing=bytes(33)))


def test_cell_keys_tell_the_three_kinds_apart() -> None:
    # Rule: STATE-1
    caller = ENTRY.caller
    ks = {
        CellKind.SHARED: bytes(32),
        CellKind.PER_CALLER: bytes(12) + caller,
        CellKind.NAMED: codec.keccak(b"room-1"),
    }
    for kind, k in ks.items():
        name = b"room-1" if kind is CellKind.NAMED else b""
        assert codec.compute_cell_k(kind, caller, name) == k
        # Rule: STATE-2
        assert codec.compute_cell_key(ENTRY.action_id, kind, caller, name) == abi(
            "cell_key", ["bytes32", "bytes32"], [b"\x22" * 32, k]
        )


def test_field_and_cell_leaves() -> None:
    # Rule: STATE-3
    assert codec.compute_field_leaf(4, b"mood", Hash32(b"\x01" * 32), -3) == abi(
        "field",
        ["uint256", "bytes32", "bytes32", "int256"],
        [4, codec.keccak(b"mood"), b"\x01" * 32, -3],
    )
    # Rule: STATE-4
    words = [Hash32(bytes([n]) * 32) for n in (1, 2, 3)]
    assert codec.compute_cell_leaf(words[0], words[1], words[2], 9) == abi(
        "cell", ["bytes32", "bytes32", "bytes32", "uint256"], [*words, 9]
    )


def test_receipt_message_and_outbox() -> None:
    """Audit 2 H8: the count is in the root."""
    # Rule: RECEIPT-1
    assert codec.compute_receipt_leaf(RECEIPT) == abi(
        "receipt",
        ["uint256"] * 4 + ["bytes32"] * 4 + ["uint256"] * 2,
        [
            *[7, 2, 6, 2, b"\x33" * 32, b"\x66" * 32, bytes(32), b"\x77" * 32],
            *[114, 10**15],
        ],
    )
    # Rule: RECEIPT-2
    assert codec.compute_message_hash(
        index=1,
        call_id=CallId(7),
        action_id=ENTRY.action_id,
        to=ENTRY.caller,
        value=5,
        data=b"pay",
    ) == abi(
        "message",
        ["uint256", "uint256", "bytes32", "address", "uint256", "bytes32"],
        [1, 7, b"\x22" * 32, "0x" + "11" * 20, 5, codec.keccak(b"pay")],
    )
    # Rule: RECEIPT-3
    assert codec.compute_outbox_root(0, ENTRY.action_id) == abi(
        "outbox", ["uint256", "bytes32"], [0, b"\x22" * 32]
    )


def test_assertion_ids() -> None:
    rollup = Address(b"\x0a" * 20)
    # Rule: ASSERTION-1
    actual = codec.compute_assertion_id(
        chain_id=31337,
        rollup=rollup,
        parent=ENTRY.action_id,
        attempt=1,
        batch=BatchNumber(3),
        batch_hash=ENTRY.manifest_hash,
        claim=CLAIM,
    )
    assert actual == abi(
        "assertion",
        ["uint256", "address", "bytes32", "uint256", "uint256"] + ["bytes32"] * 5,
        [
            *[31337, "0x" + "0a" * 20, b"\x22" * 32, 1, 3, b"\x33" * 32],
            *[bytes([n]) * 32 for n in (1, 2, 3, 4)],
        ],
    )
    # Rule: ASSERTION-2
    assert codec.compute_genesis_id(31337, rollup) == abi(
        "assertion", ["uint256", "address"], [31337, "0x" + "0a" * 20]
    )


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Entry)])
def test_every_field_of_an_entry_changes_its_hash(name: str) -> None:
    """Audit 2 K3: the fee too."""
    # Rule: BATCH-1
    value = getattr(ENTRY, name)
    changed: object
    if isinstance(value, EntryKind):
        changed = EntryKind.EXPIRY
    elif isinstance(value, int):
        changed = value + 1
    else:
        changed = bytes([value[0] ^ 1]) + value[1:]
    other = dataclasses.replace(ENTRY, **{name: changed})  # type: ignore[arg-type]  # by name

    assert codec.compute_entry_hash(other) != codec.compute_entry_hash(ENTRY)
