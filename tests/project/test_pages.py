"""Generated pages are written whole; --check tells an old one and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts import pages


def test_an_old_page_is_told_and_left_until_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("old")
    command = pages.build_command(page, lambda: "new", "Writes a page.")
    assert CliRunner().invoke(command, ["--check"]).exit_code == 1
    assert page.read_text() == "old"
    written = CliRunner().invoke(command)
    assert (written.exit_code, written.output) == (0, "page.md\n")
    assert page.read_text() == "new"
    assert CliRunner().invoke(command, ["--check"]).exit_code == 0
