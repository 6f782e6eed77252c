"""Where the lanes of an inner trace stand, for the shapes that are registered or may be."""

import dataclasses

import pytest

from oyez.protocol import inner
from oyez.protocol.constants import CHUNKS_PER_RECORD
from oyez.protocol.errors import Invalid
from oyez.protocol.trace import ChunkType
from scripts.ops import SHAPES


@pytest.mark.parametrize("name", SHAPES)
def test_each_region_follows_the_one_before_and_the_record_ends_the_tree(name: str) -> None:
    """Rule: INNER-5, INNER-6, INNER-4"""
    for layout, record in (
        (inner.layout_layer(SHAPES[name]), "output"),
        (inner.layout_sampler(SHAPES[name]), "ending"),
    ):
        at, end = 0, (1 << layout.height) - CHUNKS_PER_RECORD
        for region in layout.regions:
            if region.name == record:
                assert at <= end
                at = end
            assert region.start == at
            at += region.leaves
        assert end < at <= end + CHUNKS_PER_RECORD


def test_every_leaf_is_found_in_its_region() -> None:
    """Rule: INNER-1"""
    layout = inner.layout_layer(SHAPES["135M"])
    found = [layout.find(leaf) for leaf in range(1 << layout.height)]

    for region in layout.regions:
        assert found.count(region) == region.leaves
    assert found.count(None) == (1 << layout.height) - sum(r.leaves for r in layout.regions)


def test_ops_have_one_number_whatever_the_shape() -> None:
    """Rule: INNER-5, INNER-6"""
    regions = [
        {(r.name, r.op, r.type) for r in layout(SHAPES[name]).regions}
        for layout in (inner.layout_layer, inner.layout_sampler)
        for name in SHAPES
    ]

    assert regions[0] == regions[1] == regions[2]
    assert regions[3] == regions[4] == regions[5]
    assert sorted(op for _, op, _ in regions[0]) == list(range(28))
    assert sorted(op for _, op, _ in regions[3]) == list(range(32, 53))
    assert all(kind is not ChunkType.PAD for _, _, kind in regions[0] | regions[3])


def test_kinds_are_named_once_in_a_record() -> None:
    """Rule: INNER-5, INNER-6"""
    for layout in (inner.layout_layer, inner.layout_sampler):
        kinds = [kind for region in layout(SHAPES["135M"]).regions for kind in region.kinds]
        assert len(kinds) == len(set(kinds)) >= 18


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"width": 2_304}, "width 2304"),
        ({"heads": 33, "head_size": 4}, "heads 33"),
        ({"heads": 32, "head_size": 128}, "query lanes 4096"),
        ({"feed_forward": 32_769}, "feed forward 32769"),
        ({"layers": 32}, "layers 32"),
        ({"vocabulary": 262_145}, "vocabulary 262145"),
    ],
)
def test_a_shape_too_large_for_a_step_is_refused_by_name(
    changes: dict[str, int], named: str
) -> None:
    """Rule: INNER-3"""
    with pytest.raises(Invalid, match=named):
        inner.layout_layer(dataclasses.replace(SHAPES["135M"], **changes))


def test_a_shape_that_takes_too_many_leaves_is_refused() -> None:
    """Rule: INNER-4"""
    many = dataclasses.replace(SHAPES["1B"], kv_heads=16)
    with pytest.raises(Invalid, match="4080 leaves"):
        inner.layout_layer(many)

    assert inner.layout_layer(many, 16).regions[-1].start > 1 << 15


@pytest.mark.parametrize(
    ("columns", "parts"), [(1, 0), (2_048, 0), (2_049, 4), (3_072, 4), (4_097, 8), (8_192, 8)]
)
def test_wide_products_are_cut_into_a_power_of_two_of_parts(columns: int, parts: int) -> None:
    """Rule: INNER-4"""
    shape = dataclasses.replace(SHAPES["135M"], feed_forward=columns)
    assert inner.count_parts(columns) == inner.count_down_parts(shape) == parts


@pytest.mark.parametrize(("size", "parts"), [(4, 0), (128, 0), (132, 2), (192, 2), (256, 2)])
def test_products_with_the_attention_are_cut_above_1024_lanes(size: int, parts: int) -> None:
    """Rule: INNER-4"""
    shape = dataclasses.replace(SHAPES["135M"], width=100, heads=8, kv_heads=1, head_size=size)
    assert inner.count_attention_parts(shape) == parts
    region = inner.layout_layer(shape).get("attention_part")
    assert region.leaves == -(-100 * parts // 32)


def test_a_record_index_tells_call_position_and_slot() -> None:
    """Rule: INNER-1"""
    record = 7 << 16 | 2_046 << 5 | 31
    assert (inner.get_call(record), inner.get_position(record), inner.get_slot(record)) == (
        7,
        2_046,
        31,
    )
