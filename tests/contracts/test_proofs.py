"""Rollup's proofs: fields, absence and receipts against final roots, as Python builds them."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from oyez.protocol import codec, merkle, schema
from oyez.protocol.errors import Invalid
from oyez.protocol.state import AbsenceProof, FieldProof, State, verify_absent, verify_field
from oyez.protocol.types import (
    CallId,
    Cell,
    Code,
    Hash32,
    Outcome,
    Receipt,
)
from tests.contracts.conftest import publish
from tests.contracts.harness import ETHER, World, settings
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import ZERO, finalize_one, make_proposal, noise, propose, stake
from tests.proof_worlds import FIELDS

ACTION = Hash32(noise("action"))
MANIFEST = Hash32(noise("manifest"))


def k_of(cell: int) -> bytes:
    return codec.keccak(b"cell %d" % cell)


def key_of(cell: int) -> Hash32:
    return codec.compute_cell_key_of(ACTION, k_of(cell))


def state_of(cells: int) -> State:
    state = State.empty()
    for i in range(cells):
        values = (b"good", i - 2, b"cell %d" % i, i % 2 == 0)
        state = state.with_cell(key_of(i), Cell(MANIFEST, i + 1, values), FIELDS)
    return state


def finalized(state_root: bytes, receipts_root: bytes = ZERO, before: int = 0) -> World:
    """A world whose batch before + 1 is final with these roots."""
    world = World(settings())
    ballot = publish(world, BALLOT)
    stake(world)
    for i in range(before):
        finalize_one(world, ballot, make_proposal(noise("other", i), salt=i))
    finalize_one(world, ballot, make_proposal(state_root, receipts_root, salt="last"), calls=5)
    return world


def ask_field(world: World, n: int, cell: int, at: int, shown: FieldProof, **but: Any) -> bool:
    field = FIELDS[at]
    value = (b"good", cell - 2, b"cell %d" % cell, cell % 2 == 0)[at]
    question = {
        "action_id": ACTION,
        "k": k_of(cell),
        "index": at,
        "name_hash": codec.keccak(field.name),
        "type_hash": schema.compute_type_hash(field),
        "word": codec.encode_word(schema.compute_value_word(field, value)),
        "proof": dataclasses.astuple(shown),
    } | but
    return bool(world.rollup.verify_field(n, *question.values()))


@pytest.mark.parametrize("cells", [1, 2, 3, 40])
def test_every_field_of_every_cell_is_proven(cells: int) -> None:
    """Rule: ROLLUP-12"""
    state = state_of(cells)
    world = finalized(state.root)
    for cell in range(cells):
        for index in range(len(FIELDS)):
            proof = state.build_field_proof(key_of(cell), FIELDS, index)
            assert ask_field(world, 1, cell, index, proof)


def test_a_proof_says_nothing_else() -> None:
    state = state_of(9)
    world = finalized(state.root, before=1)
    proof = state.build_field_proof(key_of(4), FIELDS, 1)
    other = state.build_field_proof(key_of(5), FIELDS, 1)

    assert ask_field(world, 2, 4, 1, proof)
    assert not ask_field(world, 1, 4, 1, proof)
    assert not ask_field(world, 0, 4, 1, proof)
    for n in (3, 2**255):
        assert not ask_field(world, n, 4, 1, proof)
    lies: list[dict[str, Any]] = [
        {"action_id": noise("another")},
        {"k": k_of(5)},
        {"index": 0},
        {"index": 1 + 32},
        {"index": 2**255 + 1},
        {"name_hash": codec.keccak(b"counter")},
        {"type_hash": schema.compute_type_hash(FIELDS[0])},
        {"word": codec.encode_word(3)},
        {"proof": dataclasses.astuple(other)},
        {"proof": dataclasses.astuple(replace(proof, version=6))},
        {"proof": dataclasses.astuple(replace(proof, manifest_hash=noise("newer")))},
        {"proof": dataclasses.astuple(replace(proof, siblings=proof.siblings[:-1]))},
        {"proof": dataclasses.astuple(replace(proof, siblings=(*proof.siblings, ZERO)))},
        {"proof": dataclasses.astuple(replace(proof, siblings=()))},
        {"proof": dataclasses.astuple(replace(proof, siblings=proof.siblings[::-1]))},
        {"proof": dataclasses.astuple(replace(proof, field_siblings=proof.field_siblings[::-1]))},
    ]
    for lie in lies:
        assert not ask_field(world, 2, 4, 1, proof, **lie), lie


def test_nothing_is_proven_of_the_empty_state(world: World) -> None:
    """Root 0 with no siblings would match a leaf of 0; no leaf is 0."""
    proof = FieldProof(MANIFEST, 1, (Hash32(ZERO),) * 5, ())
    assert not ask_field(world, 0, 0, 0, proof)
    nobody = AbsenceProof(Hash32(ZERO), Hash32(ZERO), Hash32(ZERO), 0, ())
    assert world.rollup.verify_absent(0, ACTION, k_of(0), dataclasses.astuple(nobody))
    assert not world.rollup.verify_absent(1, ACTION, k_of(0), dataclasses.astuple(nobody))


def test_a_proof_256_levels_deep() -> None:
    """Two keys that part at the last bit cannot be found, but a proof as deep is folded.

    Audit 2 L7
    """
    siblings = tuple(Hash32(noise("deep", i)) for i in range(256))
    cell = Cell(MANIFEST, 1, (b"good", -2, b"cell 0", True))
    single = State.empty().with_cell(key_of(0), cell, FIELDS)
    shallow = single.build_field_proof(key_of(0), FIELDS, 1)
    node, key = single.root, int.from_bytes(key_of(0), "big")
    for level, sibling in enumerate(siblings):
        pair = (sibling, node) if key >> level & 1 else (node, sibling)
        node = codec.keccak(pair[0] + pair[1])
    world = finalized(node)

    assert ask_field(world, 1, 0, 1, replace(shallow, siblings=siblings))
    assert not ask_field(world, 1, 0, 1, replace(shallow, siblings=siblings[:-1]))


@pytest.mark.parametrize(("index", "is_field"), [(31, True), (32, False), (33, False)])
def test_an_index_beyond_the_tree_is_no_field_even_if_a_root_held_it(
    index: int, is_field: bool
) -> None:
    """The last one of the tree is. Rule: ROLLUP-12"""
    place = index % 32
    type_hash = schema.compute_type_hash(FIELDS[1])
    leaf = codec.compute_field_leaf(index, b"count", type_hash, 7)
    beside = (Hash32(noise("beside")),) * 5
    fields_root = merkle.fold_proof(leaf, place, beside)
    world = finalized(codec.compute_cell_leaf(key_of(0), MANIFEST, fields_root, 1))
    proof = FieldProof(MANIFEST, 1, beside, ())

    found = ask_field(world, 1, 0, 1, proof, index=index, word=codec.encode_word(7))
    assert found == is_field


@pytest.mark.parametrize("cells", [0, 1, 2, 30])
def test_absent_cells_are_proven_absent(cells: int) -> None:
    """Rule: ROLLUP-13"""
    state = state_of(cells)
    world = finalized(state.root)
    kinds = set()
    for cell in range(cells, cells + 40):
        proof = state.build_absence_proof(key_of(cell))
        kinds.add(proof.other_version != 0)
        assert world.rollup.verify_absent(1, ACTION, k_of(cell), dataclasses.astuple(proof))
    assert kinds == {0: {False}, 1: {True}, 2: {True}, 30: {False, True}}[cells]


def test_no_present_cell_is_proven_absent() -> None:
    """Not by its own leaf, another's, nothing, nor a proof made for an absent one."""
    state = state_of(12)
    world = finalized(state.root)
    proofs = [state.build_absence_proof(key_of(cell)) for cell in range(12, 60)]
    own = []
    for cell in range(12):
        field = state.build_field_proof(key_of(cell), FIELDS, 0)
        leaf = codec.compute_field_leaf(
            0, b"mood", schema.compute_type_hash(FIELDS[0]), codec.keccak(b"good")
        )
        fields_root = merkle.fold_proof(leaf, 0, field.field_siblings)
        own.append(AbsenceProof(key_of(cell), MANIFEST, fields_root, cell + 1, field.siblings))
    for cell in range(12):
        for proof in (*proofs, *own, replace(own[cell], other_version=0)):
            answer = world.rollup.verify_absent(1, ACTION, k_of(cell), dataclasses.astuple(proof))
            assert not answer


