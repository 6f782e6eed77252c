"""Keeps the contexts of constant prefixes: computed once, forked for every call."""

from __future__ import annotations

import threading
from collections import OrderedDict

from oyez.engines.exact.prefix_files import PrefixFiles
from oyez.engines.exact.session import Context

#: Positions that cached prefixes hold together; 1,024 take about 25 MB for the 135M model.
PREFIX_POSITIONS = 4_096


class PrefixCache:
    """Contexts of actions' constant prefixes, the least recently used dropped first.

    Rule: ENGINE-24

    Arithmetic is exact, so a cached context has the bits a new one would have.
    """

    def __init__(self, limit: int = PREFIX_POSITIONS, files: PrefixFiles | None = None) -> None:
        """Start empty; `limit` counts positions, 0 turns the cache off.

        `files` keep over the process's end what is traced.
        """
        self.limit = limit
        self.files = files
        self.hits = 0
        self._contexts: OrderedDict[tuple[int, ...], Context] = OrderedDict()
        self._lock = threading.Lock()

    def takes(self, prefix: tuple[int, ...]) -> bool:
        """Tell whether a prefix is one to keep: not empty, and not more than there is room for."""
        return 0 < len(prefix) <= self.limit

    def get(self, prefix: tuple[int, ...], *, traced: bool = False) -> Context | None:
        """Return a prefix's context, to be forked, or None; one with record roots if `traced`."""
        with self._lock:
            context = self._contexts.get(prefix)
            if context is None or traced > context.traced:
                return None
            self._contexts.move_to_end(prefix)
            self.hits += 1
            return context

    def find(self, prefix: tuple[int, ...], *, traced: bool = False) -> Context | None:
        """Return a prefix's context as `get` does, from the files if it is not in memory."""
        context = self.get(prefix, traced=traced)
        if context is None and self.files is not None and self.takes(prefix):
            context = self.files.load(prefix)
            if context is not None:
                self._keep(prefix, context)
        return context

    def put(self, prefix: tuple[int, ...], context: Context) -> None:
        """Keep a prefix's context, which nobody extends any more."""
        if not self.takes(prefix):
            return
        self._keep(prefix, context)
        if self.files is not None and context.traced:
            self.files.save(prefix, context)

    def _keep(self, prefix: tuple[int, ...], context: Context) -> None:
        with self._lock:
            self._contexts[prefix] = context
            self._contexts.move_to_end(prefix)
            while sum(map(len, self._contexts)) > self.limit:
                self._contexts.popitem(last=False)

    def __len__(self) -> int:
        with self._lock:
            return len(self._contexts)
