"""Steps of rows on models of every shape and row type: as in Python, and damage is refused."""

from __future__ import annotations

import random
from collections import Counter

from oyez.protocol import inner
from oyez.protocol.errors import Invalid
from scripts.soak.part import Block, Part, Result
from tests import row_cases
from tests.row_cases import Plan

#: One of so many proofs is damaged too.
DAMAGED = 5


def draw_plan(rng: random.Random, in_parts: bool, is_attended: bool) -> Plan:
    """Return a shape whose inner traces fit; which products are cut into parts is given."""
    while True:
        plan = row_cases.draw_plan(rng, in_parts)
        try:
            inner.layout_layer(row_cases.build_model(rng, plan).shape)
        except Invalid:
            continue
        if ("attention_part" in row_cases.list_names(plan)) == is_attended:
            return plan


def run(block: Block) -> Result:
    """Make up a model; run so many lanes of each kind on it.

    Every second model's product with ffn_down is cut into parts, and that with attn_output of half
    of these and half of the others.
    """
    rng = block.rng()
    plan = draw_plan(rng, block.number % 2 == 1, block.number % 4 in (1, 2))
    setup = row_cases.build_setup(f"{block.seed} {block.number}", plan)
    counts: Counter[str] = Counter({"models": 1})
    for name in row_cases.list_names(plan):
        # parts stand in every second model alone
        for number in range(block.items * (2 if name.endswith("_part") else 1)):
            case = row_cases.draw_case(rng, setup, name)
            answer = case.recompute()
            if answer != case.answer:
                raise AssertionError(
                    f"block {block.number}, {plan}: {name} at {case.address} is {case.answer}, "
                    f"on chain {answer}"
                )
            counts[f"{name}: {row_cases.classify(answer)}"] += 1
            if number % DAMAGED == 0:
                counts[f"refused: {row_cases.check_refused(rng, case)}"] += 1
    return Result(counts)


PART = Part("step_rows", "lanes of rows on chain as in Python; damaged proofs", run, 80, 125)
