"""One number of a trace made false, everything else left as it is: for simulations and tests.

A falsified record differs from the true one in one lane of its inner trace, and in one lane of its
own chunks, for else its root would be the true one. Whoever defends it shows trees that are sound
but for that lane, so the duel ends there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oyez.chain.duel_states import Leaf
from oyez.dispute import lanes
from oyez.dispute.traces import InnerTree, NodeTree
from oyez.protocol import codec, trace
from oyez.protocol.constants import CHUNKS_PER_RECORD, RECORD_HEIGHT
from oyez.protocol.errors import Invalid
from oyez.protocol.step import FILLER, read_lane
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.types import Hash32


class PatchedTree:
    """A tree of which some leaves are others; every node above them follows."""

    def __init__(self, tree: NodeTree, leaves: Mapping[int, Hash32]) -> None:
        """Take the tree and the leaves that are put in their places."""
        self.height = tree.height
        self._tree = tree
        self._changed: list[dict[int, Hash32]] = [dict(leaves)]
        for level in range(self.height):
            self._changed.append(
                {
                    index: codec.sha256(
                        self.get_node(level, 2 * index) + self.get_node(level, 2 * index + 1)
                    )
                    for index in {below >> 1 for below in self._changed[level]}
                }
            )

    def get_node(self, level: int, index: int) -> Hash32:
        """Return any node."""
        changed = self._changed[level].get(index)
        return self._tree.get_node(level, index) if changed is None else changed

    @property
    def root(self) -> Hash32:
        """The whole tree's root."""
        return self.get_node(self.height, 0)


class FalseInner(PatchedTree):
    """An inner trace in which some leaves are false."""

    def __init__(self, tree: InnerTree, chunks: Mapping[int, Chunk]) -> None:
        """Take the true trace and the false leaves."""
        leaves = {index: trace.compute_chunk_leaf(chunk) for index, chunk in chunks.items()}
        super().__init__(tree, leaves)
        self._true = tree
        self._chunks = dict(chunks)

    def get_leaf(self, index: int) -> Leaf:
        """Return a leaf as it is shown in a duel."""
        chunk = self._chunks.get(index)
        if chunk is None:
            return self._true.get_leaf(index)
        return Leaf(int(chunk.type), chunk.data)

    @property
    def record_root(self) -> Hash32:
        """The false record: the root of the last 16 leaves."""
        return self.get_node(RECORD_HEIGHT, (1 << (self.height - RECORD_HEIGHT)) - 1)


@dataclass(frozen=True, slots=True)
class Flip:
    """A number made false: where it stands, what is true and what is put there."""

    leaf: int
    lane: int
    true: int
    false: int


def flip_lane(leaf: Leaf, lane: int) -> tuple[Chunk, int, int]:
    """Return the leaf with another value in one lane, the value that was there, and the new one.

    Raises:
        Invalid: INNER-81 the leaf is PAD, or has no such lane.

    Rule: INNER-81
    """
    kind = ChunkType(leaf.type)
    if kind is ChunkType.PAD:
        raise Invalid("INNER-81", "nothing stands there: the leaf is PAD")
    width = lanes.WIDTHS[kind]
    count = len(leaf.raw) // width
    if not 0 <= lane < count:
        raise Invalid("INNER-81", f"the leaf has {count} lanes and no lane {lane}")
    before = read_lane(kind, leaf.raw, lane)
    after = falsify(kind, before)
    place = width * list(lanes.list_places(kind, count))[lane]
    encoded = (after % (1 << 8 * width)).to_bytes(width, "big")
    raw = leaf.raw[:place] + encoded + leaf.raw[place + width :]
    return Chunk(kind, raw), before, after


def falsify(kind: ChunkType, value: int) -> int:
    """Return another value that a lane of this type may hold, never one that says PAD."""
    if kind in (ChunkType.BYTES, ChunkType.BYTES32):
        return value ^ 1
    most = (1 << (8 * lanes.WIDTHS[kind] - 1)) - 1
    if value == FILLER[kind]:
        return 0
    return value - 1 if value == most else value + 1


def falsify_record(
    tree: InnerTree, leaf: int, lane: int, *, mark: int = 0
) -> tuple[FalseInner, Flip]:
    """Return a record's inner trace with one false lane, and what was done to it.

    A lane before the record's own chunks takes one of theirs along, a lane of the first: `mark`, 0
    to 254, tells which, so that several lies about one record are several records.

    Raises:
        Invalid: INNER-81 there is no living lane, or the record itself is PAD.

    Rule: INNER-81
    """
    chunk, before, after = flip_lane(tree.get_leaf(leaf), lane)
    chunks = {leaf: chunk}
    first = (1 << tree.height) - CHUNKS_PER_RECORD
    if leaf < first:
        chunks[first], _, _ = flip_lane(tree.get_leaf(first), 1 + mark)
    return FalseInner(tree, chunks), Flip(leaf, lane, before, after)
