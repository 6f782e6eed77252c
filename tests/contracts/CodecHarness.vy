# pragma version 0.4.3
"""
@title The codec's internals as views, for tests alone
"""
from contracts.interfaces import IModelRegistry
from contracts.interfaces import IRollup
from contracts.modules import codec
from contracts.modules import merkle


@view
@external
def action_id(author: address, manifest_hash: bytes32) -> bytes32:
    return codec._action_id(author, manifest_hash)


@view
@external
def shape_hash(shape: IModelRegistry.Shape) -> bytes32:
    return codec._shape_hash(shape)


@view
@external
def entry_hash(
    call_id: uint256,
    timestamp: uint256,
    caller: address,
    amount: uint256,
    fee: uint256,
    action: bytes32,
    manifest_hash: bytes32,
    cell_hash: bytes32,
    input_hash: bytes32,
) -> bytes32:
    return codec._entry_hash(
        call_id, timestamp, caller, amount, fee, action, manifest_hash, cell_hash, input_hash
    )


@view
@external
def batch_hash(
    n: uint256, first: uint256, count: uint256, opened_at: uint256, mix: bytes32, root: bytes32
) -> bytes32:
    return codec._batch_hash(n, first, count, opened_at, mix, root)


@view
@external
def cell_key(action: bytes32, k: bytes32) -> bytes32:
    return codec._cell_key(action, k)


@view
@external
def field_leaf(index: uint256, name: bytes32, type_hash: bytes32, word: bytes32) -> bytes32:
    return codec._field_leaf(index, name, type_hash, word)


@view
@external
def cell_leaf(key: bytes32, manifest: bytes32, fields: bytes32, version: uint256) -> bytes32:
    return codec._cell_leaf(key, manifest, fields, version)


@view
@external
def receipt_leaf(receipt: IRollup.Receipt) -> bytes32:
    return codec._receipt_leaf(receipt)


@view
@external
def outbox_root(count: uint256, root: bytes32) -> bytes32:
    return codec._outbox_root(count, root)


@view
@external
def genesis_id() -> bytes32:
    return codec._genesis_id()


@view
@external
def assertion_id(
    parent: bytes32, attempt: uint256, n: uint256, batch: bytes32, claim: IRollup.Claim
) -> bytes32:
    return codec._assertion_id(parent, attempt, n, batch, claim)


@view
@external
def empty_root(height: uint256) -> bytes32:
    return merkle._empty_root(height)
