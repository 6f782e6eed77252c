"""Pages of docs/ that are generated: written, or compared with what they should say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from oyez.chain.deploy import ROOT


def build_command(page: Path, build: Callable[[], str], about: str | None) -> click.Command:
    """Return a script's command that writes a page, or with --check says whether it is current."""

    @click.command(help=about)
    @click.option("--check", is_flag=True, help="Write nothing; exit 1 if the page is not current.")
    def command(check: bool) -> None:
        text = build()
        if check:
            raise SystemExit(0 if page.read_text("utf-8") == text else 1)
        page.write_text(text, encoding="utf-8")
        click.echo(page.relative_to(ROOT))

    return command
