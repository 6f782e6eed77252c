"""How deep a cell lies in the state tree: as far as its key shares bits with another's.

In the compact tree a cell stands where its key parts from every other, so in a state of n random
keys about log2(n) + 1.3 levels down. Nothing but the depth decides what a proof costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oyez.protocol import codec, merkle, sparse
from oyez.protocol.constants import FIELDS_HEIGHT
from oyez.protocol.state import FieldProof
from oyez.protocol.types import Hash32

SEED = 1


@dataclass(frozen=True, slots=True)
class Depths:
    """Levels of the cells of one state.

    Attributes:
        mean: of all cells, rounded up.
        deepest: of one cell.
    """

    mean: int
    deepest: int


def compute_depths(cells: int) -> Depths:
    """Return how deep the cells of a state of that many random keys lie.

    Of the keys' 256 bits the first 64 are drawn, from a fixed seed: a million keys part within 45.
    """
    drawn = np.random.default_rng(SEED).integers(0, 2**64, cells, dtype=np.uint64)
    levels = compute_levels(drawn)
    return Depths(mean=int(np.ceil(levels.mean())), deepest=int(levels.max()))


def compute_levels(heads: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the level of each cell, in the order of their keys.

    `heads` are the first 64 bits of at least two keys, which part within the first 53.
    """
    keys = np.sort(heads)
    # a float holds 53 bits exactly: shifted down, a difference keeps its highest one
    differs = ((keys[1:] ^ keys[:-1]) >> np.uint64(11)).astype(np.float64)
    shared = 53 - np.frexp(differs)[1].astype(np.int64)
    edge = np.zeros(1, np.int64)
    levels: npt.NDArray[np.int64] = 1 + np.maximum(
        np.concatenate((shared, edge)), np.concatenate((edge, shared))
    )
    return levels


@dataclass(frozen=True, slots=True)
class Provable:
    """A state that is nothing but one field's path: its root, and what proves the field."""

    root: Hash32
    action_id: Hash32
    proof: FieldProof
    index: int
    name_hash: Hash32
    type_hash: Hash32
    word: Hash32


def build_provable(levels: int, action_id: Hash32) -> Provable:
    """Return a shared cell's integer field in a state where that cell is `levels` deep."""
    key = codec.compute_cell_key_of(action_id, bytes(32))
    index, type_hash, manifest_hash = 3, codec.keccak(b"type"), codec.keccak(b"manifest")
    word = Hash32(codec.encode_word(7))
    fields = tuple(codec.keccak(b"field %d" % i) for i in range(FIELDS_HEIGHT))
    siblings = tuple(codec.keccak(b"level %d" % i) for i in range(levels))
    leaf = codec.compute_field_leaf(index, b"count", type_hash, word)
    fields_root = merkle.fold_proof(leaf, index, fields)
    cell = codec.compute_cell_leaf(key, manifest_hash, fields_root, 9)
    root = sparse.fold_sparse(key, cell, siblings)
    proof = FieldProof(manifest_hash, 9, fields, siblings)
    return Provable(root, action_id, proof, index, codec.keccak(b"count"), type_hash, word)
