"""Steps over text and over scores: Python and the contracts say the same, whatever leaves hold."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable

import pytest

from oyez.protocol.inner import DEAD
from oyez.protocol.step_scores import NO_TOKEN
from oyez.protocol.trace import PAD_INT32
from tests import score_cases, token_cases
from tests.step_damage import WAYS, refuse
from tests.vocabulary_steps import Case, Setup, compare, random_setup, setup

SEED = int(os.environ.get("OYEZ_SEED", "1"))
Make = Callable[[Setup, str, int], Case]
KINDS: dict[str, Make] = {
    **dict.fromkeys(token_cases.KINDS, token_cases.make_case),
    **dict.fromkeys(score_cases.KINDS, score_cases.make_case),
}


def count_answers(kind: str, world: Setup, first: int, count: int) -> Counter[str]:
    """Compare so many lanes of a kind, and count what they came to."""
    seen: Counter[str] = Counter()
    for seed in range(first, first + count):
        found = compare(KINDS[kind](world, kind, seed))
        if found == DEAD:
            seen["dead"] += 1
        else:
            seen["filler" if found in (PAD_INT32, NO_TOKEN) else "value"] += 1
    return seen


@pytest.mark.parametrize("kind", KINDS)
def test_python_and_the_contracts_agree(kind: str) -> None:
    """Rule: INNER-51, INNER-52, INNER-53, INNER-54, INNER-55, INNER-57, INNER-58, INNER-59"""
    seen = count_answers(kind, setup(), 1_000 * SEED, 160)
    assert seen["value"] >= 24
    assert seen["filler"] >= 24
    assert seen["dead"] >= 2 or kind == "candidate bias"


@pytest.mark.parametrize("seed", range(5))
def test_any_vocabulary_is_cut_alike(seed: int) -> None:
    """Tokens with zeros in them, tokens of hundreds of bytes, bytes that no token begins with.

    Rule: INNER-56, MODEL-15
    """
    world = random_setup(SEED + seed)
    for kind in ("forced token", "option token"):
        count_answers(kind, world, 1_000 * SEED, 30)


@pytest.mark.parametrize("size", [49_152, 128_256, 300, 8_193])
def test_blocks_end_where_the_vocabulary_does(size: int) -> None:
    """Rule: INNER-51, INNER-52"""
    world = setup(size=size)
    for kind in ("noise", "block best", "top"):
        count_answers(kind, world, 2_000 * SEED, 20)


@pytest.mark.parametrize("way", WAYS)
def test_no_damaged_proof_is_accepted(way: str) -> None:
    """Rule: INNER-7, INNER-8, INNER-9, INNER-56"""
    draw = random.Random(SEED)
    refused = 0
    for seed in range(40):
        for kind, make in KINDS.items():
            case = make(setup(), kind, 1_000 * SEED + seed)
            case.recompute()
            if way in ("row", "row sibling", "hint") and not case.reads.read.rows:
                continue
            if refused < 40:
                refused += refuse(draw, case.prove(), way)
    assert refused >= 12
