"""The toy machine of contracts/mocks/ToyMachine.vy in Python, and sparse trees that lie anywhere.

A *tree* keeps only its leaves that are not PAD, so that 2**24 records cost nothing.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oyez.protocol import trace

OUTER_HEIGHT = 24
INNER_HEIGHT = 12
RECORD_HEIGHT = 4
LIVING = (*range(8), 4_080, 4_081)
TYPES = {**dict(enumerate((1, 2, 5, 4, 3, 1, 2, 1))), 4_081: 5}
LANES = {1: 256, 2: 512, 3: 32, 4: 1_024, 5: 512}
MODULUS, BYTE_MODULUS, HALT = 30_011, 251, 17
PAD_CHUNK = bytes(1_024)


def sha(data: bytes) -> bytes:
    """Return a node."""
    return hashlib.sha256(data).digest()


def hash_leaf(chunk_type: int, raw: bytes) -> bytes:
    """Return a leaf of an inner tree."""
    return sha(b"\0" + bytes([chunk_type]) + raw)


PAD_LEAF = hash_leaf(0, PAD_CHUNK)


@functools.cache
def pad_root(height: int) -> bytes:
    """Return the root of a tree of PAD leaves."""
    if height == 0:
        return PAD_LEAF
    return sha(2 * pad_root(height - 1))


def type_at(leaf: int) -> int:
    """Return the type of the chunk that stands at a leaf of an inner tree."""
    return TYPES.get(leaf, 1)


class Tree:
    """A perfect SHA-256 tree; absent leaves are what `filler` says, roots of PAD leaves."""

    def __init__(self, height: int, leaves: Mapping[int, bytes], filler: int = 0) -> None:
        """Take the leaves that are there by index; `filler` is the height of the PAD trees."""
        self.height = height
        self.filler = filler
        self._known: list[dict[int, bytes]] = [dict(leaves)]
        for level in range(height):
            below = self._known[level]
            self._known.append(
                {
                    i: sha(self.node(level, 2 * i) + self.node(level, 2 * i + 1))
                    for i in {index >> 1 for index in below}
                }
            )

    def put(self, index: int, leaf: bytes) -> None:
        """Set a leaf, and all that follows from it."""
        self._known[0][index] = leaf
        for level in range(self.height):
            index >>= 1
            node = sha(self.node(level, 2 * index) + self.node(level, 2 * index + 1))
            self._known[level + 1][index] = node

    def blank(self, level: int) -> bytes:
        """Return a node with nothing put under it."""
        return pad_root(level + self.filler)

    def node(self, level: int, index: int) -> bytes:
        """Return a node, levels counted from the leaves."""
        found = self._known[level].get(index)
        return self.blank(level) if found is None else found

    @property
    def root(self) -> bytes:
        """The tree's root."""
        return self.node(self.height, 0)

    def children(self, level: int, index: int) -> tuple[bytes, ...]:
        """Return the 16 nodes four levels below a node."""
        return tuple(self.node(level - 4, 16 * index + i) for i in range(16))

    def path(self, index: int, level: int = 0, up: int | None = None) -> tuple[bytes, ...]:
        """Return the siblings of a node, from there upwards."""
        height = self.height - level if up is None else up
        return tuple(self.node(level + i, (index >> i) ^ 1) for i in range(height))


def encode(chunk_type: int, values: Sequence[int]) -> bytes:
    """Return a chunk of these lanes."""
    match chunk_type:
        case 1:
            return trace.encode_int32(values).data
        case 2:
            return trace.encode_int16(values).data
        case 3:
            return trace.encode_words(values).data
        case 4:
            return trace.encode_bytes(bytes(values)).data
        case _:
            return trace.encode_int16_reversed(values).data


