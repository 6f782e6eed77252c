"""Where an execution first differs from what was posted, on made-up calls; proofs as documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oyez import comparison
from oyez.chain.client import Reverted
from oyez.chain.events import AssertionProposed, Place
from oyez.comparison import PostedCall
from oyez.derivation import replay
from oyez.derivation.history import Batch
from oyez.full_verification import ROOTS, Rebuilt, compare_claims
from oyez.proof import build_value
from oyez.protocol import batch_data, codec, receipts, state
from oyez.protocol.errors import Invalid, Temporary
from oyez.protocol.manifest import ModelLimits, encode_manifest, parse_manifest
from oyez.protocol.transition import Execution
from oyez.protocol.types import (
    Address,
    BatchHeader,
    BatchNumber,
    CallId,
    Cell,
    Claim,
    Code,
    Entry,
    EntryKind,
    Field,
    FieldType,
    Hash32,
    Manifest,
    Outcome,
    Role,
)
from oyez.refusal import explain
from oyez.testing.scripted import ScriptedEngine
from oyez.verification import verify_under_root
from tests.local_rollup import build_counter
from tests.manifest_cases import array, with_fields
from tests.manifests import LIMITS

ENGINE = ScriptedEngine(seed=3)
SHAPE = ENGINE.shape
MANIFEST = parse_manifest(
    build_counter(), ModelLimits(SHAPE.vocabulary, SHAPE.context, SHAPE.missing)
)


def fetch(manifest_hash: Hash32) -> Manifest:
    assert manifest_hash == MANIFEST.hash
    return MANIFEST


def run(text: bytes, cell: Cell | None = None, call_id: int = 0) -> Execution:
    entry = Entry(
        kind=EntryKind.CALL,
        call_id=CallId(call_id),
        timestamp=1_000,
        caller=Address(b"\1" * 20),
        value=0,
        fee=5,
        action_id=Hash32(b"\2" * 32),
        manifest_hash=MANIFEST.hash,
        cell=b"",
        input=text,
    )
    return replay.execute(entry, cell, fetch, ENGINE)


def row_of(execution: Execution, **changes: Any) -> batch_data.Row:
    row = batch_data.Row(
        outcome=execution.outcome,
        code=execution.code,
        detail=execution.detail,
        positions=execution.positions,
        output=execution.output,
        call_root=Hash32(bytes(32)),
    )
    return replace(row, **changes)


def find(execution: Execution, posted: PostedCall) -> tuple[str, int] | None:
    found = comparison.find_difference(execution, posted, fetch, ENGINE.vocabulary)
    return None if found is None else (found.what, found.index)


def test_rows_of_honest_calls_lead_to_the_same_cells() -> None:
    first = run(b"one")
    second = run(b"bad\n", first.cell_after, 1)
    third = run(b"three", second.cell_after, 2)
    executions = [first, second, third]
    calls = [(each.entry, row_of(each)) for each in executions]
    followed = list(comparison.follow_cell(calls, fetch))
    assert [item.after for item in followed] == [each.cell_after for each in executions]
    assert all(find(*pair) is None for pair in zip(executions, followed, strict=True))


def test_the_first_difference_is_named_in_order() -> None:
    """Rule: VERIFY-6."""
    ours = run(b"one")
    posted = PostedCall(ours.entry, row_of(ours), None, ours.cell_after)
    assert find(ours, posted) is None
    other = replace(posted, entry=replace(ours.entry, input=b"onf"))
    found = find(ours, other)
    assert found is not None
    assert found[0] == "prompt"
    cut = replace(posted, row=row_of(ours, output=ours.output[:-1]))
    assert find(ours, cut) == ("output", len(ours.output) - 1)
    assert find(ours, replace(posted, after=None)) == ("field", 0)
    assert ours.cell_after is not None
    values = (*ours.cell_after.values[:3], 7)
    changed = replace(posted, after=replace(ours.cell_after, values=values))
    assert find(ours, changed) == ("field", 3)
    for change in (
        {"positions": 1},
        {"detail": 1},
        {"outcome": Outcome.REJECTED, "code": Code.GUARD},
    ):
        row = row_of(ours, **change)
        assert find(ours, replace(posted, row=row)) == ("receipt", 0)
    # the prompt comes before all others
    everything = replace(other, row=row_of(ours, output=b"", positions=1), after=None)
    assert find(ours, everything) == found


def test_our_receipt_is_made_of_our_execution_alone() -> None:
    """Rule: VERIFY-7."""
    ours = run(b"one")
    assert ours.cell_after is not None
    tree = state.State.empty().with_cell(ours.cell_key, ours.cell_after, MANIFEST.fields)
    receipt = comparison.build_receipt(ours, fetch)
    assert receipt.cell_leaf == tree.get_leaf(ours.cell_key)
    assert receipt.output_hash == codec.keccak(ours.output)
    assert (receipt.positions, receipt.fee) == (ours.positions, 5)
    rejected = run(b"\n")
    assert comparison.build_receipt(rejected, fetch).cell_leaf == bytes(32)


def test_a_receipt_is_checked_in_its_own_place_under_the_root() -> None:
    """Rule: VERIFY-5."""
    executions = [run(b"one"), run(b"bad\n", call_id=1), run(b"three", call_id=2)]
    made = [comparison.build_receipt(each, fetch) for each in executions]
    header = BatchHeader(BatchNumber(1), CallId(0), 3, 0, word(1), word(2))
    batch = Batch(header, word(3), tuple(each.entry for each in executions))
    root = receipts.compute_receipts_root(made)
    for receipt in made:
        assert verify_under_root(receipt, made, batch, root) is None
    other = replace(made[1], positions=7)
    found = verify_under_root(other, made, batch, root)
    assert found is not None
    assert (found.what, found.index) == ("receipt", 1)
    assert found.ours == "0x" + codec.compute_receipt_leaf(other).hex()
    assert found.posted == "0x" + codec.compute_receipt_leaf(made[1]).hex()
    # our own leaf is never taken from the others'
    assert verify_under_root(made[1], [made[0], other, made[2]], batch, root) is None
    assert verify_under_root(made[1], [made[0], made[1], other], batch, root) is not None


def word(number: int) -> Hash32:
    return Hash32(bytes([number]) * 32)


def test_claims_differ_at_the_first_root_and_then_at_the_id() -> None:
    """Rule: VERIFY-9."""
    claim = Claim(*(word(i) for i in range(4)))
    posted = AssertionProposed(
        assertion_id=word(9),
        parent=word(8),
        batch=BatchNumber(2),
        proposer=Address(bytes(20)),
        attempt=0,
        claim=claim,
        batch_data=b"",
        place=Place(1, word(1), 0, word(2)),
    )
    ours = Rebuilt(BatchNumber(2), word(9), claim)
    assert compare_claims(ours, posted) is None
    for name in ROOTS:
        found = compare_claims(replace(ours, claim=replace(claim, **{name: word(7)})), posted)
        assert found is not None
        assert (found.what, found.index, found.ours) == (name, 2, "0x" + "07" * 32)
    found = compare_claims(replace(ours, assertion_id=word(7)), posted)
    assert found is not None
    assert found.what == "assertion_id"


def test_values_as_json() -> None:
    text = Field(b"a", FieldType.STRING, Role.KEPT, b"", limit=9)
    assert build_value(text, "ü".encode()) == "ü"
    assert build_value(replace(text, type=FieldType.BOOLEAN), True) is True
    assert build_value(replace(text, type=FieldType.INTEGER), -(2**200)) == -(2**200)
    array = replace(text, type=FieldType.ARRAY, element=FieldType.STRING)
    assert build_value(array, (b"x", b"y")) == ["x", "y"]


@pytest.mark.parametrize("is_array", [False, True])
def test_one_is_not_true_in_a_list_either(is_array: bool) -> None:
    """Rule: VERIFY-6."""
    number = Field(b"n", FieldType.INTEGER, Role.WRITES, 0, low=0, high=1, digits=1)
    flag = Field(b"n", FieldType.BOOLEAN, Role.WRITES, False)
    manifests, cells = {}, []
    for field, value in ((number, 1), (flag, True)):
        used = array(field, 2) if is_array else field
        manifest = parse_manifest(encode_manifest(with_fields([used])), LIMITS)
        manifests[manifest.hash] = manifest
        cells.append(Cell(manifest.hash, 1, ((value,) if is_array else value,)))
    difference = comparison._compare_fields(cells[0], cells[1], manifests.__getitem__)
    assert difference is not None
    assert (difference.what, difference.index) == ("field", 0)
    assert comparison._compare_fields(cells[0], cells[0], manifests.__getitem__) is None


def test_a_refusal_keeps_the_contracts_words_and_adds_a_fix() -> None:
    """Rule: SDK-5."""
    late = explain(Reverted("inbox: busy, seconds to wait: 12"))
    assert isinstance(late, Temporary)
    assert "seconds to wait: 12" in str(late)
    fixed = explain(Reverted("gate: trailing bytes"))
    assert isinstance(fixed, Invalid)
    assert fixed.rule == "SDK-5"
    assert "oyez action check" in fixed.what
    unknown = Reverted("other: anything")
    assert explain(unknown) is unknown


@pytest.mark.parametrize("index", [0, 1])
def test_a_model_differs_by_root_or_shape(index: int) -> None:
    """Rule: VERIFY-3."""
    ours = [word(1), word(2)]
    listed = list(ours)
    assert comparison.find_model_difference(4, (ours[0], ours[1]), (listed[0], listed[1])) is None
    listed[index] = word(7)
    found = comparison.find_model_difference(4, (ours[0], ours[1]), (listed[0], listed[1]))
    assert found is not None
    assert (found.what, found.index, found.posted) == ("model", 4, "0x" + "07" * 32)
