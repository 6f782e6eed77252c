"""Each finding of the design audits and each invariant listed has a test that names it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "docs/spec/findings.md"
TAG = r"Invariant \d+|Audit [123] [A-Z]\d+"
#: ways to name one that a search for the tag would miss
STRAY = re.compile(
    r"\b(?:invariants? \d|Invariants \d|audit-?\d|audit \d [a-z]|design-audit)|^[CHKMS]\d{1,2}\b"
)


def is_test(node: ast.FunctionDef) -> bool:
    """A test function, or a rule or invariant of a stateful one."""
    names = {
        getattr(d.func if isinstance(d, ast.Call) else d, "id", "") for d in node.decorator_list
    }
    return node.name.startswith("test_") or bool(names & {"rule", "invariant"})


def docstrings() -> list[tuple[str, str]]:
    """Return (file, docstring) of every test."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and is_test(node):
                found.append((str(path.relative_to(ROOT)), ast.get_docstring(node) or ""))
    return found


def named() -> dict[str, set[str]]:
    """Return tag -> the files whose tests name it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, text in docstrings():
        for tag in re.findall(rf"\b(?:{TAG})\b", text):
            found[tag].add(path)
    return found


def listed() -> dict[str, set[str]]:
    """Return tag -> the files that the list names."""
    rows = re.findall(rf"(?m)^\| ({TAG}) \| \S.* \| (.*) \|$", LIST.read_text())
    assert len(rows) == len({tag for tag, _ in rows})
    return {tag: set(re.findall(r"`([^`]+)`", files)) for tag, files in rows}


def test_each_finding_has_a_test_that_names_it() -> None:
    tests = named()
    assert len(listed()) >= 59
    assert {tag for tag in listed() if not tests[tag]} == set()


def test_the_list_names_files_that_hold_such_a_test() -> None:
    tests = named()
    wrong = {tag: files - tests[tag] for tag, files in listed().items() if files - tests[tag]}
    assert wrong == {}
    assert [tag for tag, files in listed().items() if not files] == []


def test_every_row_of_the_list_is_read() -> None:
    rows = [line for line in LIST.read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == len(listed()) + 1  # the head


def test_tags_have_one_form() -> None:
    assert [(path, text) for path, text in docstrings() if STRAY.search(text)] == []
