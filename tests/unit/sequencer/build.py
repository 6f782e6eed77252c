"""Events, executions and results for the sequencer's unit tests, without a chain."""

from __future__ import annotations

from oyez.chain.events import AssertionFinalized, CallQueued, Place
from oyez.derivation import replay
from oyez.derivation.follow import Checkpoint
from oyez.derivation.history import Batch
from oyez.protocol import codec
from oyez.protocol.state import State
from oyez.protocol.transition import BatchResult, Execution
from oyez.protocol.types import (
    ZERO_HASH,
    Address,
    BatchNumber,
    Entry,
    Hash32,
    Manifest,
)
from oyez.testing.scripted import ScriptedEngine
from sequencer.builder import build_result
from sequencer.rows import ClosedBatch, NewAssertion, Result
from sequencer.store import Store
from tests.unit.protocol.actions import build_action, build_entry, build_header

ACTION = build_action()
ENGINE = ScriptedEngine(seed=5)
ROLLUP = Address(b"\x0b" * 20)
SEQUENCER = Address(b"\x0d" * 20)
CHAIN_ID = 31_337
GENESIS = codec.compute_genesis_id(CHAIN_ID, ROLLUP)


def place(block: int) -> Place:
    return Place(block, Hash32(block.to_bytes(32, "big")), 0, ZERO_HASH)


def checkpoint(block: int) -> Checkpoint:
    return Checkpoint(block, Hash32(block.to_bytes(32, "big")))


def build_batch(entries: list[Entry], number: int) -> Batch:
    header = build_header(entries, number)
    return Batch(header, codec.compute_batch_hash(header), tuple(entries))


class Story:
    """A rollup of one-call batches.

    Call n is queued in block 10n + 1, its batch closed in 10n + 3, proposed in 10n + 5, final in
    10n + 6.
    """

    def __init__(self, length: int, action: Manifest = ACTION) -> None:
        self.entries = [build_entry(action, index, input=b"%d" % index) for index in range(length)]
        self.batches = [build_batch([e], i) for i, e in enumerate(self.entries, 1)]
        manifests = {action.hash: action}
        self.results: list[BatchResult] = list(
            replay.derive_all(self.batches, lambda _: manifests, ENGINE)
        )
        self.executions: list[Execution] = replay.execute_all(
            State.empty(), self.entries, manifests, ENGINE
        )
        self.built: list[Result] = []
        parent = GENESIS
        for batch, result in zip(self.batches, self.results, strict=True):
            self.built.append(
                build_result(batch, result, chain_id=CHAIN_ID, rollup=ROLLUP, parent=parent)
            )
            parent = self.built[-1].assertion_id

    def write(self, store: Store, index: int, upto: str = "final") -> None:
        """Write call `index` and what follows from it, up to and with a stage."""
        stages = ("queued", "executed", "closed", "built", "proposed", "final")
        base = 10 * index
        for stage in stages[: stages.index(upto) + 1]:
            if stage == "executed":
                store.put_execution(self.executions[index])
            elif stage == "built":
                store.put_result(self.built[index])
            else:
                self._window(store, index, stage, base + 1 + stages.index(stage))

    def build_assertion(self, index: int, block: int) -> NewAssertion:
        built = self.built[index]
        return NewAssertion(
            assertion_id=built.assertion_id,
            parent=built.parent,
            batch=BatchNumber(index + 1),
            proposer=SEQUENCER,
            attempt=0,
            claim=built.claim,
            block=block,
            place=0,
            created_at=1_000 + block,
        )

    def _window(self, store: Store, index: int, stage: str, block: int) -> None:
        number = BatchNumber(index + 1)
        assertion_id = self.built[index].assertion_id
        store.apply_window(
            queued=[CallQueued(self.entries[index], number, place(block))]
            if stage == "queued"
            else [],
            closed=[ClosedBatch(self.batches[index], block)] if stage == "closed" else [],
            proposed=[self.build_assertion(index, block)] if stage == "proposed" else [],
            ended=[AssertionFinalized(assertion_id, number, place(block))]
            if stage == "final"
            else [],
            checkpoint=checkpoint(block),
            time=1_000 + block,
        )
