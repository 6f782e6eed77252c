"""The compact sparse Merkle tree of the state: keys of 256 bits, read from the highest.

An empty subtree is 0, a subtree with one cell is that cell's leaf, any other is
node(left, right) with an empty child counted as 0. The tree is persistent: `insert` returns a
new tree that shares all but one path with the old one. Beside its hash a leaf carries an item
of the owner's, so that a tree is also the map it commits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from oyez.protocol import merkle
from oyez.protocol.constants import KEY_BITS
from oyez.protocol.errors import Invalid
from oyez.protocol.types import ZERO_HASH, Hash32

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SparseProof:
    """What stands where a key leads: siblings from the leaf upwards, and the leaf found.

    Attributes:
        found: (key, leaf) of the one cell there, which may be another's; None: nothing is there.
    """

    siblings: tuple[Hash32, ...]
    found: tuple[Hash32, Hash32] | None


@dataclass(frozen=True, slots=True)
class _Leaf(Generic[T]):
    key: Hash32
    root: Hash32
    item: T


@dataclass(frozen=True, slots=True)
class _Branch(Generic[T]):
    left: _Leaf[T] | _Branch[T] | None
    right: _Leaf[T] | _Branch[T] | None
    root: Hash32


class SparseTree(Generic[T]):
    """An immutable compact sparse Merkle tree."""

    __slots__ = ("_top",)

    def __init__(self, top: _Leaf[T] | _Branch[T] | None = None) -> None:
        """Make the empty tree; other trees come from `insert`."""
        self._top = top

    @property
    def root(self) -> Hash32:
        """The tree's root; 0 when it is empty."""
        return self._top.root if self._top is not None else ZERO_HASH

    def get(self, key: Hash32) -> T | None:
        """Return the item at `key`, or None when the key is absent."""
        leaf = self._descend(key)[1]
        return leaf.item if leaf is not None and leaf.key == key else None

    def items(self) -> Iterator[tuple[Hash32, T]]:
        """Yield (key, item) in ascending order of keys."""
        stack = [self._top]
        while stack:
            node = stack.pop()
            if isinstance(node, _Leaf):
                yield node.key, node.item
            elif node is not None:
                stack += [node.right, node.left]

    def insert(self, key: Hash32, leaf: Hash32, item: T) -> SparseTree[T]:
        """Return the tree with `key` holding `leaf` and `item`, whether it was there or not.

        Rule: STATE-5
        """
        path, found = self._descend(key)
        node: _Leaf[T] | _Branch[T] = _Leaf(key, leaf, item)
        if found is not None and found.key != key:
            shared = _shared_bits(found.key, key)
            node = _branch(node, found, _bit(key, shared))
            for depth in range(shared - 1, len(path) - 1, -1):
                node = _branch(node, None, _bit(key, depth))
        for depth in range(len(path) - 1, -1, -1):
            bit = _bit(key, depth)
            node = _branch(node, path[depth].left if bit else path[depth].right, bit)
        return SparseTree(node)

    def build_proof(self, key: Hash32) -> SparseProof:
        """Return the proof of what stands where `key` leads: its leaf, another's, or nothing."""
        path, found = self._descend(key)
        siblings = []
        for depth in range(len(path) - 1, -1, -1):
            beside = path[depth].left if _bit(key, depth) else path[depth].right
            siblings.append(beside.root if beside is not None else ZERO_HASH)
        return SparseProof(tuple(siblings), (found.key, found.root) if found is not None else None)

    def list_path(self, key: Hash32) -> tuple[list[tuple[Hash32, Hash32]], T | None]:
        """Return both children of each branch from the top towards `key`, and the item met below.

        The item may be another key's; None: nothing is there.
        """
        path, leaf = self._descend(key)
        pairs = [
            tuple(child.root if child is not None else ZERO_HASH for child in (b.left, b.right))
            for b in path
        ]
        return [(left, right) for left, right in pairs], leaf.item if leaf is not None else None

    def _descend(self, key: Hash32) -> tuple[list[_Branch[T]], _Leaf[T] | None]:
        """Return the branches from the top towards `key`, and the leaf below the last."""
        path: list[_Branch[T]] = []
        node = self._top
        while isinstance(node, _Branch):
            path.append(node)
            node = node.right if _bit(key, len(path) - 1) else node.left
        return path, node


def fold_sparse(key: Hash32, leaf: Hash32, siblings: Sequence[bytes]) -> Hash32:
    """Return the root that `siblings` make of `leaf`, the sides coming from the key's bits.

    Raises:
        Invalid: STATE-6, too many siblings or one that is not 32 bytes.

    Rule: STATE-6
    """
    if len(siblings) > KEY_BITS:
        raise Invalid(
            "STATE-6", f"a key has {KEY_BITS} bits; {len(siblings)} siblings are too many"
        )
    root = leaf
    for height, sibling in enumerate(siblings):
        if len(sibling) != 32:
            raise Invalid("STATE-6", f"sibling {height} has {len(sibling)} bytes; it must have 32")
        if _bit(key, len(siblings) - 1 - height):
            root = merkle.compute_keccak_node(sibling, root)
        else:
            root = merkle.compute_keccak_node(root, sibling)
    return root


def verify_sparse(root: Hash32, key: Hash32, proof: SparseProof) -> None:
    """Check that under `root` what stands where `key` leads is what the proof found.

    `key` is then present iff the leaf found is its own.

    Raises:
        Invalid: STATE-6 or STATE-7, the proof is not of this root or not about this key.

    Rule: STATE-7
    """
    found_key, leaf = proof.found if proof.found is not None else (key, ZERO_HASH)
    if _shared_bits(found_key, key) < len(proof.siblings):
        raise Invalid("STATE-7", "the leaf found does not lie on the key's path")
    if fold_sparse(key, leaf, proof.siblings) != root:
        raise Invalid("STATE-7", "the siblings do not fold to the state root")


def _bit(key: bytes, depth: int) -> int:
    return key[depth >> 3] >> (7 - (depth & 7)) & 1


def _shared_bits(first: bytes, second: bytes) -> int:
    differing = int.from_bytes(first, "big") ^ int.from_bytes(second, "big")
    return KEY_BITS - differing.bit_length()


def _branch(
    node: _Leaf[T] | _Branch[T], beside: _Leaf[T] | _Branch[T] | None, bit: int
) -> _Branch[T]:
    """Return the branch with `node` on the side that `bit` says."""
    other = beside.root if beside is not None else ZERO_HASH
    if bit:
        return _Branch(beside, node, merkle.compute_keccak_node(other, node.root))
    return _Branch(node, beside, merkle.compute_keccak_node(node.root, other))
