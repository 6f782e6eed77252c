"""Runs calls together: on one cell one after another, on different cells at the same time.

What a call does follows from its entry, its manifest, its cell and its seed alone, so calls on
different cells may run in any order and side by side; on one cell each meets what the one before
it left.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from oyez.engines.base import Engine
from oyez.engines.together import MOST_CALLS, MOST_POSITIONS, Together
from oyez.protocol import codec, execution, masks, transition
from oyez.protocol.execution import Execution, Running
from oyez.protocol.machine import Machine, MachineState
from oyez.protocol.types import BatchHeader, CallId, Cell, Entry, Hash32, Manifest
from oyez.protocol.vocabulary import Vocabulary

FetchManifest = Callable[[Hash32], Manifest]


@runtime_checkable
class Masked(Protocol):
    """An engine with a faster mask than the reference, equal to it."""

    def allowed(
        self, machine: Machine, state: MachineState, vocabulary: Vocabulary
    ) -> Sequence[int]:
        """Return the tokens that keep the machine alive, ascending."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that ended.

    Attributes:
        is_new: whether it was run; else it was known.
    """

    execution: Execution
    is_new: bool


def get_cell_key(entry: Entry, manifest: Manifest) -> Hash32:
    """Return the key of the cell that a call meets."""
    return codec.compute_cell_key(entry.action_id, manifest.cell_kind, entry.caller, entry.cell)


def begin(
    entry: Entry,
    cell: Cell | None,
    fetch_manifest: FetchManifest,
    engine: Engine,
    header: BatchHeader | None = None,
) -> Execution | Running:
    """Begin one call on its cell; never raises for a valid entry.

    `fetch_manifest` gives the entry's manifest, and the one the cell was stored under; `header`
    is that of the entry's batch, None while it is open: only a call that is not bound to its batch
    (SAMPLE-7) runs then.
    """
    manifest = fetch_manifest(entry.manifest_hash)
    seed = transition.find_noise_seed(manifest, entry.call_id, header)
    return begin_seeded(entry, cell, fetch_manifest, engine, seed)


def begin_seeded(
    entry: Entry,
    cell: Cell | None,
    fetch_manifest: FetchManifest,
    engine: Engine,
    seed: Hash32 | None,
) -> Execution | Running:
    """Begin one call on its cell, with the seed of its noise, None at temperature 0."""
    return execution.begin_call(
        entry=entry,
        manifest=fetch_manifest(entry.manifest_hash),
        cell=cell,
        engine=engine,
        allowed=engine.allowed if isinstance(engine, Masked) else masks.allowed_tokens,
        previous=None if cell is None else fetch_manifest(cell.manifest_hash),
        seed=seed,
    )


#: Gives the cell of a key before a call, as the calls that ended left it.
GetCell = Callable[[Hash32, Entry], Cell | None]
#: Gives the execution of a call on a cell, if it is known already.
Find = Callable[[Entry, Cell | None, BatchHeader | None], Execution | None]


@dataclass(frozen=True, slots=True)
class _Queued:
    entry: Entry
    header: BatchHeader | None
    key: Hash32


class Calls:
    """Calls that have not ended, in order; whoever adds them hears of each end once.

    Rule: DERIVE-13
    """

    def __init__(
        self,
        engine: Engine,
        fetch_manifest: FetchManifest,
        get_cell: GetCell,
        find: Find = lambda entry, cell, header: None,
        *,
        most_calls: int = MOST_CALLS,
        most_positions: int = MOST_POSITIONS,
    ) -> None:
        """Begin with no call; the last two are `Together`'s."""
        self._engine = engine
        self._fetch_manifest = fetch_manifest
        self._get_cell = get_cell
        self._find = find
        self._together: Together[_Queued, Execution] = Together(
            engine, most_calls=most_calls, most_positions=most_positions
        )
        #: Calls whose cell nobody is about to change, with that cell, as a heap by call id.
        self._ready: list[tuple[CallId, _Queued, Cell | None]] = []
        #: By key of a cell that a call is ready for or runs on: the calls that wait for it.
        self._behind: dict[Hash32, deque[_Queued]] = {}
        self._ended: list[Ended] = []
        self._count = 0

    def __len__(self) -> int:
        """Calls whose end was not told yet."""
        return self._count + len(self._ended)

    def add(self, entry: Entry, header: BatchHeader | None = None) -> None:
        """Add a call; calls on one cell are added in the inbox's order.

        `header` is that of its batch, None while that is open.
        """
        key = get_cell_key(entry, self._fetch_manifest(entry.manifest_hash))
        queued = _Queued(entry, header, key)
        if key in self._behind:
            self._behind[key].append(queued)
        else:
            cell = self._find_cell(key, entry)
            self._behind[key] = deque()
            heapq.heappush(self._ready, (entry.call_id, queued, cell))
        self._count += 1

    def run(self) -> list[Ended]:
        """Begin what there is room for and run one block; return the calls that ended.

        Whatever `find` or the source of manifests raises goes through; nothing is lost by it.
        """
        self._begin_ready()
        for queued, done in self._together.run_round():
            self._end(queued, done, is_new=True)
        ended, self._ended = self._ended, []
        return ended

    def _find_cell(self, key: Hash32, entry: Entry) -> Cell | None:
        """Return the cell as the calls that ended left it, those that nobody heard of included."""
        for ended in reversed(self._ended):
            if ended.execution.cell_key == key:
                return ended.execution.cell_after
        return self._get_cell(key, entry)

    def _begin_ready(self) -> None:
        """Begin calls; those that are known, or need no model, end at once."""
        while self._ready and self._together.has_room and len(self._ended) < MOST_CALLS:
            _, queued, cell = self._ready[0]
            entry, header = queued.entry, queued.header
            begun: Execution | Running | None = self._find(entry, cell, header)
            is_new = begun is None
            if begun is None:
                begun = begin(entry, cell, self._fetch_manifest, self._engine, header)
            # Only now: what was asked of a node may have failed, and is asked again.
            heapq.heappop(self._ready)
            if isinstance(begun, Running):
                self._together.add(queued, begun)
            else:
                self._end(queued, begun, is_new=is_new)

    def _end(self, queued: _Queued, done: Execution, *, is_new: bool) -> None:
        """Let the next call of the cell begin."""
        self._count -= 1
        self._ended.append(Ended(done, is_new))
        behind = self._behind[queued.key]
        if behind:
            following = behind.popleft()
            heapq.heappush(self._ready, (following.entry.call_id, following, done.cell_after))
        else:
            del self._behind[queued.key]
