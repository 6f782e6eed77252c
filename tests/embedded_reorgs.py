"""The embedded EVM with a pool whose newest blocks can be undone, to any depth up to eight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from oyez.chain.client import from_hex
from oyez.protocol.types import Address
from tests.embedded import EmbeddedChain, History, recover
from tests.embedded_pool import Pooled, read

#: Newest blocks that a re-org can undo.
DEPTH = 8
#: From the newest block of the old branch to the first of the new one.
REORG_SECONDS = 11


class Fate(Enum):
    """What becomes of waiting transactions, and of those in blocks that are undone."""

    LOST = "lost"
    BACK = "back in the first block"
    LATE = "back before whatever is mined next"
    PART = "every second one is lost, the others wait"


@dataclass(frozen=True, slots=True)
class Mark:
    """The end of a block."""

    snapshot: Any  # pyrevm's own
    history: History
    block: int
    prevrandao: bytes
    nonces: dict[Address, int]


class Reorged(Pooled):
    """A pool under a chain that changes its mind."""

    def __init__(self, **changes: Any) -> None:
        self.late: list[bytes] = []
        self._marks: list[Mark] = []
        super().__init__(**changes)

    @property
    def waiting(self) -> list[bytes]:
        """Raw transactions in the pool."""
        return [raw for by_nonce in self.pool.values() for _, raw in sorted(by_nonce.items())]

    def list_mined(self, who: bytes) -> list[bytes]:
        """An account's raw transactions on the chain."""
        raws = [raw for block in sorted(self.mined) for raw in self.mined[block]]
        return [raw for raw in raws if recover(raw) == who]

    def find_ready(self) -> bytes | None:
        """Return a transaction that the next block takes."""
        for raw in (*self.late, *self.waiting):
            if read(raw)["nonce"] == self.count("0x" + recover(raw).hex(), "latest"):
                return raw
        return None

    def pass_time(self, seconds: int, blocks: int = 1) -> None:
        """Begin the next block; how the chain is before it can be had again."""
        self._mark()
        super().pass_time(seconds, blocks)

    def mine(self) -> None:
        """Put all waiting transactions whose turn it is into a new block, late ones first."""
        self._mark()
        self._put_back(self.late)
        self.late = []
        super().mine()
        for who, by_nonce in self.pool.items():
            used = self.count(who, "latest")
            self.pool[who] = {nonce: raw for nonce, raw in by_nonce.items() if nonce >= used}

    def reorganise(self, depth: int, fate: Fate) -> list[bytes]:
        """Undo so many of the newest blocks; return the transactions that were in them.

        LOST and PART leave the chain shorter than it was, the others longer. Time does not go back.
        """
        mark, height = self._marks[-depth], self.block
        del self._marks[-depth:]
        undone = [raw for at in range(mark.block + 1, height + 1) for raw in self.mined.pop(at, [])]
        self.evm.revert(mark.snapshot)
        self.history, self.block, self.nonces = mark.history, mark.block, mark.nonces
        self.prevrandao = mark.prevrandao
        self.branch += 1
        self.now += REORG_SECONDS - self.seconds
        kept = [*undone, *self.waiting]
        self.pool = {}
        match fate:
            case Fate.LOST:
                self.late = []
            case Fate.BACK:
                self._put_back(kept)
            case Fate.LATE:
                self.late = kept
            case Fate.PART:
                self._put_back(kept[1::2])
        if fate is Fate.BACK:
            self.mine()
        else:
            self.pass_time(self.seconds)
        while fate in (Fate.BACK, Fate.LATE) and self.block <= height:
            self.pass_time(self.seconds)
        return undone

    def _put_back(self, raws: list[bytes]) -> None:
        """Into the pool, in the place of others with the same nonce."""
        for raw in raws:
            who, nonce = "0x" + recover(raw).hex(), read(raw)["nonce"]
            if nonce >= self.count(who, "latest"):
                self.pool.setdefault(who, {})[nonce] = raw

    def _mark(self) -> None:
        kept = self.history
        mark = Mark(
            self.evm.snapshot(),
            History(list(kept.blocks), list(kept.logs), dict(kept.receipts), dict(kept.sent)),
            self.block,
            self.prevrandao,
            dict(self.nonces),
        )
        self._marks = [*self._marks[1 - DEPTH :], mark]


class WatchedChain(EmbeddedChain):
    """One node's connection; `watch` is told of each transaction before it is sent."""

    def __init__(self, arena: Reorged, watch: Callable[[bytes], None]) -> None:
        super().__init__(arena)
        self.watch = watch

    def _eth_sendRawTransaction(self, raw: str) -> str:
        self.watch(from_hex(raw))
        return super()._eth_sendRawTransaction(raw)
