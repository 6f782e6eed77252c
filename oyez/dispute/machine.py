"""The machine of a service: inner traces of its own results' records, and proofs of their steps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from oyez.dispute.frame.facts import Preimages
from oyez.dispute.inner_tree import RecordTree
from oyez.dispute.outer import OuterTraces, OuterTree, Results
from oyez.dispute.rerun import CallRun, hash_chunks, run_again
from oyez.dispute.step_proof import RecordedReads, encode_proof
from oyez.dispute.traces import NodeTree
from oyez.dispute.witness import UnfoundedMove
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.inner_layer import LayerInput, LayerTrace
from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.engines.exact.inner_sampler import SamplerTrace
from oyez.engines.exact.step_rows import ModelRows, build_levels, build_step_model
from oyez.protocol import inner
from oyez.protocol.constants import (
    CHUNK_BYTES,
    CHUNKS_PER_RECORD,
    INNER_HEIGHT,
    LAST_POSITION,
    LAST_SLOT,
    OUTER_HEIGHT,
    RECORD_HEIGHT,
)
from oyez.protocol.inner import Layout
from oyez.protocol.inner_frame import LAST_RECORD, Frame, find_frame
from oyez.protocol.manifest_encode import encode_manifest
from oyez.protocol.step import Address, ChunkLanes, Context, Op, StepModel, recompute
from oyez.protocol.step_ops import OPS
from oyez.protocol.trace import PAD_CHUNK, Chunk, ChunkType
from oyez.protocol.types import Hash32

#: Gives a record's chunks, as many as live.
ChunkSource = Callable[[int], Sequence[Chunk]]

#: Slots of a call's prologue and of its epilogue.
PROLOGUE_SLOTS, EPILOGUE_SLOTS = 3, 2
#: Inner traces kept of a call, 5 MB each.
KEPT = 4
#: Bytes of lanes kept of all calls together: the longest call of the 135M model takes 190 MB.
KEPT_BYTES = 256 << 20


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


class CallTraces:
    """All records of one call of an own result, and what their steps read."""

    def __init__(
        self,
        model: StepModel,
        engine: ExactEngine,
        rows: ModelRows,
        outer: OuterTree,
        call: int,
        run: CallRun | None,
    ) -> None:
        """Take a call's place in its batch and its run, None if the model never ran."""
        self.model = model
        self.rows = rows
        self.outer = outer
        self.engine = engine
        self._call = call
        self._run = run
        self._inner: dict[int, RecordTree] = {}
        self.preimages = Preimages()

    @property
    def size(self) -> int:
        """Bytes that the call's lanes and inner traces take at most."""
        lanes = 0 if self._run is None else self._run.residuals.nbytes + self._run.lanes.nbytes
        return lanes + KEPT * (1 << self.model.inner_height) * CHUNK_BYTES

    def get_chunks(self, record: int) -> Sequence[Chunk]:
        """Return the chunks of one of the call's records."""
        position, slot = inner.get_position(record), inner.get_slot(record)
        if record == LAST_RECORD:
            return self.outer.get_last_record()
        if inner.get_call(record) != self._call:
            raise ValueError(f"record {record} belongs to another call than {self._call}")
        if position == 0 and slot < PROLOGUE_SLOTS:
            return self.outer.get_prologue(self._call, slot)
        if position == LAST_POSITION and slot < EPILOGUE_SLOTS:
            return self.outer.get_epilogue(self._call, slot)
        return () if self._run is None else self._run.get_chunks(position, slot)

    def open_inner(self, record: int) -> RecordTree:
        """Return a record's inner trace; it is kept for the moves that follow."""
        tree = self._inner.get(record)
        if tree is None:
            tree = RecordTree(self._build(record))
            kept = list(self._inner.items())[-(KEPT - 1) :]
            self._inner = {**dict(kept), record: tree}
        return tree

    def _build(self, record: int) -> InnerLeaves:
        position, slot = inner.get_position(record), inner.get_slot(record)
        layout = self.model.get_layout(record)
        if layout is None:
            return InnerLeaves(inner.layout_layer(self.model.shape, self.model.inner_height))
        if find_frame(record) is not None:
            # no step makes these yet: the record's own chunks stand alone
            leaves = InnerLeaves(layout)
            leaves.put_record(self.get_chunks(record))
            return leaves
        if self._run is None or not self._run.get_chunks(position, slot):
            return InnerLeaves(layout)
        if slot == LAST_SLOT:
            given = self._run.get_sampler_input(position)
            return SamplerTrace(self.engine, layout, given).build()
        return self.build_layer(layout, slot, self._run.get_input(position, slot))

    def build_layer(self, layout: Layout, slot: int, given: LayerInput) -> InnerLeaves:
        """Return the inner trace of a layer's record."""
        return LayerTrace(self.engine.model, layout, slot).build(given)

    def read(self, record: int) -> RecordSource:
        """Return what the steps of a record read."""
        return RecordSource(self, record)

    def get_manifest(self, manifest_hash: Hash32) -> bytes:
        """Return the call's manifest, the only one that its steps read."""
        if self._run is None or self._run.manifest.hash != manifest_hash:
            raise UnfoundedMove(f"manifest 0x{manifest_hash.hex()} is not the call's")
        return encode_manifest(self._run.manifest)


