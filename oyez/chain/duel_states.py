"""What DuelGame hashes, as records: duels, descents, champions, moves. Twin of IDuelGame.vyi. Pure.

A duel or bout stands on the chain as the hash of its state alone: the state itself comes with each
event, and goes with each move.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from oyez.protocol import codec
from oyez.protocol.types import ZERO_HASH, Address, BatchNumber, Claim, Hash32

#: Children of a node that one move goes down, and the binary levels between.
HEX = 16
HEX_BITS = 4
#: What a champion's slot holds once it is out, or has its lock back.
OUT = Hash32((1).to_bytes(32, "big"))
RELEASED = Hash32((2).to_bytes(32, "big"))

_M8, _M32, _M40, _M64 = (1 << 8) - 1, (1 << 32) - 1, (1 << 40) - 1, (1 << 64) - 1


class Phase(IntEnum):
    """How far a descent has come."""

    START = 1
    DESCENT = 2
    COMMIT = 3
    LEAF = 4
    RESOLVABLE = 5
    RESOLVED = 6


class Fall(IntEnum):
    """How a champion went out."""

    BY_TIME = 1
    BY_LANE = 2
    BY_STAKE = 3
    BY_FALL = 4


@dataclass(frozen=True, slots=True)
class Descent:
    """Two committed trees and one clock.

    Attributes:
        waiting, moving: nodes of the side that waits, whose 16 children are public, and of the side
            on turn; in COMMIT the records of side 0 and of side 1.
        word: record 64 | phase 8 | turn 8 | level 8 | last 40 | rem 0 32 | rem 1 32 | index 64.
        movers, leaves: hash chains of who moved, and of the raw leaves.
    """

    waiting: Hash32
    moving: Hash32
    word: int
    movers: Hash32
    leaves: Hash32

    @property
    def record(self) -> int:
        """Index of the record whose inner trees a bout walks; 0 in the outer tree."""
        return self.word >> 192

    @property
    def phase(self) -> Phase:
        """How far it has come."""
        return Phase(self.word >> 184 & _M8)

    @property
    def turn(self) -> int:
        """The side on turn, 0 or 1."""
        return self.word >> 176 & 1

    @property
    def level(self) -> int:
        """16-ary levels still to go."""
        return self.word >> 168 & _M8

    @property
    def last(self) -> int:
        """When the running clock began, in seconds; in COMMIT when the record was found."""
        return self.word >> 128 & _M40

    @property
    def index(self) -> int:
        """The node's index on its level, of the leaf or record when the descent is over."""
        return self.word & _M64

    def get_rem(self, side: int) -> int:
        """Return the seconds that a side had left at `last`."""
        return self.word >> (96, 64)[side] & _M32

    def get_deadline(self, side: int | None = None) -> int:
        """Return when a side's time is up, in seconds; by default of the side on turn."""
        return self.last + self.get_rem(self.turn if side is None else side)

    @property
    def words(self) -> tuple[Any, ...]:  # Any: ABI values
        """The struct as the ABI takes it."""
        return self.waiting, self.moving, self.word, self.movers, self.leaves

    @property
    def packed(self) -> bytes:
        """Its 160 ABI bytes."""
        return b"".join(codec.encode_word(word) for word in self.words)

    @property
    def hash(self) -> Hash32:
        """What a bout's slot holds."""
        return codec.keccak(self.packed)


@dataclass(frozen=True, slots=True)
class Duel:
    """Two siblings' ids, the older first, and their descent."""

    a: Hash32
    b: Hash32
    descent: Descent

    @property
    def key(self) -> Hash32:
        """Its name: a re-org that changes a sibling changes it."""
        return compute_pair_key(self.a, self.b)

    @property
    def ids(self) -> tuple[Hash32, Hash32]:
        """Both ids, by side."""
        return self.a, self.b

    @property
    def words(self) -> tuple[Any, ...]:  # Any: ABI values
        """The struct as the ABI takes it."""
        return self.a, self.b, self.descent.words

    @property
    def hash(self) -> Hash32:
        """What its slot holds."""
        return codec.keccak(self.a + self.b + self.descent.packed)

    def with_descent(self, descent: Descent) -> Duel:
        """Return the duel after a move."""
        return replace(self, descent=descent)


@dataclass(frozen=True, slots=True)
class Champion:
    """A staker behind an inner root; `committed_at` in seconds."""

    staker: Address
    inner_root: Hash32
    committed_at: int

    @property
    def words(self) -> tuple[Any, ...]:  # Any: ABI values
        """The struct as the ABI takes it."""
        return self.staker, self.inner_root, self.committed_at

    @property
    def hash(self) -> Hash32:
        """What its slot holds while it is alive."""
        return codec.keccak(self.inner_root + codec.encode_word(self.committed_at))


