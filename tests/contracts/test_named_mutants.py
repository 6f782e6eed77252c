"""The table of named mutants holds: each text stands once, each test names what it is for."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.contracts.named_mutants import NAMED, Named
from tests.contracts.step_mutants import STEPS
from tests.contracts.tdx_mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
#: attested results and the outbox: no contract takes a result or executes a message yet
LATER = {45, 46}
#: the sweep itself
META = {48}


def find_docstring(test: str) -> str:
    path, _, name = test.partition("::")
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == name.partition("[")[0]:
            return ast.get_docstring(node) or ""
    raise AssertionError(f"no such test: {test}")


@pytest.mark.parametrize("mutant", [*NAMED, *STEPS, *MUTANTS], ids=lambda m: f"{m.tag}, {m.file}")
def test_a_mutant_changes_one_place_and_its_test_names_the_invariant(mutant: Named) -> None:
    text = (ROOT / mutant.path).read_text()
    assert text.count(mutant.old) == 1
    assert mutant.old != mutant.new
    assert re.search(rf"\b{mutant.tag}\b", find_docstring(mutant.test))


def test_each_invariant_has_a_mutant() -> None:
    """Invariant 48: a test for each, and a change that it alone must notice."""
    named = {int(m.tag.split()[1]) for m in (*NAMED, *STEPS) if m.tag.startswith("Invariant")}
    assert named == set(range(1, 49)) - LATER - META
