"""A folder of files that a process keeps for the next one: whole or not there, and bounded.

What a file holds is its owner's matter, and so is not to believe it unseen. Several processes may
share a folder: a draft becomes a file in one step, and what another one removed is no error.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path

LOG = logging.getLogger(__name__)

#: A draft so much older than the newest file is of a process that died.
_STALE_NANOSECONDS = 3_600 * 10**9


class KeptFiles:
    """Files of one kind in a folder, the least recently used dropped first."""

    def __init__(self, folder: Path, kind: str, limit: int) -> None:
        """Name the folder, made when a file is kept.

        Args:
            folder: where the files lie.
            kind: their suffix, and what the log calls them.
            limit: bytes that they may take together.
        """
        self.folder = folder
        self.limit = limit
        self._kind = kind

    def get_path(self, key: bytes) -> Path:
        """Return where the file of a key lies."""
        return self.folder / f"{key.hex()[:40]}.{self._kind}"

    def save(self, key: bytes, parts: Iterable[bytes | memoryview], size: int) -> None:
        """Keep a file of `size` bytes, and drop those that were used longest ago if room is short.

        A folder that cannot be written is reported, and nothing is kept.
        """
        if size > self.limit:
            return
        path = self.get_path(key)
        draft = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with draft.open("wb") as file:
                file.writelines(parts)
            os.replace(draft, path)
            self._make_room()
        except OSError as error:
            LOG.warning("%s=not_kept file=%s reason=%s", self._kind, path, error.strerror)
            with contextlib.suppress(OSError):  # where nothing can be written nothing is left
                draft.unlink()

    def ignore(self, key: bytes, reason: str | None) -> None:
        """Report that a file is not believed."""
        LOG.warning("%s=ignored file=%s reason=%s", self._kind, self.get_path(key), reason)

    def touch(self, key: bytes) -> None:
        """Note that a file was used; another process may have dropped it meanwhile."""
        path = self.get_path(key)
        try:
            os.utime(path)
        except OSError as error:
            LOG.info("%s=gone file=%s reason=%s", self._kind, path, error.strerror)

    def _make_room(self) -> None:
        """Drop files, those used longest ago first, until the others fit.

        Drafts are another process's business, unless it died long ago.
        """
        found = []
        for path in self.folder.iterdir():
            try:
                status = path.stat()
            except FileNotFoundError:
                # another process made room as well
                continue
            found.append((status.st_mtime_ns, status.st_size, path))
        suffix = f".{self._kind}"
        total = sum(size for _, size, path in found if path.suffix == suffix)
        newest = max((used for used, _, _ in found), default=0)
        for used, size, path in sorted(found):
            if path.suffix != suffix:
                if used < newest - _STALE_NANOSECONDS:
                    path.unlink(missing_ok=True)
            elif total > self.limit:
                path.unlink(missing_ok=True)
                total -= size
