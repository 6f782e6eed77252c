"""Every kind of number of the real model false at three places, each lie played to its lane."""

from __future__ import annotations

from oyez.engines.exact.loading import load_engine
from scripts.soak.part import Block, Part, Result
from tests.flips import PLACES, TEXT, build_choosy, count_flips

#: Constant tokens of the prompt: the call's last positions are beyond 1,000.
PREFIX = 990


def run(block: Block) -> Result:
    """Break every kind at one place, the block's number; `items` is not asked.

    Raises:
        AssertionError: a duel ended in another lane, or the liar did not lose.
    """
    engine = load_engine()
    action = build_choosy(engine, PREFIX)
    return Result(count_flips(engine, action, TEXT, PREFIX, block.number))


PART = Part("flips", "every kind of number false at three places", run, len(PLACES), 1)
