"""Arrows go one way: sequencer -> oyez <- challenger; the protocol is pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = {
    "__future__", "bisect", "collections", "dataclasses", "decimal", "enum", "functools",
    "hashlib", "itertools", "math", "operator", "re", "struct", "types", "typing", "eth_hash",
    "oyez",
}  # fmt: skip


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, package
    return found


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("oyez", ("sequencer", "challenger", "tests", "scripts")),
        ("challenger", ("sequencer", "tests", "scripts", "oyez.testing")),
        ("sequencer", ("challenger", "tests", "scripts", "oyez.testing")),
    ],
)
def test_package_does_not_import(package: str, forbidden: tuple[str, ...]) -> None:
    broken = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imports_of(path)
        if name.startswith(tuple(f"{root}." for root in forbidden)) or name in forbidden
    ]
    assert broken == []


def test_protocol_imports_the_standard_library_and_hashing_alone() -> None:
    broken = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("oyez/protocol")
        for name in imports_of(path)
        if name.split(".")[0] not in PURE
        or (
            name.startswith("oyez.") and not name.startswith(("oyez.protocol", "oyez.engines.base"))
        )
    ]
    assert broken == []
