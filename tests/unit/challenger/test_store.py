from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from challenger.store import compute_origin, open_store
from oyez.derivation import replay
from oyez.protocol.state import State
from oyez.protocol.types import Address, Cell, Entry, Hash32
from tests.unit.derivation.test_replay import ENGINE, MANIFESTS, SHARED, build_entries

ENTRY = build_entries([(SHARED, b"", b"one")])[0]
CELL = Cell(SHARED.hash, 3, (b"good", b"text", 1))
ROOT = Hash32(b"\x02" * 32)


@pytest.mark.parametrize(
    "change",
    [{"input": b"two"}, {"caller": Address(b"\x01" * 20)}, {"timestamp": 5}, {"cell": b"x"}],
)
def test_another_entry_is_another_origin(change: dict[str, Any]) -> None:
    """Rule: CHAL-4."""
    assert compute_origin(ENTRY, CELL, ROOT) == compute_origin(replace(ENTRY), CELL, ROOT)
    assert compute_origin(replace(ENTRY, **change), CELL, ROOT) != compute_origin(ENTRY, CELL, ROOT)


def test_another_cell_or_model_is_another_origin() -> None:
    """Rule: CHAL-4."""
    others: list[tuple[Entry, Cell | None, Hash32]] = [
        (ENTRY, None, ROOT),
        (ENTRY, CELL, Hash32(b"\x03" * 32)),
        (ENTRY, replace(CELL, version=4), ROOT),
        (ENTRY, replace(CELL, manifest_hash=ROOT), ROOT),
        (ENTRY, replace(CELL, values=(b"good", b"text", True)), ROOT),
        (ENTRY, replace(CELL, values=(b"good", b"text", b"\x01")), ROOT),
        (ENTRY, replace(CELL, values=(b"good", b"text", 2)), ROOT),
    ]
    origins = {compute_origin(*other) for other in others}
    assert len(origins) == len(others)
    assert compute_origin(ENTRY, CELL, ROOT) not in origins


def test_a_sampled_calls_seed_is_part_of_its_origin() -> None:
    """Rule: CHAL-4."""
    seeds = [None, Hash32(bytes(32)), Hash32(b"\x03" * 32)]
    assert len({compute_origin(ENTRY, CELL, ROOT, seed) for seed in seeds}) == 3


def test_executions_outlive_a_restart(tmp_path: Path) -> None:
    """Rule: CHAL-4."""
    (execution,) = replay.execute_all(State.empty(), [ENTRY], MANIFESTS, ENGINE)
    origin = compute_origin(ENTRY, None, ENGINE.model_root)
    first = open_store(tmp_path)
    assert first.get_execution(origin, ENTRY) is None
    first.put_execution(origin, execution)
    first.put_execution(origin, execution)
    first.close()
    second = open_store(tmp_path)
    assert second.get_execution(origin, ENTRY) == execution
    assert second.get_execution(ROOT, ENTRY) is None
    second.close()


def test_verdicts_are_replaced_whole(tmp_path: Path) -> None:
    """Rule: CHAL-5."""
    store = open_store(tmp_path)
    for count in range(3):
        verdicts = [{"batch": n} for n in range(count)]
        store.write_verdicts({"batches_replayed": count, "verdicts": verdicts})
        written = json.loads((tmp_path / "verdicts.json").read_text())
        assert written["batches_replayed"] == len(written["verdicts"]) == count
    assert not list(tmp_path.glob("*.new"))
    store.close()
