"""A digest of the sources that compute a batch's roots, to compare with what a quote says."""

from __future__ import annotations

import hashlib
from pathlib import Path

from oyez.protocol.types import Hash32

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("oyez/derivation", "oyez/engines/exact", "oyez/protocol")
SUFFIXES = (".c", ".h", ".py")


def list_sources(root: Path = ROOT) -> list[Path]:
    """Return the sources that count, sorted by their path."""
    found = (path for folder in FOLDERS for path in (root / folder).rglob("*"))
    chosen = [path for path in found if path.suffix in SUFFIXES]
    return sorted(chosen, key=lambda path: path.relative_to(root).as_posix())


def compute_engine_build(root: Path = ROOT) -> Hash32:
    """Return the digest: SHA-256 over each source's path, zero byte, size in 8 bytes, content.

    Rule: ENCLAVE-4
    """
    digest = hashlib.sha256()
    for path in list_sources(root):
        data = path.read_bytes()
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(len(data).to_bytes(8) + data)
    return Hash32(digest.digest())
