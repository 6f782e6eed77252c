"""The compact sparse tree against its definition, written as a recursion over sets of keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.protocol import codec, merkle, sparse
from oyez.protocol.errors import Invalid
from oyez.protocol.types import ZERO_HASH, Hash32

# Keys that share long beginnings as well as none.
keys = st.builds(
    lambda head, tail: Hash32(head + tail),
    st.sampled_from([bytes(30), b"\xff" * 30, b"\x80" + bytes(29)]),
    st.binary(min_size=2, max_size=2),
)


def leaf_of(key: Hash32) -> Hash32:
    return codec.H("CELL", key, 1)


def define(cells: list[Hash32], depth: int = 0) -> Hash32:
    """Compute the root as interfaces.md section 5 says it."""
    if not cells:
        return ZERO_HASH
    if len(cells) == 1:
        return leaf_of(cells[0])
    sides: tuple[list[Hash32], list[Hash32]] = ([], [])
    for key in cells:
        sides[int.from_bytes(key, "big") >> (255 - depth) & 1].append(key)
    return codec.keccak(define(sides[0], depth + 1) + define(sides[1], depth + 1))


def build(cells: list[Hash32]) -> sparse.SparseTree[bytes]:
    tree: sparse.SparseTree[bytes] = sparse.SparseTree()
    for key in cells:
        tree = tree.insert(key, leaf_of(key), key)
    return tree


@given(st.lists(keys, max_size=12), keys)
def test_tree_equals_its_definition_in_any_order(cells: list[Hash32], query: Hash32) -> None:
    # Rule: STATE-5
    tree = build(cells)

    assert tree.root == define(sorted(set(cells)))
    assert [key for key, _ in tree.items()] == sorted(set(cells))
    assert tree.get(query) == (query if query in cells else None)
    for key in [query, *cells]:
        proof = tree.build_proof(key)
        # Rule: STATE-7
        sparse.verify_sparse(tree.root, key, proof)
        assert (proof.found is not None and proof.found[0] == key) == (key in cells)


@given(st.lists(keys, min_size=1, max_size=6), keys)
def test_insert_leaves_the_old_tree_alone(cells: list[Hash32], key: Hash32) -> None:
    tree = build(cells)
    before = tree.root, list(tree.items())

    other = tree.insert(key, ZERO_HASH, b"new")

    assert (tree.root, list(tree.items())) == before
    assert other.get(key) == b"new"


def test_deepest_split_has_256_siblings() -> None:
    # Rule: STATE-6
    low, high = Hash32(bytes(32)), Hash32(bytes(31) + b"\x01")
    tree = build([low, high])

    proof = tree.build_proof(high)

    assert len(proof.siblings) == 256
    assert proof.siblings == (leaf_of(low), *[ZERO_HASH] * 255)
    assert sparse.fold_sparse(high, leaf_of(high), proof.siblings) == tree.root
    with pytest.raises(Invalid, match="STATE-6"):
        sparse.fold_sparse(high, leaf_of(high), [*proof.siblings, ZERO_HASH])


@given(st.lists(keys, min_size=2, max_size=8, unique=True), st.data())
def test_no_present_cell_can_be_proven_absent(cells: list[Hash32], data: st.DataObject) -> None:
    # Rule: STATE-7
    tree = build(cells)
    key, other = cells[0], cells[1]
    proof = tree.build_proof(key)
    forged = data.draw(
        st.sampled_from(
            [
                sparse.SparseProof(proof.siblings, None),
                sparse.SparseProof(proof.siblings, (other, leaf_of(other))),
                sparse.SparseProof(proof.siblings[:-1], proof.found),
                sparse.SparseProof((*proof.siblings, ZERO_HASH), None),
                tree.build_proof(other),
            ]
        )
    )
    if forged == tree.build_proof(key):
        return

    with pytest.raises(Invalid) as caught:
        sparse.verify_sparse(tree.root, key, forged)
    assert caught.value.rule == "STATE-7"


def test_leaf_found_must_lie_on_the_keys_path() -> None:
    # Rule: STATE-7
    first, second, third = (Hash32(bytes([n]) + bytes(31)) for n in (0x00, 0x40, 0x80))
    tree = build([first, second, third])
    proof = tree.build_proof(first)
    renamed = sparse.SparseProof(proof.siblings, (third, leaf_of(first)))
    with pytest.raises(Invalid, match="does not lie on the key's path"):
        sparse.verify_sparse(tree.root, first, renamed)


def test_sibling_of_another_length_is_invalid() -> None:
    # Rule: STATE-6
    with pytest.raises(Invalid, match="must have 32"):
        sparse.fold_sparse(ZERO_HASH, ZERO_HASH, [b"short"])


def test_single_cell_is_the_root_and_an_empty_child_counts_as_zero() -> None:
    # Rule: STATE-5
    first, second = Hash32(b"\x00" * 32), Hash32(b"\x40" + bytes(31))
    assert sparse.SparseTree().root == ZERO_HASH
    assert build([first]).root == leaf_of(first)
    inner = merkle.compute_keccak_node(leaf_of(first), leaf_of(second))
    assert build([first, second]).root == merkle.compute_keccak_node(inner, ZERO_HASH)
