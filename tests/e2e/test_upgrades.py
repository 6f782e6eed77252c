"""A live action is upgraded while its cell exists: fields migrate, and everybody agrees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oyez import proof
from oyez.derivation import history
from oyez.protocol import codec
from oyez.protocol.types import BatchNumber, CallId, Code, Hash32, Value
from tests import proof_check
from tests.e2e.test_cli import Shell, hexed, shell
from tests.local_rollup import LocalRollup
from tests.services import ChallengerActor, SequencerActor
from tests.tagged import build_later_tags, build_tags

__all__ = ["shell"]
OLD, NEW = build_tags(), build_later_tags()
#: Calls 0 to 3 under the first version (3 after the announcement), 4 refused under the new one.
BEFORE, REFUSED, AFTER = range(4), 4, range(5, 7)


@pytest.fixture(scope="module")
def rollup() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@dataclass(frozen=True)
class Upgraded:
    """What the chain and both services hold of an action that was upgraded."""

    action: Hash32
    sequencer: SequencerActor
    challenger: ChallengerActor


@pytest.fixture(scope="module")
def upgraded(rollup: LocalRollup, tmp_path_factory: pytest.TempPathFactory) -> Upgraded:
    """Four batches by the real sequencer, watched by a challenger, all final."""
    home: Path = tmp_path_factory.mktemp("upgrade")
    sequencer = SequencerActor(rollup, home / "s")
    challenger = ChallengerActor(rollup, home / "c")
    author, caller = rollup.client(1), rollup.client(2)
    action = author.publish(OLD).action_id

    def post(*texts: bytes) -> None:
        for text in texts:
            caller.call(action, text)
        rollup.anvil.advance(3)
        sequencer.run()
        challenger.run()

    post(b"one", b"two", b"three")
    rollup.act(1, author.actions.build("announce_upgrade", action, NEW))
    post(b"meanwhile")
    rollup.anvil.advance(60)
    # refused under the new version: the cell stays under the old one
    post(b"bad\nline")
    assert author.state(action, level="posted").manifest_hash == codec.keccak(OLD)
    post(b"five", b"six")
    rollup.anvil.advance(601)
    sequencer.run()
    challenger.run()
    return Upgraded(action, sequencer, challenger)


def read_output(rollup: LocalRollup, call: int) -> dict[str, Any]:
    found = rollup.client(3).status(CallId(call))
    assert found.code is Code.NONE
    written: dict[str, Any] = json.loads(found.output)
    return written


def test_the_entry_names_the_version_in_effect(rollup: LocalRollup, upgraded: Upgraded) -> None:
    """Rule: REGISTRY-6."""
    found = history.fetch_history(rollup.chain, rollup.deployment)
    entries = [entry for batch in found.batches for entry in batch.entries]
    versions = [entry.manifest_hash == codec.keccak(NEW) for entry in entries]
    assert versions == [False] * 4 + [True] * 3
    assert {entry.action_id for entry in entries} == {upgraded.action}
    for call in BEFORE:
        assert list(read_output(rollup, call)) == ["moods", "words", "flags", "marks"]
    for call in AFTER:
        assert list(read_output(rollup, call)) == ["notes"]


def test_fields_of_equal_name_and_type_live_on(rollup: LocalRollup, upgraded: Upgraded) -> None:
    """Rule: SCHEMA-7, TRANSITION-3: an array with another bound begins empty again."""
    last = read_output(rollup, BEFORE[-1])
    found = rollup.client(3).state(upgraded.action)
    assert found.manifest_hash == codec.keccak(NEW)
    names = [field.name.decode() for field in found.manifest.fields]
    values = dict(zip(names, found.values, strict=True))
    assert {name: show(value) for name, value in values.items()} == {
        "notes": read_output(rollup, AFTER[-1])["notes"],
        "flags": last["flags"],
        "moods": last["moods"],
        "words": [],
        "calls": len(BEFORE) + len(AFTER),
    }
    # something was there to keep and to lose
    assert last["words"]
    assert last["flags"] or last["moods"]
    assert found.version == len(BEFORE) + len(AFTER)


def show(value: Value) -> Any:
    if isinstance(value, tuple):
        return [show(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def test_a_refused_call_migrates_nothing(rollup: LocalRollup, upgraded: Upgraded) -> None:
    """Rule: TRANSITION-3."""
    client = rollup.client(3)
    assert client.status(CallId(REFUSED)).code is Code.BAD_INPUT
    for batch in (2, 3):
        document = client.prove_field(upgraded.action, "marks", batch=BatchNumber(batch))
        assert isinstance(document, proof.FieldDocument)
        assert document.proof.manifest_hash == codec.keccak(OLD)
        assert client.check(document)
        assert show(document.value) == read_output(rollup, BEFORE[-1])["marks"]


def test_sequencer_challenger_and_derivation_agree(rollup: LocalRollup, upgraded: Upgraded) -> None:
    """Rule: DERIVE-8, SEQ-1."""
    contract = rollup.sequencer.rollup
    assert contract.fetch_head() == 4
    assert [v.matches for v in upgraded.challenger.service.verdicts] == [True] * 4
    found = history.fetch_history(rollup.chain, rollup.deployment)
    reader, parent = rollup.sequencer.reader, rollup.sequencer.reader.genesis_id
    for batch, result in zip(found.batches, rollup.derive(), strict=True):
        parent = reader.compute_id(parent, 0, batch, result.claim)
        assert contract.fetch_final_id(batch.header.number) == parent
    assert rollup.client(3).verify_full().match


def test_each_call_is_verified_across_the_upgrade(shell: Shell, upgraded: Upgraded) -> None:
    """Rule: VERIFY-1, VERIFY-5."""
    for call in (BEFORE[-1], REFUSED, AFTER[-1]):
        found = shell("verify", str(call))
        assert found["match"] is True
        assert found["calls_replayed"] == call + 1


def test_fields_of_the_new_version_are_proved(shell: Shell, upgraded: Upgraded) -> None:
    """Rule: PROOF-1."""
    state = shell("state", hexed(upgraded.action))["state"]
    for name in ("notes", "flags", "moods", "words", "calls"):
        document = shell("prove", hexed(upgraded.action), name, "--check")
        assert "verify_field says yes" in shell.stderr
        assert document["field"]["value"] == state[name]
        root = shell.rollup.sequencer.rollup.fetch_root("state_root", document["batch"])
        assert proof_check.fold_field(document) == root
