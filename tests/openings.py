"""Openings of real proofs as liars would have them: true ones of something else, and broken ones.

A `Piece` is one opening with the tree and the address at which it is true, or claims to be. What
checks paths alone, at the address that a liar states, is `judge_paths`; what a mutation is worth
against the verifiers is counted in `tests/opening_fuzz.py`.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from oyez.dispute.call_traces import CallTraces, ChunkTree, RecordSource
from oyez.dispute.frame.build import BUILDERS
from oyez.dispute.frame.facts import Preimages
from oyez.dispute.machine import get_lane
from oyez.dispute.step_proof import Read, RecordedReads, encode_proof
from oyez.dispute.traces import NodeTree
from oyez.engines.exact.step_rows import ModelRows
from oyez.protocol import inner, trace
from oyez.protocol.constants import CHUNKS_PER_RECORD, RECORD_HEIGHT
from oyez.protocol.inner import Region
from oyez.protocol.inner_frame import Frame, find_frame, layout_frame
from oyez.protocol.manifest_encode import encode_manifest
from oyez.protocol.step import Address, ChunkLanes, recompute
from oyez.protocol.step_ops import OPS
from oyez.protocol.trace import PAD_CHUNK, Chunk, ChunkType
from oyez.protocol.types import Hash32
from tests.courts import Court
from tests.real_calls import GENESIS, PARENT
from tests.steps import hash_row

#: What a check of paths alone makes of a proof: all are true under the roots agreed on, all are
#: true but some under another root, or some lead nowhere.
Paths = Literal["agreed root", "another root", "nowhere"]
#: Most kinds of rows; a tensor's is found by trying.
ROW_TYPES = 1_024


@dataclass(frozen=True)
class Piece:
    """One opening.

    Attributes:
        index: of the leaf in that tree.
        leaf: hash of what is given.
        type: of the chunk; of rows PAD, which says nothing.
    """

    tree: NodeTree
    index: int
    leaf: bytes
    data: bytes
    type: ChunkType = ChunkType.PAD
    is_outer: bool = False

    def open(self, levels: int) -> tuple[Hash32, ...]:
        """Return so many siblings."""
        return tuple(self.tree.get_node(at, (self.index >> at) ^ 1) for at in range(levels))

    def alter(self, data: bytes) -> Piece:
        """Return a chunk's opening with other data and the same path."""
        kind = self.type if data else ChunkType.PAD
        chunk = Chunk(kind, data) if data else PAD_CHUNK
        return replace(self, data=data, leaf=trace.compute_chunk_leaf(chunk))


#: Whether it is outer, and the index that is read -> what is brought there.
Lies = Mapping[tuple[bool, int], Piece]
#: Digest -> bytes that are brought as its preimage.
Told = Mapping[Hash32, bytes]
NOTHING_TOLD: Told = MappingProxyType({})


@dataclass(frozen=True)
class Bundle:
    """What a proof brings: openings of leaves, openings of rows, a place in the vocabulary.

    `preimages` are those of a step around the tokens, None of any other.
    """

    leaves: tuple[Piece, ...]
    rows: tuple[Piece, ...]
    hint: int
    preimages: tuple[bytes, ...] | None = None

    def encode(self, like: Bundle | None = None) -> bytes:
        """Return the proof; paths as long as those of `like`, by default of the own addresses."""
        asked = self if like is None else like
        levels = count_levels(asked.leaves), count_levels(asked.rows)
        lists = []
        for pieces, wanted in zip((self.leaves, self.rows), levels, strict=True):
            assert len(pieces) == len(wanted)
            lists.append(
                encode_list([(p.data, p.open(n)) for p, n in zip(pieces, wanted, strict=True)])
            )
        if self.preimages is not None:
            lists.append(encode_texts(self.preimages))
        heads, at = [], 32 * (len(lists) + 1)
        for one in lists:
            heads.append(word(at))
            at += len(one)
        return b"".join((*heads[:2], word(self.hint % (1 << 256)), *heads[2:], *lists))

    def judge_paths(self, roots: set[Hash32], like: Bundle | None = None) -> Paths:
        """Judge each path at its piece's own address, in its own tree."""
        asked = self if like is None else like
        found: Paths = "agreed root"
        for pieces, wanted in ((self.leaves, asked.leaves), (self.rows, asked.rows)):
            for piece, levels in zip(pieces, count_levels(wanted), strict=True):
                siblings = piece.open(levels)
                above = piece.index >> len(siblings)
                if fold(piece.leaf, piece.index, siblings) != piece.tree.get_node(
                    len(siblings), above
                ):
                    return "nowhere"
                if piece.tree.get_node(piece.tree.height, 0) not in roots:
                    found = "another root"
        return found


