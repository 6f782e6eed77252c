"""`oyez bench engine`: which rows run, what is printed, how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oyez import cli
from oyez.measure import rows


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["bench", "engine", *arguments])


def fake(monkeypatch: pytest.MonkeyPatch, **found: dict[str, Any]) -> None:
    monkeypatch.setattr(
        rows, "ROWS", {name: lambda bench, part=part: dict(part) for name, part in found.items()}
    )


def test_one_object_with_what_the_rows_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(
        monkeypatch,
        prefill={"prefill_ratio": 5.0, "spreads": {"prefill_ratio": {"n": 7}}},
        decode={"decode_ratio_0": 1.6, "spreads": {"decode_ratio_0": {"n": 8}}},
        memory={"peak_mb": 900.0},
    )
    result = run("--json", "--rows", "prefill, decode")
    assert result.exit_code == 0, result.stderr
    (line,) = result.stdout.splitlines()
    found = json.loads(line)
    assert found["spreads"] == {"prefill_ratio": {"n": 7}, "decode_ratio_0": {"n": 8}}
    assert set(found) == {"prefill_ratio", "decode_ratio_0", "spreads", "machine"}
    assert {"cpu", "cores", "threads", "load_before", "load_after"} <= set(found["machine"])
    assert "measuring decode" in result.stderr


def test_a_missed_bound_is_a_negative_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, prefill={"prefill_ratio": 5.0}, memory={"peak_mb": 900.0})
    result = run()
    assert result.exit_code == 1
    table = [line.split() for line in result.stdout.splitlines()[1:]]
    assert ["prefill_ratio", "5", "3", "5", "aim"] in table
    assert ["peak_mb", "900", "450", "250", "missed"] in table


def test_an_unknown_row_is_named() -> None:
    result = run("--rows", "decode,speed")
    assert result.exit_code == 2
    assert "no measurement 'speed'; there are start, memory" in result.stderr
