"""Openings that are true of something else, or of nothing: no verifier takes one for another."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from oyez.protocol.types import Code
from tests import frame_fuzz, opening_fuzz
from tests.frame_courts import COURTS, open_court
from tests.opening_fuzz import count_mutants
from tests.openings import collect_preimages


def count_refused(counts: Counter[str], kind: str) -> int:
    """Return how many mutants of a class were refused."""
    return sum(
        count
        for what, count in counts.items()
        if what.startswith(f"{kind}: ") and what != f"{kind}: harmless"
    )


@pytest.mark.parametrize("name", ["mixed", "super"])
def test_no_mutated_opening_is_accepted(name: str) -> None:
    """Invariant 3: only what is there can be opened.

    Rule: INNER-7, INNER-8, INNER-9, INNER-56
    """
    each = 12
    counts = count_mutants(random.Random(5), name, each)
    refused = {kind: count_refused(counts, kind) for kind in opening_fuzz.CLASSES}
    assert refused == dict.fromkeys(opening_fuzz.CLASSES, each)
    assert counts["true proofs"] > each


def test_no_mutated_opening_or_preimage_around_the_tokens_is_accepted() -> None:
    """Ways to entry, cell and fields among what is asked for. Rule: FRAME-3, INNER-8, INNER-9"""
    each, counts = 20, Counter[str]()
    for name in COURTS:
        counts += frame_fuzz.count_mutants(random.Random(5), name, each)
    refused = {kind: count_refused(counts, kind) for kind in frame_fuzz.CLASSES}
    assert refused == dict.fromkeys(frame_fuzz.CLASSES, each * len(COURTS))
    for asked in ("an entry", "a cell", "a field"):
        assert counts[f"refused, for a node above {asked}"], asked
    for asked in ("a batch", "an entry", "a cell", "a text"):
        assert counts[f"refused, for {asked}"], asked
    for frame in frame_fuzz.RECORDS:
        assert counts[f"refused, in {frame.name}"], frame


@pytest.mark.parametrize("name", COURTS)
def test_the_batch_around_which_it_is_has_mixed_ends(name: str) -> None:
    executions = open_court(name).batch.executions
    codes = [execution.code for execution in executions]
    assert {Code.NONE, Code.BAD_INPUT, Code.GUARD} <= set(codes)
    assert sum(execution.cell_before is not None for execution in executions) > 1
    assert len(collect_preimages(open_court(name))) > len(codes)
