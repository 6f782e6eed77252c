"""What the outer trace adds to a run: the same work with every position's records and without."""

from __future__ import annotations

import time
from collections.abc import Sequence

from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.session import ExactSession
from oyez.measure.spread import Comparison, compare
from oyez.protocol.types import Hash32

NAMES = ("untraced", "traced")
#: A sampler's record; which one makes no difference to the work.
SAMPLER = Hash32(bytes(32))


def compare_trace(
    engine: ExactEngine, prompt: Sequence[int], new: int, text: Sequence[int]
) -> dict[str, Comparison]:
    """Return rates without the trace against rates with it, by the name of the share.

    Args:
        engine: the exact engine.
        prompt: what decoding begins behind; its own records are not part of the measurement.
        new: tokens decoded.
        text: what is prefilled.
    """
    return {
        "trace_share_decode": compare(
            lambda: run_decode(engine, prompt, new, traced=False),
            lambda: run_decode(engine, prompt, new, traced=True),
            new,
            names=NAMES,
        ),
        "trace_share_prefill": compare(
            lambda: run_prefill(engine, text, traced=False),
            lambda: run_prefill(engine, text, traced=True),
            len(text),
            names=NAMES,
        ),
    }


def run_decode(engine: ExactEngine, prompt: Sequence[int], new: int, *, traced: bool) -> float:
    """Return the seconds of decoding tokens behind a cached prompt."""
    everything = range(engine.shape.vocabulary)
    session = _open(engine, prompt, traced=traced)
    session.best(everything)
    start = time.perf_counter()
    for _ in range(new):
        session.extend([session.best(everything)])
    session.settle()
    if traced:
        for index in range(len(prompt), len(prompt) + new):
            session.position_root(index, SAMPLER)
    return time.perf_counter() - start


def run_prefill(engine: ExactEngine, text: Sequence[int], *, traced: bool) -> float:
    """Return the seconds of running a text, up to the best token after it."""
    session = _open(engine, [], traced=traced)
    start = time.perf_counter()
    session.extend(text)
    session.best(range(engine.shape.vocabulary))
    if traced:
        for index in range(len(text)):
            session.position_root(index, SAMPLER)
    return time.perf_counter() - start


def _open(engine: ExactEngine, prefix: Sequence[int], *, traced: bool) -> ExactSession:
    before, engine.traced = engine.traced, traced
    try:
        return engine.open(prefix)
    finally:
        engine.traced = before
