"""The list of mutants: what a statement yields, unique names, proofs that name what exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.mutate import targets
from scripts.mutate.equivalent import read_equivalent
from scripts.mutate.mutants import Mutant, list_mutants
from scripts.mutate.progress import Progress
from scripts.mutate.run import list_all

ROOT = Path(__file__).resolve().parents[3]
SOURCE = '''# pragma version 0.4.3
"""
@title Nothing here == anything
"""
LIMIT: constant(uint256) = 7
total: uint256


@external
def pay(to: address, amount: uint256[3]):
    """
    @notice a < b
    """
    assert amount[0] < LIMIT and to != self, "a < b: no"  # never 1 > 2
    left: uint256 = self._split(amount[0], to)
    self.total -= left
    log Paid(to=to, amount=left)
    raw_call(to, b"", value=left)
'''


def changes() -> dict[str, str]:
    """Change -> the statement as it reads then."""
    found = {}
    for mutant in list_mutants("a.vy", SOURCE):
        changed = mutant.apply(SOURCE).splitlines()[mutant.row - 1]
        found[f"{mutant.row}: {mutant.change}"] = changed.strip()
    return found


def test_each_kind_of_change_is_listed() -> None:
    found = changes()
    assert found["5: 7 to 8"] == "LIMIT: constant(uint256) = 8"
    assert found["14: drop assert"] == "pass  # never 1 > 2"
    told = 'assert amount[0] <= LIMIT and to != self, "a < b: no"  # never 1 > 2'
    assert found["14: < to <="] == told
    assert found["14: < to >="] == told.replace("<=", ">=")
    assert found["14: and to or"] == told.replace("<=", "<").replace("and", "or")
    assert found["14: != to =="] == told.replace("<=", "<").replace("!=", "==")
    assert "(LIMIT + 1)" in found["14: LIMIT to LIMIT + 1"]
    swapped = "left: uint256 = self._split(to, amount[0])"
    assert found["15: _split: swap amount[0] and to"] == swapped
    assert found["16: drop write"] == "pass"
    assert found["16: -= to +="] == "self.total += left"
    assert found["17: drop log"] == "pass"
    assert found["17: Paid: swap to and left"] == "log Paid(to=left, amount=to)"
    assert found["18: drop raw_call"] == "pass"


def test_types_texts_and_comments_are_left_alone() -> None:
    rows = {mutant.row for mutant in list_mutants("a.vy", SOURCE)}
    assert rows == {5, 14, 15, 16, 17, 18}
    assert not any("[3]" in name or "never" in name for name in changes())


@pytest.mark.parametrize("contract", targets.TESTS)
def test_names_are_unique_and_there_are_enough(contract: str) -> None:
    mutants = list_all(ROOT, contract)
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    assert len(mutants) >= 200
    assert {mutant.file for mutant in mutants} <= set(targets.list_sources(ROOT, contract))


def test_each_equivalent_mutant_exists_and_has_a_proof() -> None:
    names = {mutant.name for contract in targets.TESTS for mutant in list_all(ROOT, contract)}
    accepted = read_equivalent(ROOT)
    assert sorted(set(accepted) - names) == []
    assert all(len(proof) > 40 for proof in accepted.values())


def mutant(number: int, function: str = "f") -> Mutant:
    return Mutant("a.vy", function, f"x = {number}", "drop write", 0, 1, "", number)


def test_progress_is_kept_and_falls_with_what_it_depends_on(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    kept = Progress(path, "s", "t", keep_killed=False)
    kept.note(mutant(1), {"status": "killed", "killer": "test_a", "seconds": 1.0})
    kept.note(mutant(2), {"status": "survived", "killer": None, "seconds": 1.0})
    kept.note(mutant(3), {"status": "same"})

    def left(sources: str, tests: str, keep_killed: bool = False) -> int:
        return len(Progress(path, sources, tests, keep_killed).results)

    assert left("s", "t") == 3
    assert left("s", "other") == 1
    assert left("s", "other", keep_killed=True) == 2
    assert left("other", "t") == 0
    assert left("other", "t", keep_killed=True) == 1
    counts = kept.count([mutant(1), mutant(2), mutant(3), mutant(4)])
    assert (counts["mutants"], counts["killed"], counts["survived"]) == (2, 1, 1)


def test_what_noticed_a_change_nearby_runs_first(tmp_path: Path) -> None:
    kept = Progress(tmp_path / "a.json", "s", "t", keep_killed=False)
    kept.durations = {"slow": 9.0, "quick": 0.1, "near": 3.0, "often": 1.0}
    for number in range(3):
        kept.note(mutant(number, "g"), {"status": "killed", "killer": "often"})
    kept.note(mutant(9, "f"), {"status": "killed", "killer": "near"})
    assert kept.rank(mutant(10, "f")) == ["near", "often", "quick", "slow"]
