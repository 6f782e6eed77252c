"""One batch of calls that a real engine ran, as a service keeps its own results."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from oyez.derivation import calls
from oyez.derivation.history import Batch
from oyez.dispute.call_traces import CallTraces
from oyez.dispute.machine import RealMachine
from oyez.dispute.outer import OuterTraces
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.inner_leaves import LANES
from oyez.protocol import assertions, codec, inner, trace, transition
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.manifest import ModelLimits, build_constants, encode_manifest, parse_manifest
from oyez.protocol.state import State
from oyez.protocol.step import Address, ChunkLanes, Context, recompute
from oyez.protocol.step_ops import OPS
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.transition import Execution
from oyez.protocol.types import ZERO_ADDRESS, Cell, Claim, Entry, Hash32, Manifest
from tests.unit.protocol.actions import build_action, build_entry, build_header


def fit_action(engine: ExactEngine, draft: Manifest, **changes: Any) -> Manifest:
    """Return a manifest as this engine's model takes it."""
    shape = engine.shape
    changed = dataclasses.replace(draft, **changes)
    limits = ModelLimits(shape.vocabulary, shape.context, shape.missing)
    return parse_manifest(encode_manifest(changed), limits)


def build_short_action(engine: ExactEngine, **changes: Any) -> Manifest:
    """Return an action whose calls take a few dozen positions."""
    draft = build_action()
    fields = changes.pop("fields", draft.fields[:1])
    small = {
        "fields": fields,
        "constants": build_constants(fields, []),
        "expressions": (),
        "segments": draft.segments[:1] + draft.segments[3:],
        "max_input": 12,
        "output_tokens": 24,
        "fixed_positions": 3 + 24,
    }
    return fit_action(engine, draft, **(small | changes))


#: What the assertion before such a batch is, and what its id hashes.
GENESIS = codec.encode_hashed("ASSERTION", 31_337, ZERO_ADDRESS)
PARENT = codec.keccak(GENESIS)


class RealBatch:
    """Batch 1 of calls of one action, run by a real engine: results, outer trees, machine.

    Attributes:
        action: that was published first.
        manifests: of all its versions, by their hashes.
    """

    def __init__(
        self,
        engine: ExactEngine,
        action: Manifest,
        inputs: Sequence[bytes],
        prevrandao: int = 7,
        cells: Sequence[bytes] = (),
        versions: Sequence[Manifest] = (),
    ) -> None:
        """Run the calls.

        Args:
            engine: of the model.
            action: whose calls they are.
            inputs: one a call.
            prevrandao: of the batch.
            cells: the name of each call's cell, of an action whose cells have names.
            versions: what each call runs under, of an action that is upgraded between them.
        """
        self.engine = engine
        self.action = action
        names = cells or [b""] * len(inputs)
        versions = versions or [action] * len(inputs)
        self.manifests = {manifest.hash: manifest for manifest in (action, *versions)}
        entries = [
            build_entry(action, at, input=data, cell=name, manifest_hash=version.hash)
            for at, (data, name, version) in enumerate(zip(inputs, names, versions, strict=True))
        ]
        header = build_header(entries, prevrandao=prevrandao)
        self.batch = Batch(header, codec.compute_batch_hash(header), tuple(entries))
        self.executions: list[Execution] = []
        stored: dict[bytes, Cell | None] = {}
        for entry in entries:
            cell = stored.get(entry.cell)
            begun = calls.begin(entry, cell, self.fetch_manifest, engine, header)
            execution = begun if isinstance(begun, Execution) else begun.run(engine)
            stored[entry.cell] = execution.cell_after
            self.executions.append(execution)
        self.result = transition.apply_batch(
            state=State.empty(),
            header=header,
            executions=self.executions,
            manifests=self.manifests,
            outbox_root=assertions.compute_empty_outbox_root(),
        )
        self.traces = OuterTraces(engine, self)
        self.machine = RealMachine(engine, self, self.traces, {PARENT: GENESIS}.__getitem__)

    def fetch_claim(self, number: int) -> Claim:
        assert number == 1
        return self.result.claim

    def fetch_executed(self, number: int) -> tuple[State, Batch, Sequence[Execution]]:
        assert number == 1
        return State.empty(), self.batch, self.executions

    def collect(self, entries: Sequence[Entry]) -> dict[Hash32, Manifest]:
        return dict(self.manifests)

    def fetch_manifest(self, manifest_hash: Hash32) -> Manifest:
        return self.manifests[manifest_hash]

    def list_records(self, call: int) -> Iterator[int]:
        """Yield the records of layers and samplers of a call, in order."""
        prompt = self.executions[call].prompt
        if not prompt:
            yield trace.compute_outer_index(call, 0, LAST_SLOT)
        for position in range(1, self.executions[call].positions + 1):
            for slot in (*range(self.engine.shape.layers), LAST_SLOT):
                yield trace.compute_outer_index(call, position, slot)


