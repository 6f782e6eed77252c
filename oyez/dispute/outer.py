"""The outer tree of an own result, node by node: call roots are kept, a duelled call is run again.

Levels count from the records: a position is level 5, a call level 16, the trace 24.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from oyez.derivation import replay
from oyez.derivation.history import Batch
from oyez.engines.base import Engine
from oyez.protocol import assertions, trace, trace_records
from oyez.protocol.constants import (
    LAST_CALL,
    LAST_POSITION,
    LAST_SLOT,
    OUTER_HEIGHT,
    POSITION_BITS,
    SLOT_BITS,
)
from oyez.protocol.merkle import compute_sha256_node
from oyez.protocol.state import State
from oyez.protocol.trace import Chunk
from oyez.protocol.transition import CallRecords, Execution, list_call_records
from oyez.protocol.types import Claim, Entry, Hash32, Manifest

CALL_LEVEL = POSITION_BITS + SLOT_BITS
#: Bytes of the trees that are held at once: three of the largest batches, hundreds of usual ones.
MOST_BYTES = 512 << 20
#: Bytes of a hash in a sequence, and of a node in a table with its place.
HASH_BYTES, NODE_BYTES = 75, 220

#: Layers and sampler of each position from 1 on.
Positions = Sequence[tuple[Sequence[Hash32], Hash32]]


class OuterTree:
    """A batch's 24 levels over records."""

    height = OUTER_HEIGHT

    def __init__(
        self,
        calls: Sequence[CallRecords],
        last_record: Hash32,
        retrace: Callable[[int], Positions],
        last_words: Sequence[Hash32] = (),
    ) -> None:
        """Take what is known of each call; `retrace` runs one again for its positions' records.

        `last_words` are the roots that the very last record holds.
        """
        self._last_words = last_words
        self.calls = calls
        self._last_record = last_record
        self._retrace = retrace
        self._positions: dict[int, Positions] = {}
        self._nodes: dict[int, Hash32] = {}
        self._hashes = sum(
            len(call.prologue) + len(call.positions) + len(call.epilogue) for call in calls
        )

    def get_node(self, level: int, index: int) -> Hash32:
        """Return a node: of the whole tree, a call, a position, or down to a record.

        Rule: CHAL-45
        """
        place = 1 << (OUTER_HEIGHT - level) | index
        found = self._nodes.get(place)
        if found is None:
            found = self._find(level, index)
        if found is None:
            left = self.get_node(level - 1, 2 * index)
            found = compute_sha256_node(left, self.get_node(level - 1, 2 * index + 1))
            self._nodes[place] = found
        return found

    def get_prologue(self, call: int, slot: int) -> Sequence[Chunk]:
        """Return the chunks of a record of a call's prologue; no call has none."""
        if call >= len(self.calls):
            return ()
        return trace_records.build_prologue_chunks(self.calls[call].contents)[slot]

    def get_epilogue(self, call: int, slot: int) -> Sequence[Chunk]:
        """Return the chunks of a record of a call's epilogue; no call has none."""
        if call >= len(self.calls):
            return ()
        return trace_records.build_epilogue_chunks(self.calls[call].ending)[slot]

    def get_last_record(self) -> Sequence[Chunk]:
        """Return the chunk of the very last record."""
        return [trace.encode_words(self._last_words)]

    def estimate_bytes(self) -> int:
        """Return about how much memory it takes now; it grows by what is asked for."""
        return HASH_BYTES * self._hashes + NODE_BYTES * len(self._nodes)

    def _find(self, level: int, index: int) -> Hash32 | None:
        """Return a node that is known without its children."""
        if not self._is_alive(level, index):
            return trace.record_tree().empty[level]
        if level == SLOT_BITS:
            call, position = index >> POSITION_BITS, index & LAST_POSITION
            roots = self.calls[call].positions if call < len(self.calls) else ()
            if 1 <= position <= len(roots):
                return roots[position - 1]
        return self._get_record(index) if level == 0 else None

    def _is_alive(self, level: int, index: int) -> bool:
        """Tell whether any record below a node may be other than PAD."""
        last = index == (1 << (OUTER_HEIGHT - level)) - 1
        if level >= CALL_LEVEL or last:
            return last or index << (level - CALL_LEVEL) < len(self.calls)
        call = index >> (CALL_LEVEL - level)
        if call >= len(self.calls):
            return False
        inside = index & ((1 << (CALL_LEVEL - level)) - 1)
        first = inside << level >> SLOT_BITS
        end = (((inside + 1) << level) - 1) >> SLOT_BITS
        return first <= len(self.calls[call].positions) or end == LAST_POSITION

    def _get_record(self, index: int) -> Hash32:
        call, position, slot = (
            index >> CALL_LEVEL,
            index >> SLOT_BITS & LAST_POSITION,
            index & LAST_SLOT,
        )
        if (call, position, slot) == (LAST_CALL, LAST_POSITION, LAST_SLOT):
            return self._last_record
        empty = trace.record_tree().empty[0]
        if call >= len(self.calls):
            return empty
        records = self.calls[call]
        slots, sampler = records.prologue, records.first_sampler
        if position == LAST_POSITION:
            slots, sampler = records.epilogue, empty
        elif position:
            layers, sampler = self._get_positions(call)[position - 1]
            slots = tuple(layers)
        if slot == LAST_SLOT:
            return sampler
        return slots[slot] if slot < len(slots) else empty

    def _get_positions(self, call: int) -> Positions:
        if call not in self._positions:
            found = self._positions[call] = self._retrace(call)
            self._hashes += sum(len(layers) + 1 for layers, _ in found)
        return self._positions[call]


