"""`oyez bench dispute`: the kept numbers hold, and a few kinds are proven again."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from oyez.cli import main
from oyez.engines import exact
from oyez.gas import detection, disputes, random_model
from oyez.protocol import inner, inner_kinds
from scripts import ops
from tests.snapshots import FOLDER

KEPT = FOLDER.parents[1] / "docs" / "measurements" / "dispute.json"
KEYS = (
    *("moves_max", "gas_move_max", "gas_resolve", "gas_duel_honest"),
    *("op_kinds", "op_kinds_proven", "openings_max", "detect_ratio", "wide"),
)
WIDE_KEYS = (*KEYS[:-2], "shape", "position", "detect_ratio_at_most")
#: The smallest shape whose products have parts of both kinds.
SMALL = random_model.Plan(
    layers=2,
    width=32,
    heads=9,
    kv_heads=1,
    head_size=128,
    feed_forward=2_080,
    vocabulary=700,
    position=30,
)


def load(**changes: Any) -> disputes.Measured:
    """The kept numbers, some changed."""
    kept = json.loads(KEPT.read_text()) | changes
    return disputes.Measured(**{**kept, "wide": disputes.Wide(**kept["wide"])})


def test_every_kind_was_proven_within_its_budget() -> None:
    kept = json.loads(KEPT.read_text())
    engine = exact.load_engine()
    layouts = inner.layout_layer(engine.shape), inner.layout_sampler(engine.shape)

    assert tuple(kept) == KEYS
    tokens = [k for layout in layouts for k in inner_kinds.list_kinds(layout)]
    assert len(tokens) >= 18
    assert len(disputes.list_around()) >= 30
    assert kept["op_kinds"] == [*tokens, *disputes.list_around()]
    assert set(kept["op_kinds_proven"]) == set(kept["gas_resolve"]) == set(kept["op_kinds"])
    assert len(set(kept["op_kinds_proven"].values())) == len(kept["op_kinds"])
    assert all(re.fullmatch("0x[0-9a-f]{64}", tx) for tx in kept["op_kinds_proven"].values())
    assert load().find_over() == []


def test_so_was_every_kind_of_a_model_of_a_billion_weights() -> None:
    """As many tokens as a step can name, parts of both kinds among the ops."""
    kept, plan = json.loads(KEPT.read_text())["wide"], random_model.Plan()
    shape = dataclasses.replace(ops.SHAPES["1B"], vocabulary=262_144)
    layouts = inner.layout_layer(shape), inner.layout_sampler(shape)

    assert tuple(kept) == WIDE_KEYS
    assert kept["shape"] == {name: getattr(shape, name) for name in kept["shape"]}
    assert kept["shape"] == {name: getattr(plan, name) for name in kept["shape"]}
    assert kept["position"] == 2_000
    assert kept["op_kinds"] == [k for layout in layouts for k in inner_kinds.list_kinds(layout)]
    assert {"attention part", "down part"} < set(kept["op_kinds"])
    assert set(kept["op_kinds_proven"]) == set(kept["gas_resolve"]) == set(kept["op_kinds"])
    assert len(set(kept["op_kinds_proven"].values())) == len(kept["op_kinds"])
    assert 1 < kept["detect_ratio_at_most"] < disputes.BUDGETS["detect_ratio"]


def test_some_kinds_are_proven_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disputes, "list_wanted", lambda _: ["logit row", "down row"])
    monkeypatch.setattr(disputes, "list_around", lambda: ["operation", "new node"])
    dear, _ = disputes.list_dear()
    candidate = [wish for wish in dear[1] if wish.kind == "candidate"]
    monkeypatch.setattr(disputes, "list_dear", lambda: [(dear[0], candidate)])
    monkeypatch.setattr(detection, "measure_ratio", lambda *_: 1.0)
    monkeypatch.setattr(disputes, "measure_wide", lambda **_: load().wide)
    kept = json.loads(KEPT.read_text())

    found = disputes.measure()

    assert found.find_over() == []
    assert found.moves_max == kept["moves_max"] == 12
    kinds = ["candidate", "down row", "logit row", "new node", "operation"]
    assert sorted(found.op_kinds_proven) == kinds
    # also of the first slash of a chain, and there are five
    apart = {kind: gas - kept["gas_resolve"][kind] for kind, gas in found.gas_resolve.items()}
    assert all(abs(difference) < 5_000 for difference in apart.values()), apart


def test_parts_of_a_random_model_are_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ["attention part", "attention row", "down part", "embedding"]
    monkeypatch.setattr(disputes, "list_wanted", lambda _: kinds)
    monkeypatch.setattr(detection, "estimate_ratio", lambda _, seconds: 1 + seconds)

    found = disputes.measure_wide(SMALL)

    assert found.find_over() == []
    assert sorted(found.op_kinds_proven) == kinds
    assert (found.shape["feed_forward"], found.position) == (2_080, 30)
    assert found.detect_ratio_at_most > 1


def test_the_dearer_of_two_plays_counts_and_each_must_prove() -> None:
    cheap = disputes.Played(12, 5, {"mask": 7, "mode": 9}, 10, ["mask", "mode"], {}, 100)
    cheap = replace(cheap, op_kinds_proven={"mask": "0x01", "mode": "0x02"})
    dear = disputes.Played(11, 6, {"mask": 8}, 11, ["mask"], {"mask": "0x03"}, 99)
    both = disputes.Played(
        12, 6, {"mask": 8, "mode": 9}, 11, ["mask", "mode"], {"mask": "0x03", "mode": "0x02"}, 100
    )
    assert disputes.merge(cheap, dear) == disputes.merge(dear, cheap) == both
    unproven = replace(dear, gas_resolve={}, op_kinds_proven={})
    for found in (disputes.merge(cheap, unproven), disputes.merge(unproven, cheap)):
        assert found.find_over() == ["mask"]
        assert found.op_kinds_proven == {"mode": "0x02"}


def test_a_missing_proof_and_a_broken_budget_are_told() -> None:
    changed = json.loads(KEPT.read_text())
    changed["op_kinds_proven"].pop("mask")
    changed["gas_resolve"]["mask"] = 480_001
    changed["detect_ratio"] = 1.6
    changed["wide"]["gas_resolve"]["down part"] = 480_001
    changed["wide"]["openings_max"] = 16_385

    assert load().find_over() == []
    told = ["mask", "mask", "detect_ratio", "wide down part", "wide openings_max"]
    assert load(**changed).find_over() == told


def test_the_command_shows_both_models_and_what_is_exceeded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = json.loads(KEPT.read_text())
    gas = kept["gas_resolve"]["mask"]
    kept["wide"]["gas_resolve"]["mask"] = 480_001
    for found, code, marked in ((load(), 0, []), (load(**kept), 1, ["mask"])):
        monkeypatch.setattr(disputes, "measure", lambda _, found=found: found)
        result = CliRunner().invoke(main, ["bench", "dispute"])
        assert result.exit_code == code
        lines = [line.split() for line in result.output.splitlines()]
        assert [line[0] for line in lines if line[-1] == "exceeded"] == marked
        assert ["mask", f"{gas:,}"] in [line[:2] for line in lines]
        assert "64 of 64 kinds of numbers of 1B shape proven on chain" in result.output
        # a kind that the small model does not have
        assert ["attention", "part", "-"] in [line[:3] for line in lines]
