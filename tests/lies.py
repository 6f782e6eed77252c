"""A local rollup with lies: what tests of challengers and sequencers share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oyez.derivation import history
from oyez.protocol.types import Hash32, Status
from tests.local_rollup import LocalRollup
from tests.services import ChallengerActor

#: Roots that no batch here comes to.
FALSE = {"receipts_root": Hash32(b"\x01" * 32)}


def close(rollup: LocalRollup, action: Hash32, *texts: bytes) -> None:
    """Queue calls and close their batch."""
    for index, text in enumerate(texts):
        rollup.client(1 + index % 3).call(action, text)
    rollup.close_batch()


def honest_ids(rollup: LocalRollup) -> list[Hash32]:
    """The ids, as first attempts, that a derivation from the chain alone gives."""
    reader = rollup.sequencer.reader
    found = history.fetch_history(rollup.chain, rollup.deployment)
    parent, ids = reader.genesis_id, []
    for batch, result in zip(found.batches, rollup.derive(), strict=True):
        parent = reader.compute_id(parent, 0, batch, result.claim)
        ids.append(parent)
    return ids


def challenger(rollup: LocalRollup, home: Path, key: int = 5) -> ChallengerActor:
    """A challenger with a stake."""
    client = rollup.client(key)
    if not client.fetch_stake().amount:
        client.deposit_stake()
    return ChallengerActor(rollup, home, key=key)


def status(rollup: LocalRollup, assertion_id: Hash32) -> Status:
    return rollup.sequencer.rollup.fetch_status(assertion_id)


def read(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "verdicts.json").read_text())
    return found
