"""Every lane of an inner trace that may have a value has a kind, and every kind has a lane."""

import pytest

from oyez.protocol import inner, inner_kinds
from oyez.protocol.inner_frame import Frame, layout_frame
from tests.unit.protocol.test_inner import SHAPES

LANES = {1: 256, 2: 512, 3: 32, 4: 1_024, 5: 512}


@pytest.mark.parametrize("name", SHAPES)
def test_each_kind_stands_at_some_lane_and_only_in_its_region(name: str) -> None:
    """Rule: INNER-80"""
    shape = SHAPES[name]
    for layout in (inner.layout_layer(shape), inner.layout_sampler(shape)):
        for region in layout.regions:
            if not region.leaves:
                continue
            ends = {region.start, region.start + region.leaves - 1}
            found = {
                inner_kinds.find_kind(shape, layout, leaf, lane)
                for leaf in ends
                for lane in range(LANES[region.type])
            }
            assert found - {None} == set(region.kinds), region.name
        assert inner_kinds.find_kind(shape, layout, (1 << layout.height) - 1, 0) is None


@pytest.mark.parametrize(
    ("region", "lane", "kind"),
    [
        ("norm", 0, "square"),
        ("norm", 2, "square"),
        ("norm", 3, "peak"),
        ("norm", 5, "peak"),
        ("norm", 6, "root"),
        ("norm", 7, "shift"),
        ("norm", 8, None),
        ("heads", 255, "query row"),
        ("key_value", 191, "key rotation"),
        ("key_value", 192, "value row"),
        ("key_value", 383, "value row"),
        ("key_value", 384, None),
        ("token", 1, None),
    ],
)
def test_lanes_of_a_layer_of_the_135m_model(region: str, lane: int, kind: str | None) -> None:
    """Rule: INNER-80"""
    layout = inner.layout_layer(SHAPES["135M"])
    leaf = layout.get(region).start

    assert inner_kinds.find_kind(SHAPES["135M"], layout, leaf, lane) == kind


def test_kinds_of_a_token_position_are_at_least_eighteen() -> None:
    """Rule: INNER-80"""
    shape = SHAPES["135M"]
    layer = inner_kinds.list_kinds(inner.layout_layer(shape))
    sampler = inner_kinds.list_kinds(inner.layout_sampler(shape))

    assert len(set(layer)) == len(layer) >= 18
    assert len(set(layer) | set(sampler)) == len(layer) + len(sampler)
    assert "down part" not in layer
    assert "down part" in inner_kinds.list_kinds(inner.layout_layer(SHAPES["1B"]))


@pytest.mark.parametrize(
    ("frame", "region", "last"),
    [
        (Frame.ENTRY, "alive", 0),
        (Frame.ENTRY, "entry_head", 3),
        (Frame.ENTRY, "entry_words", 11),
        (Frame.STATE, "state_head", 1),
        (Frame.PROMPT, "prompt_head", 1),
        (Frame.OUTPUT, "output_head", 5),
        (Frame.ROOTS, "roots_head", 0),
        (Frame.ROOTS, "roots_words", 13),
        (Frame.LAST, "last_words", 2),
    ],
)
def test_around_the_tokens_a_lane_past_the_last_has_no_kind(
    frame: Frame, region: str, last: int
) -> None:
    """Rule: INNER-80"""
    layout = layout_frame(frame, 18)
    (found,) = [one for one in layout.regions if one.name == region]
    kinds = [inner_kinds.find_kind(None, layout, found.start, at) for at in (last, last + 1)]
    assert kinds[0] in found.kinds
    assert kinds[1] is None
