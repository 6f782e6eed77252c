"""The SHA-256 tree over one record's inner leaves."""

from __future__ import annotations

import hashlib

from oyez.chain.duel_states import Leaf
from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.protocol import trace
from oyez.protocol.trace import Chunk
from oyez.protocol.types import Hash32


class RecordTree:
    """An inner trace as `oyez.dispute.traces.InnerTree`; all its nodes are kept."""

    def __init__(self, leaves: InnerLeaves) -> None:
        """Hash the leaves, and everything above them; subtrees of PAD are constants.

        Rule: INNER-71
        """
        self.leaves = leaves
        self.height = leaves.layout.height
        empty = trace.pad_tree().empty
        sha256, level = hashlib.sha256, [empty[0]] * (1 << self.height)
        data = leaves.data.data.cast("B")
        size = leaves.data.shape[1]
        for leaf in leaves.types.nonzero()[0].tolist():
            head = b"\0" + bytes([leaves.types[leaf]])
            digest = sha256(head + data[leaf * size : (leaf + 1) * size]).digest()
            level[leaf] = Hash32(digest)
        self._levels = [level]
        for height in range(self.height):
            pad, above = empty[height], empty[height + 1]
            pairs = zip(level[0::2], level[1::2], strict=True)
            level = [
                above if left is pad and right is pad else Hash32(sha256(left + right).digest())
                for left, right in pairs
            ]
            self._levels.append(level)

    def get_node(self, level: int, index: int) -> Hash32:
        """Return a node, levels counted from the leaves."""
        return self._levels[level][index]

    def get_leaf(self, index: int) -> Leaf:
        """Return a leaf as it is shown in a duel."""
        chunk = self.leaves.get_chunk(index)
        return Leaf(int(chunk.type), chunk.data)

    def get_chunk(self, index: int) -> Chunk:
        """Return a leaf as a step reads it."""
        return self.leaves.get_chunk(index)
