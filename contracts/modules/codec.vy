# pragma version 0.4.3
"""
@title Every hash and id that parts share: H(NAME, w1, w2, ...) = keccak256(TAG, words)
@notice Twin of oyez/protocol/codec.py; a test compares them on random words.
"""
from contracts import constants as c
from contracts.interfaces import IModelRegistry
from contracts.interfaces import IRollup


@internal
@pure
def _action_id(author: address, manifest_hash: bytes32) -> bytes32:
    return keccak256(abi_encode(c.ACTION, author, manifest_hash))


@internal
@pure
def _shape_hash(shape: IModelRegistry.Shape) -> bytes32:
    return keccak256(abi_encode(c.SHAPE, shape))


@internal
@pure
def _entry_hash(
    call_id: uint256,
    timestamp: uint256,
    caller: address,
    amount: uint256,
    fee: uint256,
    action_id: bytes32,
    manifest_hash: bytes32,
    cell_hash: bytes32,
    input_hash: bytes32,
) -> bytes32:
    """
    @dev The leaf of a CALL; other kinds come with the attested profile.
    """
    return keccak256(
        abi_encode(
            c.ENTRY,
            c.ENTRY_CALL,
            call_id,
            timestamp,
            caller,
            amount,
            fee,
            action_id,
            manifest_hash,
            cell_hash,
            input_hash,
        )
    )


@internal
@pure
def _batch_hash(
    n: uint256,
    first_call: uint256,
    count: uint256,
    opened_at: uint256,
    prevrandao: bytes32,
    entries_root: bytes32,
) -> bytes32:
    return keccak256(
        abi_encode(c.BATCH, n, first_call, count, opened_at, prevrandao, entries_root)
    )


@internal
@pure
def _cell_key(action_id: bytes32, k: bytes32) -> bytes32:
    return keccak256(abi_encode(c.CELL_KEY, action_id, k))


@internal
@pure
def _field_leaf(index: uint256, name_hash: bytes32, type_hash: bytes32, word: bytes32) -> bytes32:
    return keccak256(abi_encode(c.FIELD, index, name_hash, type_hash, word))


@internal
@pure
def _cell_leaf(
    key: bytes32, manifest_hash: bytes32, fields_root: bytes32, version: uint256
) -> bytes32:
    return keccak256(abi_encode(c.CELL, key, manifest_hash, fields_root, version))


@internal
@pure
def _receipt_leaf(receipt: IRollup.Receipt) -> bytes32:
    return keccak256(abi_encode(c.RECEIPT, receipt))


@internal
@pure
def _outbox_root(count: uint256, root: bytes32) -> bytes32:
    return keccak256(abi_encode(c.OUTBOX, count, root))


@internal
@view
def _genesis_id() -> bytes32:
    return keccak256(abi_encode(c.ASSERTION, chain.id, self))


@internal
@view
def _assertion_id(
    parent: bytes32, attempt: uint256, n: uint256, batch_hash: bytes32, claim: IRollup.Claim
) -> bytes32:
    return self._assertion_id_of(self, parent, attempt, n, batch_hash, claim)


@internal
@view
def _assertion_id_of(
    rollup: address,
    parent: bytes32,
    attempt: uint256,
    n: uint256,
    batch_hash: bytes32,
    claim: IRollup.Claim,
) -> bytes32:
    return keccak256(
        abi_encode(c.ASSERTION, chain.id, rollup, parent, attempt, n, batch_hash, claim)
    )
