"""The soak repeats itself: the same part and seed give the same counts, cut or not."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest

from oyez.protocol.types import Code
from scripts.soak import around
from scripts.soak.part import Block, Part, Result
from scripts.soak.progress import run_part
from scripts.soak.registry import PARTS
from tests import around_flips
from tests.contracts.test_step_model import tiny
from tests.real_calls import RealBatch

ROOT = Path(__file__).resolve().parents[3]
#: Ends that only calls of the attested profile come to.
ATTESTED = ("BUSY", "NONDETERMINISTIC")
TINY = {"calls": 30, "manifests": 40, "trees": 2, "adversaries": 2}


def run_tiny(name: str, seed: int, folder: Path) -> Counter[str]:
    part = dataclasses.replace(PARTS[name], blocks=2, items=TINY[name])
    return run_part(part, seed, folder, "print", lambda _: None).counts


@pytest.mark.parametrize("name", TINY)
def test_the_same_seed_gives_the_same_counts(name: str, tmp_path: Path) -> None:
    first = run_tiny(name, 7, tmp_path / "a")
    assert run_tiny(name, 7, tmp_path / "b") == first
    assert run_tiny(name, 8, tmp_path / "a") != first


def test_a_full_batch_ends_in_all_ways_and_its_last_call_is_accepted() -> None:
    engine = tiny("mixed")[0]
    inputs = around_flips.list_inputs(around.FULL)

    executions = RealBatch(engine, around_flips.build_ends(engine), inputs).executions

    met = Counter(execution.code for execution in executions)
    assert {code for code in met if met[code] >= 40} == set(around_flips.ENDS)
    assert executions[-1].code is Code.NONE
    assert set(met) == {code for code in Code if code.name not in ATTESTED}


class Cut(Exception):
    """Stands for a kill between two blocks."""


def test_a_cut_part_goes_on_and_ends_as_if_it_were_not(tmp_path: Path) -> None:
    ran: list[int] = []

    def run(block: Block) -> Result:
        ran.append(block.number)
        draw = block.rng().randrange(1_000)
        return Result(Counter({"drawn": draw}), [f"{block.number}: {draw}"])

    part = Part("drawing", "", run, 5, 1)
    whole = run_part(part, 3, tmp_path / "whole", "print", lambda _: None)

    def stop(line: str) -> None:
        if "block 2 of 5" in line:
            raise Cut

    ran.clear()
    with pytest.raises(Cut):
        run_part(part, 3, tmp_path / "cut", "print", stop)
    assert run_part(part, 3, tmp_path / "cut", "print", lambda _: None) == whole
    assert ran == [0, 1, 2, 3, 4]

    ran.clear()
    assert run_part(part, 3, tmp_path / "cut", "other sources", lambda _: None) == whole
    assert ran == [0, 1, 2, 3, 4]


def test_committed_counts_are_of_parts_that_exist_and_nothing_survives_unproven() -> None:
    rows = json.loads((ROOT / "tests/soak.json").read_text())
    assert set(rows) <= set(PARTS)
    for name, row in rows.items():
        assert (row["blocks"], row["items"]) == (PARTS[name].blocks, PARTS[name].items)
        assert row["counts"].get("not proven", 0) == 0, name