@budget(max_examples=150, deadline=None)
@given(st.data())
def test_contract_and_python_judge_damaged_proofs_alike(data: st.DataObject) -> None:
    state, world = damaged_world()
    cell = data.draw(st.integers(0, 24))
    key = key_of(cell)
    change = data.draw(st.integers(0, 4))
    if state.get(key) is None:
        proof = state.build_absence_proof(key)
        siblings = list(proof.siblings)
        if change == 1 and siblings:
            siblings[data.draw(st.integers(0, len(siblings) - 1))] = Hash32(ZERO)
        elif change == 2:
            siblings.append(Hash32(ZERO))
        elif change == 3:
            proof = replace(proof, other_key=key_of(data.draw(st.integers(0, 24))))
        elif change == 4:
            proof = replace(proof, other_version=data.draw(st.integers(0, 13)))
        proof = replace(proof, siblings=tuple(siblings))
        ours = world.rollup.verify_absent(1, ACTION, k_of(cell), dataclasses.astuple(proof))
        theirs = holds(lambda: verify_absent(root=state.root, key=key, proof=proof))
    else:
        index = data.draw(st.integers(0, 3))
        field = state.build_field_proof(key, FIELDS, index)
        levels = list(field.siblings)
        if change == 1 and levels:
            levels[data.draw(st.integers(0, len(levels) - 1))] = Hash32(ZERO)
        elif change == 2:
            levels.insert(0, Hash32(ZERO))
        elif change == 3:
            field = replace(field, version=data.draw(st.integers(0, 13)))
        field = replace(field, siblings=tuple(levels))
        ours = ask_field(world, 1, cell, index, field)
        value = (b"good", cell - 2, b"cell %d" % cell, cell % 2 == 0)[index]
        theirs = holds(
            lambda: verify_field(
                root=state.root,
                key=key,
                index=index,
                name=FIELDS[index].name,
                type_hash=schema.compute_type_hash(FIELDS[index]),
                word=schema.compute_value_word(FIELDS[index], value),
                proof=field,
            )
        )
    assert ours == theirs


