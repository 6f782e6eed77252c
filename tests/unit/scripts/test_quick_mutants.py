"""A mutant that is compiled in haste is the code that the compiler makes of it on its own."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from oyez.chain import artifacts
from oyez.chain.deploy import ROOT
from scripts.mutate.mutants import list_mutants
from scripts.mutate.quick import Modules
from scripts.mutate.worker import REFUSALS

DEEP = """# pragma version 0.4.3
from contracts import middle


@external
def ask(x: uint256) -> uint256:
    return middle._ask(x)
"""
MIDDLE = """# pragma version 0.4.3
from contracts import lowest


@internal
@pure
def _ask(x: uint256) -> uint256:
    return lowest._ask(x) * lowest._ask(x + 1)
"""
LOWEST = """# pragma version 0.4.3


@internal
@pure
def _ask(x: uint256) -> uint256:
    return x + {}
"""


def compile_plainly(root: Path, contract: str) -> bytes | None:
    try:
        return artifacts._compile(root, contract).bytecode
    except REFUSALS:
        return None


def compile_quickly(modules: Modules, contract: str, changed: str) -> bytes | None:
    try:
        return modules.compile(contract, changed).bytecode
    except REFUSALS:
        return None


@pytest.mark.parametrize(
    ("contract", "changed"),
    [
        ("StepTable", "StepTable"),
        ("StepTable", "modules/lanes"),
        ("MovePay", "modules/descent"),
    ],
)
def test_haste_changes_no_code(tmp_path: Path, contract: str, changed: str) -> None:
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts")
    target, file = f"contracts/{contract}.vy", f"contracts/{changed}.vy"
    source = tmp_path / file
    kept = source.read_text(encoding="utf-8")
    plain = artifacts._compile(tmp_path, target).bytecode
    assert Modules(tmp_path, target).compile(target).bytecode == plain

    codes: set[bytes | None] = set()
    mutants = list_mutants(file, kept)
    for mutant in random.Random(contract + changed).sample(mutants, 3):
        modules = Modules(tmp_path, target)
        source.write_text(mutant.apply(kept), encoding="utf-8")
        found = compile_quickly(modules, target, file)
        assert found == compile_plainly(tmp_path, target), mutant.name
        codes.add(found)
        source.write_text(kept, encoding="utf-8")
    assert codes - {plain, None}


def test_a_module_that_changed_is_never_recalled(tmp_path: Path) -> None:
    """Neither it nor one that imports it."""
    (tmp_path / "contracts").mkdir()
    target = "contracts/Deep.vy"
    (tmp_path / target).write_text(DEEP, encoding="utf-8")
    (tmp_path / "contracts/middle.vy").write_text(MIDDLE, encoding="utf-8")
    source = tmp_path / "contracts/lowest.vy"
    codes = []
    for answer in (1, 2):
        source.write_text(LOWEST.format(1), encoding="utf-8")
        modules = Modules(tmp_path, target)
        source.write_text(LOWEST.format(answer), encoding="utf-8")
        codes.append(modules.compile(target, "contracts/lowest.vy").bytecode)
        assert codes[-1] == artifacts._compile(tmp_path, target).bytecode
    assert codes[0] != codes[1]
