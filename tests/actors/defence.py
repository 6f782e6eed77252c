"""Defends a lie to the last lane: trees that are sound but for one number that made the choice.

The lie of tests/actors/lie.py is one wrong token. Its defender shows the true inner trace of that
sampler's record with the token's logit raised above all others, and the lie's own record at the
end: so the duel comes down to one lane of the output matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from oyez.dispute.falsify import FalseInner
from oyez.dispute.machine import RealMachine
from oyez.dispute.outer import OuterTraces
from oyez.dispute.traces import InnerTree, NodeTree
from oyez.dispute.trial import Truth
from oyez.engines.exact.engine import ExactEngine
from oyez.protocol import inner, trace
from oyez.protocol.constants import CHUNKS_PER_RECORD
from oyez.protocol.step import ChunkLanes
from oyez.protocol.trace import PAD_CHUNK, Chunk
from oyez.protocol.types import Hash32
from tests.actors.lie import FalseRun

#: Above the best score, in Q16: whatever the biases are.
LEAD = 64 << 16


def find_first_record(one: NodeTree, other: NodeTree) -> int:
    """The first leaf in which two trees of one height differ."""
    index = 0
    for level in range(one.height - 1, -1, -1):
        index *= 2
        index += one.get_node(level, index) == other.get_node(level, index)
    return index


@dataclass(frozen=True)
class Defence:
    """What a liar shows: `oyez.dispute.traces.TraceSource` and `Machine` of a false result."""

    outer: OuterTraces
    machine: RealMachine
    true_machine: RealMachine
    record: int
    token: int

    def open_outer(self, batch: int) -> NodeTree:
        return self.outer.open_outer(batch)

    def open_inner(self, batch: int, record: int) -> InnerTree:
        if record != self.record:
            return self.machine.open_inner(batch, record)
        true = self.true_machine.open_inner(batch, record)
        logits = inner.layout_sampler(self.machine.model.shape, true.height).get("logits")
        leaf = logits.start + self.token // trace.INT32_LANES
        chunks = {leaf: self._raise(true, leaf)}
        call = self.machine.open_call(batch, inner.get_call(record))
        own = list(call.get_chunks(record))
        first = (1 << true.height) - CHUNKS_PER_RECORD
        for at in range(CHUNKS_PER_RECORD):
            chunks[first + at] = own[at] if at < len(own) else PAD_CHUNK
        return FalseInner(true, chunks)

    def _raise(self, true: InnerTree, leaf: int) -> Chunk:
        shown = true.get_leaf(leaf)
        found = ChunkLanes(Chunk(trace.ChunkType(shown.type), shown.raw))
        values = [found[lane] for lane in range(trace.INT32_LANES)]
        values[self.token % trace.INT32_LANES] += LEAD
        return trace.encode_int32(values)

    def prove_step(self, batch: int, record: int, leaf: int, lane: int, parent: Hash32) -> bytes:
        return self.true_machine.prove_step(batch, record, leaf, lane, parent)


def defend(engine: ExactEngine, truth: Truth, lie: FalseRun) -> tuple[Defence, Truth]:
    """Return the lie's traces, and its result as one that a player may hold."""
    held = replace(truth, executions=lie.executions, result=lie.result)
    # it passes on all that an ExactEngine has
    contrary = cast(ExactEngine, lie.engine)
    outer = OuterTraces(contrary, held)
    true_outer = OuterTraces(engine, truth)
    number = truth.batch.number
    record = find_first_record(true_outer.open_outer(number), outer.open_outer(number))
    execution = lie.executions[inner.get_call(record)]
    prompt = len(execution.prompt or ())
    token = execution.tokens[inner.get_position(record) - prompt]
    fetch_id = truth.reader.fetch_id_preimage
    machine = RealMachine(contrary, held, outer, fetch_id)
    true_machine = RealMachine(engine, truth, true_outer, fetch_id)
    return Defence(outer, machine, true_machine, record, token), held