def count_levels(pieces: Sequence[Piece]) -> list[int]:
    """Return how many siblings each brings, hooked onto the first of its tree. Rule: INNER-8"""
    first: dict[bool, int] = {}
    counts = []
    for piece in pieces:
        if piece.is_outer not in first:
            first[piece.is_outer] = piece.index
            counts.append(piece.tree.height)
        else:
            counts.append(max(0, (piece.index ^ first[piece.is_outer]).bit_length() - 1))
    return counts


def fold(leaf: bytes, index: int, siblings: Sequence[bytes]) -> bytes:
    """Return the node that a path leads to."""
    node = leaf
    for level, sibling in enumerate(siblings):
        pair = sibling + node if index >> level & 1 else node + sibling
        node = hashlib.sha256(pair).digest()
    return node


def word(number: int) -> bytes:
    """Return a word of the ABI."""
    return number.to_bytes(32, "big")


def encode_list(items: Sequence[tuple[bytes, Sequence[bytes]]]) -> bytes:
    """Return the ABI encoding of (bytes,bytes32[])[], its length first."""
    parts, heads, at = [], [], 32 * len(items)
    for data, siblings in items:
        padded = data + bytes(-len(data) % 32)
        part = b"".join(
            (word(64), word(96 + len(padded)), word(len(data)), padded, word(len(siblings)))
        )
        parts.append(part + b"".join(siblings))
        heads.append(word(at))
        at += len(parts[-1])
    return b"".join((word(len(items)), *heads, *parts))


def encode_texts(texts: Sequence[bytes]) -> bytes:
    """Return the ABI encoding of bytes[], its length first."""
    parts = [word(len(text)) + text + bytes(-len(text) % 32) for text in texts]
    heads, at = [], 32 * len(parts)
    for part in parts:
        heads.append(word(at))
        at += len(part)
    return b"".join((word(len(parts)), *heads, *parts))


@dataclass(frozen=True)
class Case:
    """One lane of a real call, and its proof in pieces.

    Attributes:
        value: of the lane.
        row_names: tensor and number of each row.
        roots: that both sides of a duel agree on: of the trace, the record's and the model's.
    """

    here: Court
    record: int
    leaf: int
    lane: int
    region: Region
    value: int
    bundle: Bundle
    row_names: tuple[tuple[int, int], ...]
    proof: bytes
    roots: set[Hash32] = field(default_factory=set)

    @property
    def addresses(self) -> tuple[object, ...]:
        """What the proof opens."""
        leaves = tuple((piece.is_outer, piece.index) for piece in self.bundle.leaves)
        return leaves, self.row_names, self.record, self.bundle.hint, self.bundle.preimages


class LyingSource(RecordSource):
    """What a node has, but for some leaves, in the place of which it has others.

    It knows the preimages of all digests of the whole batch, and brings those that it is told to.
    """

    def __init__(self, here: Court, record: int, lies: Lies, told: Told) -> None:
        machine = here.batch.machine
        super().__init__(machine.open_call(1, inner.get_call(record)), record, PARENT)
        self._record, self._lies, self._model = record, lies, machine.model
        self._here, self._action, self._told = here, here.batch.action, told

    def get_inner(self, leaf: int) -> Chunk:
        lie = self._lies.get((False, leaf))
        return super().get_inner(leaf) if lie is None else self._type(self._record, leaf, lie)

    def get_outer(self, record: int, chunk: int) -> Chunk:
        lie = self._lies.get((True, record << RECORD_HEIGHT | chunk))
        if lie is None:
            return super().get_outer(record, chunk)
        leaf = (1 << self.tree.height) - CHUNKS_PER_RECORD + chunk
        found = super().get_outer(record, chunk)
        if found.type is not ChunkType.PAD and lie.data:
            return Chunk(found.type, lie.data)
        return self._type(record, leaf, lie)

    def get_manifest(self, manifest_hash: Hash32) -> bytes:
        return encode_manifest(self._action) if manifest_hash == self._action.hash else b""

    def get_preimage(self, digest: Hash32) -> bytes:
        return self._told.get(digest, collect_preimages(self._here).get(digest, b""))

    def _type(self, record: int, leaf: int, lie: Piece) -> Chunk:
        layout = self._model.get_layout(record)
        region = None if layout is None else layout.find(leaf)
        return Chunk(region.type, lie.data) if lie.data and region is not None else PAD_CHUNK


@functools.cache
def collect_preimages(here: Court) -> Mapping[Hash32, bytes]:
    """Return what all digests in the records around a batch's calls are of, by digest."""
    known: dict[Hash32, bytes] = {}
    preimages, machine = Preimages(known), here.batch.machine
    preimages.add(GENESIS)
    for call in range(len(here.batch.executions)):
        facts = machine.open_call(1, call).facts
        assert facts is not None
        for frame in (Frame.ENTRY, Frame.STATE, Frame.ROOTS):
            BUILDERS[frame](layout_frame(frame, machine.model.inner_height), facts, preimages)
    return known


