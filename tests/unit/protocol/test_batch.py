"""A batch from executions to a claim, and back from rows; every damage to either is refused."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.protocol import (
    assertions,
    batch_data,
    codec,
    entries,
    merkle,
    receipts,
    trace,
    trace_records,
    transition,
)
from oyez.protocol.batch_data import Row
from oyez.protocol.errors import Invalid
from oyez.protocol.state import State
from oyez.protocol.types import (
    ZERO_HASH,
    BatchNumber,
    CallId,
    Code,
    Hash32,
    Manifest,
    Outcome,
    SeedRule,
)
from oyez.testing.scripted import Mode, ScriptedEngine
from tests.unit.protocol.actions import build_action, build_entry, build_header

ENGINE = ScriptedEngine(Mode.PUNCTUATION)
ACTION = build_action()
MANIFESTS = {ACTION.hash: ACTION}
OUTBOX = assertions.compute_empty_outbox_root()


def execute_all(state: State, count: int, action: Manifest = ACTION) -> list[transition.Execution]:
    """Run calls of one shared cell; every third input is bad."""
    executions: list[transition.Execution] = []
    cell = None
    for call_id in range(count):
        text = b"\n" if call_id % 3 == 1 else b"text %d" % call_id
        entry = build_entry(action, call_id, input=text)
        execution = transition.execute_call(entry=entry, manifest=action, cell=cell, engine=ENGINE)
        cell = execution.cell_after
        executions.append(execution)
    return executions


def apply(
    executions: list[transition.Execution], prevrandao: int = 7, action: Manifest = ACTION
) -> transition.BatchResult:
    batch = [execution.entry for execution in executions]
    return transition.apply_batch(
        state=State.empty(),
        header=build_header(batch, prevrandao=prevrandao),
        executions=executions,
        manifests={action.hash: action},
        outbox_root=OUTBOX,
    )


@pytest.mark.parametrize("count", [1, 7, 255, 256])
def test_readers_rebuild_the_claim_from_rows(count: int) -> None:
    # Rule: BATCH-8
    executions = execute_all(State.empty(), count)
    batch = [execution.entry for execution in executions]
    # Rule: TRANSITION-9
    result = apply(executions)

    rows = batch_data.decode_rows(result.batch_data)
    applied = batch_data.apply_rows(
        state=State.empty(), entries=batch, rows=rows, manifests=MANIFESTS
    )

    batch_data.verify_rows(applied, rows, result.claim)
    assert applied.receipts == result.receipts
    assert result.claim.outbox_root == OUTBOX
    assert {receipt.code for receipt in result.receipts} <= {0, 2, 5}
    trace.verify_last_record(result.claim, result.last_record_proof)


def test_damaged_rows_are_not_accepted() -> None:
    # Rule: BATCH-9
    executions = execute_all(State.empty(), 3)
    batch = [execution.entry for execution in executions]
    result = apply(executions)
    rows = list(result.rows)

    def accept(rows: list[Row], claim: object = None) -> None:
        applied = batch_data.apply_rows(
            state=State.empty(), entries=batch, rows=rows, manifests=MANIFESTS
        )
        batch_data.verify_rows(applied, rows, result.claim)

    accept(rows)
    for name, value in {
        "positions": rows[0].positions + 1,
        "detail": 1,
        "call_root": ZERO_HASH,
        "output": rows[0].output[:-1],
    }.items():
        damaged = [dataclasses.replace(rows[0], **{name: value}), *rows[1:]]  # type: ignore[arg-type]  # by name
        with pytest.raises(Invalid):
            accept(damaged)
    refused = dataclasses.replace(rows[0], outcome=Outcome.REJECTED, code=Code.GUARD)
    with pytest.raises(Invalid, match="state root"):
        accept([refused, *rows[1:]])
    with pytest.raises(Invalid, match="receipts root"):
        accept([rows[0], dataclasses.replace(rows[1], detail=4), rows[2]])
    with pytest.raises(Invalid, match="trace root"):
        accept([rows[0], dataclasses.replace(rows[1], call_root=ZERO_HASH), rows[2]])
    with pytest.raises(Invalid, match="BATCH-8"):
        accept(rows[:2])


def test_row_posted_as_accepted_that_does_not_compute_is_refused() -> None:
    # Rule: BATCH-8
    executions = execute_all(State.empty(), 7)
    # count reaches 3 with the third accepted call: the fourth ended in COMPUTE.
    at = next(i for i, execution in enumerate(executions) if execution.code is Code.COMPUTE)
    rows = list(apply(executions).rows)
    rows[at] = dataclasses.replace(rows[at], outcome=Outcome.ACCEPTED, code=Code.NONE)
    with pytest.raises(Invalid, match="ends COMPUTE 0"):
        batch_data.apply_rows(
            state=State.empty(),
            entries=[execution.entry for execution in executions],
            rows=rows,
            manifests=MANIFESTS,
        )


rows_strategy = st.builds(
    Row,
    outcome=st.just(Outcome.REJECTED),
    code=st.sampled_from(list(Code)[1:]),
    detail=st.integers(0, 2**32 - 1),
    positions=st.integers(0, 2**16 - 1),
    output=st.binary(max_size=1_024),
    call_root=st.binary(min_size=32, max_size=32).map(Hash32),
) | st.builds(
    Row,
    outcome=st.just(Outcome.ACCEPTED),
    code=st.just(Code.NONE),
    detail=st.just(0),
    positions=st.integers(0, 2**16 - 1),
    output=st.binary(max_size=8),
    call_root=st.just(ZERO_HASH),
)


@given(st.lists(rows_strategy, max_size=5))
def test_rows_round_trip(rows: list[Row]) -> None:
    # Rule: BATCH-6
    assert batch_data.decode_rows(batch_data.encode_rows(rows)) == rows


def test_row_bytes_stand_where_the_interfaces_say() -> None:
    # Rule: BATCH-6
    row = Row(Outcome.REJECTED, Code.GUARD, 0x01020304, 0x0506, b"xy", Hash32(b"\x09" * 32))
    expected = bytes.fromhex("0206010203040506000278790909") + b"\x09" * 30
    assert batch_data.encode_rows([row]) == expected


@given(st.binary(max_size=120))
def test_any_bytes_decode_or_are_invalid(data: bytes) -> None:
    # Rule: BATCH-7
    try:
        rows = batch_data.decode_rows(data)
    except Invalid as error:
        rule = error.rule
        assert rule == "BATCH-7"
    else:
        assert batch_data.encode_rows(rows) == data


@pytest.mark.parametrize(
    "data",
    [
        b"\x02",
        bytes.fromhex("01000000000000000000") + bytes(31),
        bytes.fromhex("00000000000000000000") + bytes(32),
        bytes.fromhex("03000000000000000000") + bytes(32),
        bytes.fromhex("02080000000000000000") + bytes(32),
        bytes.fromhex("01060000000000000000") + bytes(32),
        bytes.fromhex("02000000000000000000") + bytes(32),
        bytes.fromhex("02060000000000000401") + bytes(1_025 + 32),
        (bytes.fromhex("02060000000000000000") + bytes(32)) * 257,
    ],
    ids=["head", "root", "none", "expired", "code", "both", "neither", "output", "257 rows"],
)
def test_damaged_batch_data_is_invalid(data: bytes) -> None:
    # Rule: BATCH-7
    with pytest.raises(Invalid, match="BATCH-7"):
        batch_data.decode_rows(data)


def test_batch_takes_its_own_calls_in_order_on_their_own_cells() -> None:
    # Rule: TRANSITION-9
    executions = execute_all(State.empty(), 3)
    header = build_header([execution.entry for execution in executions])
    for wrong in (executions[:2], executions[::-1], [*executions[:2], executions[0]]):
        with pytest.raises(ValueError, match="in order"):
            transition.apply_batch(
                state=State.empty(),
                header=header,
                executions=wrong,
                manifests=MANIFESTS,
                outbox_root=OUTBOX,
            )
    stale = [executions[0], executions[1], execute_all(State.empty(), 1)[0]]
    stale[2] = dataclasses.replace(
        stale[2], entry=dataclasses.replace(stale[2].entry, call_id=CallId(2))
    )
    with pytest.raises(ValueError, match="another state"):
        apply(stale)


def test_seed_enters_the_trace_and_nothing_else() -> None:
    # Rule: TRANSITION-10
    executions = execute_all(State.empty(), 2)
    one, two = apply(executions, prevrandao=1), apply(executions, prevrandao=2)
    assert one.claim.trace_root != two.claim.trace_root
    assert dataclasses.replace(two.claim, trace_root=one.claim.trace_root) == one.claim

    constant = build_action(seed_rule=SeedRule.CONSTANT, seed=Hash32(b"\x01" * 32))
    executions = execute_all(State.empty(), 2, constant)
    assert apply(executions, 1, constant).claim == apply(executions, 2, constant).claim
    header = build_header([execution.entry for execution in executions])
    assert transition.compute_call_seed(constant, header, CallId(0)) == b"\x01" * 32
    assert transition.compute_call_seed(ACTION, header, CallId(1)) == codec.compute_seed(
        header.prevrandao, CallId(1)
    )


def test_entries_root_and_the_check_of_a_batch() -> None:
    batch = [build_entry(ACTION, call_id) for call_id in (5, 6, 7)]
    header = build_header(batch)
    leaves = [codec.compute_entry_hash(entry) for entry in batch]
    # Rule: BATCH-4
    assert header.entries_root == merkle.compute_root(leaves, 8)
    # Rule: BATCH-5
    entries.verify_batch(header, batch)
    for damaged_header, damaged in (
        (header, batch[:2]),
        (header, [batch[0], batch[2], batch[1]]),
        (header, [*batch[:2], dataclasses.replace(batch[2], fee=0)]),
        (dataclasses.replace(header, number=BatchNumber(0)), batch),
        (dataclasses.replace(header, count=0), []),
        (dataclasses.replace(header, count=4), batch),
        (dataclasses.replace(header, first_call=CallId(4)), batch),
    ):
        with pytest.raises(Invalid, match="BATCH-5"):
            entries.verify_batch(damaged_header, damaged)


def test_receipts_are_proven_in_their_calls_place() -> None:
    # Rule: RECEIPT-6
    executions = execute_all(State.empty(), 4)
    result = apply(executions)
    assert result.receipts[1].cell_leaf == result.receipts[0].cell_leaf
    assert result.receipts[0].cell_leaf != ZERO_HASH
    assert result.receipts[2].output_hash == codec.keccak(executions[2].output)
    # Rule: RECEIPT-4
    root = receipts.compute_receipts_root(result.receipts)
    assert root == result.claim.receipts_root
    leaves = [codec.compute_receipt_leaf(receipt) for receipt in result.receipts]
    assert root == merkle.compute_root(leaves, 8)
    for index, receipt in enumerate(result.receipts):
        siblings = receipts.build_receipt_proof(leaves, index)
        # Rule: RECEIPT-5
        receipts.verify_receipt(root=root, first_call=0, receipt=receipt, siblings=siblings)
        for first_call, other, damaged in (
            (-1, receipt, siblings),
            (0, dataclasses.replace(receipt, positions=receipt.positions + 1), siblings),
            (0, receipt, siblings[:-1]),
            (0, receipt, (ZERO_HASH, *siblings[1:])[: 8 - (index == 3)]),
        ):
            with pytest.raises(Invalid):
                receipts.verify_receipt(
                    root=root, first_call=first_call, receipt=other, siblings=damaged
                )
    with pytest.raises(ValueError, match="no receipt 4"):
        receipts.build_receipt_proof(leaves, 4)


def test_receipt_counts_nowhere_but_in_its_place() -> None:
    # Rule: RECEIPT-5
    receipt = apply(execute_all(State.empty(), 1)).receipts[0]
    leaf = codec.compute_receipt_leaf(receipt)
    for first_call, height, index in ((1, 8, 1), (0, 7, 0), (0, 9, 0)):
        leaves = [*[ZERO_HASH] * index, leaf]
        with pytest.raises(Invalid):
            receipts.verify_receipt(
                root=merkle.compute_root(leaves, height),
                first_call=first_call,
                receipt=receipt,
                siblings=merkle.build_proof(leaves, height, index),
            )


def test_calls_are_traced_between_the_state_before_and_after() -> None:
    # Rule: TRANSITION-9
    executions = execute_all(State.empty(), 6)
    assert [execution.code for execution in executions] == [0, 2, 0, 0, 2, 5]
    result = apply(executions)
    header = build_header([execution.entry for execution in executions])
    frontier = merkle.Frontier.empty(8)
    initial, cell, now = tuple(f.initial for f in ACTION.fields), None, State.empty()
    for execution, call_root in zip(executions, result.call_roots, strict=True):
        call_id = execution.entry.call_id
        met = cell.values if cell is not None else initial
        prologue = trace_records.Prologue(
            entry=execution.entry,
            seed=codec.compute_seed(header.prevrandao, call_id),
            cell_key=execution.cell_key,
            cell_leaf=now.get_leaf(execution.cell_key),
            version=cell.version if cell is not None else 0,
            fields=ACTION.fields,
            values=met,
            bad=execution.detail if execution.code is Code.BAD_INPUT else None,
            prompt=None if execution.code is Code.BAD_INPUT else execution.prompt,
            sampler=trace.record_tree().empty[0],
        )
        if execution.code is Code.NONE:
            cell = execution.cell_after
            assert cell is not None
            now = now.with_cell(execution.cell_key, cell, ACTION.fields)
        frontier = frontier.append(codec.compute_receipt_leaf(result.receipts[call_id]))
        epilogue = trace_records.Epilogue(
            receipt=result.receipts[call_id],
            output=execution.output,
            output_tokens=len(execution.tokens),
            version=cell.version if cell is not None else 0,
            fields=ACTION.fields,
            values=cell.values if cell is not None else initial,
            state_root=now.root,
            outbox_root=OUTBOX,
            receipts=frontier,
        )
        expected = trace.CallTrace(
            trace_records.compute_prologue(prologue),
            execution.position_roots,
            trace_records.build_epilogue(epilogue),
        )
        assert call_root == expected.compute_root()


def test_rejected_call_on_an_absent_cell_has_cell_leaf_zero() -> None:
    """Audit 2 L6: also after a rejected call."""
    # Rule: RECEIPT-6
    entry = build_entry(ACTION, input=b"\n")
    execution = transition.execute_call(entry=entry, manifest=ACTION, cell=None, engine=ENGINE)
    result = apply([execution])
    assert result.receipts[0].cell_leaf == ZERO_HASH
    assert result.claim.state_root == ZERO_HASH


def test_genesis_claims_nothing() -> None:
    # Rule: ASSERTION-3
    empty = merkle.keccak_tree().empty
    assert assertions.compute_empty_outbox_root() == codec.H("OUTBOX", 0, empty[32])
    # Rule: ASSERTION-4
    claim = assertions.build_genesis_claim()
    assert (claim.trace_root, claim.state_root) == (ZERO_HASH, ZERO_HASH)
    assert (claim.outbox_root, claim.receipts_root) == (OUTBOX, empty[8])
