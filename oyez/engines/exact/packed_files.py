"""Keeps what loading computes of a model file, so that a process that starts need not do it again.

A file holds the rows as the kernels want them, and whatever else follows from the model file and
from the code that loads it: bounds, formats, norm weights, rotation tables, the tokens' spellings
and bytes. It is mapped, never copied: processes share its pages, and of the model file itself only
the embedding's rows are read.

Its name and its head say what it follows from: the model file's SHA-256, the sources of the
kernels and of the loader, the machine's byte order. Two digests, of head and arrays, guard the
rest. A file that is damaged, cut or another's is reported, ignored and replaced. As with prefixes
the digests guard against accidents alone.

Nothing here is imported that imports NumPy at once: see `loading`.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oyez.engines.exact import sources
from oyez.engines.exact.gguf import GgufFile, map_file
from oyez.engines.exact.kept_files import KeptFiles

if TYPE_CHECKING:
    from oyez.engines.exact.packed_layout import Loaded, Tiles

#: Bytes that a folder's files take together; SmolLM2-135M takes 93 MB.
FOLDER_BYTES = 2_000_000_000
_MAGIC = b"oyez packed rows"
#: Where the parts of a head begin: its own digest, the key, the arrays' digest, its text's length.
_DIGEST, _KEY, _ARRAYS, _LENGTH, _TEXT = 16, 48, 80, 112, 120


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is believed: its text and its arrays, mapped."""

    text: memoryview
    arrays: memoryview


class PackedFiles:
    """A folder of loaded models; several processes may share it.

    Rule: ENGINE-36
    """

    def __init__(self, folder: Path, limit: int = FOLDER_BYTES) -> None:
        """Name the folder, made when a model is kept; `limit` counts bytes of all its files."""
        self.kept = KeptFiles(folder, "packed", limit)

    def open(self, sha256: str) -> Kept | None:
        """Return what was kept of a model file, None if there is nothing that can be believed.

        Args:
            sha256: digest of the model file, as hex; whoever uses the result has checked it.
        """
        key = compute_key(sha256)
        try:
            with self.kept.get_path(key).open("rb") as file:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # ValueError: it is empty
            self.kept.ignore(key, str(error))
            return None
        head = _find_head(data, key)
        if head is None or hashlib.sha256(data[head:]).digest() != data[_ARRAYS:_LENGTH]:
            self.kept.ignore(key, "damaged")
            return None
        self.kept.touch(key)
        return Kept(data[_TEXT:head], data[head:])

    def read(self, kept: Kept, path: Path) -> Loaded:
        """Return the model that was kept of a model file, which is mapped too."""
        from oyez.engines.exact.packed_layout import Reading

        return Reading(json.loads(bytes(kept.text)), kept.arrays, map_file(path)).read()

    def save(self, sha256: str, loaded: Loaded, file: GgufFile, tiles: Tiles) -> None:
        """Keep a loaded model with its rows packed; a folder that cannot be written is reported."""
        from oyez.engines.exact.packed_layout import ALIGNMENT, Writing

        key = compute_key(sha256)
        writing = Writing()
        text = json.dumps(writing.describe(loaded, file, tiles), separators=(",", ":")).encode()
        text += b" " * (-(_TEXT + len(text)) % ALIGNMENT)
        digest = hashlib.sha256()
        for part in writing.parts:
            digest.update(part)
        head = key + digest.digest() + len(text).to_bytes(8, "little") + text
        parts = (_MAGIC, hashlib.sha256(head).digest(), head, *writing.parts)
        self.kept.save(key, parts, sum(map(len, parts)))


def compute_key(sha256: str) -> bytes:
    """Return a digest of all that a file's content follows from."""
    parts = (sys.byteorder, sources.compute_loader_digest(), sources.get_library_path().name)
    return hashlib.sha256(b"\n".join((_MAGIC, *map(str.encode, (sha256, *parts))))).digest()


def _find_head(data: memoryview, key: bytes) -> int | None:
    """Return where the head ends, None if it is damaged or of another key."""
    if len(data) < _TEXT or data[:_DIGEST] != _MAGIC or data[_KEY:_ARRAYS] != key:
        return None
    end = _TEXT + int.from_bytes(data[_LENGTH:_TEXT], "little")
    if end > len(data) or hashlib.sha256(data[_KEY:end]).digest() != data[_DIGEST:_KEY]:
        return None
    return end
