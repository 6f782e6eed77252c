"""One number made false: the trees differ first exactly there, and end in another record."""

from __future__ import annotations

import functools
import random

import pytest

from oyez.chain.duel_states import Leaf
from oyez.dispute import choosing, lanes
from oyez.dispute.choosing import Spot, Wish
from oyez.dispute.falsify import PatchedTree, falsify, falsify_record, flip_lane
from oyez.dispute.trial import FIRST_MARK
from oyez.protocol import inner, inner_kinds, trace
from oyez.protocol.constants import CHUNKS_PER_RECORD, LAST_SLOT, RECORD_HEIGHT
from oyez.protocol.errors import Invalid
from oyez.protocol.inner_frame import Frame, get_record, layout_frame
from oyez.protocol.step import FILLER, read_lane
from oyez.protocol.trace import PAD_CHUNK, ChunkType
from tests.contracts.test_step_model import tiny
from tests.real_calls import RealBatch, build_short_action

KINDS = {
    ChunkType.INT32: 256,
    ChunkType.INT16: 512,
    ChunkType.INT16_REVERSED: 512,
    ChunkType.BYTES32: 32,
    ChunkType.BYTES: 1_024,
}


@functools.cache
def batch() -> RealBatch:
    engine = tiny("mixed")[0]
    return RealBatch(engine, build_short_action(engine), [b"hi there", b"\n"])


def find(text: str, call: int = 0) -> Spot:
    wish = choosing.parse_wish(text)
    return choosing.find_spot(batch().machine, 1, call, batch().executions[call], wish)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_one_lane_and_no_other_changes(kind: ChunkType, seed: int) -> None:
    """Rule: INNER-81"""
    draw = random.Random(seed)
    raw, lane = draw.randbytes(1_024), draw.randrange(KINDS[kind])
    chunk, before, after = flip_lane(Leaf(int(kind), raw), lane)

    assert before == read_lane(kind, raw, lane) != after == read_lane(kind, chunk.data, lane)
    assert lanes.find_first_lane(Leaf(int(kind), raw), Leaf(int(kind), chunk.data)) == lane
    others = [i for i in range(KINDS[kind]) if i != lane]
    assert all(read_lane(kind, raw, i) == read_lane(kind, chunk.data, i) for i in others)


def test_lies_about_one_record_are_several_records() -> None:
    """Rule: INNER-81

    One about a number that it hashes marks a lane behind those that lies may be about themselves.
    """
    tree = batch().machine.open_inner(1, get_record(0, Frame.ENTRY))
    first = (1 << tree.height) - CHUNKS_PER_RECORD
    direct = [falsify_record(tree, first, lane)[0] for lane in range(16)]
    deeper = [falsify_record(tree, 1, 0, mark=FIRST_MARK + at)[0] for at in range(16)]
    roots = {lie.record_root for lie in (*direct, *deeper)}
    assert len(roots) == 32


@pytest.mark.parametrize("kind", KINDS)
def test_no_edge_becomes_what_says_pad(kind: ChunkType) -> None:
    """Rule: INNER-81"""
    bits = 8 * lanes.WIDTHS[kind]
    low, high = (0, 255) if kind is ChunkType.BYTES else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    for value in (low, low + 1, -1, 0, 1, high - 1, high):
        if not low <= value <= high:
            continue
        found = falsify(kind, value)
        assert found != value
        assert low <= found <= high
        if kind not in (ChunkType.BYTES, ChunkType.BYTES32):
            assert found != FILLER[kind]


def test_what_is_not_there_is_refused() -> None:
    """Rule: INNER-81"""
    with pytest.raises(Invalid, match="the leaf is PAD"):
        flip_lane(Leaf(0, PAD_CHUNK.data), 0)
    with pytest.raises(Invalid, match="has 256 lanes and no lane 256"):
        flip_lane(Leaf(1, bytes(1_024)), 256)


@pytest.mark.parametrize("kind", ["query row", "exponential", "partial sum", "down row", "kv copy"])
def test_a_false_record_differs_first_where_it_was_broken(kind: str) -> None:
    """Rule: INNER-81, INNER-83"""
    spot = find(kind)
    true = batch().machine.open_inner(1, spot.record)
    false, flip = falsify_record(true, spot.leaf, spot.lane_in_leaf)

    leaves = range(1 << true.height)
    differing = [i for i in leaves if true.get_node(0, i) != false.get_node(0, i)]
    assert differing[0] == spot.leaf
    first, second = true.get_leaf(spot.leaf), false.get_leaf(spot.leaf)
    assert lanes.find_first_lane(first, second) == spot.lane_in_leaf
    region = inner.layout_layer(batch().engine.shape).find(spot.leaf)
    assert region is not None
    assert read_lane(region.type, first.raw, spot.lane_in_leaf) == flip.true != flip.false
    last = (1 << (true.height - RECORD_HEIGHT)) - 1
    assert false.record_root != true.get_node(RECORD_HEIGHT, last)
    assert false.root != true.get_node(true.height, 0)
    assert all(leaf == spot.leaf or leaf >= (1 << true.height) - 16 for leaf in differing)


