"""Proof documents say exactly what the specification says, and nothing else checks out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from oyez.proof import AbsenceDocument, FieldDocument
from oyez.protocol import codec
from oyez.protocol.state import State
from oyez.protocol.types import BatchNumber, Cell, Field, FieldType, Hash32, Role, Value
from tests import proof_check

ACTION = Hash32(keccak(text="action"))
MANIFEST = Hash32(keccak(text="manifest"))
OPTIONS: dict[str, Any] = {"options": (b"bad", b"good"), "biases": (0, 0)}
FIELDS = (
    Field(b"mood", FieldType.ENUM, Role.WRITES, b"bad", **OPTIONS),
    Field(b"note", FieldType.STRING, Role.WRITES, b"", limit=40),
    Field(b"open", FieldType.BOOLEAN, Role.KEPT, True, biases=(0, 0)),
    Field(b"count", FieldType.INTEGER, Role.COMPUTE, 0, low=-(10**9), high=10**9, digits=10),
    Field(b"deep", FieldType.INTEGER, Role.COMPUTE, 0, low=-(2**200), high=2**200, digits=61),
    Field(b"tags", FieldType.ARRAY, Role.WRITES, (), element=FieldType.STRING, items=4, limit=9),
    Field(
        b"scores",
        FieldType.ARRAY,
        Role.WRITES,
        (),
        element=FieldType.INTEGER,
        items=4,
        low=-9,
        high=9,
        digits=1,
    ),
)


def k_of(cell: int) -> bytes:
    return bytes(keccak(text=f"cell {cell}"))


def values_of(cell: int) -> tuple[Value, ...]:
    return (
        (b"bad", b"good")[cell % 2],
        f"naïve {cell}".encode(),
        cell % 3 == 0,
        cell - 5,
        -(2**200) + cell,
        tuple(b"t%d" % i for i in range(cell % 5)),
        tuple(i - 4 for i in range(cell % 4)),
    )


def state_of(cells: int) -> State:
    state = State.empty()
    for i in range(cells):
        key = codec.compute_cell_key_of(ACTION, k_of(i))
        state = state.with_cell(key, Cell(MANIFEST, i + 1, values_of(i)), FIELDS)
    return state


STATE = state_of(25)


def document_of(state: State, cell: int, index: int) -> dict[str, Any]:
    key = codec.compute_cell_key_of(ACTION, k_of(cell))
    made = FieldDocument(
        batch=BatchNumber(3),
        state_root=state.root,
        action_id=ACTION,
        k=k_of(cell),
        index=index,
        field=FIELDS[index],
        value=values_of(cell)[index],
        proof=state.build_field_proof(key, FIELDS, index),
    )
    found = json.loads(json.dumps(made.build_json()))
    assert isinstance(found, dict)
    return found


def absence_of(state: State, cell: int) -> dict[str, Any]:
    key = codec.compute_cell_key_of(ACTION, k_of(cell))
    made = AbsenceDocument(
        BatchNumber(3), state.root, ACTION, k_of(cell), state.build_absence_proof(key)
    )
    found = json.loads(json.dumps(made.build_json()))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("cells", [1, 2, 25])
def test_every_type_of_field_folds_to_the_root(cells: int) -> None:
    """Rule: PROOF-1"""
    state = state_of(cells)
    for cell in range(cells):
        for index in range(len(FIELDS)):
            document = document_of(state, cell, index)
            assert list(document) == proof_check.FIELD_KEYS
            assert list(document["field"]) == ["index", "name", "type", "value"]
            assert proof_check.fold_field(document) == state.root
            assert document["state_root"] == "0x" + state.root.hex()


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_change_of_a_field_document_folds_elsewhere(data: st.DataObject) -> None:
    document = document_of(STATE, data.draw(st.integers(0, 24)), data.draw(st.integers(0, 6)))
    path = data.draw(
        st.sampled_from(
            [
                *("action_id", "cell", "manifest_hash", "version"),
                *("field_siblings", "siblings", "index", "name", "type"),
            ]
        )
    )
    place = document["field"] if path in ("index", "name", "type") else document
    value = place[path]
    if isinstance(value, int):
        place[path] = value ^ data.draw(st.integers(1, 3))
    elif path == "name":
        place[path] = value + "s"
    else:
        row = value if isinstance(value, list) else [value]
        at = data.draw(st.integers(0, len(row) - 1))
        digit = data.draw(st.integers(6, len(row[at]) - 1))  # past the type's own byte
        changed = f"{int(row[at][digit], 16) ^ data.draw(st.integers(1, 15)):x}"
        row[at] = row[at][:digit] + changed + row[at][digit + 1 :]
        place[path] = row if isinstance(value, list) else row[0]
    try:
        root = proof_check.fold_field(document)
    except AssertionError:
        return  # no proof at all: version 0, or more items than the type has
    assert root != STATE.root


def test_both_kinds_of_absence_fold_to_the_root() -> None:
    """Rule: PROOF-2"""
    kinds = set()
    for cell in range(25, 90):
        document = absence_of(STATE, cell)
        assert list(document) == proof_check.ABSENT_KEYS
        assert proof_check.fold_absence(document) == STATE.root
        kinds.add(document["other_version"] != 0)
        other = [
            *(document["other_key"], document["other_manifest_hash"]),
            *(document["other_fields_root"], document["other_version"], document["siblings"]),
        ]
        head = [document["batch"], document["action_id"], document["cell"]]
        assert document["arguments"] == [*head, other]
    assert kinds == {True, False}
    empty = absence_of(State.empty(), 0)
    assert (empty["siblings"], proof_check.fold_absence(empty)) == ([], bytes(32))
