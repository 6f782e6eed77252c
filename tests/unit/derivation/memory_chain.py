"""A chain of blocks in memory, which can change its mind; stands for `Chain` in derivation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from oyez.chain.client import Block, Log
from oyez.protocol.codec import sha256
from oyez.protocol.types import Hash32


class MemoryChain:
    """Blocks named by their branch; `on_logs` runs after logs were read."""

    chain_id = 31_337

    def __init__(self) -> None:
        self.branches: list[str] = []
        self.logs: list[Log] = []
        self.on_logs: Callable[[], None] = lambda: None

    def grow(self, count: int, branch: str = "a") -> None:
        self.branches += [branch] * count

    def reorg(self, first: int, branch: str = "b") -> None:
        self.branches[first:] = [branch] * (len(self.branches) - first)

    def find_block(self, at: Any) -> Block | None:
        number = len(self.branches) - 1 if at == "latest" else at
        if not 0 <= number < len(self.branches):
            return None
        return Block(number, self._hash(number), self._hash(number - 1), 1_000 + number, 0)

    def fetch_block(self, at: Any = "latest") -> Block:
        found = self.find_block(at)
        assert found is not None
        return found

    def fetch_logs(
        self, addresses: Sequence[bytes], _topics: Any, first: int, last: int
    ) -> Iterator[Log]:
        yield from (log for log in self.logs if first <= log.block <= last)
        self.on_logs()

    def _hash(self, number: int) -> Hash32:
        # A block's hash names all before it.
        return sha256("".join(self.branches[: number + 1]).encode())
