"""`oyez bench dispute`: the kept numbers hold, and a few kinds are proven again."""

from __future__ import annotations

import json
import re

import pytest

from oyez.engines import exact
from oyez.gas import detection, disputes
from oyez.protocol import inner, inner_kinds
from tests.snapshots import FOLDER

KEPT = FOLDER.parents[1] / "docs" / "measurements" / "dispute.json"
#: Gas.
FIRST_SLASH = 59_200
KEYS = (
    *("moves_max", "gas_move_max", "gas_resolve", "gas_duel_honest"),
    *("op_kinds", "op_kinds_proven", "openings_max", "detect_ratio"),
)


def test_every_kind_was_proven_within_its_budget() -> None:
    kept = json.loads(KEPT.read_text())
    engine = exact.load_engine()
    layouts = inner.layout_layer(engine.shape), inner.layout_sampler(engine.shape)

    assert tuple(kept) == KEYS
    assert kept["op_kinds"] == [k for layout in layouts for k in inner_kinds.list_kinds(layout)]
    assert len(kept["op_kinds"]) >= 18
    assert set(kept["op_kinds_proven"]) == set(kept["gas_resolve"]) == set(kept["op_kinds"])
    assert len(set(kept["op_kinds_proven"].values())) == len(kept["op_kinds"])
    assert all(re.fullmatch("0x[0-9a-f]{64}", tx) for tx in kept["op_kinds_proven"].values())
    assert disputes.Measured(**kept).find_over() == []


def test_two_kinds_are_proven_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disputes, "list_wanted", lambda _: ["logit row", "down row"])
    monkeypatch.setattr(detection, "measure_ratio", lambda *_: 1.0)
    kept = json.loads(KEPT.read_text())

    found = disputes.measure()

    assert found.find_over() == []
    assert found.moves_max == kept["moves_max"] == 12
    assert sorted(found.op_kinds_proven) == ["down row", "logit row"]
    # the first slash of a chain makes slots that later ones find
    (first, first_gas), (second, second_gas) = found.gas_resolve.items()
    assert abs(first_gas - kept["gas_resolve"][first] - FIRST_SLASH) < 5_000
    assert abs(second_gas - kept["gas_resolve"][second]) < 5_000


def test_a_missing_proof_and_a_broken_budget_are_told() -> None:
    kept = disputes.Measured(**json.loads(KEPT.read_text()))
    changed = json.loads(KEPT.read_text())
    changed["op_kinds_proven"].pop("mask")
    changed["gas_resolve"]["mask"] = 480_001
    changed["detect_ratio"] = 1.6

    assert kept.find_over() == []
    assert disputes.Measured(**changed).find_over() == ["mask", "mask", "detect_ratio"]