class RecordSource:
    """What the steps of one record read: `oyez.dispute.step_proof.Source`."""

    def __init__(self, traces: CallTraces, record: int) -> None:
        """Open the record's inner trace."""
        self._traces = traces
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
        """Return the bytes that a digest is of."""
        return self._traces.preimages.get(digest)

    def get_context(self) -> Context:
        """Return the ids of the batch and of the assertion before."""
        raise UnfoundedMove("the steps around a call's tokens are not verified on chain yet")


class RealMachine:
    """`oyez.dispute.traces.Machine` over a service's own results.

    A duelled call is run again and its lanes are held, those used longest ago dropped first.

    Rule: INNER-74
    """

    def __init__(
        self,
        engine: ExactEngine,
        results: Results,
        traces: OuterTraces,
        *,
        ops: Mapping[int, Op] = OPS,
        inner_height: int = INNER_HEIGHT,
    ) -> None:
        """Take the engine that runs duelled calls, the service's results and its outer trees."""
        self.engine = engine
        self._results = results
        self._traces = traces
        self._ops = ops
        self.rows = ModelRows(engine)
        self.model = build_step_model(engine, inner_height)
        self._kept: dict[tuple[Hash32, int], CallTraces] = {}

    def open_inner(self, batch: int, record: int) -> RecordTree:
        """Return the inner trace of a record."""
        return self.open_call(batch, inner.get_call(record)).open_inner(record)

    def prove_step(self, batch: int, record: int, leaf: int, lane: int) -> bytes:
        """Return what the step's verifier reads, opened under this node's own trees.

        Raises:
            UnfoundedMove: the record is one whose steps are not verified yet, or the step gives
                another number than this node's own trace holds.

        Rule: INNER-75
        """
        verify_steps(record, leaf, self.model.inner_height)
        traces = self.open_call(batch, inner.get_call(record))
        source = traces.read(record)
        reads = RecordedReads(source)
        own = source.get_inner(leaf)
        if find_frame(record) is None and self.model.get_layout(record) is not None:
            address = Address(record, leaf, lane)
            value = recompute(self._ops, self.model, address, ChunkLanes(own), reads)
            if value != get_lane(own, lane):
                raise UnfoundedMove(f"the step of {address} gives another number than this node's")
        chunks = ChunkTree(traces.outer, traces.get_chunks)
        return encode_proof(reads.read, source.tree, chunks, self.rows)

    def open_call(self, batch: int, call: int) -> CallTraces:
        """Return a call's records; the model runs if the call is not kept."""
        outer = self._traces.open_outer(batch)
        key = outer.get_node(outer.height, 0), call
        opened = self._kept.pop(key, None)
        if opened is None:
            executions = self._results.fetch_executed(batch)[2]
            run = None
            if call < len(executions):
                run = run_again(executions[call], self._results.fetch_manifest, self.engine)
            opened = self.build_call(outer, call, run)
        self._kept[key] = opened
        while len(self._kept) > 1 and sum(one.size for one in self._kept.values()) > KEPT_BYTES:
            del self._kept[next(iter(self._kept))]
        return opened

    def build_call(self, outer: OuterTree, call: int, run: CallRun | None) -> CallTraces:
        """Return a call's records, of a run that is there or not."""
        return CallTraces(self.model, self.engine, self.rows, outer, call, run)


def get_lane(chunk: Chunk, lane: int) -> int:
    """Return what a lane of a leaf is worth: DEAD where the leaf is PAD."""
    return inner.DEAD if chunk.type is ChunkType.PAD else ChunkLanes(chunk)[lane]


def verify_steps(record: int, leaf: int, height: int) -> None:
    """Refuse a chunk that no step makes yet.

    Raises:
        UnfoundedMove: it is of a prologue's record or an epilogue's, or of the batch's last one.

    Rule: INNER-72
    """
    if leaf < (1 << height) - CHUNKS_PER_RECORD:
        return
    frame = find_frame(record)
    if frame is Frame.LAST:
        raise UnfoundedMove("the steps of a batch's last record are not verified on chain yet")
    if frame is not None:
        name = "epilogue" if inner.get_position(record) else "prologue"
        raise UnfoundedMove(f"the steps of a call's {name} are not verified on chain yet")
