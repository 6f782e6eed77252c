"""All records of one call of an own result: chunks, inner traces, and what their steps read."""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oyez.dispute.frame.build import BUILDERS
from oyez.dispute.frame.facts import CallFacts, Preimages
from oyez.dispute.inner_tree import RecordTree
from oyez.dispute.outer import OuterTree
from oyez.dispute.rerun import CallRun, hash_chunks
from oyez.dispute.traces import NodeTree
from oyez.dispute.witness import UnfoundedMove
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.inner_layer import LayerInput, LayerTrace
from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.engines.exact.inner_sampler import SamplerTrace
from oyez.engines.exact.step_rows import ModelRows, build_levels
from oyez.protocol import codec, inner
from oyez.protocol.constants import CHUNK_BYTES, LAST_SLOT, OUTER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.errors import Invalid
from oyez.protocol.inner import Layout
from oyez.protocol.inner_frame import Frame, find_frame
from oyez.protocol.manifest_encode import encode_manifest
from oyez.protocol.step import Context, StepModel
from oyez.protocol.trace import PAD_CHUNK, Chunk
from oyez.protocol.types import ZERO_HASH, BatchHeader, Hash32

#: Gives a record's chunks, as many as live.
ChunkSource = Callable[[int], Sequence[Chunk]]

#: Gives what an assertion's id is the hash of.
FetchId = Callable[[Hash32], bytes]

#: Inner traces kept of a call, 5 MB each.
KEPT = 4


class ChunkTree:
    """A batch's 28 levels over chunks: its records above, the chunks of one call's below.

    Rule: INNER-75
    """

    height = OUTER_HEIGHT + RECORD_HEIGHT

    def __init__(self, outer: NodeTree, get_chunks: ChunkSource) -> None:
        """Take the tree over records, and what gives a record's chunks."""
        self._outer = outer
        self._get_chunks = get_chunks
        self._levels: dict[int, list[list[bytes]]] = {}

    def get_node(self, level: int, index: int) -> Hash32:
        """Return a node, levels counted from the chunks."""
        if level >= RECORD_HEIGHT:
            return self._outer.get_node(level - RECORD_HEIGHT, index)
        record = index >> (RECORD_HEIGHT - level)
        if record not in self._levels:
            self._levels[record] = build_levels(
                hash_chunks(self._get_chunks(record)), RECORD_HEIGHT
            )
        nodes = self._levels[record][level]
        return Hash32(nodes[index & (len(nodes) - 1)])


@dataclass(frozen=True, slots=True)
class CallGiven:
    """What a call's records follow from, worked out when it is asked for.

    Attributes:
        header: of the batch.
        run: the call run again; None if the model never ran, or there is no such call.
        facts: what its frame follows from; None if there is no such call.
        last: what the frame of the batch's last call follows from.
        fetch_id: the preimage of an assertion's id.
    """

    header: BatchHeader
    run: Callable[[], CallRun | None]
    facts: Callable[[], CallFacts | None]
    last: Callable[[], CallFacts]
    fetch_id: FetchId


