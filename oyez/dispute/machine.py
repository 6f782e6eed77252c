"""The machine of a service: inner traces of its own results' records, and proofs of their steps."""

from __future__ import annotations

from collections.abc import Mapping

from oyez.derivation.history import Batch
from oyez.dispute.call_traces import CallGiven, CallTraces, ChunkTree, FetchId
from oyez.dispute.frame.build import build_facts
from oyez.dispute.frame.facts import CallFacts
from oyez.dispute.inner_tree import RecordTree
from oyez.dispute.outer import OuterTraces, OuterTree, Results
from oyez.dispute.rerun import CallRun, run_again
from oyez.dispute.step_proof import RecordedReads, encode_proof
from oyez.dispute.witness import UnfoundedMove
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.step_rows import ModelRows, build_step_model
from oyez.protocol import inner
from oyez.protocol.constants import INNER_HEIGHT
from oyez.protocol.inner_frame import find_frame
from oyez.protocol.step import Address, ChunkLanes, Op, recompute
from oyez.protocol.step_ops import OPS
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.types import Hash32

#: Bytes of lanes kept of all calls together: the longest call of the 135M model takes 190 MB.
KEPT_BYTES = 256 << 20


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
        fetch_id: FetchId,
        *,
        ops: Mapping[int, Op] = OPS,
        inner_height: int = INNER_HEIGHT,
    ) -> None:
        """Take the engine that runs duelled calls, the service's results and its outer trees.

        `fetch_id` gives what an assertion's id hashes (FRAME-5).
        """
        self.engine = engine
        self._results = results
        self._traces = traces
        self._fetch_id = fetch_id
        self._ops = ops
        self.rows = ModelRows(engine)
        self.model = build_step_model(engine, inner_height)
        self._kept: dict[tuple[Hash32, int], CallTraces] = {}

    def open_inner(self, batch: int, record: int) -> RecordTree:
        """Return the inner trace of a record."""
        tree = self.open_call(batch, inner.get_call(record)).open_inner(record)
        self._make_room()
        return tree

    def prove_step(self, batch: int, record: int, leaf: int, lane: int, parent: Hash32) -> bytes:
        """Return what the step's verifier reads, opened under this node's own trees.

        Raises:
            UnfoundedMove: the step gives another number than this node's own trace holds, or that
                has no such lane: another tree of this node's was shown.

        Rule: INNER-75
        """
        traces = self.open_call(batch, inner.get_call(record))
        source = traces.read(record, parent)
        reads = RecordedReads(source)
        own = source.get_inner(leaf)
        if self.model.get_layout(record) is not None:
            address = Address(record, leaf, lane)
            if own.type is ChunkType.PAD and lane:
                raise UnfoundedMove(f"this node's leaf {leaf} of record {record} is PAD")
            value = recompute(self._ops, self.model, address, ChunkLanes(own), reads)
            if value != get_lane(own, lane):
                raise UnfoundedMove(f"the step of {address} gives another number than this node's")
        chunks = ChunkTree(traces.outer, traces.get_chunks)
        is_frame = find_frame(record) is not None
        return encode_proof(reads.read, source.tree, chunks, self.rows, is_frame=is_frame)

    def open_call(self, batch: int, call: int) -> CallTraces:
        """Return a call's records; the model runs when a record of its tokens is asked for."""
        outer = self._traces.open_outer(batch)
        key = outer.get_node(outer.height, 0), call
        opened = self._kept.pop(key, None)
        if opened is None:
            _, closed, executions = self._results.fetch_executed(batch)
            is_there = call < len(executions)

            def run() -> CallRun | None:
                if not is_there:
                    return None
                return run_again(executions[call], self._results.fetch_manifest, self.engine)

            def describe() -> CallFacts | None:
                return self._describe(closed, outer, call) if is_there else None

            def describe_last() -> CallFacts:
                return self._describe(closed, outer, len(executions) - 1)

            given = CallGiven(closed.header, run, describe, describe_last, self._fetch_id)
            opened = self.build_call(outer, call, given)
        self._kept[key] = opened
        self._make_room()
        return opened

    def _make_room(self) -> None:
        """Forget the calls that were not asked for the longest, until the others fit; keep one."""
        while len(self._kept) > 1 and sum(one.size for one in self._kept.values()) > KEPT_BYTES:
            del self._kept[next(iter(self._kept))]

    def build_call(self, outer: OuterTree, call: int, given: CallGiven) -> CallTraces:
        """Return a call's records."""
        return CallTraces(self.model, self.engine, self.rows, outer, call, given)

    def _describe(self, batch: Batch, outer: OuterTree, call: int) -> CallFacts:
        fetch, vocabulary = self._results.fetch_manifest, self.engine.vocabulary
        return build_facts(batch, outer.calls, call, fetch, vocabulary)


def get_lane(chunk: Chunk, lane: int) -> int:
    """Return what a lane of a leaf is worth: DEAD where the leaf is PAD."""
    return inner.DEAD if chunk.type is ChunkType.PAD else ChunkLanes(chunk)[lane]
