"""An engine that lies in one layer record: whoever runs it believes in its lie, and defends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oyez.protocol import codec, trace
from oyez.protocol.types import Hash32


class LyingEngine:
    """As another engine, but for the layers of the token at one index."""

    def __init__(self, engine: Any, index: int) -> None:
        self._engine = engine
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def open(self, prefix: Sequence[int]) -> Any:
        return _Session(self._engine.open(prefix), self._index)


class _Session:
    def __init__(self, session: Any, index: int) -> None:
        self._session = session
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def layer_roots(self, index: int) -> Sequence[Hash32]:
        first, *rest = self._session.layer_roots(index)
        return [codec.sha256(first) if index == self._index else first, *rest]

    def position_root(self, index: int, sampler: Hash32) -> Hash32:
        return trace.compute_position_root(self.layer_roots(index), sampler)
