"""The deployed verifiers on the records around a real model's calls: whatever came of a call."""

from __future__ import annotations

import pytest

from oyez.dispute.machine import get_lane
from oyez.protocol import inner_kinds
from oyez.protocol.inner_frame import Frame, get_record, layout_frame
from oyez.protocol.types import Code
from tests.courts import Court, court

#: Inputs of one batch: answered, refused, answered on the cell that the first one left.
INPUTS = (b"\n", b"a day")


def open_court() -> Court:
    return court("mixed", *INPUTS)


def list_lanes(here: Court, record: int, frame: Frame) -> list[tuple[str, int, int]]:
    """Of each kind its first and last lane and those that live; of a dead leaf its first lane."""
    layout = layout_frame(frame, 12)
    tree = here.batch.machine.open_inner(1, record)
    found: dict[str, list[tuple[int, int]]] = {}
    living: dict[str, list[tuple[int, int]]] = {}
    for region in layout.regions:
        for leaf in range(region.start, region.start + region.leaves):
            lives = tree.get_leaf(leaf).type != 0
            for lane in range(inner_kinds.count_lanes(region.type) if lives else 1):
                kind = inner_kinds.find_kind(None, layout, leaf, lane)
                if kind is not None:
                    found.setdefault(kind, []).append((leaf, lane))
                if kind is not None and lives:
                    living.setdefault(kind, []).append((leaf, lane))
    lanes = []
    for kind, places in found.items():
        lives_at = living.get(kind, places)
        middle = lives_at[len(lives_at) // 3]
        chosen = {places[0], places[-1], lives_at[0], lives_at[-1], middle}
        lanes += [(kind, *place) for place in sorted(chosen)]
    return lanes


def test_the_batch_has_every_end_it_can() -> None:
    codes = [execution.code for execution in open_court().batch.executions]
    assert codes[1] is Code.BAD_INPUT
    assert Code.NONE in codes


@pytest.mark.parametrize("frame", Frame)
@pytest.mark.parametrize("call", range(4))
def test_a_lane_of_each_kind_is_recomputed(frame: Frame, call: int) -> None:
    """Invariant 4, Invariant 6, Audit 1 H6: also of a call that is not there.

    Rule: INNER-72, FRAME-3
    """
    here = open_court()
    record = get_record(call, frame)
    tree = here.batch.machine.open_inner(1, record)
    for kind, leaf, lane in list_lanes(here, record, frame):
        true = get_lane(tree.get_chunk(leaf), lane)
        assert here.judge(record, leaf, lane) == true, (kind, leaf, lane)
