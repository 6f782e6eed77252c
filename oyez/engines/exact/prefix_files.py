"""Keeps prefixes' contexts in a folder, so that a process that starts need not run them again.

A file holds what follows from a model and a prefix's tokens: keys and values as portable lanes,
the last layer's lanes after the last token, and the record roots of every position. Its name and
its first bytes say which, under a version of the format and a digest of the engine's arithmetic; a
digest guards the rest. A file that is damaged, cut or another's is reported, ignored and replaced.

The digest is no signature: whoever may write in the folder may make up a prefix, as he may make
up the store beside it or the program itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from oyez.engines.exact import known
from oyez.engines.exact.backend import Backend
from oyez.engines.exact.session import Block, Context
from oyez.engines.exact.weights import Model
from oyez.protocol.types import Hash32

LOG = logging.getLogger(__name__)

#: Raise it with any change of the layout or of what a record holds.
FORMAT = 1
#: Bytes that a folder's files take together; a prefix of 100 tokens takes 2.4 MB for SmolLM2-135M.
FOLDER_BYTES = 256_000_000
_MAGIC = b"oyez prefix"
_SUFFIX = ".prefix"
#: A draft so much older than the newest file is of a process that died.
_STALE_NANOSECONDS = 3_600 * 10**9


class PrefixFiles:
    """A folder of prefixes of one model; several processes may share it.

    Rule: ENGINE-33
    """

    def __init__(
        self,
        folder: Path,
        model: Model,
        backend: Backend,
        get_root: Callable[[], Hash32],
        limit: int = FOLDER_BYTES,
    ) -> None:
        """Name the folder, made when a prefix is kept; `limit` counts bytes of all its files."""
        self.folder = folder
        self.limit = limit
        self._model = model
        self._backend = backend
        self._get_root = get_root

    def load(self, prefix: tuple[int, ...]) -> Context | None:
        """Return a prefix's context, None if there is none that can be believed."""
        key = self._compute_key(prefix)
        path = self._get_path(key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            LOG.warning("prefix=ignored file=%s reason=%s", path, error.strerror)
            return None
        context = self._parse(data, key, prefix)
        if context is None:
            LOG.warning("prefix=ignored file=%s reason=damaged", path)
            return None
        self._touch(path)
        return context

    def save(self, prefix: tuple[int, ...], context: Context) -> None:
        """Keep a prefix's context, and drop those that were used longest ago if room is short.

        A folder that cannot be written is reported; the prefix is then run again at the next start.
        """
        key = self._compute_key(prefix)
        path = self._get_path(key)
        draft = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.new")
        data = self._format(key, context)
        if len(data) > self.limit:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_bytes(data)
            os.replace(draft, path)
            self._make_room()
        except OSError as error:
            LOG.warning("prefix=not_kept file=%s reason=%s", path, error.strerror)
            with contextlib.suppress(OSError):  # where nothing can be written nothing is left
                draft.unlink()

    def _get_path(self, key: bytes) -> Path:
        return self.folder / f"{key.hex()[:40]}{_SUFFIX}"

    def _compute_key(self, prefix: tuple[int, ...]) -> bytes:
        """Return a digest of all that a file's content follows from."""
        arithmetic = hashlib.sha256("".join(known.SELF_TEST).encode()).digest()
        tokens = np.array(prefix, "<u4").tobytes()
        version = FORMAT.to_bytes(4, "little")
        return hashlib.sha256(_MAGIC + version + arithmetic + self._get_root() + tokens).digest()

    def _get_sizes(self, count: int) -> tuple[int, int, int]:
        """Return the bytes of the last lanes, of the roots and of keys and values."""
        model, layers = self._model, len(self._model.layers)
        kv = 2 * model.kv_heads * model.head_size
        return 4 * model.width, 32 * count * layers, 2 * count * layers * kv

    def _format(self, key: bytes, context: Context) -> bytes:
        assert context.last is not None, "a prefix has a token"
        body = b"".join(
            (
                key,
                struct.pack("<I", context.cache.count),
                context.last.astype("<i4").tobytes(),
                *(block.roots.tobytes() for block in context.blocks),
                context.cache.get_lanes().astype("<i2").tobytes(),
            )
        )
        return _MAGIC + hashlib.sha256(body).digest() + body

    def _parse(self, data: bytes, key: bytes, prefix: tuple[int, ...]) -> Context | None:
        count, layers, at = len(prefix), len(self._model.layers), len(_MAGIC) + 32
        sizes = self._get_sizes(count)
        begin = at + len(key) + 4
        if len(data) != begin + sum(sizes) or not data.startswith(_MAGIC):
            return None
        if hashlib.sha256(data[at:]).digest() != data[len(_MAGIC) : at]:
            return None
        if data[at:begin] != key + struct.pack("<I", count):
            return None
        ends = np.cumsum((begin, *sizes)).tolist()
        last, roots, lanes = (data[a:b] for a, b in itertools.pairwise(ends))
        context = Context(self._backend, self._model)
        context.cache.fill(np.frombuffer(lanes, "<i2").astype(np.int16).reshape(count, layers, -1))
        context.last = np.frombuffer(last, "<i4").astype(np.int32)
        found = np.frombuffer(roots, np.uint8).reshape(count, layers, 32)
        context.blocks = [Block(0, found, self._backend.compute_siblings(found))]
        return context

    def _touch(self, path: Path) -> None:
        """Note that a file was used; another process may have dropped it meanwhile."""
        try:
            os.utime(path)
        except OSError as error:
            LOG.info("prefix=gone file=%s reason=%s", path, error.strerror)

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
        total = sum(size for _, size, path in found if path.suffix == _SUFFIX)
        newest = max((used for used, _, _ in found), default=0)
        for used, size, path in sorted(found):
            if path.suffix != _SUFFIX:
                if used < newest - _STALE_NANOSECONDS:
                    path.unlink(missing_ok=True)
            elif total > self.limit:
                path.unlink(missing_ok=True)
                total -= size
