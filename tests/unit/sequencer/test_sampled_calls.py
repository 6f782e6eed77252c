"""Sampled calls among others while batches close and open again, and the process dies."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oyez.chain.events import CallQueued
from oyez.derivation import calls, replay
from oyez.derivation.history import Batch
from oyez.protocol import codec
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.types import BatchHeader, BatchNumber, Cell, CellKind, Entry, Hash32, SeedRule
from sequencer.executor import Executor
from sequencer.metrics import Metrics
from sequencer.rows import ClosedBatch
from sequencer.store import Store, open_store
from tests.unit.protocol.actions import AUTHOR, build_action, build_entry, build_header
from tests.unit.sequencer.build import ENGINE, checkpoint, place

HOT = 1 << 22
#: One action's manifests, as upgrades would change it: cold, bound to its batch, under seed 0.
KINDS = [
    build_action(cell_kind=CellKind.NAMED),
    build_action(cell_kind=CellKind.NAMED, temperature=HOT),
    build_action(cell_kind=CellKind.NAMED, temperature=HOT, seed_rule=SeedRule.CONSTANT),
]
MANIFESTS = {kind.hash: kind for kind in KINDS}
ACTION = codec.compute_action_id(AUTHOR, KINDS[0].hash)


class Manifests:
    """Stands for ManifestSource."""

    fetch = staticmethod(MANIFESTS.__getitem__)

    def fetch_bytes(self, manifest_hash: Hash32) -> bytes:
        return encode_manifest(MANIFESTS[manifest_hash])


def drop(event: str, /, **facts: object) -> None:
    """Log nothing."""


class World:
    """A chain of one event a block, and the sequencer's executor on it."""

    def __init__(self, rng: random.Random, path: Path) -> None:
        self.rng, self.path = rng, path
        self.chain: list[Entry | Batch] = []
        self.start()

    def start(self) -> None:
        source: Any = Manifests()
        self.store: Store = open_store(self.path)
        self.executor = Executor(
            store=self.store,
            manifests=source,
            engine=ENGINE,
            metrics=Metrics(),
            clock=lambda: 0.0,
            log=drop,
        )

    @property
    def entries(self) -> list[Entry]:
        return [event for event in self.chain if isinstance(event, Entry)]

    @property
    def batches(self) -> list[Batch]:
        return [event for event in self.chain if isinstance(event, Batch)]

    def write(self, event: Entry | Batch) -> None:
        number = BatchNumber(len(self.batches) + 1)
        self.chain.append(event)
        at = len(self.chain)
        self.store.apply_window(
            queued=[CallQueued(event, number, place(at))] if isinstance(event, Entry) else [],
            closed=[ClosedBatch(event, at)] if isinstance(event, Batch) else [],
            proposed=[],
            ended=[],
            checkpoint=checkpoint(at),
            time=at,
        )

    def queue(self) -> None:
        pick = self.rng.choice
        cell, text = pick([b"a", b"b", b"c"]), pick([b"x", b"long words here", b"bad\n"])
        kind = pick(KINDS)
        self.write(build_entry(kind, len(self.entries), action_id=ACTION, cell=cell, input=text))

    def close(self) -> None:
        open_entries = self.entries[sum(len(batch.entries) for batch in self.batches) :]
        if open_entries:
            number = len(self.batches) + 1
            header = build_header(open_entries, number, prevrandao=self.rng.randrange(256))
            batch_hash = codec.compute_batch_hash(header)
            self.write(Batch(header, batch_hash, tuple(open_entries)))

    def take_back(self) -> None:
        kept = self.rng.randint(max(0, len(self.chain) - 8), len(self.chain))
        del self.chain[kept:]
        self.store.rewind(checkpoint(kept) if kept else None)

    def crash(self) -> None:
        self.store.close()
        self.start()

    def run(self, steps: int = 10_000) -> None:
        for _ in range(steps):
            if not self.executor.run_next():
                return
        assert steps < 10_000, "it does not come to an end"


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_sampled_call_is_drawn_from_the_batch_that_it_ends_up_in(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Whatever closed and opened meanwhile, the executions are those of the calls one by one.

    Rule: SEQ-21, SEQ-22, SEQ-23, SAMPLE-8
    """
    rng = random.Random(seed)
    world = World(rng, tmp_path_factory.mktemp("sampled") / "sequencer.db")
    actions = [world.queue] * 4 + [world.close] * 2 + [world.take_back, world.crash]
    for _ in range(60):
        if rng.random() < 0.6:
            rng.choice(actions)()
        else:
            world.run(rng.randint(1, 3))
    world.close()
    world.run()
    headers: dict[int, BatchHeader] = {
        entry.call_id: batch.header for batch in world.batches for entry in batch.entries
    }
    cells: dict[Hash32, Cell | None] = {}
    for entry in world.entries:
        key = calls.get_cell_key(entry, MANIFESTS[entry.manifest_hash])
        header = headers[entry.call_id]
        alone = replay.execute(entry, cells.get(key), MANIFESTS.__getitem__, ENGINE, header)
        cells[key] = alone.cell_after
        assert world.store.get_execution(entry.call_id) == alone
    world.store.close()
