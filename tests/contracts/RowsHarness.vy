# pragma version 0.4.3
"""
@title The row products as views, for tests alone
"""
from contracts import constants as c
from contracts.modules import rows


@pure
@external
def row_bytes(row_type: uint256, columns: uint256) -> uint256:
    return rows._row_bytes(row_type, columns)


@pure
@external
def multiply(
    row_type: uint256, x: Bytes[c.CHUNK_BYTES], piece: Bytes[rows.MAX_PIECE], columns: uint256
) -> int256:
    return rows._multiply(row_type, x, piece, columns)
