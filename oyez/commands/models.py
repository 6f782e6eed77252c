"""`oyez model add|verify|list`: model files, their roots and shapes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oyez.commands import output
from oyez.commands.arguments import HASH
from oyez.commands.settings import Settings, get_home, pass_settings
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Hash32

if TYPE_CHECKING:
    from oyez.engines.exact.model_store import KnownModel, ModelStore

#: Characters of the progress bar.
BAR = 30


@click.group()
def model() -> None:
    """Add, verify and list model files."""


@model.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_settings
def add(settings: Settings, *, file: Path) -> None:
    """Check a GGUF file, print its root and shape, and keep a copy in $OYEZ_HOME/models."""
    progress = output.Progress()
    found = _open_store().add(file, _Bar(progress))
    progress.clear()
    _emit(found, as_json=settings.json)


@model.command()
@click.argument("which", metavar="[NAME|ROOT|FILE]", required=False)
@click.option("--root", type=HASH, help="The root it must have  [default: the one on record]")
@pass_settings
def verify(settings: Settings, *, which: str | None, root: Hash32 | None) -> int:
    """Read a model file again, in full, and compare its root; exit code 1 if it is another one.

    Without an argument the file of --model, or the installed one, is read.
    """
    from oyez.engines.exact import locate, model_store

    kept = None if which is None else _open_store().find(which)
    path = kept.file if kept else Path(which) if which else settings.model or locate.find_model()
    progress = output.Progress()
    found = model_store.inspect_model(path, _Bar(progress))
    progress.clear()
    expected = root or (kept.root if kept else _find_root(found))
    if expected is None:
        raise Invalid(
            "MODEL-22",
            f"no root is on record for {path}, whose root is 0x{found.root.hex()}: give --root, or "
            "add the model",
        )
    match = found.root == expected
    record = {**model_store.format_record(found), "expected": output.format_hex(expected)}
    lines = ["match" if match else f"NO MATCH: 0x{expected.hex()} was expected", *_format(found)]
    output.emit({"match": match, **record}, lines, as_json=settings.json)
    return output.Exit.OK if match else output.Exit.NEGATIVE


@model.command("list")
@pass_settings
def list_models(settings: Settings) -> None:
    """List the installed model and those that were added; no file is read."""
    from oyez.engines.exact import model_store

    installed = model_store.find_installed()
    kept = _open_store().list()
    lines = [f"installed: {installed or 'none'}"]
    lines += [f"{known.name}  0x{known.root.hex()}  {known.file}" for known in kept]
    output.emit(
        {
            "installed": str(installed) if installed else None,
            "models": [model_store.format_record(known) for known in kept],
        },
        lines,
        as_json=settings.json,
    )


class _Bar:
    """A progress bar on standard error."""

    def __init__(self, progress: output.Progress) -> None:
        self._progress = progress

    def __call__(self, done: int, of: int) -> None:
        filled = BAR * done // of
        bar = "#" * filled + "." * (BAR - filled)
        self._progress.show(f"model root [{bar}] {100 * done // of} %")


def _open_store() -> ModelStore:
    from oyez.engines.exact.model_store import ModelStore

    return ModelStore(get_home() / "models")


def _find_root(found: KnownModel) -> Hash32 | None:
    """Return the root on record of a file's bytes: pinned, or kept."""
    from oyez.engines.exact import known

    pinned = known.MODEL_ROOTS.get((found.sha256, found.shape.context))
    kept = [other.root for other in _open_store().list() if other.sha256 == found.sha256]
    return pinned or (kept[0] if kept else None)


def _format(found: KnownModel) -> list[str]:
    shape: dict[str, Any] = {**asdict(found.shape), "missing": f"0x{found.shape.missing.hex()}"}
    return [
        f"root    0x{found.root.hex()}",
        f"sha256  {found.sha256}",
        f"file    {found.file}",
        "shape   " + ", ".join(f"{name} {value}" for name, value in shape.items()),
    ]


def _emit(found: KnownModel, *, as_json: bool) -> None:
    from oyez.engines.exact.model_store import format_record

    output.emit(format_record(found), _format(found), as_json=as_json)
