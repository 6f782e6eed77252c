# pragma version 0.4.3
"""
@title The openings' internals as views, for tests alone
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import openings
from contracts.modules import step_model

initializes: step_model
initializes: openings[step_model := step_model]
exports: step_model.model


@deploy
def __init__(model: address):
    step_model.__init__(model)


@view
@external
def check(
    step: IStepVerifier.Step,
    leaves: DynArray[IStepVerifier.Opening, c.MAX_STEP_OPENINGS],
    at: DynArray[uint256, c.MAX_STEP_OPENINGS],
    types: DynArray[uint256, c.MAX_STEP_OPENINGS],
):
    openings._check(step, leaves, openings.Wanted(at=at, types=types))


@view
@external
def check_rows(
    rows: DynArray[IStepVerifier.Row, c.MAX_STEP_ROWS],
    tensor: uint256,
    numbers: DynArray[uint256, c.MAX_STEP_ROWS],
    types: DynArray[uint256, c.MAX_STEP_ROWS],
):
    for i: uint256 in range(len(rows), bound=c.MAX_STEP_ROWS):
        header: bytes32 = openings._header(tensor, numbers[i], types[i])
        leaf: bytes32 = sha256(concat(header, rows[i].data))
        if i == 0:
            openings._check_row(leaf, rows[i].siblings, tensor, numbers[i])
        else:
            openings._check_next_row(
                leaf, rows[i].siblings, tensor, numbers[i], rows[0].siblings, numbers[0]
            )


@view
@external
def row_leaf(tensor: uint256, row: uint256) -> uint256:
    return step_model._row_leaf(tensor, row)


@view
@external
def places(norm: uint256, part: uint256, position: uint256) -> (uint256, uint256):
    return step_model._norm_row(norm, part), step_model._rope_row(position)


@pure
@external
def address_of(record: uint256, chunk: uint256) -> uint256:
    return openings._outer(record, chunk)


@pure
@external
def top_bit(x: uint256) -> uint256:
    return openings._top_bit(x)
