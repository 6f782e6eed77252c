"""Proofs: the contract and Python accept the true ones, and none that was damaged.

OYEZ_SEED sets the seed; `make soak PART=trees` does the same with 5,000 of each kind.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from tests.proof_damage import KINDS
from tests.tree_fuzz import PLAIN_KINDS, STATEMENTS, count_damaged, count_plain
from tests.tree_shapes import count_shapes

SEED = int(os.environ.get("OYEZ_SEED", "1"))


def assert_few_die_by_length(counts: Counter[str], names: list[str]) -> None:
    for name in names:
        assert counts[f"{name}, by length"] * 2 <= counts[name], (name, counts)


def test_no_damaged_proof_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    """Rules: ROLLUP-9, ROLLUP-12, ROLLUP-13, STATE-7, STATE-10, STATE-11, RECEIPT-5"""
    rng = random.Random(SEED)
    counts: Counter[str] = Counter()
    for _ in range(3):
        counts += count_damaged(rng, 30)
    with capsys.disabled():
        print(f"\nseed {SEED}: {dict(counts)}")
    names = [f"{name}, {how}" for name in STATEMENTS for how in KINDS]
    assert [counts[name] for name in names] == [90] * 21
    assert_few_die_by_length(counts, names)


def test_no_damaged_proof_of_the_other_trees_folds_to_its_root() -> None:
    """Rule: CODEC-8"""
    counts = count_plain(random.Random(SEED), 100)
    names = [f"{name}, {how}" for name in ("entries", "outbox", "sha256") for how in PLAIN_KINDS]
    assert [counts[name] for name in names] == [100] * 18
    assert_few_die_by_length(counts, names)


def test_every_tree_equals_its_slow_twin() -> None:
    """Rules: CODEC-5 to CODEC-10, STATE-5, STATE-9, RECEIPT-3, RECEIPT-4, BATCH-4"""
    rng = random.Random(SEED)
    counts: Counter[str] = Counter()
    for _ in range(25):
        counts += count_shapes(rng)
    assert len(counts) == 7
    assert min(counts.values()) >= 25
