# pragma version 0.4.3
"""
@title A verifier in name alone, so that a table can have one of its own for every op
@notice It recomputes nothing: never part of a deployment.
"""
from contracts.interfaces import IStepOfModel

implements: IStepOfModel

MODEL: immutable(address)


@deploy
def __init__(given: address):
    """
    @param given What it answers.
    """
    MODEL = given


@view
@external
def model() -> address:
    """
    @notice What the constructor took.
    @return StepModel.
    """
    return MODEL
