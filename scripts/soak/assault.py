"""Two honest challengers against five adversaries at once, over the real model."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from oyez.engines.exact.loading import load_engine
from scripts.soak.part import Block, Part, Result
from tests import assault
from tests.courts import build_court_action

PREFIX = 3


def run(block: Block) -> Result:
    """Play so many plays, each about other numbers.

    Raises:
        AssertionError: a liar kept its stake, or an honest party lost it.
    """
    rng, engine, counts = block.rng(), load_engine(), Counter[str]()
    action = build_court_action(engine, PREFIX, temperature=0)
    for _ in range(block.items):
        first, second = rng.sample(assault.LAYER_KINDS, 2)
        lanes = {
            "layer lane": first,
            "sampler lane": rng.choice(assault.SAMPLER_KINDS),
            "silent champion": second,
        }
        inputs = [bytes(rng.choices(b"abcdefgh ", k=rng.randint(1, 8))) for _ in range(2)]
        with tempfile.TemporaryDirectory(prefix="oyez-assault-") as home:
            counts += assault.play(engine, action, inputs, Path(home), lanes)
        counts.update(f"{name}: {kind}" for name, kind in lanes.items())
    return Result(counts)


PART = Part("assault", "five adversaries at once, the real model", run, 4, 1)
