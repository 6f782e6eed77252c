"""Shapes at every edge of a region's size: laid out on chain as in Python, or refused by both."""

from __future__ import annotations

import dataclasses

import pytest

from oyez.chain import deploy
from oyez.protocol import inner
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.errors import Invalid
from oyez.protocol.types import ModelShape
from tests.contracts import harness
from tests.contracts.harness import Contract, Reverted, World
from tests.contracts.test_step_model import PARTS, create, fabricate
from tests.contracts.test_step_table import ask, make

SMALL = dataclasses.replace(
    harness.SHAPE,
    layers=1,
    width=4,
    feed_forward=4,
    heads=1,
    kv_heads=1,
    head_size=4,
    vocabulary=300,
)
#: Sizes at which a region begins another leaf, a product another part, or a step is too large.
EDGES: dict[str, tuple[int, ...]] = {
    "layers": (1, 2, 3, 4, 7, 8, 15, 16, 30, 31),
    "width": (1, 32, 33, 255, 256, 257, 511, 512, 513, 1_025, 2_047, 2_048, 2_049),
    "heads": (1, 2, 16, 17, 31, 32, 33),
    "head_size": (1, 31, 32, 33, 128, 129, 255, 256, 257, 512, 513, 1_024, 1_025, 2_048, 2_049),
    "kv_heads": (1, 2, 3, 7, 8, 16, 128),
    "feed_forward": (
        *(1, 255, 256, 257, 511, 512, 513, 1_024, 1_025, 2_048, 2_049, 2_050, 3_072, 4_096),
        *(4_097, 4_098, 8_192, 8_193, 8_194, 16_384, 16_385, 16_390, 32_767, 32_768, 32_769),
    ),
    "vocabulary": (
        *(1, 8, 9, 255, 256, 257, 2_048, 2_049, 8_191, 8_192, 8_193, 65_536, 65_537),
        *(262_143, 262_144, 262_145),
    ),
}


def lay_out(shape: ModelShape, height: int = 12) -> tuple[inner.Layout, inner.Layout] | None:
    """The layouts of a layer and of a sampler; None if the steps hold no such model."""
    try:
        return inner.layout_layer(shape, height), inner.layout_sampler(shape, height)
    except Invalid:
        return None


def check(shape: ModelShape, height: int = 12) -> bool:
    """Hold StepModel to Python, and StepTable over it; say whether they take the shape."""
    root, proof = fabricate(shape)
    world = World(harness.settings(models=(deploy.ListedModel(root, shape),)))
    layouts = lay_out(shape, height)
    if layouts is None:
        with pytest.raises(Reverted, match=r"^model: too "):
            create(world, proof, height)
        return False
    model = create(world, proof, height)
    stated = model.settings()
    layer, sampler = layouts
    assert list(stated.layer_starts) == [region.start for region in layer.regions]
    assert list(stated.sampler_starts) == [region.start for region in sampler.regions]
    for part in (*PARTS, "model_height"):
        assert stated[part] == getattr(shape, part)
    assert stated.inner_height == height
    if height == 12:
        table = make(shape)[1]
        check_table(table, layer, 5 << 5)
        check_table(table, sampler, 5 << 5 | LAST_SLOT)
    return True


def check_table(table: Contract, layout: inner.Layout, record: int) -> None:
    """Each region's first and last leaf have its op, and the leaves next to them have theirs."""
    ends = {r.start for r in layout.regions} | {r.start + r.leaves for r in layout.regions}
    for leaf in sorted({end + by for end in ends for by in (-1, 0)} & set(range(1 << 12))):
        region = layout.find(leaf)
        stated = (255, 1) if region is None else (region.op, region.type)
        assert ask(table, record, leaf)[1:] == stated, (leaf, record)


@pytest.mark.parametrize("name", EDGES)
def test_shapes_at_their_edges(name: str) -> None:
    """Rule: INNER-3, INNER-4, INNER-5, INNER-6, INNER-72"""
    shapes = {size: dataclasses.replace(SMALL, **{name: size}) for size in EDGES[name]}
    taken = {size: check(shape) for size, shape in shapes.items() if is_listed(shape)}
    assert any(taken.values())
    assert name in ("layers", "kv_heads") or not taken[max(taken)]


def is_listed(shape: ModelShape) -> bool:
    """The registry lists no model whose record takes more than 16 chunks."""
    values = 2 * shape.kv_heads * shape.head_size
    return -(-shape.width // 256) + -(-values // 512) <= 16


#: Query lanes at the ends of what a step attends over, and of what it takes at all.
QUERIES = {1_024: (4, 256), 1_025: (5, 205), 2_048: (8, 256), 2_049: (3, 683)}


@pytest.mark.parametrize("queries", QUERIES)
def test_query_lanes_at_their_edges(queries: int) -> None:
    """Rule: INNER-3, INNER-4"""
    heads, size = QUERIES[queries]
    shape = dataclasses.replace(SMALL, heads=heads, head_size=size)
    parts = inner.layout_layer(shape).get("attention_part").leaves if queries < 2_049 else None
    assert check(shape) is (parts is not None)
    assert parts in (None, int(queries > 1_024))


#: Height, shape: as many leaves as a layer or a sampler takes below the record, or too few for it.
FULL = [
    (8, {"heads": 1, "head_size": 4, "feed_forward": 13_771}, 0),
    (8, {"heads": 2, "head_size": 1, "feed_forward": 13_516}, 1),
    (8, {"vocabulary": 6_912}, 0),
    (8, {"vocabulary": 6_913}, 2),
    (12, {"width": 2_048, "kv_heads": 5, "head_size": 76, "feed_forward": 32_768}, 0),
    (12, {"width": 2_048, "kv_heads": 3, "head_size": 136, "feed_forward": 24_000}, 1),
]


@pytest.mark.parametrize(("height", "changes", "over"), FULL)
def test_a_trace_may_be_full(height: int, changes: dict[str, int], over: int) -> None:
    """Rule: INNER-4"""
    shape = dataclasses.replace(SMALL, **changes)
    lay_out_one, beside = inner.layout_layer, 2
    if "vocabulary" in changes:
        lay_out_one, beside = inner.layout_sampler, 3
    regions = lay_out_one(shape, 16).regions[:-beside]
    assert sum(region.leaves for region in regions) == (1 << height) - 16 + over
    assert check(shape, height) is (over == 0)
