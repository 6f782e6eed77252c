"""Sides with the trees that lies have: nobody's, zeros, one constant, leaves without a preimage."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from oyez.protocol.types import Claim, Hash32
from oyez.testing import toy
from tests.contracts.duelling import LAST_RECORD, Side
from tests.contracts.proposals import Proposal, noise, sha

#: Records of a run at most; true runs halt before.
LIMIT = 40
Change = tuple[int, int, int, int]


@functools.cache
def run_to_end(batch_hash: bytes, change: Change | None = None) -> toy.Machine:
    """A whole run; with a change one lane is false and all else follows from it."""
    return toy.run(batch_hash, LIMIT, change)


def is_short(batch_hash: bytes, least: int = 4) -> bool:
    """Whether the machine that a batch starts halts after a handful of records."""
    return least <= len(run_to_end(batch_hash).records) <= 12


def are_false(batch_hash: bytes, changes: Iterable[Change]) -> bool:
    """Whether each change makes a run false: one to the true value makes a lie of the state alone.

    Such a lie is told in the last record, for which the toy has no machine.
    """
    truth = run_to_end(batch_hash).records
    roots = [inner.record_root for inner in truth]
    return all(
        [inner.record_root for inner in run_to_end(batch_hash, change).records] != roots
        for change in changes
    )


def seal(machine: toy.Machine, tree: toy.Tree, salt: object = 0) -> Side:
    """A claim with this tree, whose last record is made to be the claim's own."""
    claim = Claim(Hash32(bytes(32)), noise("state", salt), noise("outbox"), noise("receipts"))
    chunk = claim.state_root + claim.outbox_root + claim.receipts_root
    node = toy.hash_leaf(3, chunk.ljust(1_024, b"\0"))
    for level in range(toy.RECORD_HEIGHT):
        node = sha(node + toy.pad_root(level))
    tree.put(LAST_RECORD, node)
    claim = replace(claim, trace_root=Hash32(tree.root))
    return Side(machine, tree, Proposal(claim, tree.path(LAST_RECORD)))


def make_run(batch_hash: bytes, change: Change | None = None, salt: object = 0) -> Side:
    """The true side of a batch, or one that is false from one lane on."""
    return make_side(run_to_end(batch_hash, change), salt)


def make_side(machine: toy.Machine, salt: object = 0) -> Side:
    leaves = {i: inner.record_root for i, inner in enumerate(machine.records)}
    return seal(machine, toy.Tree(toy.OUTER_HEIGHT, leaves, filler=toy.RECORD_HEIGHT), salt)


class Constant(toy.Tree):
    """Every record is one and the same hash."""

    def __init__(self, record: bytes) -> None:
        self.levels = [record]
        for _ in range(toy.OUTER_HEIGHT):
            self.levels.append(sha(2 * self.levels[-1]))
        super().__init__(toy.OUTER_HEIGHT, {})

    def blank(self, level: int) -> bytes:
        return self.levels[level]


class Withheld(toy.Tree):
    """Noise beside the path of the last record: nobody knows any other node's children."""

    def blank(self, level: int) -> bytes:
        return noise("nobody's", level)

    def children(self, level: int, index: int) -> tuple[bytes, ...] | None:  # type: ignore[override]  # None: it knows none
        return None


class ZeroNodes(toy.Tree):
    """The root's children are zeros, but for the last record's: no preimage of them is known."""

    def blank(self, level: int) -> bytes:
        known = level > toy.OUTER_HEIGHT - 4
        return sha(2 * self.blank(level - 1)) if known else bytes(32)

    def children(self, level: int, index: int) -> tuple[bytes, ...] | None:  # type: ignore[override]  # None: it knows none
        return super().children(level, index) if level == self.height else None


@dataclass
class Hollow(toy.Inner):
    """An inner tree some of whose leaves are hashes that nobody can open."""

    hashes: dict[int, bytes] = field(default_factory=dict)

    @functools.cached_property
    def tree(self) -> toy.Tree:
        leaves = {i: toy.hash_leaf(self.type_of(i), data) for i, data in self.raw.items()}
        return toy.Tree(toy.INNER_HEIGHT, {**leaves, **self.hashes})


def make_garbage(inner: toy.Inner, leaf: int = 0) -> toy.Inner:
    """A record's inner tree with one false chunk that nothing follows; its record is the same."""
    false = toy.encode(toy.type_at(leaf), [1] * toy.LANES[toy.type_at(leaf)])
    return toy.Inner({**inner.raw, leaf: false})


def make_honest_lanes(true: toy.Inner, false: toy.Inner) -> toy.Inner:
    """True lanes above a false record: the first difference stands in the record itself."""
    kept = {i: raw for i, raw in true.raw.items() if i < 4_080}
    return toy.Inner({**kept, **{i: raw for i, raw in false.raw.items() if i >= 4_080}})


def make_hollow(inner: toy.Inner, leaf: int) -> toy.Inner:
    """A record's inner tree with a leaf that is a hash of nothing known."""
    return Hollow(dict(inner.raw), hashes={leaf: noise("no preimage", leaf)})
