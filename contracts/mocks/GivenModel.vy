# pragma version 0.4.3
"""
@title A StepModel of any settings, so that steps can be tested for shapes that no small file has
@notice It proves nothing: never part of a deployment.
"""
from contracts.interfaces import IStepModel

implements: IStepModel

GIVEN: immutable(IStepModel.Settings)


@deploy
def __init__(given: IStepModel.Settings):
    """
    @param given What it answers.
    """
    GIVEN = given


@view
@external
def settings() -> IStepModel.Settings:
    """
    @notice What the constructor took.
    @return The model.
    """
    return GIVEN
