"""Compiled contracts are kept under all that they are made of, and believed only undamaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from oyez.chain import artifacts

MODULE = "# pragma version 0.4.3\n\nNUMBER: constant(uint256) = 7\n"
CONTRACT = """# pragma version 0.4.3
from contracts.modules import number


@view
@external
def read() -> uint256:
    return number.NUMBER
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OYEZ_CACHE", str(tmp_path / "cache"))
    (tmp_path / "contracts" / "modules").mkdir(parents=True)
    (tmp_path / "contracts" / "Small.vy").write_text(CONTRACT)
    (tmp_path / "contracts" / "modules" / "number.vy").write_text(MODULE)
    return tmp_path


def kept(root: Path) -> list[Path]:
    return sorted((root / "cache" / "contracts").iterdir())


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_again(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(artifacts, "_compile", compile_again)


def test_what_was_compiled_is_not_compiled_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: DEPLOY-1"""
    first = artifacts.load_artifact(root, "contracts/Small.vy")
    forbid(monkeypatch)

    assert artifacts.load_artifact(root, "contracts/Small.vy") == first
    assert first.abi[0]["name"] == "read"
    assert first.runtime in first.bytecode
    assert len(kept(root)) == 1


def test_another_source_or_import_is_another_artifact(root: Path) -> None:
    """Rule: DEPLOY-1"""
    first = artifacts.load_artifact(root, "contracts/Small.vy")
    module = root / "contracts" / "modules" / "number.vy"
    module.write_text(MODULE.replace("7", "8"))

    assert artifacts.load_artifact(root, "contracts/Small.vy").runtime != first.runtime
    module.write_text(MODULE)
    assert artifacts.load_artifact(root, "contracts/Small.vy") == first
    assert len(kept(root)) == 2


def test_another_compiler_is_another_artifact(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: DEPLOY-1"""
    before = artifacts.compute_key(root, "contracts/Small.vy")
    monkeypatch.setattr(artifacts, "VYPER", "0.0.1")

    assert artifacts.compute_key(root, "contracts/Small.vy") != before


def test_the_sources_are_all_that_is_imported() -> None:
    """Rule: DEPLOY-1"""
    root = Path(__file__).resolve().parents[3]
    names = {
        str(path.relative_to(root))
        for path in artifacts.list_sources(root, "contracts/DuelGame.vy")
    }

    assert {
        "contracts/DuelGame.vy",
        "contracts/constants.vy",
        "contracts/interfaces/IRollup.vyi",
        "contracts/modules/bouts.vy",
        "contracts/modules/descent.vy",
        "contracts/modules/lanes.vy",
    } <= names
    assert "contracts/Inbox.vy" not in names


@pytest.mark.parametrize("damage", [b"", b"x" * 40, None])
def test_a_damaged_file_is_reported_and_replaced(
    root: Path, caplog: pytest.LogCaptureFixture, damage: bytes | None
) -> None:
    """Rule: DEPLOY-1"""
    first = artifacts.load_artifact(root, "contracts/Small.vy")
    (path,) = kept(root)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"!" if damage is None else damage)

    with caplog.at_level(logging.WARNING):
        assert artifacts.load_artifact(root, "contracts/Small.vy") == first
    assert "artifact=ignored" in caplog.text
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_used_stops_nothing(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule: DEPLOY-1"""
    (root / "cache").write_text("no folder")

    with caplog.at_level(logging.WARNING):
        assert artifacts.load_artifact(root, "contracts/Small.vy").abi
    assert "artifact=not_kept" in caplog.text


def test_every_import_of_the_contracts_is_seen() -> None:
    """Rule: DEPLOY-1"""
    root = Path(__file__).resolve().parents[3]
    for source in (root / "contracts").rglob("*.vy*"):
        for line in source.read_text().splitlines():
            if line.startswith(("import ", "from ")):
                assert artifacts.IMPORT.match(line), (source, line)
                assert "," not in line, (source, line)
