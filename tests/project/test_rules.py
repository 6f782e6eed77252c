"""Every numbered rule has one number, one place in code, and at least one test."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RULE = r"[A-Z]+-\d+"


def files(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def cited(paths: list[Path], pattern: str) -> Counter[str]:
    """Count citations; one line may cite several rules: `Rule: STATE-1, STATE-2`."""
    found: Counter[str] = Counter()
    for path in paths:
        for match in re.finditer(pattern, path.read_text()):
            found.update(re.findall(RULE, match.group(1)))
    return found


CODE = r"(?:Rules?:|@custom:rule|# rules?:)\s*((?:[A-Z]+-\d+(?:,\s*)?)+)"


def spec() -> Counter[str]:
    return cited(files("docs/spec/*.md"), r"(?m)^\*\*([A-Z]+-\d+)\*\*")


def in_code() -> Counter[str]:
    return cited(
        files(
            "oyez/**/*.py", "oyez/**/*.c", "sequencer/*.py", "challenger/*.py", "contracts/**/*.vy"
        ),
        CODE,
    )


def in_tests() -> Counter[str]:
    return cited(files("tests/**/*.py"), CODE)


def test_each_rule_is_numbered_once() -> None:
    assert [rule for rule, count in spec().items() if count > 1] == []
    assert len(spec()) > 50


def test_each_rule_has_its_function() -> None:
    assert sorted(set(spec()) - set(in_code())) == []


def test_each_rule_has_its_test() -> None:
    assert sorted(set(spec()) - set(in_tests())) == []


def test_nothing_cites_a_rule_that_does_not_exist() -> None:
    assert sorted((set(in_code()) | set(in_tests())) - set(spec())) == []