class CallTraces:
    """All records of one call of an own result, and what their steps read."""

    def __init__(
        self,
        model: StepModel,
        engine: ExactEngine,
        rows: ModelRows,
        outer: OuterTree,
        call: int,
        given: CallGiven,
    ) -> None:
        """Take a call's place in its batch, and what it follows from."""
        self.model = model
        self.rows = rows
        self.outer = outer
        self.engine = engine
        self.given = given
        self.preimages = Preimages()
        self.preimages.add(codec.encode_batch(given.header))
        self._call = call
        self._inner: dict[int, RecordTree] = {}

    @functools.cached_property
    def run(self) -> CallRun | None:
        """The call run again; the model runs when it is first asked for."""
        return self.given.run()

    @functools.cached_property
    def facts(self) -> CallFacts | None:
        """What the call's frame follows from."""
        return self.given.facts()

    @property
    def size(self) -> int:
        """Bytes that the call's lanes and inner traces take at most."""
        run: CallRun | None = self.__dict__.get("run")
        lanes = 0 if run is None else run.residuals.nbytes + run.lanes.nbytes
        return lanes + KEPT * (1 << self.model.inner_height) * CHUNK_BYTES

    def get_chunks(self, record: int) -> Sequence[Chunk]:
        """Return the chunks of one of the call's records, or of any call's frame."""
        call, position, slot = split_record(record)
        match find_frame(record):
            case Frame.LAST:
                return self.outer.get_last_record()
            case Frame.ENTRY | Frame.STATE | Frame.PROMPT:
                return self.outer.get_prologue(call, slot)
            case Frame.OUTPUT | Frame.ROOTS:
                return self.outer.get_epilogue(call, slot)
        if call != self._call:
            raise ValueError(f"record {record} belongs to another call than {self._call}")
        return () if self.run is None else self.run.get_chunks(position, slot)

    def open_inner(self, record: int) -> RecordTree:
        """Return a record's inner trace; it is kept for the moves that follow."""
        tree = self._inner.get(record)
        if tree is None:
            tree = RecordTree(self._build(record))
            kept = list(self._inner.items())[-(KEPT - 1) :]
            self._inner = {**dict(kept), record: tree}
        return tree

    def _build(self, record: int) -> InnerLeaves:
        """Make a record's inner trace.

        Rule: FRAME-90, INNER-70, INNER-66
        """
        _, position, slot = split_record(record)
        layout = self.model.get_layout(record)
        if layout is None:
            return InnerLeaves(inner.layout_layer(self.model.shape, self.model.inner_height))
        frame = find_frame(record)
        if frame is not None:
            facts = self.given.last() if frame is Frame.LAST else self.facts
            if facts is None:
                return InnerLeaves(layout)
            return BUILDERS[frame](layout, facts, self.preimages)
        if self.run is None or not self.run.get_chunks(position, slot):
            return InnerLeaves(layout)
        if slot == LAST_SLOT:
            given = self.run.get_sampler_input(position)
            return SamplerTrace(self.engine, layout, given).build()
        return self.build_layer(layout, slot, self.run.get_input(position, slot))

    def build_layer(self, layout: Layout, slot: int, given: LayerInput) -> InnerLeaves:
        """Return the inner trace of a layer's record."""
        return LayerTrace(self.engine.model, layout, slot).build(given)

    def read(self, record: int, parent: Hash32 = ZERO_HASH) -> RecordSource:
        """Return what the steps of a record read; `parent` is the assertion before."""
        return RecordSource(self, record, parent)

    def get_manifest(self, manifest_hash: Hash32) -> bytes:
        """Return the call's manifest, the only one that its steps read."""
        if self.facts is None or self.facts.manifest.hash != manifest_hash:
            raise UnfoundedMove(f"manifest 0x{manifest_hash.hex()} is not the call's")
        return encode_manifest(self.facts.manifest)


class RecordSource:
    """What the steps of one record read: `oyez.dispute.step_proof.Source`."""

    def __init__(self, traces: CallTraces, record: int, parent: Hash32 = ZERO_HASH) -> None:
        """Open the record's inner trace; `parent` is the assertion before."""
        self._traces = traces
        self._context = Context(parent, codec.compute_batch_hash(traces.given.header))
        self.tree = traces.open_inner(record)

    def get_inner(self, leaf: int) -> Chunk:
        """Return a leaf of the inner trace."""
        return self.tree.get_chunk(leaf)

    def get_outer(self, record: int, chunk: int) -> Chunk:
        """Return a chunk of an earlier record."""
        chunks = self._traces.get_chunks(record)
        return chunks[chunk] if chunk < len(chunks) else PAD_CHUNK

    def get_row(self, tensor: int, row: int) -> bytes:
        """Return a row of the model."""
        return self._traces.rows.get_row(tensor, row)

    def get_manifest(self, manifest_hash: Hash32) -> bytes:
        """Return a published manifest."""
        return self._traces.get_manifest(manifest_hash)

    def find_vocabulary(self, rest: bytes) -> int:
        """Return the last record of the sorted vocabulary that is not after these bytes."""
        return bisect_right(self._traces.rows.sorted_bytes, rest) - 1

    def get_preimage(self, digest: Hash32) -> bytes:
        """Return the bytes that a digest is of.

        Raises:
            UnfoundedMove: this node never met them, so it has no such proof.

        Rule: FRAME-4
        """
        if digest == self._context.parent:
            return self._traces.given.fetch_id(digest)
        try:
            return self._traces.preimages.get(digest)
        except Invalid as error:
            raise UnfoundedMove(str(error)) from error

    def get_context(self) -> Context:
        """Return the ids of the batch and of the assertion before."""
        return self._context


def split_record(record: int) -> tuple[int, int, int]:
    """Return the call, position and slot of a record's index in the outer trace."""
    return inner.get_call(record), inner.get_position(record), inner.get_slot(record)