class DecodedLanes:
    """A chunk's lanes, each read once."""

    def __init__(self, chunk: Chunk) -> None:
        found = ChunkLanes(chunk)
        self._lanes = [found[lane] for lane in range(LANES[chunk.type])]

    def __getitem__(self, lane: int) -> int:
        return self._lanes[lane]


class QuickReads:
    """What the steps of one record read, each chunk decoded once."""

    def __init__(self, traces: CallTraces, record: int) -> None:
        self.source = traces.read(record, PARENT)
        self._inner: dict[int, DecodedLanes | None] = {}
        self._outer: dict[tuple[int, int], DecodedLanes | None] = {}

    def read_inner(self, leaf: int, kind: ChunkType) -> DecodedLanes | None:
        if leaf not in self._inner:
            self._inner[leaf] = _decode(self.source.get_inner(leaf), kind)
        return self._inner[leaf]

    def read_outer(self, record: int, chunk: int, kind: ChunkType) -> DecodedLanes | None:
        if (record, chunk) not in self._outer:
            self._outer[record, chunk] = _decode(self.source.get_outer(record, chunk), kind)
        return self._outer[record, chunk]

    def read_row(self, tensor: int, row: int) -> bytes:
        return self.source.get_row(tensor, row)

    def read_part(self, tensor: int, row: int, part: int, size: int) -> bytes:
        return self.source.get_row(tensor, row)[size * part : size * (part + 1)]

    def read_manifest(self, manifest_hash: Hash32) -> bytes:
        return self.source.get_manifest(manifest_hash)

    def find_vocabulary(self, rest: bytes) -> int:
        return self.source.find_vocabulary(rest)

    def read_preimage(self, digest: Hash32) -> bytes:
        return self.source.get_preimage(digest)

    def get_context(self) -> Context:
        return self.source.get_context()


def _decode(chunk: Chunk, kind: ChunkType) -> DecodedLanes | None:
    if chunk.type is ChunkType.PAD:
        return None
    assert chunk.type is kind
    return DecodedLanes(chunk)


def check_record(
    machine: RealMachine, record: int, stride: int = 1, offset: int = 0, batch: int = 1
) -> int:
    """Assert that the lanes of a record's inner trace are those of their steps; return how many.

    With a stride every so manieth lane of the record, from `offset` on, and lane 0 of each leaf.
    """
    traces = machine.open_call(batch, inner.get_call(record))
    reads = QuickReads(traces, record)
    layout = machine.model.get_layout(record)
    assert layout is not None
    count = at = 0
    for region in layout.regions:
        if region.op not in OPS:
            continue
        for leaf in range(region.start, region.start + region.leaves):
            chunk = reads.source.get_inner(leaf)
            own = reads.read_inner(leaf, region.type)
            lanes = 1 if own is None else LANES[region.type]
            for lane in range(lanes):
                at += 1
                if lane and (at + offset) % stride:
                    continue
                address = Address(record, leaf, lane)
                value = recompute(OPS, machine.model, address, own or ChunkLanes(chunk), reads)
                expected = inner.DEAD if own is None else own[lane]
                assert value == expected, (region.name, leaf - region.start, lane)
                count += 1
    return count
