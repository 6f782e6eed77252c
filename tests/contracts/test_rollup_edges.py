"""Rollup at the very edge of its bounds: what a change by one, found by mutation, would move."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.harness import CURATOR, ETHER, World, settings


@pytest.mark.parametrize(
    "changes",
    [
        {"challenge_window": 1, "response_window": 0},
        {"challenge_window": 2**24 - 1},
        {"response_window": 599},
        {"stake": 4},
        {"curator": CURATOR, "model_delay": 600},
        {"model_delay": 0},
        {"sequencer_grace": 0},
    ],
)
def test_the_constructor_takes_the_last_settings_that_are_safe(changes: dict[str, Any]) -> None:
    world = World(settings(**changes))

    found = world.rollup.settings()
    assert found.stake == changes.get("stake", ETHER)
    assert found.challenge_window == changes.get("challenge_window", 600)
    assert found.response_window == changes.get("response_window", 120)
    assert found.sequencer_grace == changes.get("sequencer_grace", 60)
