"""Numbers around calls' tokens false: every kind at three places, full and small batches' ends."""

from __future__ import annotations

from dataclasses import replace

from oyez.engines.exact.loading import load_engine
from oyez.gas.long_calls import AROUND_INPUTS, build_around
from scripts.soak.part import Block, Part, Result
from tests.around_flips import play_around
from tests.contracts.test_step_model import tiny
from tests.liars import GUARDED, build_action

#: Blocks of the real model, one a place; then a full batch of a tiny model, and one of one call.
PLACES = 3
FULL = 256
#: Good ones, a bad one, one too long for the context.
INPUTS = (b"a day", b"and more", b"\n", b"x" * 40)


def run(block: Block) -> Result:
    """Play one block; `items` is not asked.

    Raises:
        AssertionError: a duel ended in another lane, or the liar did not lose.
    """
    if block.number < PLACES:
        engine = load_engine()
        return Result(play_around(engine, build_around(), AROUND_INPUTS, place=block.number))
    engine = tiny("mixed")[0]
    action = replace(build_action(engine, GUARDED), max_input=40)
    count = FULL if block.number == PLACES else 1
    inputs = [INPUTS[at % len(INPUTS)] for at in range(count)]
    return Result(play_around(engine, action, inputs, rng=block.rng()))


PART = Part("around", "every kind of number around the tokens false, at three places", run, 5, 1)
