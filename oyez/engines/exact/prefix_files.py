"""Keeps prefixes' contexts in a folder, so that a process that starts need not run them again.

A file holds what follows from a model and a prefix's tokens: keys and values as portable lanes,
the last layer's lanes after the last token, and the record roots of every position. Its name and
its first bytes say which, under a version of the format and a digest of the engine's arithmetic; a
digest guards the rest. A file that is damaged, cut or another's is reported, ignored and replaced.

The digest is no signature: whoever may write in the folder may make up a prefix, as he may make
up the store beside it or the program itself.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from oyez.engines.exact import known
from oyez.engines.exact.backend import Backend
from oyez.engines.exact.kept_files import KeptFiles
from oyez.engines.exact.session import Block, Context
from oyez.engines.exact.weights import Model
from oyez.protocol.types import Hash32

#: Raise it with any change of the layout or of what a record holds.
FORMAT = 1
#: Bytes that a folder's files take together; a prefix of 100 tokens takes 2.4 MB for SmolLM2-135M.
FOLDER_BYTES = 256_000_000
_MAGIC = b"oyez prefix"


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
        self.kept = KeptFiles(folder, "prefix", limit)
        self._model = model
        self._backend = backend
        self._get_root = get_root

    def load(self, prefix: tuple[int, ...]) -> Context | None:
        """Return a prefix's context, None if there is none that can be believed."""
        key = self._compute_key(prefix)
        try:
            data = self.kept.get_path(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.kept.ignore(key, error.strerror)
            return None
        context = self._parse(data, key, prefix)
        if context is None:
            self.kept.ignore(key, "damaged")
            return None
        self.kept.touch(key)
        return context

    def save(self, prefix: tuple[int, ...], context: Context) -> None:
        """Keep a prefix's context, and drop those that were used longest ago if room is short.

        A folder that cannot be written is reported; the prefix is then run again at the next start.
        """
        key = self._compute_key(prefix)
        data = self._format(key, context)
        self.kept.save(key, [data], len(data))

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