def read_lane(chunk_type: int, raw: bytes, lane: int) -> int:
    """Return a lane of a chunk, written from the layout's text."""
    if chunk_type == 1:
        word = int.from_bytes(raw[32 * (lane // 8) :][:32], "big")
        return _sign(word >> (32 * (lane % 8)), 32)
    if chunk_type == 3:
        return int.from_bytes(raw[32 * lane :][:32], "big")
    if chunk_type == 4:
        return raw[lane]
    group, i = divmod(lane, 32)
    word = int.from_bytes(raw[64 * group + 32 * (i // 2 % 2) :][:32], "big")
    place = 2 * (i // 4) + i % 2
    return _sign(word >> (16 * (15 - place if chunk_type == 5 else place)), 16)


def _sign(bits: int, width: int) -> int:
    value = bits & ((1 << width) - 1)
    return value - (1 << width) if value >> (width - 1) else value


def find_lane(first: tuple[int, bytes], second: tuple[int, bytes]) -> int:
    """Return the first lane in which two leaves differ that do, given as (type, bytes)."""
    (kind, x), (other, y) = first, second
    if kind != other:
        return 0
    return next(i for i in range(LANES[kind]) if read_lane(kind, x, i) != read_lane(kind, y, i))


@dataclass
class Inner:
    """A record's inner tree: raw leaves by index; those not there are PAD.

    `types` are of leaves committed as another type than their address's.
    """

    raw: dict[int, bytes] = field(default_factory=dict)
    types: dict[int, int] = field(default_factory=dict)

    def type_of(self, index: int) -> int:
        """Return the type that a leaf is committed as."""
        return self.types.get(index, type_at(index))

    @functools.cached_property
    def tree(self) -> Tree:
        """The tree, built once: leaves are put in before."""
        leaves = {i: hash_leaf(self.type_of(i), data) for i, data in self.raw.items()}
        return Tree(INNER_HEIGHT, leaves)

    @property
    def record_root(self) -> bytes:
        """The record: the root of the last 16 leaves."""
        return self.tree.node(RECORD_HEIGHT, (1 << INNER_HEIGHT >> RECORD_HEIGHT) - 1)

    @property
    def binding(self) -> tuple[bytes, ...]:
        """From the record up to the inner root."""
        return self.tree.path((1 << INNER_HEIGHT >> RECORD_HEIGHT) - 1, level=RECORD_HEIGHT)

    def leaf(self, index: int) -> tuple[int, bytes]:
        """Return type and bytes of a leaf, as they are revealed."""
        found = self.raw.get(index)
        return (0, PAD_CHUNK) if found is None else (self.type_of(index), found)

    @property
    def first_number(self) -> int | None:
        """What the next record follows; None if this one is PAD."""
        chunk = self.raw.get(4_080)
        return None if chunk is None else int.from_bytes(chunk[28:32], "big")


def run_record(before: int, change: tuple[int, int, int] | None = None) -> Inner:
    """Return the inner tree of the record after a number.

    With `change` (leaf, lane, value) that lane is false, and what follows in this record follows
    from it.
    """
    inner, last = Inner(), before
    for leaf in LIVING:
        values: list[int] = []
        value, kind = last, type_at(leaf)
        modulus = BYTE_MODULUS if kind == 4 else MODULUS
        for lane in range(LANES[kind]):
            value = (value % MODULUS * 3 + 1 + lane) % modulus
            if change is not None and change[:2] == (leaf, lane):
                value = change[2]
            values.append(value)
        inner.raw[leaf] = encode(kind, values)
        last = values[-1]
    return inner


@dataclass
class Machine:
    """A run: the inner trees of its records, the last record added by `outer`."""

    records: list[Inner]

    def inner(self, index: int) -> Inner:
        """Return a record's inner tree, all PAD after the end."""
        return self.records[index] if index < len(self.records) else Inner()

    def outer(self, last_record: bytes) -> Tree:
        """Return the outer tree with the root of its very last record."""
        leaves = {i: inner.record_root for i, inner in enumerate(self.records)}
        leaves[(1 << OUTER_HEIGHT) - 1] = last_record
        return Tree(OUTER_HEIGHT, leaves, filler=RECORD_HEIGHT)


def run(batch_hash: bytes, limit: int, change: tuple[int, int, int, int] | None = None) -> Machine:
    """Run to the machine's end or to a number of records.

    With `change` (record, leaf, lane, value) one lane is false and all else follows from it.
    """
    records: list[Inner] = []
    before = int.from_bytes(batch_hash, "big") % 10**6
    for index in range(limit):
        if index and before % HALT == 0:
            break
        here = change[1:] if change is not None and change[0] == index else None
        records.append(run_record(before, here))
        number = records[-1].first_number
        assert number is not None
        before = number
    return Machine(records)
