# pragma version 0.4.3
"""
@title A toy machine's table for games whose inner trees have another height
"""
from contracts.interfaces import IStepTable

implements: IStepTable

TOY: immutable(IStepTable)
HEIGHT: immutable(uint256)


@deploy
def __init__(toy: address, height: uint256):
    TOY = IStepTable(toy)
    HEIGHT = height


@view
@external
def step_at(record: uint256, leaf: uint256) -> (address, uint256, uint256):
    return staticcall TOY.step_at(record, leaf)


@view
@external
def inner_height() -> uint256:
    return HEIGHT
