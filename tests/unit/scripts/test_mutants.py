"""The list of mutants: what a statement yields, unique names, proofs that name what exists."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.mutate import targets, worker
from scripts.mutate.equivalent import read_equivalent
from scripts.mutate.mutants import Mutant, list_mutants
from scripts.mutate.progress import Progress
from scripts.mutate.run import Plan, draw, list_all

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
    names = {contract: {m.name for m in list_all(ROOT, contract)} for contract in targets.TESTS}
    accepted = {contract: read_equivalent(ROOT, contract) for contract in targets.TESTS}
    everywhere = set.intersection(*(set(proofs) for proofs in accepted.values()))
    assert sorted(everywhere - set.union(*names.values())) == []
    for contract, proofs in accepted.items():
        assert sorted(set(proofs) - everywhere - names[contract]) == []
        assert all(len(proof) > 40 for proof in proofs.values())


def test_a_proof_may_hold_for_one_contract_alone(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    common, own = {"proof": "a", "mutants": ["x"]}, {"proof": "b", "mutants": ["y"]}
    entries = [common, own | {"contract": "One"}]
    (tmp_path / "tests/equivalent_mutants.json").write_text(json.dumps(entries))
    assert read_equivalent(tmp_path, "One") == {"x": "a", "y": "b"}
    assert read_equivalent(tmp_path, "Other") == {"x": "a"}
    entries.append(common | {"contract": "Other"})
    (tmp_path / "tests/equivalent_mutants.json").write_text(json.dumps(entries))
    assert "x" in read_equivalent(tmp_path, "One")
    with pytest.raises(ValueError, match="named twice"):
        read_equivalent(tmp_path, "Other")


@pytest.mark.parametrize("contract", targets.FAMILIES)
def test_a_step_contract_and_its_family_are_drawn_most(contract: str) -> None:
    mutants = list_all(ROOT, contract)
    drawn = draw(Plan(contract, seed=1), mutants)
    assert sorted(m.name for m in drawn) == sorted(m.name for m in mutants)
    assert drawn == draw(Plan(contract, seed=1), mutants) != draw(Plan(contract, seed=2), mutants)
    kinds = [targets.classify(contract, m.file) for m in drawn[:100]]
    assert kinds.count("own") >= 50
    assert kinds.count("own") + kinds.count("family") >= 66
    with_less = draw(Plan(contract, seed=1), [m for m in mutants if m is not drawn[7]])
    assert len(set(with_less[:100]) - set(drawn[:101])) <= 1
    files = {Path(m.file).stem for m in mutants}
    assert set(targets.FAMILIES[contract]) <= files


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


def loop() -> worker.Answer:
    while True:
        pass


def vanish() -> worker.Answer:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still there")


@pytest.mark.parametrize(
    ("child", "status"),
    [(loop, "timeout"), (vanish, "refused"), (lambda: {"status": "killed"}, "killed")],
    ids=["loops", "vanishes", "answers"],
)
def test_a_child_that_uses_up_its_processor_time_is_ended(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    child: Callable[[], worker.Answer],
    status: str,
) -> None:
    """Whatever a clock says; the source is as it was."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.vy").write_text("x")

    def judge(question: worker.Answer) -> worker.Answer:
        Path(question["source"]).write_text("y")
        return child()

    monkeypatch.setattr(worker, "judge", judge)
    answer = worker.fork({"source": "a.vy", "seconds": 0.5})
    assert answer["status"] == status
    assert (tmp_path / "a.vy").read_text() == "x"
