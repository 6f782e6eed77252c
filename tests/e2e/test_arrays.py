"""Arrays on a whole rollup: called, read, proved on chain, verified, and kept over an upgrade."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from oyez import proof
from oyez.protocol.types import CallId, Hash32, Outcome, Scalar, Value
from tests import proof_check
from tests.e2e.test_cli import Shell, hexed, shell
from tests.local_rollup import LocalRollup
from tests.tagged import build_tags

__all__ = ["shell"]
ARRAYS = ("moods", "words", "flags", "marks")
CALLS = 8


@pytest.fixture(scope="module")
def rollup() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@pytest.fixture(scope="module")
def action(rollup: LocalRollup) -> Hash32:
    """A shared cell with eight final calls."""
    client = rollup.client(1)
    made = client.publish(build_tags()).action_id
    for index in range(CALLS):
        client.call(made, b"call %d" % index)
    rollup.settle()
    return made


def read_outputs(rollup: LocalRollup, calls: range) -> list[dict[str, Any]]:
    """Return what the model wrote in these calls, all of them accepted."""
    found = [rollup.client(3).status(CallId(call)) for call in calls]
    assert {status.outcome for status in found} == {Outcome.ACCEPTED}
    return [json.loads(status.output) for status in found]


def test_a_cells_arrays_are_those_of_the_last_output(shell: Shell, action: Hash32) -> None:
    outputs = read_outputs(shell.rollup, range(CALLS))
    # the scripted model writes short, long and empty arrays
    for name in ARRAYS:
        assert len({len(output[name]) for output in outputs}) >= 2, name
    found = shell("state", hexed(action))
    assert found["state"] == outputs[-1] | {"calls": CALLS}
    assert f"moods: {json.dumps(outputs[-1]['moods'])}" in shell.text("state", hexed(action))
    shown = shell("action", "show", hexed(action))
    assert [field["initial"] for field in shown["fields"]] == [[], [], [], [], 0]
    assert [field.get("items") for field in shown["fields"]] == [3, 2, 2, 2, None]
    assert shown["fields"][1]["element"] == "string"
    assert "  moods: array of up to 3 enum, writes" in shell.text("action", "show", hexed(action))


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_proved_on_chain_and_from_its_json_alone(
    shell: Shell, action: Hash32, name: str
) -> None:
    """Rule: PROOF-1."""
    document = shell("prove", hexed(action), name, "--check")
    assert "verify_field says yes" in shell.stderr
    root = shell.rollup.sequencer.rollup.fetch_root("state_root", document["batch"])
    assert proof_check.fold_field(document) == root
    assert document["field"]["value"] == shell("state", hexed(action))["state"][name]


@pytest.mark.parametrize("name", ARRAYS)
def test_another_array_is_not_proved(rollup: LocalRollup, action: Hash32, name: str) -> None:
    """Rule: PROOF-1: an item more, one less, another order or type of items."""
    client = rollup.client(3)
    document = client.prove_field(action, name)
    assert isinstance(document, proof.FieldDocument)
    assert client.check(document)
    value = document.value
    assert isinstance(value, tuple)
    items: dict[str, Scalar] = {"moods": b"good", "words": b"x", "flags": True, "marks": 5}
    item = items[name]
    others: list[Value] = [(*value, item), (*value, *value, item), value[1:], value[::-1]]
    others = [other for other in others if other != value]
    assert others
    for other in others:
        assert not client.check(replace(document, value=other))
    wider = replace(document.field, items=document.field.items + 1)
    assert not client.check(replace(document, field=wider))


def test_every_call_is_verified_and_every_root_rebuilt(rollup: LocalRollup, action: Hash32) -> None:
    """Rule: VERIFY-5, VERIFY-8."""
    verdict = rollup.client(3).verify(CallId(CALLS - 1))
    assert verdict.match
    assert verdict.calls_replayed == CALLS
    assert rollup.client(3).verify_full().match
