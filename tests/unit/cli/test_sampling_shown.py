"""What `action check` and `action show` say of an action's temperature and seed."""

from __future__ import annotations

import pytest

from oyez.commands import actions
from oyez.protocol.types import Hash32, Manifest, SeedRule
from tests.unit.protocol.actions import build_action

SEED = Hash32(b"\xab" * 32)


@pytest.mark.parametrize(
    ("found", "shown", "line"),
    [
        (build_action(), (0.0, "batch"), None),
        (
            build_action(temperature=52_429),
            (52_429 / 65_536, "batch"),
            "temperature 0.80000, seed batch: a call runs once its batch is closed",
        ),
        (
            build_action(temperature=1 << 15, seed_rule=SeedRule.CONSTANT, seed=SEED),
            (0.5, "0x" + "ab" * 32),
            "temperature 0.50000, seed 0x" + "ab" * 32 + ": a call runs at once",
        ),
    ],
)
def test_temperature_and_seed_are_shown(
    found: Manifest, shown: tuple[float, str], line: str | None
) -> None:
    """Rule: SAMPLE-7."""
    document = actions.build_manifest(found, b"")
    assert (document["temperature"], document["seed"]) == shown
    lines = [text for text in actions.describe(found, b"") if "temperature" in text]
    assert lines == ([] if line is None else [line])
