"""Numbers around calls' tokens false: every kind at three places, full and small batches' ends."""

from __future__ import annotations

from oyez.engines.exact.loading import load_engine
from oyez.gas.long_calls import AROUND_INPUTS, build_around
from scripts.soak.part import Block, Part, Result
from tests.around_flips import build_ends, list_inputs, play_around
from tests.contracts.test_step_model import tiny

#: Blocks of the real model, one a place; then a full batch of a tiny model, and one of one call.
PLACES = 3
FULL = 256


def run(block: Block) -> Result:
    """Play one block; `items` is not asked.

    Raises:
        AssertionError: a duel ended in another lane, or the liar did not lose.
    """
    if block.number < PLACES:
        engine = load_engine()
        return Result(play_around(engine, build_around(), AROUND_INPUTS, place=block.number))
    engine = tiny("mixed")[0]
    inputs = list_inputs(FULL if block.number == PLACES else 1)
    return Result(play_around(engine, build_ends(engine), inputs, rng=block.rng()))


PART = Part("around", "every kind of number around the tokens false, at three places", run, 5, 1)
