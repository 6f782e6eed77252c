"""Steps over text and over scores: Python and the contracts say the same, whatever leaves hold."""

from __future__ import annotations

import os
import random

import pytest

from tests import score_cases
from tests.vocabulary_fuzz import KINDS, WAYS, count_answers, count_refused
from tests.vocabulary_steps import compare, random_setup, setup

SEED = int(os.environ.get("OYEZ_SEED", "1"))


@pytest.mark.parametrize("kind", KINDS)
def test_python_and_the_contracts_agree(kind: str) -> None:
    """Rule: INNER-51, INNER-52, INNER-53, INNER-54, INNER-55, INNER-57, INNER-58, INNER-59"""
    seen = count_answers(kind, setup(), 1_000 * SEED, 200)
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
    for seed in range(8):
        for token in (size - 1, size, size + 1, size - 256):
            case = score_cases.make_case(world, "noise", seed)
            case.place, case.lane = divmod(token, 256)
            if case.place < world.layout.get("noise").leaves:
                compare(case)
        for block in ((size - 1) // 256, (size + 255) // 256):
            case = score_cases.make_case(world, "block best", seed)
            case.place, case.lane = divmod(block, 32)
            if case.place < world.layout.get("best").leaves:
                compare(case)
        case = score_cases.make_case(world, "top", seed)
        case.lane = world.layout.get("best").leaves - seed % 2
        compare(case)


def test_a_choice_is_between_65_options_at_most() -> None:
    """Rule: INNER-53"""
    for seed in range(8):
        for option in (63, 64, 65, 66, 95):
            case = score_cases.make_case(setup(), "choice score", seed)
            case.place, case.lane = divmod(option, 32)
            compare(case)


@pytest.mark.parametrize("way", WAYS)
def test_no_damaged_proof_is_accepted(way: str) -> None:
    """Rule: INNER-7, INNER-8, INNER-9, INNER-56"""
    assert count_refused(random.Random(SEED), setup(), way, 1_000 * SEED, 40) >= 12
