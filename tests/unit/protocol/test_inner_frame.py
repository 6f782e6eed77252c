"""Where the lanes around a call's tokens stand."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode

from oyez.dispute.frame.facts import Preimages
from oyez.dispute.step_proof import FRAME_TYPES, RecordedReads, encode_proof
from oyez.protocol import codec
from oyez.protocol.constants import LAST_POSITION, LAST_SLOT
from oyez.protocol.errors import Invalid
from oyez.protocol.inner_frame import LAST_RECORD, Frame, find_frame, get_record, layout_frame
from oyez.protocol.inner_kinds import list_kinds
from oyez.protocol.trace import compute_outer_index
from tests.steps import Rows, SparseTree, World, pad


def test_a_record_is_known_by_its_place() -> None:
    """Rule: FRAME-1"""
    places = {
        (0, 0): Frame.ENTRY,
        (0, 1): Frame.STATE,
        (0, 2): Frame.PROMPT,
        (LAST_POSITION, 0): Frame.OUTPUT,
        (LAST_POSITION, 1): Frame.ROOTS,
    }
    for call in (0, 7, 255):
        for position in (0, 1, LAST_POSITION - 1, LAST_POSITION):
            for slot in range(LAST_SLOT + 1):
                record = compute_outer_index(call, position, slot)
                frame = places.get((position, slot))
                if record == LAST_RECORD:
                    frame = Frame.LAST
                assert find_frame(record) is frame
                assert frame is None or get_record(call, frame) == record


@pytest.mark.parametrize("height", [12, 16])
def test_regions_stand_without_a_gap_and_records_at_the_end(height: int) -> None:
    """Rule: FRAME-2"""
    ops: list[int] = []
    for frame in Frame:
        layout = layout_frame(frame, height)
        end = (1 << height) - 16
        at = 0
        for region in layout.regions:
            if region.start >= end and at < end:
                at = end
            assert region.start == at
            at += region.leaves
            ops.append(region.op)
        assert end < at <= 1 << height
        assert layout.regions[0].op == frame
    assert ops == sorted(set(ops))
    kinds = [kind for frame in Frame for kind in list_kinds(layout_frame(frame, height))]
    assert len(kinds) == len(set(kinds))


def test_a_proof_brings_preimages_in_the_order_in_which_they_are_asked_for() -> None:
    """Rule: FRAME-3"""
    world = World(lambda _: pad(), lambda _, __: pad(), lambda _, __: b"")
    first, second = b"one", b"two" * 100
    for data in (first, second):
        world.preimages[codec.keccak(data)] = data
    reads = RecordedReads(world)
    for data in (second, first, second):
        assert reads.read_preimage(codec.keccak(data)) == data
    tree = SparseTree(4, {}, 0)
    rows = Rows(4, {}, 0, lambda _, row: row)
    proof = encode_proof(reads.read, tree, tree, rows, is_frame=True)
    assert decode(FRAME_TYPES, proof) == ((), (), 0, (second, first, second))


def test_what_was_never_met_has_no_preimage() -> None:
    """Rule: FRAME-4"""
    known = Preimages()
    digest = known.add(b"a field's leaf")
    assert known.get(digest) == b"a field's leaf"
    with pytest.raises(Invalid, match=r"nothing is known whose hash is .*FRAME-4"):
        known.get(codec.keccak(b"another"))
