"""What a step of rows costs as a transaction of its own, at the shapes of two models."""

from __future__ import annotations

import functools
import random

import pytest

from tests import row_cases
from tests.contracts.harness import encode_call
from tests.row_cases import Case, Plan, Setup, classify

BASE = 21_000
#: Rows of 576 and 1,536 columns in Q4_1, logits of Q8_0.
SMALL = Plan(576, 9, 3, 64, 1_536, embedding=8, vocabulary=49_152, context=2_046)
SMALL_BUDGETS = {
    "embedding": 162_000,
    "heads": 222_000,
    "query": 165_000,
    "key_value": 222_000,
    "middle": 301_000,
    "gate": 222_000,
    "output": 338_000,
    "logits": 236_000,
}
LARGE_BUDGETS = {
    3: {
        "embedding": 189_000,
        "heads": 332_000,
        "query": 165_000,
        "key_value": 332_000,
        "middle": 407_000,
        "gate": 334_000,
        "down_part": 397_000,
        "output": 208_000,
        "logits": 340_000,
    },
    8: {"heads": 368_000, "middle": 443_000, "down_part": 539_000, "logits": 376_000},
    14: {"gate": 351_000, "middle": 424_000},
    1: {"gate": 580_000},
}


@functools.cache
def get_setup(kind: int | None) -> Setup:
    """Return the small shape, or one of 2,048 columns and 8,192 fed forward, of one row type."""
    if kind is None:
        return row_cases.build_setup("gas", SMALL)
    large = Plan(2_048, 32, 8, 64, 8_192, kind, (kind,) * 7, vocabulary=128_256, context=2_046)
    return row_cases.build_setup("gas", large)


def measure(case: Case) -> int:
    """Return what the verifier's call would cost, at least the floor of its calldata."""
    inner_tree, outer_tree = case.trees
    where = (outer_tree.root, inner_tree.root, *case.address, case.region.op)
    contract = case.setup.get_contract(case.region.op)
    (entry,) = (e for e in case.setup.world.abis[contract.address] if e["type"] == "function")
    data = encode_call(entry, (*where, bytes(32), 1, bytes(32)), case.raw, case.encode_proof())
    assert case.recompute() == case.answer
    filled = sum(map(bool, data))
    floor = BASE + 40 * filled + 10 * (len(data) - filled)
    return max(case.setup.world.gas, floor)


def list_budgets() -> list[tuple[int | None, str, int]]:
    small: list[tuple[int | None, str, int]] = [(None, *item) for item in SMALL_BUDGETS.items()]
    return small + [(kind, *i) for kind, row in LARGE_BUDGETS.items() for i in row.items()]


@pytest.mark.parametrize(("kind", "name", "budget"), list_budgets())
def test_steps_stay_within_their_budgets(kind: int | None, name: str, budget: int) -> None:
    draw, setup = random.Random(name), get_setup(kind)
    found: list[int] = []
    while len(found) < 3:
        case = row_cases.draw_case(draw, setup, name, wild=0.0)
        if classify(case.answer) not in ("dead", "filler"):
            found.append(measure(case))
    assert 0.9 * budget < max(found) <= budget
