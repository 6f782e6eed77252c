"""The page of the 48 invariants is current: each has what holds, tests, and a mutant that dies."""

from __future__ import annotations

import re

import pytest

from scripts import invariants


def test_the_page_is_current() -> None:
    """Invariant 48: no list of invariants that the mutants have left behind."""
    text = invariants.PAGE.read_text("utf-8")
    assert text == invariants.build_page(), "run: python -m scripts.invariants"
    assert re.findall(r"(?m)^\*\*(\d+)\*\* ", text) == [str(n) for n in range(1, 49)]


def test_an_invariant_is_for_later_or_has_tests_and_mutants() -> None:
    """Invariant 48: so that a part that is built has its invariant."""
    there = set(invariants.read_findings())
    assert there | set(invariants.LATER) == set(range(1, 49))
    assert there & set(invariants.LATER) == set()
    bare = {number for number in there if not invariants.list_mutants(number)}
    assert bare == {invariants.SWEEP}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a <\n  b", "a <= b", ("a < b", "a <= b")),
        ("x\n", "", ("x", "")),
        (f"a {'b ' * 60}c d e f", f"a {'b ' * 60}C d e f",
         ("... b b b b c d e ...", "... b b b b C d e ...")),
        ("w" * 120, "v" * 120, ("w" * 86 + " ...", "v" * 86 + " ...")),
        ("a b", "a b b", ("a b", "a b b")),
    ],
)  # fmt: skip
def test_long_texts_are_cut_to_where_they_change(
    old: str, new: str, expected: tuple[str, str]
) -> None:
    assert invariants.shorten(old, new) == expected