class Results(Protocol):
    """A service's own results of closed batches."""

    def fetch_claim(self, batch: int) -> Claim:
        """Return the claim of a batch's own result."""
        ...

    def fetch_executed(self, batch: int) -> tuple[State, Batch, Sequence[Execution]]:
        """Return the state before a batch, the batch, and its executions in order."""
        ...

    def collect(self, entries: Sequence[Entry]) -> dict[Hash32, Manifest]:
        """Return the manifests of these entries, and of the cells they meet."""
        ...

    def fetch_manifest(self, manifest_hash: Hash32) -> Manifest:
        """Return a manifest."""
        ...


class OuterTraces:
    """The trees of the own results, made when a duel asks for one.

    Those asked for last are kept, as many as memory has room for: duels on many batches at once ask
    for their trees in turn, and to make one again may mean to run its calls again.
    """

    def __init__(self, engine: Engine, results: Results) -> None:
        """Take the engine that runs duelled calls again, and the service's results."""
        self._engine = engine
        self._results = results
        self._trees: dict[Hash32, OuterTree] = {}

    def open_outer(self, batch: int) -> OuterTree:
        """Return the tree of a batch's own result; one of another history is made anew.

        Rule: CHAL-48
        """
        claim = self._results.fetch_claim(batch)
        tree = self._trees.pop(claim.trace_root, None)
        if tree is None:
            state, closed, executions = self._results.fetch_executed(batch)
            manifests = self._results.collect(closed.entries)
            for execution in executions:
                if execution.cell_before is not None:
                    before = execution.cell_before.manifest_hash
                    manifests[before] = self._results.fetch_manifest(before)
            calls = list_call_records(
                state=state,
                header=closed.header,
                executions=executions,
                manifests=manifests,
                outbox_root=assertions.compute_empty_outbox_root(),
            )
            last = trace.build_last_record(claim.state_root, claim.outbox_root, claim.receipts_root)
            words = (claim.state_root, claim.outbox_root, claim.receipts_root)
            tree = OuterTree(calls, last, self._build_retrace(executions), words)
        self._trees[claim.trace_root] = tree
        self._make_room()
        return tree

    def _make_room(self) -> None:
        """Forget the trees that were not asked for the longest, until the others fit; keep one."""
        sizes = {root: tree.estimate_bytes() for root, tree in self._trees.items()}
        total = sum(sizes.values())
        for root in list(self._trees)[:-1]:
            if total <= MOST_BYTES:
                return
            total -= sizes[root]
            del self._trees[root]

    def _build_retrace(self, executions: Sequence[Execution]) -> Callable[[int], Positions]:
        return lambda call: replay.retrace(
            executions[call], self._results.fetch_manifest, self._engine
        )
