"""Depths by sorting are the state tree's own, and those that theory gives for random keys."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from oyez.gas import depth
from oyez.protocol import codec
from oyez.protocol.sparse import SparseTree
from oyez.protocol.state import verify_field
from oyez.protocol.types import Hash32

ACTION = Hash32(b"\x05" * 32)


@pytest.mark.parametrize("cells", [2, 3, 50, 1_000])
def test_levels_are_the_lengths_of_the_trees_own_proofs(cells: int) -> None:
    keys = sorted(Hash32(hashlib.sha256(b"%d" % i).digest()) for i in range(cells))
    tree: SparseTree[None] = SparseTree()
    for key in keys:
        tree = tree.insert(key, key, None)
    heads = np.array([int.from_bytes(key[:8], "big") for key in keys], dtype=np.uint64)

    levels = depth.compute_levels(heads[::-1].copy())

    assert levels.tolist() == [len(tree.build_proof(key).siblings) for key in keys]


def test_a_million_keys_lie_as_deep_as_theory_says() -> None:
    """Mean log2(n) + gamma / ln 2 + 1/2, deepest about 2 log2(n); the budget names 20 and 40."""
    found = depth.compute_depths(10**6)
    mean = math.log2(10**6) + 0.5772 / math.log(2) + 0.5
    assert found.mean == math.ceil(mean) == 22
    assert 34 <= found.deepest <= 45


@pytest.mark.parametrize("levels", [0, 1, 22, 39, 256])
def test_what_is_proven_is_a_field_of_a_shared_cell(levels: int) -> None:
    shown = depth.build_provable(levels, ACTION)
    assert len(shown.proof.siblings) == levels
    verify_field(
        root=shown.root,
        key=codec.compute_cell_key_of(ACTION, bytes(32)),
        index=shown.index,
        name=b"count",
        type_hash=shown.type_hash,
        word=shown.word,
        proof=shown.proof,
    )