def read_step(
    here: Court,
    record: int,
    leaf: int,
    lane: int,
    lies: Lies,
    told: Told = NOTHING_TOLD,
) -> tuple[int, Read]:
    """Return a lane as it follows from what is there or brought, and what was read for it."""
    machine = here.batch.machine
    source = LyingSource(here, record, lies, told)
    own, reads = source.tree.get_chunk(leaf), RecordedReads(source)
    address = Address(record, leaf, lane)
    return recompute(OPS, machine.model, address, ChunkLanes(own), reads), reads.read


def collect(here: Court, record: int, read: Read) -> Bundle:
    """Return true openings of what was read, at the addresses at which it was."""
    leaves = tuple(
        open_outer(here, index) if outer else open_inner(here, record, index)
        for outer, index, _ in read.chunks
    )
    rows = tuple(open_row(here.batch.machine.rows, tensor, row) for tensor, row, _ in read.rows)
    preimages = None if find_frame(record) is None else tuple(read.preimages)
    return Bundle(leaves, rows, read.hint, preimages)


def tell(case: Case, lies: Lies, told: Told = NOTHING_TOLD) -> tuple[Bundle, Bundle]:
    """Return the proof of a lane as it follows from lies, and the true openings in their places.

    The verifier that believes the lies asks for just these openings, in this order; and, if it
    believes that the bytes `told` are of those digests, for just these preimages.
    """
    _, read = read_step(case.here, case.record, case.leaf, case.lane, lies, told)
    wanted = collect(case.here, case.record, read)
    brought = tuple(lies.get((piece.is_outer, piece.index), piece) for piece in wanted.leaves)
    return replace(wanted, leaves=brought), wanted


def build_case(here: Court, record: int, leaf: int, lane: int) -> Case:
    """Prove a lane as a node does, and take the proof apart."""
    machine = here.batch.machine
    layout = machine.model.get_layout(record)
    assert layout is not None
    region = layout.find(leaf)
    assert region is not None
    value, read = read_step(here, record, leaf, lane, {})
    tree = machine.open_inner(1, record)
    assert value == get_lane(tree.get_chunk(leaf), lane)
    bundle = collect(here, record, read)
    proof = bundle.encode()
    chunks = chunk_tree(here, inner.get_call(record))
    is_frame = find_frame(record) is not None
    assert proof == encode_proof(read, tree, chunks, machine.rows, is_frame=is_frame)
    roots = {
        here.batch.result.claim.trace_root,
        tree.get_node(tree.height, 0),
        machine.model.root,
    }
    names = tuple((tensor, row) for tensor, row, _ in read.rows)
    return Case(here, record, leaf, lane, region, value, bundle, names, proof, roots)


def open_inner(here: Court, record: int, leaf: int) -> Piece:
    """Return a true opening of a leaf of a record's inner trace."""
    tree = here.batch.machine.open_inner(1, record)
    chunk = tree.get_chunk(leaf)
    return _open_chunk(tree, leaf, chunk, is_outer=False)


def open_outer(here: Court, index: int) -> Piece:
    """Return a true opening of a chunk of the outer trace, by its place among 2**28."""
    record = index >> RECORD_HEIGHT
    tree = chunk_tree(here, inner.get_call(record))
    found = tree.get_chunks(record)
    at = index % CHUNKS_PER_RECORD
    chunk = found[at] if at < len(found) else PAD_CHUNK
    return _open_chunk(tree, index, chunk, is_outer=True)


def open_row(rows: ModelRows, tensor: int, row: int) -> Piece:
    """Return a true opening of a row of a model."""
    index = rows.find_leaf(tensor, row)
    return Piece(rows, index, rows.get_node(0, index), rows.get_row(tensor, row))


def change_row(rows: ModelRows, tensor: int, row: int, data: bytes) -> bytes:
    """Return the leaf of a row with other data, behind its true header."""
    return hash_row(tensor, row, find_row_type(rows, tensor, row), data)


@functools.cache
def find_row_type(rows: ModelRows, tensor: int, row: int) -> int:
    """Return the type in a row's header."""
    leaf, data = rows.get_node(0, rows.find_leaf(tensor, row)), rows.get_row(tensor, row)
    return next(k for k in range(ROW_TYPES) if hash_row(tensor, row, k, data) == leaf)


class CallChunks(ChunkTree):
    """The chunks of one call, and what gives them."""

    def __init__(self, traces: CallTraces) -> None:
        super().__init__(traces.outer, traces.get_chunks)
        self.get_chunks = traces.get_chunks


@functools.cache
def chunk_tree(here: Court, call: int) -> CallChunks:
    """Return the outer tree down to the chunks, of one call's records."""
    return CallChunks(here.batch.machine.open_call(1, call))


def _open_chunk(tree: NodeTree, index: int, chunk: Chunk, *, is_outer: bool) -> Piece:
    data = b"" if chunk.type is ChunkType.PAD else chunk.data
    return Piece(tree, index, trace.compute_chunk_leaf(chunk), data, chunk.type, is_outer)
