"""Steps of layers on chain as in Python: random lanes of every op and shape, random damage.

The contents are any that a chunk's type can hold, so they meet what no honest trace contains.
"""

from __future__ import annotations

import random

import pytest

from tests import layer_steps
from tests.layer_steps import SHAPES

CASES = 40


@pytest.mark.parametrize("op", layer_steps.LAYER_OPS)
@pytest.mark.parametrize("name", SHAPES)
def test_layers_steps_are_pythons(name: str, op: int) -> None:
    """Rule: INNER-22, INNER-23, INNER-24, INNER-25, INNER-26, INNER-27, INNER-28, INNER-29,

    INNER-30 and INNER-31: the same answers from the same openings, and from no others.
    """
    check(name, op)


@pytest.mark.parametrize("op", layer_steps.ATTENTION_OPS)
@pytest.mark.parametrize("name", SHAPES)
def test_attentions_steps_are_pythons(name: str, op: int) -> None:
    """Rule: INNER-22, INNER-32, INNER-33, INNER-34, INNER-35, INNER-36, INNER-37, INNER-38,

    INNER-39: the same answers from the same openings, and from no others.
    """
    check(name, op)


def check(name: str, op: int) -> None:
    draw = random.Random(f"{name} {op}")
    for number in range(CASES):
        case = layer_steps.check_agreement(name, op, draw)
        if number % 3 == 0:
            layer_steps.check_refused(case, draw)
