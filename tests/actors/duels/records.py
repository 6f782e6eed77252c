"""What a spectator keeps of the chain: assertions, stakes, duels, champions and bouts.

A *descent* is the tuple that the game hashes: (waiting, moving, word, movers, leaves).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eth_utils.crypto import keccak

START, DESCENT, COMMIT, LEAF, RESOLVABLE, RESOLVED = range(1, 7)
PENDING, FINAL, DEFEATED, VOID = range(1, 5)
LIVE, SLASHED = 1, 2
NO_STATE = (bytes(32), bytes(32), 0, bytes(32), bytes(32))
INNER_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """An event with its block's time; structs are tuples, addresses 20 bytes."""

    name: str
    args: dict[str, Any]
    time: int


@dataclass
class Assertion:
    """A proposal and what became of it."""

    id: bytes
    parent: bytes
    batch: int
    proposer: bytes
    created_at: int
    attempt: int
    batch_hash: bytes
    claim: tuple[bytes, ...]
    status: int = PENDING

    @property
    def content(self) -> tuple[Any, ...]:
        return self.parent, self.attempt, self.batch, self.batch_hash, self.claim


@dataclass
class Batch:
    """A closed batch."""

    number: int
    hash: bytes
    opened_at: int


@dataclass
class Stake:
    """A staker's word, as far as events tell it."""

    status: int = LIVE
    requested_at: int = 0
    tip: bytes = b""


@dataclass
class Descent:
    """Two trees and a clock; `shown` are the waiting node's 16 children."""

    state: tuple[Any, ...]
    shown: tuple[bytes, ...] = ()

    @property
    def word(self) -> int:
        return int(self.state[2])

    @property
    def record(self) -> int:
        return self.word >> 192

    @property
    def phase(self) -> int:
        return self.word >> 184 & 0xFF

    @property
    def turn(self) -> int:
        return self.word >> 176 & 1

    @property
    def level(self) -> int:
        return self.word >> 168 & 0xFF

    @property
    def last(self) -> int:
        return self.word >> 128 & 0xFFFFFFFFFF

    @property
    def index(self) -> int:
        return self.word & 0xFFFFFFFFFFFFFFFF

    def rem(self, side: int) -> int:
        return self.word >> (64 if side else 96) & 0xFFFFFFFF

    def deadline(self, side: int) -> int:
        """When a side's time is up, from then on nothing of it is in time."""
        return self.last + self.rem(side)


@dataclass
class Champion:
    """A staker behind an inner root; `state` is alive, out or released."""

    duel: Duel
    side: int
    staker: bytes
    inner_root: bytes
    committed_at: int
    children: tuple[bytes, ...]
    state: str = "alive"

    @property
    def key(self) -> bytes:
        word = self.side.to_bytes(32, "big") + self.staker.rjust(32, b"\0")
        return keccak(self.duel.key + word)

    @property
    def words(self) -> tuple[bytes, bytes, int]:
        return self.staker, self.inner_root, self.committed_at


@dataclass
class Bout:
    """Two opposed champions; until somebody moves its first state is stored nowhere."""

    champions: tuple[Champion, Champion]
    descent: Descent
    has_begun: bool = False
    leaves: list[tuple[int, bytes]] = field(default_factory=list)
    movers: list[bytes] = field(default_factory=list)

    @property
    def keys(self) -> tuple[bytes, bytes]:
        return self.champions[0].key, self.champions[1].key

    @property
    def key(self) -> bytes:
        return keccak(self.keys[0] + self.keys[1])

    @property
    def is_on(self) -> bool:
        """Whether both champions are alive and nothing was resolved."""
        alive = all(champion.state == "alive" for champion in self.champions)
        return alive and self.descent.phase < RESOLVED


@dataclass
class Duel:
    """Two siblings, the older first."""

    key: bytes
    ids: tuple[bytes, bytes]
    descent: Descent
    champions: dict[tuple[int, bytes], Champion] = field(default_factory=dict)
    bouts: dict[bytes, Bout] = field(default_factory=dict)
    movers: list[bytes] = field(default_factory=list)

    @property
    def words(self) -> tuple[Any, ...]:
        return (*self.ids, self.descent.state)

    def alive(self, side: int) -> list[Champion]:
        return [c for c in self.champions.values() if c.side == side and c.state == "alive"]


def begin_bout(duel: Duel, pair: tuple[Champion, Champion]) -> Descent:
    """A bout before its first move, as duel.md defines it."""
    a, b = pair
    found = duel.descent
    turn = int((b.committed_at, b.staker) > (a.committed_at, a.staker))
    left = [found.rem(side) - (c.committed_at - found.last) for side, c in enumerate(pair)]
    word = (
        found.index << 192
        | DESCENT << 184
        | turn << 176
        | INNER_LEVELS << 168
        | max(a.committed_at, b.committed_at) << 128
        | left[0] << 96
        | left[1] << 64
    )
    roots = (a.inner_root, b.inner_root)
    state = (roots[1 - turn], roots[turn], word, bytes(32), bytes(32))
    return Descent(state, pair[1 - turn].children)
