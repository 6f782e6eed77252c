"""An action above temperature 0 on a local chain: who waits for what, and that all agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from oyez.derivation import history
from oyez.protocol import codec
from oyez.protocol.types import CallId, CellKind, Hash32
from tests.local_rollup import LocalRollup, build_counter
from tests.sampled import WARM, set_sampling
from tests.services import ChallengerActor, SequencerActor

TEXT = b"the same words"
COLD = set_sampling(build_counter(CellKind.NAMED), 0, delay=60)
WARMER = set_sampling(build_counter(CellKind.NAMED), WARM, delay=60)


@pytest.fixture(scope="module")
def rollup() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@dataclass
class World:
    rollup: LocalRollup
    sequencer: SequencerActor
    challenger: ChallengerActor

    def run(self) -> None:
        self.sequencer.run()
        self.challenger.run()

    def close(self) -> None:
        self.rollup.anvil.advance(3)
        self.run()

    def call(self, action: Hash32, *cells: bytes) -> list[CallId]:
        caller = self.rollup.client(2)
        return [caller.call(action, TEXT, cell=cell).call_id for cell in cells]

    def count(self) -> tuple[int, int]:
        """Calls that the sequencer executed, and that the challenger replayed."""
        return self.sequencer.store.count_executions(), len(self.challenger.log.named("replayed"))

    def output(self, call: CallId) -> bytes:
        return self.rollup.client(3).status(call).output


@pytest.fixture(scope="module")
def world(rollup: LocalRollup, tmp_path_factory: pytest.TempPathFactory) -> World:
    home: Path = tmp_path_factory.mktemp("sampling")
    return World(rollup, SequencerActor(rollup, home / "s"), ChallengerActor(rollup, home / "c"))


def test_a_live_action_is_warmed_up_and_everybody_agrees(world: World) -> None:
    """Cold calls run at once; after the upgrade calls wait for their batch (Audit 1 M3).

    Rule: SEQ-21, CHAL-27, REGISTRY-6
    """
    rollup = world.rollup
    author = rollup.client(1)
    action = author.publish(COLD).action_id
    other = author.publish(set_sampling(build_counter(name=b"other"), 0)).action_id
    cold = world.call(action, b"a", b"b")
    world.run()
    assert world.count() == (2, 2)
    rollup.act(1, author.actions.build("announce_upgrade", action, WARMER))
    world.close()
    rollup.anvil.advance(60)

    warm = world.call(action, b"c", b"d")
    caller = rollup.client(2)
    behind = caller.call(other, TEXT).call_id
    world.run()
    assert world.count() == (2, 2), "bound calls and those behind them wait"
    world.close()
    assert world.count() == (5, 5)
    again = world.call(action, b"e", b"f")
    world.run()
    assert world.count() == (5, 5)
    world.close()

    # the state was the same for all; only the seeds differ
    assert world.output(cold[0]) == world.output(cold[1])
    outputs = [world.output(call) for call in (*warm, *again)]
    assert len(set(outputs)) == 4
    assert world.output(behind)
    assert [verdict.matches for verdict in world.challenger.service.verdicts] == [True] * 3
    rollup.anvil.advance(601)
    world.run()
    for call in (cold[1], warm[1], again[0]):
        verdict = rollup.client(3).verify(call)
        assert verdict.match, verdict.first_difference
    assert rollup.client(3).verify_full().match
    found = history.fetch_history(rollup.chain, rollup.deployment)
    assert [entry.manifest_hash for entry in found.entries][:3] == [
        codec.keccak(COLD),
        codec.keccak(COLD),
        codec.keccak(WARMER),
    ]


def test_a_constant_seed_runs_at_once_and_repeats_itself(world: World) -> None:
    """Rule: SAMPLE-7."""
    data = set_sampling(build_counter(CellKind.NAMED), WARM, seed=Hash32(b"\x09" * 32))
    action = world.rollup.client(1).publish(data).action_id
    calls = world.call(action, b"a", b"b")
    before = world.count()
    world.run()
    assert world.count() == (before[0] + 2, before[1] + 2)
    world.close()
    assert world.output(calls[0]) == world.output(calls[1])
    assert all(verdict.matches for verdict in world.challenger.service.verdicts)


def test_a_batch_closed_anew_after_a_re_org_is_sampled_anew(world: World) -> None:
    """The entries stay, the block that closed their batch does not.

    Rule: SEQ-22, SAMPLE-8
    """
    rollup = world.rollup
    warm = set_sampling(build_counter(CellKind.NAMED, name=b"anew"), WARM)
    action = rollup.client(1).publish(warm).action_id
    world.run()
    calls = world.call(action, b"a", b"b", b"c")
    rollup.anvil.advance(3)
    batches = world.sequencer.store.count_batches()
    queued_at = int(rollup.anvil.request("eth_blockNumber"), 16)
    world.run()
    assert world.sequencer.store.count_batches() == batches + 1
    first = [world.sequencer.store.get_execution(call) for call in calls]
    depth = int(rollup.anvil.request("eth_blockNumber"), 16) - queued_at
    rollup.anvil.request("anvil_reorg", depth, [])
    rollup.anvil.advance(3)
    world.run()
    world.close()
    second = [world.sequencer.store.get_execution(call) for call in calls]
    for old, new in zip(first, second, strict=True):
        assert old is not None
        assert new is not None
        assert old.entry == new.entry
        assert old.seed != new.seed
    assert [e and e.output for e in first] != [e and e.output for e in second]
    assert all(verdict.matches for verdict in world.challenger.service.verdicts)
    assert len(world.challenger.service.verdicts) == world.sequencer.store.count_batches()
    roots = [result.claim.state_root for result in rollup.derive()]
    last = world.sequencer.store.get_result(len(roots))
    assert last is not None
    assert last.claim.state_root == roots[-1]