@functools.cache
def damaged_world() -> tuple[State, World]:
    state = state_of(12)
    return state, finalized(state.root)


def holds(check: Any) -> bool:
    try:
        check()
    except Invalid:
        return False
    return True


def receipt_of(call_id: int) -> Receipt:
    return Receipt(
        CallId(call_id),
        Outcome.ACCEPTED,
        Code.NONE,
        0,
        MANIFEST,
        key_of(call_id),
        Hash32(noise("leaf", call_id)),
        codec.keccak(b"output"),
        60,
        10**15,
    )


def test_receipts_of_a_final_batch() -> None:
    """Audit 1 M2. Rule: ROLLUP-9"""
    receipts = [receipt_of(i) for i in range(2, 7)]  # two batches of one call stand before
    leaves = [codec.compute_receipt_leaf(receipt) for receipt in receipts]
    world = finalized(ZERO, merkle.compute_root(leaves, 8), before=2)

    def ask(n: int, receipt: Receipt, proof: tuple[Hash32, ...]) -> bool:
        return bool(world.rollup.verify_receipt(n, dataclasses.astuple(receipt), proof))

    for i, receipt in enumerate(receipts):
        proof = merkle.build_proof(leaves, 8, i)
        assert ask(3, receipt, proof)
        assert not ask(2, receipt, proof)
        assert not ask(0, receipt, proof)
        assert not ask(4, receipt, proof)
        for other in (*range(2, 8), 2**256 - 1):
            if other != receipt.call_id:
                assert not ask(3, replace(receipt, call_id=CallId(other)), proof)
        for lie in (
            {"outcome": Outcome.REJECTED},
            {"code": Code.GUARD},
            {"detail": 1},
            {"manifest_hash": noise("m")},
            {"cell_key": noise("k")},
            {"cell_leaf": Hash32(ZERO)},
            {"output_hash": codec.keccak(b"")},
            {"positions": 61},
            {"fee": 10**15 - 1},
        ):
            assert not ask(3, replace(receipt, **lie), proof)  # type: ignore[arg-type]  # fields by name
    empty = merkle.build_proof(leaves, 8, 5)
    assert not ask(3, receipt_of(7), empty)


def test_a_pending_batch_proves_nothing(world: World, ballot: bytes) -> None:
    stake(world)
    receipts = [receipt_of(0)]
    leaves = [codec.compute_receipt_leaf(receipt) for receipt in receipts]
    world.inbox.submit(ballot, b"", b"", ZERO, 0, value=ETHER)
    world.pass_time(10)
    world.inbox.close_batch()
    proposal = make_proposal(ZERO, merkle.compute_root(leaves, 8))
    found = propose(world, world.rollup.final_id(0), proposal)
    proof = merkle.build_proof(leaves, 8, 0)
    words = dataclasses.astuple(receipts[0])
    assert not world.rollup.verify_receipt(1, words, proof)
    world.pass_time(600)
    world.rollup.finalize(found)
    assert world.rollup.verify_receipt(1, words, proof)
