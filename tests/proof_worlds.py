"""Trees with true statements about them, and a rollup on which their roots are final.

A `Ledger` has a few final batches, each with its own state and receipts. In every state the keys
of some neighbours share 60 bits and more with a cell's key, so that proofs are long.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from oyez.protocol import codec, merkle, schema
from oyez.protocol.state import State
from oyez.protocol.types import (
    CallId,
    Cell,
    Code,
    Field,
    FieldType,
    Hash32,
    Outcome,
    Receipt,
    Role,
)
from tests.contracts.conftest import publish
from tests.contracts.harness import World, settings
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import finalize_one, make_proposal, stake

FIELDS = (
    Field(b"mood", FieldType.ENUM, Role.WRITES, b"bad", options=(b"bad", b"good"), biases=(0, 0)),
    Field(b"count", FieldType.INTEGER, Role.COMPUTE, 0, low=-5, high=10**9, digits=10),
    Field(b"note", FieldType.STRING, Role.WRITES, b"", limit=40),
    Field(b"open", FieldType.BOOLEAN, Role.KEPT, True, biases=(0, 0)),
)
SHARED_BITS = 60


@dataclass(frozen=True)
class Page:
    """One final batch: its number, its state, the k of cells there and not there, its receipts."""

    number: int
    state: State
    present: tuple[bytes, ...]
    absent: tuple[bytes, ...]
    receipts: tuple[Receipt, ...]

    @property
    def leaves(self) -> list[Hash32]:
        return [codec.compute_receipt_leaf(receipt) for receipt in self.receipts]

    @property
    def receipts_root(self) -> Hash32:
        return merkle.compute_root(self.leaves, 8)


@dataclass(frozen=True)
class Ledger:
    """Pages from batch 1 on; `action` is the action of all cells; the world knows the roots."""

    action: Hash32
    pages: tuple[Page, ...]
    world: World


def random_hash(rng: random.Random) -> Hash32:
    return Hash32(rng.randbytes(32))


def neighbour(rng: random.Random, key: Hash32, shared: int) -> Hash32:
    """A key with exactly this many of its first bits as another's."""
    below = 255 - shared
    whole = int.from_bytes(key, "big")
    high = (whole >> below) ^ 1
    return Hash32((high << below | rng.getrandbits(below or 1) % (1 << below)).to_bytes(32, "big"))


def random_values(rng: random.Random) -> tuple[bytes | int | bool, ...]:
    mood = rng.choice([b"bad", b"good"])
    return mood, rng.randint(-5, 10**9), rng.randbytes(9).hex().encode(), rng.random() < 0.5


def random_page(
    rng: random.Random, number: int, action: Hash32, first_call: int, state: State
) -> Page:
    """A state that grows from the page before, with crowded keys, and 2 to 5 receipts."""
    present, absent = [], []
    for _ in range(rng.randint(2, 4)):
        k = rng.randbytes(32)
        key = codec.compute_cell_key_of(action, k)
        cell = Cell(random_hash(rng), rng.randint(1, 99), random_values(rng))
        if rng.random() < 0.6:
            state = state.with_cell(key, cell, FIELDS)
            present.append(k)
        else:
            absent.append(k)
        for shared in {rng.randint(SHARED_BITS, 80), rng.choice([0, 3, 9, SHARED_BITS, 255])}:
            cell = Cell(random_hash(rng), rng.randint(1, 99), random_values(rng))
            state = state.with_cell(neighbour(rng, key, shared), cell, FIELDS)
    if not present or not absent:
        return random_page(rng, number, action, first_call, state)
    receipts = tuple(
        Receipt(
            CallId(call_id),
            Outcome.ACCEPTED,
            Code.NONE,
            0,
            random_hash(rng),
            random_hash(rng),
            random_hash(rng),
            random_hash(rng),
            rng.randint(1, 2_000),
            rng.randrange(10**16),
        )
        for call_id in range(first_call, first_call + rng.randint(2, 5))
    )
    return Page(number, state, tuple(present), tuple(absent), receipts)


def build_ledger(rng: random.Random, pages: int = 3) -> Ledger:
    """A rollup in process whose batches are final with these pages' roots."""
    world = World(settings())
    ballot = publish(world, BALLOT)
    stake(world)
    action, state, written, calls = random_hash(rng), State.empty(), list[Page](), 0
    for number in range(1, pages + 1):
        page = random_page(rng, number, action, calls, state)
        proposal = make_proposal(page.state.root, page.receipts_root, salt=number)
        assert finalize_one(world, ballot, proposal, calls=len(page.receipts)) == number
        written.append(page)
        state, calls = page.state, calls + len(page.receipts)
    return Ledger(action, tuple(written), world)


def word_of(page: Page, key: Hash32, index: int) -> bytes:
    cell = page.state.get(key)
    assert cell is not None
    return codec.encode_word(schema.compute_value_word(FIELDS[index], cell.values[index]))
