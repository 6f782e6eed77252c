"""`oyez bench gas`: every budget holds, and its numbers are those that the tests measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oyez import cli
from oyez.chain import deploy
from oyez.gas import budgets
from tests.snapshots import FOLDER

MAIN = [
    *("submit_512", "submit_closing_512", "propose", "finalize"),
    *("verify_field_million", "publish_4k", "code_size_max"),
]


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    """What the command prints to a user without a home, a key or a deployment."""
    result = CliRunner().invoke(cli.main, ["bench", "gas", "--json"])
    assert result.exit_code == 0, (result.stdout, result.stderr)
    assert len(result.stdout.splitlines()) == 1
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_the_named_numbers_come_first_and_keep_their_budgets(printed: dict[str, Any]) -> None:
    assert list(printed) == [*MAIN, "detail"]
    budget = {
        "submit_512": 88_000,
        "submit_closing_512": 158_000,
        "propose": 280_000,
        "finalize": 95_000,
        "verify_field_million": 25_000,
        "publish_4k": 1_700_000,
        "code_size_max": 24_000,
    }
    assert budget == budgets.BUDGETS
    assert {name: printed[name] for name in MAIN if printed[name] > budget[name]} == {}
    detail = printed["detail"]
    assert detail["close_batch_255"] <= 100_000
    assert detail["finalize_first_credit"] <= 112_000
    assert detail["verify_field_million_deepest"] <= 30_000
    assert detail["submit_closing_512_extra"] <= 70_000


def test_they_are_what_the_contracts_tests_measure_apart(printed: dict[str, Any]) -> None:
    """Another action, other accounts, another program: within 2 percent."""
    kept = json.loads((FOLDER / "gas.json").read_text())
    detail = printed["detail"]
    pairs = {
        "submit, 512 bytes, overpaid, worst": printed["submit_512"],
        "submit, 512 bytes, exact fee, worst": detail["submit_512_exact"],
        "submit, extra of closing a batch of 255": detail["submit_closing_512_extra"],
        "close_batch, 255 entries": detail["close_batch_255"],
        "finalize": printed["finalize"],
        "finalize, first credit": detail["finalize_first_credit"],
    }
    assert {n: v for n, v in pairs.items() if abs(v - kept[n]) > 0.02 * kept[n]} == {}


def test_the_dearest_manifest_is_named(printed: dict[str, Any]) -> None:
    detail = printed["detail"]
    kinds = {name: detail[f"publish_4k_{name}"] for name in ("literals", "options", "expressions")}
    assert printed["publish_4k"] == max(kinds.values()) == kinds[detail["publish_4k_dearest"]]
    sizes = {name: detail[f"code_size_{name}"] for name in deploy.CONTRACTS}
    assert printed["code_size_max"] == max(sizes.values())
    for name, size in sizes.items():
        # immutables stand behind the compiled code
        assert size >= len(deploy.compile_contracts()[name].runtime)


def test_a_budget_that_is_exceeded_is_a_negative_answer(
    printed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    main = {name: printed[name] for name in MAIN}
    over = budgets.Measured({**main, "propose": 280_001}, printed["detail"])
    assert over.find_over() == {"propose": 280_001}
    monkeypatch.setattr(budgets, "measure", lambda devnet: over)
    result = CliRunner().invoke(cli.main, ["bench", "gas"])
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if "exceeded" in line]
    assert line.split() == ["propose", "280,001", "280,000", "exceeded"]
