# pragma version 0.4.3
"""
@title The lanes' internals as views, for tests alone
"""
from contracts import constants as c
from contracts.modules import lanes


@pure
@external
def count(chunk_type: uint256) -> uint256:
    return lanes._count(chunk_type)


@pure
@external
def read(raw: Bytes[c.CHUNK_BYTES], chunk_type: uint256, lane: uint256) -> int256:
    return lanes._read(raw, chunk_type, lane)


@pure
@external
def check_first(
    x: Bytes[c.CHUNK_BYTES], y: Bytes[c.CHUNK_BYTES], chunk_type: uint256, lane: uint256
):
    lanes._check_first(x, y, chunk_type, lane)


@pure
@external
def pad_leaf() -> (bytes32, bytes32):
    return lanes.PAD_LEAF, lanes._hash(c.CHUNK_PAD, slice(abi_encode(empty(uint256[32])), 0, 1024))
