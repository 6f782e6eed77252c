"""The manifests that are measured are 4 KB, valid, and almost wholly of their kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oyez.gas import manifests, world
from oyez.protocol.manifest import parse_manifest
from oyez.protocol.types import Manifest
from tests.contracts import harness
from tests.manifests import LIMITS

Count = Callable[[Manifest], int]


@pytest.mark.parametrize(
    ("build", "count", "each", "least"),
    [
        (manifests.build_literals, lambda m: sum(len(s.tokens) for s in m.segments), 3, 0.95),
        (manifests.build_options, lambda m: sum(len(f.options) for f in m.fields), 6, 0.9),
        (manifests.build_expressions, lambda m: sum(len(e.ops) for e in m.expressions), 2, 0.94),
    ],
)
def test_each_fills_4_kb_with_its_kind(
    build: Callable[[], bytes], count: Count, each: int, least: float
) -> None:
    data = build()
    assert len(data) == 4_096
    assert each * count(parse_manifest(data, LIMITS)) > least * len(data)
    assert harness.gate_check(data) is None


def test_the_measured_call_is_one_that_the_gate_takes() -> None:
    data = manifests.build_called()
    parsed = parse_manifest(data, LIMITS)
    assert parsed.fixed_positions + manifests.INPUT_BYTES == manifests.WORK
    assert harness.gate_check(data) is None
    assert world.SHAPE == harness.SHAPE
