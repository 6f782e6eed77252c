"""Fixed-height Merkle trees over Keccak-256 or SHA-256; the sparse tree is sparse.py.

A tree of height h has 2**h leaves; those not given are the tree's empty leaf, so an empty
subtree is a chain node(e, e). Siblings run from the leaf upwards; bit i of the index says on
which side sibling i stands (1: on the left).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oyez.protocol import codec
from oyez.protocol.errors import Invalid
from oyez.protocol.types import ZERO_HASH, Hash32

MAX_HEIGHT = 32


def compute_keccak_node(left: bytes, right: bytes) -> Hash32:
    """Return keccak256(left ‖ right): trees that contracts outside the duel read.

    Rule: CODEC-5
    """
    return codec.keccak(left + right)


def compute_sha256_node(left: bytes, right: bytes) -> Hash32:
    """Return sha256(left ‖ right): the trace and the model.

    Rule: CODEC-6
    """
    return codec.sha256(left + right)


@dataclass(frozen=True, slots=True)
class Tree:
    """A kind of tree: its node function, and the root of an empty subtree by height."""

    node: Callable[[bytes, bytes], Hash32]
    empty: tuple[Hash32, ...]


def build_tree(node: Callable[[bytes, bytes], Hash32], empty_leaf: Hash32) -> Tree:
    """Return the kind of tree with this node function and this empty leaf.

    Rule: CODEC-7
    """
    empty = [empty_leaf]
    for _ in range(MAX_HEIGHT):
        empty.append(node(empty[-1], empty[-1]))
    return Tree(node, tuple(empty))


@functools.cache
def keccak_tree() -> Tree:
    """Return the kind of entries, fields, receipts and outbox trees: the empty leaf is 0."""
    return build_tree(compute_keccak_node, ZERO_HASH)


def compute_root(leaves: Sequence[Hash32], height: int, tree: Tree | None = None) -> Hash32:
    """Return the root over `leaves`, the rest of the 2**height places being empty.

    Raises:
        ValueError: more leaves than places.
    """
    kind = tree or keccak_tree()
    level = _check(leaves, height)
    for depth in range(height):
        level = _fold_level(level, kind, depth)
    return level[0] if level else kind.empty[height]


def build_proof(
    leaves: Sequence[Hash32], height: int, index: int, tree: Tree | None = None
) -> tuple[Hash32, ...]:
    """Return the `height` siblings of the leaf at `index`, which may be an empty place.

    Raises:
        ValueError: more leaves than places, or no such place.
    """
    if not 0 <= index < 1 << height:
        raise ValueError(f"no leaf {index} in a tree of height {height}")
    kind = tree or keccak_tree()
    level = _check(leaves, height)
    siblings = []
    for depth in range(height):
        beside = (index >> depth) ^ 1
        siblings.append(level[beside] if beside < len(level) else kind.empty[depth])
        level = _fold_level(level, kind, depth)
    return tuple(siblings)


def fold_proof(
    leaf: Hash32, index: int, siblings: Sequence[bytes], tree: Tree | None = None
) -> Hash32:
    """Return the root that `siblings` make of `leaf` at `index`.

    Raises:
        Invalid: CODEC-8, the index has more bits than there are siblings.

    Rule: CODEC-8
    """
    if not 0 <= index < 1 << len(siblings):
        raise Invalid("CODEC-8", f"leaf {index} does not exist under {len(siblings)} siblings")
    node = (tree or keccak_tree()).node
    root = leaf
    for depth, sibling in enumerate(siblings):
        if len(sibling) != 32:
            raise Invalid("CODEC-8", f"sibling {depth} has {len(sibling)} bytes; it must have 32")
        root = node(sibling, root) if index >> depth & 1 else node(root, sibling)
    return root


def fold_with_last(
    first: Sequence[Hash32], last: Hash32, height: int, tree: Tree
) -> tuple[Hash32, tuple[Hash32, ...]]:
    """Return the root over leaves from 0 on and one in the last place, and the last's siblings.

    What lies between is empty and costs one constant a level, however wide it is.

    Raises:
        ValueError: `first` reaches the last place.

    Rule: CODEC-9
    """
    if len(first) >= 1 << height:
        raise ValueError(f"{len(first)} leaves leave no last place in a tree of height {height}")
    level = list(first)
    siblings = []
    for depth in range(height):
        reaches_last = len(level) == (1 << (height - depth)) - 1
        siblings.append(level.pop() if reaches_last else tree.empty[depth])
        last = tree.node(siblings[-1], last)
        level = _fold_level(level, tree, depth)
    return last, tuple(siblings)


@dataclass(frozen=True, slots=True)
class Frontier:
    """A Keccak tree that grows leaf by leaf, as its append-only edge.

    Attributes:
        count: leaves so far.
        nodes: by level, the root of the full subtree that waits for its right neighbour; 0 where
            bit `level` of `count` is 0. One more than the height, for the full tree.
    """

    count: int
    nodes: tuple[Hash32, ...]

    @classmethod
    def empty(cls, height: int) -> Frontier:
        """Return the edge of an empty tree."""
        return cls(0, (ZERO_HASH,) * (height + 1))

    def append(self, leaf: Hash32) -> Frontier:
        """Return the edge with one leaf more.

        Raises:
            ValueError: the tree is full.

        Rule: CODEC-10
        """
        nodes = list(self.nodes)
        if self.count == 1 << (len(nodes) - 1):
            raise ValueError("the tree is full")
        level = 0
        while self.count >> level & 1:
            leaf = compute_keccak_node(nodes[level], leaf)
            nodes[level] = ZERO_HASH
            level += 1
        nodes[level] = leaf
        return Frontier(self.count + 1, tuple(nodes))

    @property
    def root(self) -> Hash32:
        """The root of the whole tree, its missing leaves empty."""
        height = len(self.nodes) - 1
        if self.count >> height:
            return self.nodes[height]
        root = keccak_tree().empty[0]
        for level in range(height):
            if self.count >> level & 1:
                root = compute_keccak_node(self.nodes[level], root)
            else:
                root = compute_keccak_node(root, keccak_tree().empty[level])
        return root


def _check(leaves: Sequence[Hash32], height: int) -> list[Hash32]:
    if not 0 <= height <= MAX_HEIGHT:
        raise ValueError(f"a tree's height is 0 to {MAX_HEIGHT}, not {height}")
    if len(leaves) > 1 << height:
        raise ValueError(f"{len(leaves)} leaves do not fit a tree of height {height}")
    return list(leaves)


def _fold_level(level: list[Hash32], kind: Tree, depth: int) -> list[Hash32]:
    """Return the level above; an empty right neighbour is made of constants, not hashed anew."""
    if len(level) % 2:
        level = [*level, kind.empty[depth]]
    return [kind.node(level[i], level[i + 1]) for i in range(0, len(level), 2)]
