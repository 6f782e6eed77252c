"""Pairs are interleaved, warm-ups do not count, ratios are by pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from oyez.measure import spread
from oyez.measure.spread import Comparison, Spread


def script(seconds: list[float], name: str, log: list[str]) -> Callable[[], float]:
    left: Iterator[float] = iter(seconds)

    def run() -> float:
        log.append(name)
        return next(left)

    return run


def test_pairs_alternate_who_begins_and_the_first_runs_do_not_count() -> None:
    log: list[str] = []
    ours = script([99.0, 1.0, 2.0, 4.0], "ours", log)
    theirs = script([99.0, 2.0, 6.0, 4.0], "theirs", log)
    found = spread.compare(ours, theirs, 8, pairs=3)
    assert log == ["ours", "theirs", "ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert found.ours.values == (8.0, 4.0, 2.0)
    assert found.theirs.values == (4.0, 8 / 6, 2.0)


def test_a_ratio_is_the_median_of_the_pairs_ratios() -> None:
    found = Comparison(Spread((8.0, 4.0, 2.0)), Spread((4.0, 1.0, 2.0)))
    assert found.ratios.values == (2.0, 4.0, 1.0)
    assert found.to_json() == {
        "ratio": {"min": 1.0, "median": 2.0, "max": 4.0, "n": 3},
        "oyez": {"min": 2.0, "median": 4.0, "max": 8.0, "n": 3},
        "llama.cpp": {"min": 1.0, "median": 2.0, "max": 4.0, "n": 3},
    }


def test_one_party_alone() -> None:
    log: list[str] = []
    assert spread.measure(script([9.0, 3.0, 1.0], "a", log), 2) == Spread((3.0, 1.0))


def test_digits_are_significant_ones() -> None:
    assert spread.round_to(0.000123456) == 0.0001235
    assert spread.round_to(123_456.0, 3) == 123_000.0


def test_a_judged_ratio_has_seven_pairs_or_more() -> None:
    assert spread.PAIRS >= 7
