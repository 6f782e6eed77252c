"""What a step of rows costs, resolution and all, at the shapes of two models."""

from __future__ import annotations

import functools
import random

import pytest

from tests import row_cases
from tests.contracts.harness import encode_call
from tests.row_cases import Case, Plan, Setup, classify

BASE = 21_000
#: Of a resolution: bytes of its calldata besides the proof, execution outside the verifier.
RESOLVE_BYTES, RESOLVE_GAS = 3_300, 110_000
#: Rows of 576 and 1,536 columns in Q4_1, logits of Q8_0.
SMALL = Plan(576, 9, 3, 64, 1_536, embedding=8, vocabulary=49_152, context=2_046)
SMALL_BUDGETS = {
    "embedding": 300_000,
    "heads": 340_000,
    "query": 280_000,
    "key_value": 340_000,
    "middle": 390_000,
    "gate": 340_000,
    "output": 440_000,
    "logits": 345_000,
}
LARGE_BUDGETS = {
    3: {
        "embedding": 310_000,
        "heads": 450_000,
        "query": 280_000,
        "key_value": 450_000,
        "attention_part": 345_000,
        "middle": 325_000,
        "gate": 453_000,
        "down_part": 343_000,
        "output": 320_000,
        "logits": 455_000,
    },
    8: {
        "heads": 465_000,
        "attention_part": 360_000,
        "middle": 325_000,
        "down_part": 350_000,
        "logits": 469_000,
    },
    14: {"gate": 486_000, "attention_part": 365_000, "down_part": 359_000},
    7: {"logits": 507_000, "attention_part": 374_000},
    1: {"gate": 718_000, "attention_part": 500_000, "down_part": 474_000},
}


@functools.cache
def get_setup(kind: int | None) -> Setup:
    """Return the small shape, or one of 2,048 columns and 8,192 fed forward, of one row type."""
    if kind is None:
        return row_cases.build_setup("gas", SMALL)
    large = Plan(2_048, 32, 8, 64, 8_192, kind, (kind,) * 7, vocabulary=128_256, context=2_046)
    return row_cases.build_setup("gas", large)


def measure(case: Case) -> tuple[int, int]:
    """Return what a lane costs: the verifier's execution, and a whole resolution."""
    inner_tree, outer_tree = case.trees
    where = (outer_tree.root, inner_tree.root, *case.address, case.region.op)
    step, proof = (*where, bytes(32), 1, bytes(32)), case.encode_proof()
    contract, world = case.setup.get_contract(case.region.op), case.setup.world
    assert case.recompute() == case.answer
    (entry,) = (e for e in world.abis[contract.address] if e.get("name") == "recompute")
    alone = world.gas - BASE - price(encode_call(entry, step, case.raw, proof), 16, 4)
    usual = BASE + 16 * RESOLVE_BYTES + price(proof, 16, 4) + RESOLVE_GAS + alone
    return alone, max(usual, BASE + 40 * RESOLVE_BYTES + price(proof, 40, 10))


def price(data: bytes, full: int, zero: int) -> int:
    return sum(full if byte else zero for byte in data)


def list_budgets() -> list[tuple[int | None, str, int]]:
    small: list[tuple[int | None, str, int]] = [(None, *item) for item in SMALL_BUDGETS.items()]
    return small + [(kind, *i) for kind, row in LARGE_BUDGETS.items() for i in row.items()]


@pytest.mark.parametrize(("kind", "name", "budget"), list_budgets())
def test_steps_stay_within_their_budgets(kind: int | None, name: str, budget: int) -> None:
    draw, setup = random.Random(name), get_setup(kind)
    found: list[tuple[int, int]] = []
    while len(found) < 3:
        case = row_cases.draw_case(draw, setup, name, wild=0.0)
        if classify(case.answer) not in ("dead", "filler"):
            found.append(measure(case))
    alone, whole = map(max, zip(*found, strict=True))
    print(f"{kind} {name}: {alone:,} alone, {whole:,} resolved")
    assert 0.95 * budget < whole <= budget
