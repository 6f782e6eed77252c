"""Sequencer and challenger on a whole rollup with the scripted engine: honest, killed, lied to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from oyez.protocol.types import Hash32
from tests.local_rollup import LocalRollup, build_counter
from tests.services import ChallengerActor, SequencerActor


@pytest.fixture
def rollup() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@pytest.fixture
def action(rollup: LocalRollup) -> Hash32:
    return rollup.client(1).publish(build_counter()).action_id


def call(rollup: LocalRollup, action: Hash32, *texts: bytes) -> None:
    for index, text in enumerate(texts):
        rollup.client(1 + index % 3).call(action, text)
    rollup.anvil.advance(3)


def test_calls_become_final_and_the_challenger_agrees(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: SEQ-1, SEQ-7, DERIVE-8."""
    sequencer = SequencerActor(rollup, tmp_path / "s")
    challenger = ChallengerActor(rollup, tmp_path / "c")
    call(rollup, action, b"one", b"two", b"bad\nline")
    sequencer.run()
    call(rollup, action, b"four", b"\xff\xfe", b'{"mood": "good"}')
    sequencer.run()
    challenger.run()
    assert [v.matches for v in challenger.service.verdicts] == [True, True]
    assert rollup.sequencer.rollup.fetch_head() == 0

    rollup.anvil.advance(601)
    sequencer.run()
    challenger.run()

    assert rollup.sequencer.rollup.fetch_head() == 2
    assert sequencer.engine.opened == challenger.engine.opened
    written = json.loads((tmp_path / "c" / "verdicts.json").read_text())
    assert written["batches_replayed"] == 2
    assert [(v["match"], v["final"], v["data"]) for v in written["verdicts"]] == [
        (True, True, "ok"),
        (True, True, "ok"),
    ]
