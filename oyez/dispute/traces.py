"""The seam to a node's own traces: outer trees it always has, inner ones only with a machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from oyez.chain.duel_states import HEX, HEX_BITS, Leaf
from oyez.protocol import codec
from oyez.protocol.types import Hash32


class NodeTree(Protocol):
    """A committed SHA-256 tree; levels count from the leaves."""

    @property
    def height(self) -> int:
        """Levels above the leaves."""
        ...

    def get_node(self, level: int, index: int) -> Hash32:
        """Return any node."""
        ...


class InnerTree(NodeTree, Protocol):
    """The inner trace of one record, on whose last 16 leaves the record itself stands."""

    def get_leaf(self, index: int) -> Leaf:
        """Return a leaf as it is shown in a duel: type and 1,024 bytes."""
        ...


class TraceSource(Protocol):
    """This node's own outer traces."""

    def open_outer(self, batch: int) -> NodeTree:
        """Return the tree over all records of a batch's own result."""
        ...


class Machine(Protocol):
    """What makes inner traces of a batch's own result, and opens the inputs of its steps."""

    def open_inner(self, batch: int, record: int) -> InnerTree:
        """Return the inner trace of a record."""
        ...

    def prove_step(self, batch: int, record: int, leaf: int, lane: int, parent: Hash32) -> bytes:
        """Return what the step's verifier reads, opened under this node's own trees.

        `parent` is the assertion before the batch's.
        """
        ...


def list_children(tree: NodeTree, level: int, index: int) -> tuple[Hash32, ...]:
    """Return the 16 nodes four levels below a node."""
    return tuple(tree.get_node(level - HEX_BITS, HEX * index + i) for i in range(HEX))


def fold_children(children: Sequence[Hash32]) -> Hash32 | None:
    """Return the node four levels above 16 nodes; None where there are not 16."""
    nodes = list(children)
    if len(nodes) != HEX:
        return None
    while len(nodes) > 1:
        nodes = [codec.sha256(nodes[i] + nodes[i + 1]) for i in range(0, len(nodes), 2)]
    return nodes[0]


def list_siblings(tree: NodeTree, level: int, index: int) -> tuple[Hash32, ...]:
    """Return the siblings from a node up to the root."""
    return tuple(tree.get_node(at, index >> (at - level) ^ 1) for at in range(level, tree.height))