@dataclass(frozen=True, slots=True)
class Content:
    """What an assertion's id hashes, but for chain and rollup."""

    parent: Hash32
    attempt: int
    batch: BatchNumber
    batch_hash: Hash32
    claim: Claim

    @property
    def words(self) -> tuple[Any, ...]:  # Any: ABI values
        """The struct as the ABI takes it."""
        claim = self.claim
        roots = (claim.trace_root, claim.state_root, claim.outbox_root, claim.receipts_root)
        return self.parent, self.attempt, self.batch, self.batch_hash, roots


@dataclass(frozen=True, slots=True)
class Choice:
    """One step down both trees: the children at `index` of both nodes.

    Attributes:
        waiting, moving: the children of the waiting side's node, and of the moving side's.
        waiting_siblings, moving_siblings: their paths in the two lists of 16, upwards.
    """

    index: int
    waiting: Hash32
    moving: Hash32
    waiting_siblings: tuple[Hash32, ...]
    moving_siblings: tuple[Hash32, ...]

    @property
    def words(self) -> tuple[Any, ...]:  # Any: ABI values
        """The struct as the ABI takes it."""
        return (
            self.index,
            self.waiting,
            self.moving,
            list(self.waiting_siblings),
            list(self.moving_siblings),
        )


#: Where a move needs none.
NO_CHOICE = Choice(0, ZERO_HASH, ZERO_HASH, (ZERO_HASH,) * HEX_BITS, (ZERO_HASH,) * HEX_BITS)
#: The state of a bout in which nobody has moved.
NO_DESCENT = Descent(ZERO_HASH, ZERO_HASH, 0, ZERO_HASH, ZERO_HASH)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf of an inner tree as it is shown: 1,024 bytes of a type, 0 being PAD."""

    type: int
    raw: bytes

    @property
    def words(self) -> tuple[int, bytes]:
        """The struct as the ABI takes it."""
        return self.type, self.raw


def compute_pair_key(first: Hash32, second: Hash32) -> Hash32:
    """Return the key of a duel, of its siblings' ids, or of a bout, of its champions' keys."""
    return codec.keccak(first + second)


def compute_champion_key(duel_key: Hash32, side: int, staker: Address) -> Hash32:
    """Return the key of a champion of a duel's side."""
    return codec.keccak(duel_key + codec.encode_word(side) + codec.encode_word(staker))


def compute_movers(movers: Iterable[Address]) -> Hash32:
    """Return the hash chain of who moved."""
    hashed = ZERO_HASH
    for mover in movers:
        hashed = codec.keccak(hashed + codec.encode_word(mover))
    return hashed


def compute_leaves(leaves: Iterable[Leaf]) -> Hash32:
    """Return the hash chain of the leaves that a bout has shown."""
    hashed = ZERO_HASH
    for leaf in leaves:
        hashed = codec.keccak(hashed + codec.encode_word(leaf.type) + codec.keccak(leaf.raw))
    return hashed


def pack_word(
    *,
    phase: Phase,
    turn: int,
    level: int,
    last: int,
    rem: tuple[int, int],
    index: int = 0,
    record: int = 0,
) -> int:
    """Return the word of a descent."""
    return (
        record << 192
        | phase << 184
        | turn << 176
        | level << 168
        | last << 128
        | rem[0] << 96
        | rem[1] << 64
        | index
    )


def begin_bout(duel: Duel, a: Champion, b: Champion, levels: int) -> Descent:
    """Return a bout of a duel in COMMIT before its first move: it is nowhere stored.

    `levels` is the inner tree's 16-ary ones. The later champion is on turn (of one second, the
    greater address), each with what its side had left when it committed.
    """
    found = duel.descent
    turn = int((b.committed_at, b.staker) > (a.committed_at, a.staker))
    roots = (a.inner_root, b.inner_root)
    return Descent(
        waiting=roots[1 - turn],
        moving=roots[turn],
        word=pack_word(
            record=found.index,
            phase=Phase.DESCENT,
            turn=turn,
            level=levels,
            last=max(a.committed_at, b.committed_at),
            rem=(
                found.get_rem(0) - (a.committed_at - found.last),
                found.get_rem(1) - (b.committed_at - found.last),
            ),
        ),
        movers=ZERO_HASH,
        leaves=ZERO_HASH,
    )
