"""Fixed-height trees against an independent library and against a plain recursion."""

from __future__ import annotations

import pytest
from blockcerts_merkletools import MerkleTools
from hypothesis import given
from hypothesis import strategies as st

from oyez.protocol import codec, merkle
from oyez.protocol.errors import Invalid
from oyez.protocol.types import ZERO_HASH, Hash32

SHA256 = merkle.build_tree(merkle.compute_sha256_node, codec.sha256(bytes(32)))


def leaves(count: int) -> list[Hash32]:
    return [codec.keccak(bytes([n])) for n in range(count)]


def plain_root(level: list[Hash32], height: int, tree: merkle.Tree) -> Hash32:
    level = [*level, *[tree.empty[0]] * ((1 << height) - len(level))]
    while len(level) > 1:
        level = [tree.node(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


@pytest.mark.parametrize("height", range(6))
def test_full_sha256_tree_equals_merkletools(height: int) -> None:
    # Rule: CODEC-6
    # Both agree where nothing is missing: the library carries an odd last node up.
    oracle = MerkleTools(hash_type="sha256")
    oracle.add_leaf([leaf.hex() for leaf in leaves(1 << height)])
    oracle.make_tree()

    root = merkle.compute_root(leaves(1 << height), height, SHA256)

    assert root.hex() == oracle.get_merkle_root()
    for index in range(1 << height):
        proof = [
            bytes.fromhex(step.get("left") or step["right"]) for step in oracle.get_proof(index)
        ]
        built = merkle.build_proof(leaves(1 << height), height, index, SHA256)
        assert list(built) == proof


def test_keccak_nodes_and_empty_chain() -> None:
    # Rule: CODEC-5
    assert merkle.compute_keccak_node(b"\x01" * 32, b"\x02" * 32) == codec.keccak(
        b"\x01" * 32 + b"\x02" * 32
    )
    # Rule: CODEC-7
    empty = merkle.keccak_tree().empty
    assert empty[0] == ZERO_HASH
    assert empty[2] == codec.keccak(codec.keccak(bytes(64)) * 2)
    assert merkle.compute_root([], 8) == empty[8]


@given(st.integers(0, 5), st.data())
def test_roots_and_proofs_equal_the_plain_recursion(height: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 1 << height))
    index = data.draw(st.integers(0, (1 << height) - 1))
    for tree in (merkle.keccak_tree(), SHA256):
        root = merkle.compute_root(leaves(count), height, tree)
        proof = merkle.build_proof(leaves(count), height, index, tree)
        leaf = leaves(count)[index] if index < count else tree.empty[0]

        assert root == plain_root(leaves(count), height, tree)
        assert len(proof) == height
        # Rule: CODEC-8
        assert merkle.fold_proof(leaf, index, proof, tree) == root


@given(st.integers(1, 4), st.data())
def test_last_place_costs_nothing_between(height: int, data: st.DataObject) -> None:
    # Rule: CODEC-9
    count = data.draw(st.integers(0, (1 << height) - 1))
    last = codec.keccak(b"last")
    filled = [*leaves(count), *[SHA256.empty[0]] * ((1 << height) - 1 - count), last]

    root, siblings = merkle.fold_with_last(leaves(count), last, height, SHA256)

    assert root == plain_root(filled, height, SHA256)
    assert siblings == merkle.build_proof(filled, height, (1 << height) - 1, SHA256)


def test_last_place_must_be_free() -> None:
    with pytest.raises(ValueError, match="no last place"):
        merkle.fold_with_last(leaves(4), ZERO_HASH, 2, SHA256)


@pytest.mark.parametrize("height", [0, 1, 3])
def test_frontier_grows_to_every_root(height: int) -> None:
    # Rule: CODEC-10
    edge = merkle.Frontier.empty(height)
    for count in range((1 << height) + 1):
        assert edge.root == merkle.compute_root(leaves(count), height)
        for level, node in enumerate(edge.nodes):
            first = count >> (level + 1) << (level + 1)
            full = merkle.compute_root(leaves(count)[first : first + (1 << level)], level)
            assert node == (full if count >> level & 1 else ZERO_HASH)
        if count < 1 << height:
            edge = edge.append(leaves(count + 1)[-1])

    with pytest.raises(ValueError, match="full"):
        edge.append(ZERO_HASH)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        merkle.compute_root(leaves(3), 1)
    with pytest.raises(ValueError, match="height"):
        merkle.compute_root([], 33)
    with pytest.raises(ValueError, match="no leaf"):
        merkle.build_proof([], 2, 4)


@pytest.mark.parametrize(
    ("index", "siblings"), [(4, [bytes(32)] * 2), (-1, [bytes(32)]), (0, [bytes(31)])]
)
def test_damaged_proof_is_invalid(index: int, siblings: list[bytes]) -> None:
    # Rule: CODEC-8
    with pytest.raises(Invalid) as caught:
        merkle.fold_proof(ZERO_HASH, index, siblings)
    assert caught.value.rule == "CODEC-8"
