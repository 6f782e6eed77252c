"""What the outer trace adds to a run: the same work with every position's records and without."""

from __future__ import annotations

import time
from collections.abc import Sequence

from oyez.engines.exact.engine import ExactEngine
from oyez.measure.spread import Comparison, compare

NAMES = ("untraced", "traced")


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
    session = engine.open(prompt)
    session.best(everything)
    start = time.perf_counter()
    for _ in range(new):
        session.extend([session.best(everything)])
    if traced:
        for index in range(len(prompt), len(prompt) + new):
            session.layer_roots(index)
    return time.perf_counter() - start


def run_prefill(engine: ExactEngine, text: Sequence[int], *, traced: bool) -> float:
    """Return the seconds of running a text, up to the best token after it."""
    session = engine.open([])
    start = time.perf_counter()
    session.extend(text)
    session.best(range(engine.shape.vocabulary))
    if traced:
        for index in range(len(text)):
            session.layer_roots(index)
    return time.perf_counter() - start