def test_a_patched_tree_is_the_tree_over_its_leaves() -> None:
    """Rule: INNER-81"""
    outer = batch().traces.open_outer(1)
    other = trace.compute_record_root([])
    record = trace.compute_outer_index(0, 1, 0)
    patched = PatchedTree(outer, {record: other})

    assert patched.get_node(0, record) == other
    assert patched.root != outer.get_node(outer.height, 0)
    assert PatchedTree(outer, {record: outer.get_node(0, record)}).root == outer.get_node(24, 0)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("query-row", Wish("query row")),
        ("Query_Row:12", Wish("query row", 12)),
        ("down-row:7:300", Wish("down row", 7, 300)),
    ],
)
def test_a_wish_is_read_as_it_is_written(text: str, wish: Wish) -> None:
    """Rule: INNER-83"""
    assert choosing.parse_wish(text) == wish


@pytest.mark.parametrize(
    "text",
    ["a:b", "a:1:2:3", "a:-1", "a:1:x", "a:²", "a:" + "9" * 21, "a:1:" + "9" * 4_301, "a:"],
)
def test_what_is_no_wish_is_refused(text: str) -> None:
    """Rule: INNER-83"""
    with pytest.raises(Invalid, match="is not OP") as refused:
        choosing.parse_wish(text)
    assert len(str(refused.value)) < 200


def test_every_kind_of_a_layer_is_found_alive() -> None:
    """Rule: INNER-83, INNER-80"""
    shape = batch().engine.shape
    for kind in inner_kinds.list_kinds(inner.layout_layer(shape)):
        spot = find(kind)
        assert spot.kind == kind
        assert spot.layer == (0 if kind in ("token", "embedding") else shape.layers // 2)
        assert spot.position == len(batch().executions[0].prompt or ())


def test_a_place_may_be_named() -> None:
    """Rule: INNER-83"""
    spot = find("gate:3:5")

    assert (spot.op, spot.kind, spot.position, spot.lane) == ("gate", "gate row", 3, 5)
    assert inner.get_position(spot.record) == 3
    assert inner.get_slot(spot.record) not in (0, LAST_SLOT)


#: By call, what it has not: its action computes nothing, and the model never ran in the second.
MISSING = {
    (Frame.OUTPUT, 0): {"operation", "failure"},
    (Frame.PROMPT, 1): {"prompt cursor", "prompt token", "prompt record token"},
    (Frame.OUTPUT, 1): {
        *("output owner", "scalar end", "scalar place", "scalar", "written value", "merged value"),
        *("operation", "failure", "failed expression", "failed guard"),
    },
}


@pytest.mark.parametrize("frame", Frame)
@pytest.mark.parametrize("call", [0, 1])
def test_every_kind_around_the_tokens_is_found(frame: Frame, call: int) -> None:
    """Of a call whose model never ran, too. Rule: INNER-83, FRAME-1"""
    record = get_record(call, frame)
    found = {kind: spot for kind in list_frame(frame) if (spot := search(kind, call)) is not None}

    for kind, spot in found.items():
        assert (spot.record, spot.kind, spot.layer) == (record, kind, None)
        assert spot.position == inner.get_position(record)
        with pytest.raises(Invalid, match="lives at position 1 in this call"):
            find(f"{kind}:1", call)
    assert set(list_frame(frame)) - set(found) == MISSING.get((frame, call), set())


def list_frame(frame: Frame) -> list[str]:
    return inner_kinds.list_kinds(layout_frame(frame, 12))


def search(kind: str, call: int) -> Spot | None:
    try:
        return find(kind, call)
    except Invalid:
        return None


@pytest.mark.parametrize(
    ("text", "call", "message"),
    [
        ("nonsense", 0, "no op is called 'nonsense': there are "),
        ("gate:99", 0, "the call has token positions 1 to "),
        ("gate:0", 0, "the call has token positions 1 to "),
        ("gate:3:99999", 0, "lives at position 3 in this call"),
        ("gate", 1, "the model never ran in this call"),
    ],
)
def test_what_does_not_live_is_refused_in_words(text: str, call: int, message: str) -> None:
    """Rule: INNER-83"""
    with pytest.raises(Invalid, match=message):
        find(text, call)
