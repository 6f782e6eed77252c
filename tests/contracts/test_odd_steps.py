"""Random calls of odd models: their lanes are recomputed by the verifiers that were deployed."""

from __future__ import annotations

import random

import pytest

from oyez.protocol import inner
from tests.odd_courts import SHAPES, count_judged, engine


@pytest.mark.parametrize("name", SHAPES)
def test_lanes_of_odd_models_are_recomputed_on_chain(name: str) -> None:
    """Heads and values in two leaves, a part of one column, tokens of 128 bytes.

    Rule: INNER-72, INNER-33, INNER-16, INNER-45, INNER-56
    """
    counts = count_judged(random.Random(2), name, 2_500)
    shape = engine(name).shape
    layouts = (inner.layout_layer(shape), inner.layout_sampler(shape))
    regions = {region.name for layout in layouts for region in layout.regions if region.leaves}
    assert set(counts) == regions | {"PAD"}
