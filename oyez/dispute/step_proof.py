"""Builds the proof of a step: what it read, in order, opened under the own trees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from eth_abi.abi import encode

from oyez.dispute.traces import NodeTree
from oyez.protocol import row_leaves, step
from oyez.protocol.constants import RECORD_HEIGHT
from oyez.protocol.step import Context, Lanes, Reads
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.types import Hash32

#: Of (Opening[], Row[], uint256) in contracts/interfaces/IStepVerifier.vyi; around the tokens
#: preimages follow.
PROOF_TYPES = ("(bytes,bytes32[])[]", "(bytes,bytes32[])[]", "uint256")
FRAME_TYPES = (*PROOF_TYPES, "bytes[]")


@dataclass(slots=True)
class Read:
    """What a step read, each list in order.

    Attributes:
        chunks: (is outer, index in that tree's leaves, chunk).
        rows: (tensor, row, what a proof brings of it).
        hint: record of the sorted vocabulary.
        preimages: of digests; each time one is read.
    """

    chunks: list[tuple[bool, int, Chunk]] = field(default_factory=list)
    rows: list[tuple[int, int, bytes]] = field(default_factory=list)
    hint: int = 0
    preimages: list[bytes] = field(default_factory=list)


class Source(Protocol):
    """Chunks, rows and manifests as a node has them."""

    def get_inner(self, leaf: int) -> Chunk:
        """Return a leaf of the inner trace."""
        ...

    def get_outer(self, record: int, chunk: int) -> Chunk:
        """Return a chunk of an earlier record."""
        ...

    def get_row(self, tensor: int, row: int) -> bytes:
        """Return a row of the model."""
        ...

    def get_manifest(self, manifest_hash: Hash32) -> bytes:
        """Return a published manifest; nothing if nobody published it."""
        ...

    def find_vocabulary(self, rest: bytes) -> int:
        """Return the last record of the sorted vocabulary that is not after these bytes."""
        ...

    def get_preimage(self, digest: Hash32) -> bytes:
        """Return the bytes that a digest is of."""
        ...

    def get_context(self) -> Context:
        """Return the ids of the batch and of the assertion before."""
        ...


class RecordedReads(Reads):
    """Reads of a source, remembered; nothing is opened twice."""

    def __init__(self, source: Source) -> None:
        """Take where everything is read from."""
        self._source = source
        self._seen: set[tuple[bool, int]] = set()
        self.read = Read()

    def read_inner(self, leaf: int, kind: ChunkType) -> Lanes | None:
        """Return a leaf of the same inner trace; None if it is PAD."""
        return self._remember(False, leaf, self._source.get_inner(leaf), kind)

    def read_outer(self, record: int, chunk: int, kind: ChunkType) -> Lanes | None:
        """Return a chunk of an earlier record; None if it is PAD."""
        found = self._source.get_outer(record, chunk)
        return self._remember(True, record << RECORD_HEIGHT | chunk, found, kind)

    def read_row(self, tensor: int, row: int) -> bytes:
        """Return a row of the model, without its header."""
        data = self._source.get_row(tensor, row)
        if (tensor, row) not in {(t, r) for t, r, _ in self.read.rows}:
            self.read.rows.append((tensor, row, data))
        return data

    def read_part(self, tensor: int, row: int, part: int, size: int) -> bytes:
        """Return a part of a row; of the others their hashes are opened.

        Rule: INNER-9
        """
        data = self._source.get_row(tensor, row)
        self.read.rows.append((tensor, row, row_leaves.open_part(data, size, part)))
        return data[size * part : size * (part + 1)]

    def read_manifest(self, manifest_hash: Hash32) -> bytes:
        """Return a published manifest."""
        return self._source.get_manifest(manifest_hash)

    def find_vocabulary(self, rest: bytes) -> int:
        """Return where to look, which goes into the proof."""
        found = self._source.find_vocabulary(rest)
        self.read.hint = max(found, 0)
        return found

    def read_preimage(self, digest: Hash32) -> bytes:
        """Return the bytes that a digest is of."""
        data = self._source.get_preimage(digest)
        self.read.preimages.append(data)
        return data

    def get_context(self) -> Context:
        """Return the ids of the batch and of the assertion before."""
        return self._source.get_context()

    def _remember(self, outer: bool, index: int, chunk: Chunk, kind: ChunkType) -> Lanes | None:
        if (outer, index) not in self._seen:
            self._seen.add((outer, index))
            self.read.chunks.append((outer, index, chunk))
        if chunk.type is ChunkType.PAD:
            return None
        if chunk.type is not kind:
            raise ValueError(f"a chunk of type {chunk.type} stands where one of {kind} belongs")
        return step.ChunkLanes(chunk)


class RowTree(NodeTree, Protocol):
    """The model's tree, and where its rows stand."""

    def find_leaf(self, tensor: int, row: int) -> int:
        """Return a row's leaf index."""
        ...


def encode_proof(
    read: Read, inner: NodeTree, chunks: NodeTree, rows: RowTree, *, is_frame: bool = False
) -> bytes:
    """Return the proof of what was read.

    Args:
        read: in order.
        inner: the record's inner trace.
        chunks: all chunks of the outer trace, 28 levels.
        rows: the model's tree.
        is_frame: the step is of a record around the tokens, whose proofs bring preimages.

    Rule: INNER-8, FRAME-3
    """
    leaves: list[tuple[bytes, tuple[Hash32, ...]]] = []
    first: dict[bool, int] = {}
    for outer, index, chunk in read.chunks:
        tree = chunks if outer else inner
        levels = _count_levels(first, outer, index, tree.height)
        data = b"" if chunk.type is ChunkType.PAD else chunk.data
        leaves.append((data, _list_siblings(tree, index, levels)))
    opened: list[tuple[bytes, tuple[Hash32, ...]]] = []
    base: dict[bool, int] = {}
    for tensor, row, data in read.rows:
        index = rows.find_leaf(tensor, row)
        levels = _count_levels(base, False, index, rows.height)
        opened.append((data, _list_siblings(rows, index, levels)))
    if is_frame:
        return encode(FRAME_TYPES, (leaves, opened, read.hint, read.preimages))
    return encode(PROOF_TYPES, (leaves, opened, read.hint))


def _count_levels(first: dict[bool, int], tree: bool, index: int, height: int) -> int:
    """Return the siblings that an opening brings: up to where its path meets the first one's."""
    if tree not in first:
        first[tree] = index
        return height
    return (index ^ first[tree]).bit_length() - 1


def _list_siblings(tree: NodeTree, index: int, levels: int) -> tuple[Hash32, ...]:
    return tuple(tree.get_node(level, (index >> level) ^ 1) for level in range(levels))
