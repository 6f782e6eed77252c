"""A liar about what stands around a call's tokens loses at the lane where his lie comes in."""

from __future__ import annotations

from collections import Counter

import pytest

from oyez.dispute.frame.facts import CallFacts
from oyez.dispute.inner_tree import RecordTree
from oyez.dispute.machine import get_lane
from oyez.protocol.types import Code, Value
from tests import liars
from tests.liars import COURTS, LIARS, STEP, Liar

MIGRATIONS = ("migration that keeps nothing", "forgotten migration", "migration by place")


def test_the_courts_have_the_ends_that_are_lied_about() -> None:
    ends = {
        name: [execution.code for execution in liars.open_court(name).batch.executions]
        for name in COURTS
    }
    assert ends == {
        "overflows": [Code.NONE, Code.COMPUTE, Code.BAD_INPUT, Code.COMPUTE],
        "guarded": [Code.NONE, Code.GUARD, Code.BAD_INPUT, Code.GUARD],
        "upgraded": [Code.NONE] * 3,
    }


def test_an_upgraded_cell_has_a_neighbour_and_meets_what_kept_its_name_and_type() -> None:
    """Rule: TRANSITION-3, SCHEMA-7"""
    one, two, again = liars.open_court("upgraded").batch.executions

    assert one.cell_key != two.cell_key
    assert again.cell_before == one.cell_after
    assert one.cell_after is not None
    assert one.cell_after.manifest_hash != again.manifest_hash
    assert again.cell_after is not None
    # the note is written anew
    assert one.cell_after.values[:2] == (1, STEP)
    assert again.cell_after.values[:2] == (False, 1)
    assert len({values_met_by(name) for name in MIGRATIONS}) == len(MIGRATIONS)


def values_met_by(name: str) -> tuple[Value, ...]:
    (liar,) = (liar for liar in LIARS if liar.name == name)
    here = liars.open_court(liar.court)
    facts = here.batch.machine.open_call(1, liar.call).facts
    assert facts is not None
    made = liar.make(facts, here)
    assert isinstance(made, CallFacts)
    return made.prologue.values


def test_every_kind_of_record_is_lied_about() -> None:
    assert min(Counter(liar.frame for liar in LIARS).values()) >= 1
    assert len({liar.frame for liar in LIARS}) == 6
    assert len({liar.name for liar in LIARS}) == len(LIARS)


@pytest.mark.parametrize("liar", LIARS, ids=lambda liar: liar.name)
def test_a_liar_loses_at_his_own_lane(liar: Liar) -> None:
    """Invariant 4: whatever he lies about.

    Another entry or call (Invariant 6), padding (Invariant 7), the manifest or what a cell kept
    (Audit 1 H10), receipts (Audit 1 M2), the fee (Audit 2 K3), how many calls there are
    (Audit 2 H7), the outbox (Audit 2 H8).

    Rule: FRAME-90, FRAME-3
    """
    here, record = liars.open_court(liar.court), liars.get_record_of(liar)
    true, false = here.batch.machine.open_inner(1, record), RecordTree(liars.write_false(liar))
    # he defends another record, too
    assert true.get_node(4, 255) != false.get_node(4, 255)

    leaf, lane = liars.find_first(true, false)
    layout = true.leaves.layout
    region = layout.find(leaf)

    assert region is not None
    assert region.name == liar.region
    value = here.judge(record, leaf, lane)
    assert value == get_lane(true.get_chunk(leaf), lane)
    assert value != get_lane(false.get_chunk(leaf), lane)
