"""Steps of rows on chain as in Python: every op, row type and shape, any leaves, any damage."""

from __future__ import annotations

import functools
import random
from collections import Counter

import pytest

from oyez.protocol import inner
from oyez.protocol.inner import DEAD
from oyez.protocol.trace import ChunkType
from tests import row_cases
from tests.row_cases import Plan, Setup

PLANS = {
    "small": Plan(),
    "halves": Plan(44, 3, 3, 20, 52, embedding=1, matrices=(1,) * 7),
    "super": Plan(256, 4, 1, 64, 2_048, 12, (12, 13, 14, 12, 14, 13, 14), head=13),
    "blocks": Plan(544, 17, 1, 32, 1_056, 2, (2, 6, 7, 8, 3, 7, 6), head=7),
    "wide": Plan(1_024, 8, 2, 64, 4_096, 14, (8, 12, 3, 1, 14, 2, 12), head=1),
    "words": Plan(44, 3, 3, 20, 2_052, 1, (1,) * 7),
    "parts": Plan(320, 32, 2, 32, 4_960, 6, (6, 3, 8, 7, 2, 8, 3)),
    "attended": Plan(96, 32, 2, 64, 32_768, 8, (3, 8, 7, 8, 2, 6, 8)),
    "remains": Plan(44, 27, 1, 40, 30_740, 1, (1,) * 7),
}
CASES = 23


@functools.cache
def get_setup(name: str) -> Setup:
    return row_cases.build_setup(name, PLANS[name])


@pytest.mark.parametrize("name", PLANS)
def test_rows_steps_are_pythons(name: str) -> None:
    """Rule: INNER-11, INNER-12, INNER-13, INNER-14, INNER-15, INNER-16

    The same answers from the same openings.
    """
    setup, seen = get_setup(name), Counter[str]()
    for region in row_cases.list_names(PLANS[name]):
        draw = random.Random(f"{name} {region}")
        for _ in range(CASES):
            case = row_cases.draw_case(draw, setup, region)
            assert case.recompute() == case.answer, (region, case.address)
            seen[row_cases.classify(case.answer)] += 1
    # most lanes are numbers, and neither 0 nor at a limit
    assert seen["numbers"] > 0.33 * seen.total()
    assert min(seen[kind] for kind in ("dead", "filler", "zero", "at a limit")) > 0


@pytest.mark.parametrize("name", PLANS)
def test_so_they_are_around_every_end(name: str) -> None:
    """Rule: INNER-2, INNER-12

    A region's last lane, the first without a value; the last of queries, of keys.
    """
    setup, draw = get_setup(name), random.Random(name)
    shape = setup.model.shape
    between = {"heads": inner.queries(shape), "key_value": inner.keys(shape)}
    for region in row_cases.list_names(PLANS[name]):
        count = row_cases.count_lanes(setup, region)
        ends = [count, between.get(region, count)]
        for lane in {end + step for end in ends for step in (-1, 0)}:
            for _ in range(4):
                if lane < count or count % (32 if "part" in region else 256):
                    case = row_cases.draw_case(draw, setup, region, lane=lane)
                    assert case.recompute() == case.answer, (region, case.address)


@pytest.mark.parametrize("region", ["query", "key_value"])
def test_nothing_rotates_past_the_context(region: str) -> None:
    """Rule: INNER-14"""
    setup, draw = get_setup("small"), random.Random(region)
    context = setup.model.shape.context
    for position in (context, context + 1):
        found = set[bool]()
        while True not in found:
            case = row_cases.draw_case(draw, setup, region, lane=1, position=position)
            assert case.recompute() == case.answer
            found.add(case.reads.read.chunks[0][2].type is not ChunkType.PAD)
        assert (case.answer == DEAD) == (position > context)


@pytest.mark.parametrize("name", PLANS)
def test_other_openings_are_refused(name: str) -> None:
    """Rule: INNER-8, INNER-12

    Damage of any kind is never an answer.
    """
    setup, ways = get_setup(name), Counter[str]()
    for region in row_cases.list_names(PLANS[name]):
        draw = random.Random(f"damage {name} {region}")
        for _ in range(CASES):
            case = row_cases.draw_case(draw, setup, region, wild=0.2)
            ways[row_cases.check_refused(draw, case)] += 1
    assert len(ways) >= 12, ways
