"""One number false at a place of choice, played to its lane; the real model's run in the soak."""

from __future__ import annotations

import pytest

from oyez.protocol.errors import Fatal
from tests.contracts.test_step_model import tiny
from tests.courts import build_court_action
from tests.flips import count_flips


def test_numbers_at_the_last_places_end_at_their_lanes() -> None:
    """Rule: INNER-75, INNER-81, DUEL-13. Invariant 26, Invariant 27"""
    engine = tiny("mixed")[0]
    kinds = ["kv copy", "machine state"]
    counts = count_flips(engine, build_court_action(engine, 3), b"a day", 3, 2, kinds)
    assert counts == {"last: kv copy": 1, "last: machine state": 1}


def test_a_kind_that_lives_too_rarely_is_named() -> None:
    """At temperature 0 there is no noise. Rule: INNER-83"""
    engine = tiny("mixed")[0]
    action = build_court_action(engine, 3, temperature=0)
    with pytest.raises(Fatal, match="too few positions with noise"):
        count_flips(engine, action, b"a day", 3, 2, ["noise"])
