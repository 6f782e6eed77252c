"""Cells, field proofs and absence proofs, and every damage done to them."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.protocol import codec, merkle, schema, state
from oyez.protocol.errors import Invalid
from oyez.protocol.types import ZERO_HASH, Cell, Field, FieldType, Hash32, Role, Value

FIELDS = (
    Field(b"mood", FieldType.ENUM, Role.WRITES, b"good", options=(b"bad", b"good"), biases=(0, 0)),
    Field(b"count", FieldType.INTEGER, Role.COMPUTE, 0, low=-5, high=10**6, digits=7),
    Field(b"open", FieldType.BOOLEAN, Role.KEPT, True, biases=(0, 0)),
    Field(b"note", FieldType.STRING, Role.WRITES, b"", limit=40),
)
VALUES: tuple[Value, ...] = (b"bad", -3, False, "grüezi".encode())
MANIFEST = Hash32(b"\x07" * 32)


def key_of(n: int) -> Hash32:
    return codec.keccak(n.to_bytes(4, "big"))


def state_of(count: int) -> state.State:
    built = state.State.empty()
    for n in range(count):
        cell = Cell(MANIFEST, n + 1, (b"good", n, True, b"cell %d" % n))
        built = built.with_cell(key_of(n), cell, FIELDS)
    return built


def verify(root: Hash32, key: Hash32, index: int, word: bytes, proof: state.FieldProof) -> None:
    state.verify_field(
        root=root,
        key=key,
        index=index,
        name=FIELDS[index].name,
        type_hash=schema.compute_type_hash(FIELDS[index]),
        word=word,
        proof=proof,
    )


def test_fields_root_is_five_levels_of_field_leaves() -> None:
    """Audit 2 H9: a leaf binds name, type and word."""
    # Rule: STATE-9
    leaves = [
        codec.H("FIELD", 0, codec.keccak(b"mood"), schema.compute_type_hash(FIELDS[0]), word)
        for word in [codec.keccak(b"bad")]
    ]
    leaves += [
        codec.compute_field_leaf(i, f.name, schema.compute_type_hash(f), word)
        for i, f, word in (
            (1, FIELDS[1], -3),
            (2, FIELDS[2], 0),
            (3, FIELDS[3], codec.keccak("grüezi".encode())),
        )
    ]
    assert state.compute_fields_root(FIELDS, VALUES) == merkle.compute_root(leaves, 5)


def test_cell_is_stored_under_its_leaf_and_the_old_state_stays() -> None:
    # Rule: STATE-8
    before = state.State.empty()
    cell = Cell(MANIFEST, 1, VALUES)

    after = before.with_cell(key_of(1), cell, FIELDS)

    leaf = codec.compute_cell_leaf(
        key_of(1), MANIFEST, state.compute_fields_root(FIELDS, VALUES), 1
    )
    assert after.root == after.get_leaf(key_of(1)) == leaf
    assert after.get(key_of(1)) == cell
    assert (before.root, before.get(key_of(1)), before.get_leaf(key_of(1))) == (
        ZERO_HASH,
        None,
        ZERO_HASH,
    )
    assert [key for key, _ in state_of(9).cells()] == sorted(key_of(n) for n in range(9))


def test_version_zero_and_missing_values_are_refused() -> None:
    # Rule: STATE-8
    with pytest.raises(ValueError, match="at least one"):
        state.State.empty().with_cell(key_of(1), Cell(MANIFEST, 0, VALUES), FIELDS)
    with pytest.raises(ValueError, match="3 values for 4"):
        state.State.empty().with_cell(key_of(1), Cell(MANIFEST, 1, VALUES[:3]), FIELDS)


@given(st.integers(1, 20), st.data())
def test_every_field_of_every_cell_is_provable(count: int, data: st.DataObject) -> None:
    # Rule: STATE-10
    full = state_of(count)
    n = data.draw(st.integers(0, count - 1))
    index = data.draw(st.integers(0, 3))
    cell = full.get(key_of(n))
    assert cell is not None
    word = schema.compute_value_word(FIELDS[index], cell.values[index])

    proof = full.build_field_proof(key_of(n), FIELDS, index)

    verify(full.root, key_of(n), index, word, proof)
    damaged = [
        dataclasses.replace(proof, version=proof.version + 1),
        dataclasses.replace(proof, manifest_hash=key_of(n)),
        dataclasses.replace(proof, field_siblings=(word, *proof.field_siblings[1:])),
        dataclasses.replace(proof, field_siblings=proof.field_siblings[:-1]),
        dataclasses.replace(proof, siblings=(*proof.siblings, ZERO_HASH)),
    ]
    for other in damaged:
        with pytest.raises(Invalid):
            verify(full.root, key_of(n), index, word, other)
    with pytest.raises(Invalid, match="STATE-10"):
        verify(full.root, key_of(n), index, codec.keccak(word), proof)
    with pytest.raises(Invalid, match="STATE-10"):
        verify(full.root, key_of(n + 1), index, word, proof)


@given(st.integers(0, 20))
def test_absent_cell_is_proven_by_nothing_or_by_another_cell(count: int) -> None:
    # Rule: STATE-11
    full = state_of(count)
    absent = key_of(1_000)

    proof = full.build_absence_proof(absent)

    state.verify_absent(root=full.root, key=absent, proof=proof)
    with pytest.raises(Invalid):
        state.verify_absent(root=key_of(3), key=absent, proof=proof)


def test_present_cell_is_never_proven_absent() -> None:
    # Rule: STATE-11
    full = state_of(2)
    key, other = key_of(0), key_of(1)
    with pytest.raises(ValueError, match="exists"):
        full.build_absence_proof(key)
    cell = full.get(key)
    assert cell is not None
    own = state.AbsenceProof(
        other_key=key,
        other_manifest=cell.manifest_hash,
        other_fields=state.compute_fields_root(FIELDS, cell.values),
        other_version=cell.version,
        siblings=full.build_field_proof(key, FIELDS, 0).siblings,
    )
    for forged in (own, dataclasses.replace(own, other_key=other)):
        with pytest.raises(Invalid):
            state.verify_absent(root=full.root, key=key, proof=forged)


def test_field_tree_of_another_height_is_refused() -> None:
    # Rule: STATE-10
    # A root made over a lower tree folds, and must still not count.
    leaf = codec.compute_field_leaf(0, b"mood", schema.compute_type_hash(FIELDS[0]), ZERO_HASH)
    for height in (4, 6):
        siblings = merkle.build_proof([leaf], height, 0)
        fields_root = merkle.compute_root([leaf], height)
        root = codec.compute_cell_leaf(key_of(0), MANIFEST, fields_root, 1)
        with pytest.raises(Invalid, match="STATE-10"):
            verify(root, key_of(0), 0, ZERO_HASH, state.FieldProof(MANIFEST, 1, siblings, ()))


def test_proof_of_what_does_not_exist_is_refused() -> None:
    full = state_of(1)
    with pytest.raises(KeyError):
        full.build_field_proof(key_of(5), FIELDS, 0)
    with pytest.raises(ValueError, match="no field 4"):
        full.build_field_proof(key_of(0), FIELDS, 4)
