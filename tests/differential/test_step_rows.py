"""Steps of rows on chain as in Python: every op, row type and shape, any leaves, any damage."""

from __future__ import annotations

import functools
import random
from collections import Counter

import pytest

from oyez.protocol.trace import PAD_INT16, PAD_INT32
from tests import row_cases
from tests.row_cases import Plan, Setup

DEAD = -(1 << 255)
NAMES = ("embedding", "heads", "query", "key_value", "middle", "gate", "up", "output", "logits")
PLANS = {
    "small": Plan(),
    "halves": Plan(44, 3, 3, 20, 52, embedding=1, matrices=(1,) * 7),
    "super": Plan(256, 4, 1, 64, 512, 12, (12, 13, 14, 12, 14, 13, 14), head=13),
    "blocks": Plan(544, 17, 1, 32, 1_056, 2, (2, 6, 7, 8, 3, 7, 6), head=7),
    "wide": Plan(1_024, 8, 2, 64, 2_304, 14, (8, 12, 3, 1, 14, 2, 12), head=1),
    "parts": Plan(320, 10, 2, 32, 4_960, 6, (6, 3, 8, 7, 2, 8, 3)),
}
CASES = 14


@functools.cache
def get_setup(name: str) -> Setup:
    return row_cases.build_setup(name, PLANS[name])


def list_names(plan: Plan) -> tuple[str, ...]:
    return (*NAMES, "down_part") if plan.feed_forward > 2_048 else NAMES


@pytest.mark.parametrize("name", PLANS)
def test_rows_steps_are_pythons(name: str) -> None:
    """Rule: INNER-11, INNER-12, INNER-13, INNER-14, INNER-15, INNER-16

    The same answers from the same openings.
    """
    setup, seen = get_setup(name), Counter[str]()
    for region in list_names(PLANS[name]):
        draw = random.Random(f"{name} {region}")
        for _ in range(CASES):
            case = row_cases.draw_case(draw, setup, region)
            assert case.recompute() == case.answer, (region, case.address)
            seen[classify(case.answer)] += 1
    # most lanes are numbers, and neither 0 nor at a limit
    assert seen["number"] > 0.33 * seen.total()
    assert min(seen[kind] for kind in ("dead", "filler", "zero", "limit")) > 0


def classify(answer: int) -> str:
    if answer == DEAD:
        return "dead"
    if answer in (PAD_INT16, PAD_INT32):
        return "filler"
    if answer == 0:
        return "zero"
    return "limit" if abs(answer) in ((1 << 15) - 1, (1 << 31) - 1) else "number"


@pytest.mark.parametrize("name", PLANS)
def test_other_openings_are_refused(name: str) -> None:
    """Rule: INNER-8, INNER-12

    Damage of any kind is never an answer.
    """
    setup, ways = get_setup(name), Counter[str]()
    for region in list_names(PLANS[name]):
        draw = random.Random(f"damage {name} {region}")
        for _ in range(CASES):
            case = row_cases.draw_case(draw, setup, region, wild=0.2)
            ways[row_cases.check_refused(draw, case)] += 1
    assert len(ways) >= 12, ways
