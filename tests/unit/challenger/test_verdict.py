from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenger.verdict import Data, Verdict, judge
from oyez.chain.events import AssertionProposed
from oyez.derivation import replay
from oyez.protocol import codec
from oyez.protocol.batch_data import encode_rows
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Address, Claim, Hash32
from tests.unit.chain.test_events import PLACE
from tests.unit.derivation.test_replay import ENGINE, MANIFESTS, SHARED, build_batches
from tests.unit.derivation.test_replay import build_entries as build_calls

ROLLUP = Address(b"\x0b" * 20)
CHAIN_ID = 31_337
PARENT = Hash32(b"\x0c" * 32)
WRONG = Hash32(b"\x01" * 32)

ENTRIES = build_calls([(SHARED, b"", b"one"), (SHARED, b"", b"a\nb"), (SHARED, b"", b"three")])
(BATCH,) = build_batches(ENTRIES, 3)
(RESULT,) = replay.derive_all([BATCH], lambda _: MANIFESTS, ENGINE)


def propose(claim: Claim = RESULT.claim, **changes: Any) -> AssertionProposed:
    """An assertion whose id is right for its content."""
    facts: dict[str, Any] = {"attempt": 0, "batch_data": RESULT.batch_data} | changes
    assertion_id = codec.compute_assertion_id(
        chain_id=CHAIN_ID,
        rollup=ROLLUP,
        parent=PARENT,
        attempt=facts["attempt"],
        batch=BATCH.number,
        batch_hash=BATCH.batch_hash,
        claim=claim,
    )
    return AssertionProposed(
        assertion_id=assertion_id,
        parent=PARENT,
        batch=BATCH.number,
        proposer=Address(b"\x0d" * 20),
        claim=claim,
        place=PLACE,
        **facts,
    )


def judge_it(event: AssertionProposed, *, parent_is_true: bool = True) -> Verdict:
    return judge(
        event, BATCH, RESULT, chain_id=CHAIN_ID, rollup=ROLLUP, parent_is_true=parent_is_true
    )


@pytest.mark.parametrize("attempt", [0, 1, 7])
def test_the_truth_matches(attempt: int) -> None:
    """Rule: CHAL-1."""
    event = propose(attempt=attempt)
    verdict = judge_it(event)
    assert (verdict.matches, verdict.differs, verdict.first_call) == (True, (), None)
    assert verdict.ours == event.assertion_id
    assert verdict.data is Data.OK


@pytest.mark.parametrize("name", ["trace_root", "state_root", "outbox_root", "receipts_root"])
def test_any_false_root_is_false(name: str) -> None:
    """Rule: CHAL-1, CHAL-2."""
    verdict = judge_it(propose(replace(RESULT.claim, **{name: WRONG})))
    assert (verdict.matches, verdict.differs) == (False, (name,))
    assert verdict.ours == propose().assertion_id
    # The honest rows do not fold to a trace root that was not made of them.
    assert verdict.data is Data.LOOSE
    assert verdict.first_call is None


def test_a_false_parent_makes_a_true_claim_false() -> None:
    """Rule: CHAL-1."""
    verdict = judge_it(propose(), parent_is_true=False)
    assert (verdict.matches, verdict.differs) == (False, ("parent",))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_first_call_that_differs_is_named(index: int) -> None:
    """Rule: CHAL-3."""
    rows = list(RESULT.rows)
    rows[index:] = [replace(row, call_root=WRONG) for row in rows[index:]]
    claim = replace(RESULT.claim, trace_root=WRONG)
    verdict = judge_it(propose(claim, batch_data=encode_rows(rows)))
    assert (verdict.first_call, verdict.posted_call_root) == (index, WRONG)
    assert verdict.our_call_root == RESULT.call_roots[index]


def test_false_rows_beside_a_true_claim_name_no_call() -> None:
    """Rule: CHAL-2, CHAL-3."""
    rows = [replace(row, call_root=WRONG) for row in RESULT.rows]
    verdict = judge_it(propose(batch_data=encode_rows(rows)))
    assert (verdict.matches, verdict.data, verdict.first_call) == (True, Data.LOOSE, None)
    assert (verdict.our_call_root, verdict.posted_call_root) == (None, None)


@given(data=st.binary(max_size=200))
def test_worthless_data_never_decides(data: bytes) -> None:
    """Rule: CHAL-2."""
    true = judge_it(propose(batch_data=data))
    assert (true.matches, true.first_call) == (True, None)
    false = judge_it(propose(replace(RESULT.claim, state_root=WRONG), batch_data=data))
    assert not false.matches


@pytest.mark.parametrize("rows", [RESULT.rows[:2], (*RESULT.rows, RESULT.rows[0]), ()])
def test_rows_of_another_number_are_damaged(rows: Any) -> None:
    """Rule: CHAL-2."""
    assert judge_it(propose(batch_data=encode_rows(rows))).data is Data.DAMAGED


def test_an_event_that_does_not_hash_to_its_id_is_refused() -> None:
    """Rule: CHAL-1."""
    altered = replace(propose(), claim=replace(RESULT.claim, state_root=WRONG))
    with pytest.raises(Invalid, match="use another RPC"):
        judge_it(altered)
    with pytest.raises(Invalid):
        judge_it(replace(propose(), attempt=1))


def test_a_verdict_is_plain_json() -> None:
    document = judge_it(propose(replace(RESULT.claim, state_root=WRONG))).to_json()
    assert document["match"] is False
    assert document["differs"] == ["state_root"]
    assert document["proposer"] == "0x" + "0d" * 20
    assert set(document) == {
        "assertion_id", "batch", "attempt", "parent", "proposer", "match", "ours", "differs",
        "first_call", "our_call_root", "posted_call_root", "data",
    }  # fmt: skip
