"""Steps on random worlds: chunks made up where they are read, trees that hold them, the verifier.

`World` answers every read of a step with a chunk or row of the caller's making and remembers it;
`prove` builds trees around exactly what was read, their other nodes random, and the proof.
"""

from __future__ import annotations

import functools
import hashlib
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from oyez.dispute import step_proof
from oyez.dispute.step_proof import Read
from oyez.protocol import trace
from oyez.protocol.constants import OUTER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.step import Context, StepModel
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.types import ZERO_HASH, Hash32


class SparseTree:
    """A perfect SHA-256 tree of which some leaves are known; all that no leaf gives is random."""

    def __init__(self, height: int, leaves: dict[int, bytes], seed: int) -> None:
        self.height = height
        self._seed = seed
        self._known = [dict(leaves)]
        for level in range(height):
            below = {index >> 1 for index in self._known[level]}
            self._known.append(
                {
                    i: hashlib.sha256(
                        self.get_node(level, 2 * i) + self.get_node(level, 2 * i + 1)
                    ).digest()
                    for i in below
                }
            )

    def get_node(self, level: int, index: int) -> Hash32:
        known = self._known[level].get(index)
        if known is None:
            known = hashlib.sha256(b"%d %d %d" % (self._seed, level, index)).digest()
        return Hash32(known)

    @property
    def root(self) -> Hash32:
        return self.get_node(self.height, 0)


@dataclass
class Rows(SparseTree):
    """The model's tree around a few rows."""

    find: Callable[[int, int], int]

    def __init__(
        self, height: int, leaves: dict[int, bytes], seed: int, find: Callable[[int, int], int]
    ) -> None:
        super().__init__(height, leaves, seed)
        self.find = find

    def find_leaf(self, tensor: int, row: int) -> int:
        return self.find(tensor, row)


@dataclass
class World:
    """Where a step reads: contents are made on first read, by address.

    `inner`, `outer` and `rows` make them; set entries of `chunks` and `known_rows` beforehand to
    fix some. `type_of` is a row's type for its header. `preimages` are by digest, `context` is what
    a step knows of its batch.
    """

    make_inner: Callable[[int], Chunk]
    make_outer: Callable[[int, int], Chunk]
    make_row: Callable[[int, int], bytes]
    manifests: dict[Hash32, bytes] = field(default_factory=dict)
    find_record: Callable[[bytes], int] = lambda rest: -1
    inner: dict[int, Chunk] = field(default_factory=dict)
    outer: dict[tuple[int, int], Chunk] = field(default_factory=dict)
    rows: dict[tuple[int, int], bytes] = field(default_factory=dict)
    preimages: dict[Hash32, bytes] = field(default_factory=dict)
    context: Context = field(default_factory=lambda: Context(ZERO_HASH, ZERO_HASH))

    def get_inner(self, leaf: int) -> Chunk:
        if leaf not in self.inner:
            self.inner[leaf] = self.make_inner(leaf)
        return self.inner[leaf]

    def get_outer(self, record: int, chunk: int) -> Chunk:
        if (record, chunk) not in self.outer:
            self.outer[record, chunk] = self.make_outer(record, chunk)
        return self.outer[record, chunk]

    def get_row(self, tensor: int, row: int) -> bytes:
        if (tensor, row) not in self.rows:
            self.rows[tensor, row] = self.make_row(tensor, row)
        return self.rows[tensor, row]

    def get_manifest(self, manifest_hash: Hash32) -> bytes:
        return self.manifests.get(manifest_hash, b"")

    def find_vocabulary(self, rest: bytes) -> int:
        return self.find_record(rest)

    def get_preimage(self, digest: Hash32) -> bytes:
        return self.preimages[digest]

    def get_context(self) -> Context:
        return self.context


@dataclass(frozen=True)
class Proven:
    """Roots, and the proof under them."""

    outer_root: Hash32
    inner_root: Hash32
    model_root: Hash32
    proof: bytes


def prove(
    read: Read,
    model: StepModel,
    find_leaf: Callable[[int, int], int],
    type_of: Callable[[int, int], int],
    seed: int = 0,
    is_frame: bool = False,
) -> Proven:
    """Build trees around what was read, and the proof."""
    inner = {i: trace.compute_chunk_leaf(chunk) for outer, i, chunk in read.chunks if not outer}
    outer = {i: trace.compute_chunk_leaf(chunk) for is_outer, i, chunk in read.chunks if is_outer}
    rows = {
        find_leaf(tensor, row): hash_row(tensor, row, type_of(tensor, row), data)
        for tensor, row, data in read.rows
    }
    inner_tree = SparseTree(model.inner_height, dict(inner), seed)
    outer_tree = SparseTree(OUTER_HEIGHT + RECORD_HEIGHT, dict(outer), seed + 1)
    row_tree = Rows(model.shape.model_height, rows, seed + 2, find_leaf)
    proof = step_proof.encode_proof(read, inner_tree, outer_tree, row_tree, is_frame=is_frame)
    return Proven(outer_tree.root, inner_tree.root, row_tree.root, proof)


#: Bytes of 1,024 weights, by row type.
PART_BYTES = {
    1: 2_048,
    2: 576,
    3: 640,
    6: 704,
    7: 768,
    8: 1_088,
    12: 576,
    13: 704,
    14: 840,
}


def hash_row(tensor: int, row: int, kind: int, data: bytes) -> bytes:
    """Return a row's leaf in the model tree; slow and obviously right."""
    part, parts = PART_BYTES.get(kind, len(data)), 0
    if len(data) > 2 * part:
        cut = [data[at : at + part] for at in range(0, len(data), part)]
        parts, data = len(cut), b"".join(hashlib.sha256(one).digest() for one in cut)
    return hashlib.sha256(struct.pack(">4Q", tensor, row, kind, parts) + data).digest()


def random_int32(draw: random.Random, low: int = -(2**31) + 1, high: int = 2**31 - 1) -> Chunk:
    """Return a chunk of 256 lanes, extremes often."""
    edges = (low, high, 0, 1, -1)
    return trace.encode_int32(
        [
            max(
                low,
                min(high, draw.choice(edges) if draw.random() < 0.2 else draw.randint(low, high)),
            )
            for _ in range(trace.INT32_LANES)
        ]
    )


def random_int16(
    draw: random.Random, kind: ChunkType = ChunkType.INT16, most: int = 32_767
) -> Chunk:
    """Return a chunk of 512 lanes, extremes often."""
    lanes = [
        draw.choice((-most, most, 0, 1, -1)) if draw.random() < 0.2 else draw.randint(-most, most)
        for _ in range(trace.INT16_LANES)
    ]
    encode = trace.encode_int16 if kind is ChunkType.INT16 else trace.encode_int16_reversed
    return encode(lanes)


def random_words(draw: random.Random, bits: int) -> Chunk:
    """Return a chunk of 32 words below 2**bits."""
    return trace.encode_words([draw.getrandbits(bits) for _ in range(trace.WORDS)])


@functools.cache
def pad() -> Chunk:
    """Return the PAD chunk."""
    return trace.PAD_CHUNK
