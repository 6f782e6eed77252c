"""Asks `oyez attest check`, on the command line and in process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from oyez import cli
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.trial import try_quote
from tests import tdx_samples

NOW = 1_780_000_000
PLATFORM = SimulatedPlatform()


def ask(*args: str | Path, code: int) -> dict[str, Any]:
    result = CliRunner().invoke(cli.main, ["attest", "check", *map(str, args), "--json"])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def check(quote: Path, collateral: Path, at: int, *more: str, code: int) -> dict[str, Any]:
    return ask(quote, "--collateral", collateral, "--at", str(at), *more, code=code)


def paths(quote: str, collateral: str) -> tuple[Path, Path]:
    folder = tdx_samples.ROOT
    return folder / f"{quote}.bin", folder / "collateral" / f"{collateral}.json"


def reason(quote: bytes, collateral: str = "", platform: SimulatedPlatform = PLATFORM) -> str:
    verdict = try_quote(quote, collateral or PLATFORM.collateral(NOW), NOW, platform)
    assert verdict.accepted == (verdict.reason == "")
    return verdict.reason
