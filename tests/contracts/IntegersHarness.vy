# pragma version 0.4.3
"""
@title The steps' shared arithmetic as views, for tests alone
"""
from contracts.modules import integers


@pure
@external
def shift(values: DynArray[int256, 256], shifts: DynArray[int256, 256], limit: int256) -> DynArray[
    int256, 256
]:
    found: DynArray[int256, 256] = []
    for i: uint256 in range(len(values), bound=256):
        found.append(integers._shift(values[i], shifts[i], limit))
    return found


@pure
@external
def bits(values: DynArray[uint256, 256]) -> DynArray[int256, 256]:
    found: DynArray[int256, 256] = []
    for value: uint256 in values:
        found.append(integers._bits(value))
    return found


@pure
@external
def exponential(values: DynArray[int256, 256]) -> DynArray[int256, 256]:
    found: DynArray[int256, 256] = []
    for value: int256 in values:
        found.append(integers._exponential(value))
    return found


@pure
@external
def invert_root(values: DynArray[uint256, 256]) -> DynArray[int256, 256]:
    found: DynArray[int256, 256] = []
    for value: uint256 in values:
        found.append(integers._invert_root(value))
    return found
