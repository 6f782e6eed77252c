"""`oyez bench duel`: twelve clocked moves within budget; the numbers are the contracts' own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from oyez import cli
from oyez.gas import duels
from tests.snapshots import FOLDER

KEYS = (
    *("moves_max", "gas_moves", "gas_move_max", "gas_resolve_overhead"),
    "honest_gas_per_rival",
)


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    """What the command prints to a user without a home, a key or a deployment."""
    result = CliRunner().invoke(cli.main, ["bench", "duel", "--json"])
    assert result.exit_code == 0, (result.stdout, result.stderr)
    assert len(result.stdout.splitlines()) == 1
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_the_named_numbers_keep_their_budgets(printed: dict[str, Any]) -> None:
    assert tuple(printed) == KEYS
    assert printed["moves_max"] == 12
    budget = {
        "open_duel": 95_000,
        "start": 65_000,
        "advance": 75_000,
        "last": 75_000,
        "commit": 125_000,
        "inner": 105_000,
        "advance_bout": 80_000,
        "leaf, first": 95_000,
        "leaf": 85_000,
        "resolve": 480_000,
        "timeout_bout": 110_000,
        "defeat": 90_000,
        "release": 60_000,
        "mark_void": 45_000,
    }
    assert {**budget, "moves_max": 12} == duels.BUDGETS
    assert {kind for kind in budget if printed["gas_moves"][kind] > budget[kind]} == set()
    assert printed["gas_move_max"] == printed["gas_moves"]["commit"]


def test_they_are_what_the_contracts_tests_measure_apart(printed: dict[str, Any]) -> None:
    """Another deployer, other accounts, another program: within 2 percent."""
    kept = json.loads((FOLDER / "duel_gas.json").read_text())
    gas = printed["gas_moves"]
    named = {"leaf": "leaf, second", "commit": "commit, first of a fork"}
    shared = [kind for kind in gas if named.get(kind, kind) in kept and kind != "withdraw"]
    assert len(shared) >= 10
    apart = {k: (gas[k], kept[named.get(k, k)]) for k in shared}
    assert {k: pair for k, pair in apart.items() if abs(pair[0] - pair[1]) > 0.02 * pair[1]} == {}


def test_the_honest_partys_gas_is_that_of_its_own_moves(printed: dict[str, Any]) -> None:
    """Newer than the lie: four outer moves of seven, half of the bout, and all that is due."""
    gas = printed["gas_moves"]
    once = ("open_duel", "start", "commit", "inner", "resolve", "defeat")
    parts = sum(gas[kind] for kind in (*once, "release", "leaf, first")) + 3 * gas["advance"]
    assert abs(printed["honest_gas_per_rival"] - parts) < 0.06 * parts
    assert 0 < printed["gas_resolve_overhead"] < gas["resolve"]


def test_a_budget_that_is_exceeded_is_a_negative_answer(
    printed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = duels.Measured(**printed)
    assert plain.find_over() == {}
    over = replace(plain, moves_max=13, gas_moves={**plain.gas_moves, "start": 65_001})
    assert over.find_over() == {"moves_max": 13, "start": 65_001}
    monkeypatch.setattr(duels, "measure", lambda devnet: over)
    result = CliRunner().invoke(cli.main, ["bench", "duel"])
    assert result.exit_code == 1
    lines = [line.split() for line in result.stdout.splitlines() if "exceeded" in line]
    assert lines == [
        ["start", "65,001", "65,000", "exceeded"],
        ["moves_max", "13", "12", "exceeded"],
    ]
