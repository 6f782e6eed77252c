"""Entries and batches out of the logs, checked against the hashes the Inbox keeps.

Logs come from a node that may lose or alter them. A batch is taken only if its entries hash to
what the contract stored when it closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oyez.chain import events, game_events
from oyez.chain.client import Block, Chain
from oyez.chain.contracts import Inbox
from oyez.chain.deployment import Deployment
from oyez.derivation import follow, place
from oyez.protocol import codec, merkle
from oyez.protocol.constants import ENTRIES_HEIGHT, FIRST_BATCH, FIRST_CALL
from oyez.protocol.errors import Invalid, Rewind, Temporary
from oyez.protocol.types import ZERO_HASH, BatchHeader, BatchNumber, CallId, Entry, Hash32


class SkippedLog(Temporary):
    """The node's logs jump: it lost one, now or when an earlier window was read."""


class AlteredBatch(Invalid):
    """What the node gives of a batch does not hash to what the Inbox keeps.

    Attributes:
        number: of the batch.
        ours: the hash that the node's data makes; zero where it lacks entries.
        kept: the hash that it should make.
    """

    def __init__(self, rule: str, number: int, what: str, *, ours: bytes, kept: bytes) -> None:
        """Keep both hashes beside the sentence."""
        self.number = BatchNumber(number)
        self.ours = Hash32(ours)
        self.kept = Hash32(kept)
        super().__init__(rule, _advise(what))


@dataclass(frozen=True, slots=True)
class Batch:
    """A closed batch, whole: its entries hash to `batch_hash`."""

    header: BatchHeader
    batch_hash: Hash32
    entries: tuple[Entry, ...]

    @property
    def number(self) -> BatchNumber:
        """The batch's number, from 1."""
        return self.header.number


@dataclass(frozen=True, slots=True)
class History:
    """What the chain says up to a block.

    Attributes:
        batches: every closed batch, batch n at index n - 1.
        open: entries of the batch that is still open.
        proposed, finalized: the Rollup's events, in the chain's order.
        altered: the first batch that does not hash to what the Inbox keeps, or of which the node
            lacks a log, where a reader asked to go on: no later batch is in `batches` then.
        skipped: the node lacks a log of the open batch, where a reader asked to go on.
    """

    block: Block
    batches: tuple[Batch, ...]
    open: tuple[Entry, ...]
    proposed: tuple[events.AssertionProposed, ...]
    finalized: tuple[events.AssertionFinalized, ...]
    altered: AlteredBatch | None = None
    skipped: SkippedLog | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry in the inbox's order, those of the open batch last."""
        closed = [entry for batch in self.batches for entry in batch.entries]
        return (*closed, *self.open)

    def find_batch(self, call_id: int) -> Batch | None:
        """Return the closed batch that holds a call, None while it is queued or unknown."""
        for batch in self.batches:
            if batch.header.first_call <= call_id < batch.header.first_call + batch.header.count:
                return batch
        return None

    def find_header(self, call_id: int) -> BatchHeader | None:
        """Return the header of the closed batch that holds a call, None without one."""
        batch = self.find_batch(call_id)
        return None if batch is None else batch.header


def build_batch(closed: events.BatchClosed, entries: Sequence[Entry]) -> Batch:
    """Put a batch together; its entries are those queued for it, in order.

    Raises:
        AlteredBatch: an entry is missing, strange or altered.

    Rule: DERIVE-3
    """
    header = closed.header
    expected = range(header.first_call, header.first_call + header.count)
    if [entry.call_id for entry in entries] != list(expected):
        what = f"batch {header.number} lacks entries or has others"
        raise AlteredBatch(
            "DERIVE-3", header.number, what, ours=bytes(32), kept=header.entries_root
        )
    leaves = [codec.compute_entry_hash(entry) for entry in entries]
    root = merkle.compute_root(leaves, ENTRIES_HEIGHT)
    if root != header.entries_root:
        what = f"the entries of batch {header.number} were altered"
        raise AlteredBatch("DERIVE-3", header.number, what, ours=root, kept=header.entries_root)
    batch_hash = codec.compute_batch_hash(header)
    if batch_hash != closed.batch_hash:
        what = f"the header of batch {header.number} was altered"
        raise AlteredBatch("DERIVE-3", header.number, what, ours=batch_hash, kept=closed.batch_hash)
    return Batch(header, closed.batch_hash, tuple(entries))


def verify_recorded(inbox: Inbox, batch: Batch, block: Hash32) -> None:
    """Check a batch against the Inbox's own record, read at a block.

    Raises:
        AlteredBatch: the contract stores another batch.

    Rule: DERIVE-4
    """
    record = inbox.fetch_batch(batch.number, at=block)
    header = batch.header
    ours = (batch.batch_hash, header.first_call, header.count, header.opened_at)
    if ours != (record.batch_hash, record.first_call, record.count, record.opened_at):
        what = f"the Inbox keeps another batch {batch.number}"
        raise AlteredBatch(
            "DERIVE-4", batch.number, what, ours=batch.batch_hash, kept=record.batch_hash
        )


class Assembler:
    """Puts the Inbox's events together, one after the other, into checked batches."""

    def __init__(
        self,
        next_call: int = FIRST_CALL,
        next_batch: int = FIRST_BATCH,
        open_entries: Iterable[Entry] = (),
    ) -> None:
        """Begin at the deployment, or where a store left off."""
        self.next_call = CallId(next_call)
        self.next_batch = BatchNumber(next_batch)
        self.open = list(open_entries)

    def copy(self) -> Assembler:
        """Return another assembler at the same place."""
        return Assembler(self.next_call, self.next_batch, self.open)

    def add_call(self, queued: events.CallQueued) -> None:
        """Take the next entry; SkippedLog when the node skipped or repeated one.

        Rule: DERIVE-5
        """
        if queued.entry.call_id != self.next_call or queued.batch != self.next_batch:
            raise SkippedLog(
                f"the node's logs jump to call {queued.entry.call_id} of batch {queued.batch}, "
                f"call {self.next_call} of batch {self.next_batch} is next: reading again"
            )
        self.open.append(queued.entry)
        self.next_call = CallId(self.next_call + 1)

    def close(self, closed: events.BatchClosed) -> Batch:
        """Close the open batch and return it checked."""
        if closed.header.number != self.next_batch:
            raise SkippedLog(
                f"the node's logs close batch {closed.header.number}, "
                f"batch {self.next_batch} is next: reading again"
            )
        batch = build_batch(closed, self.open)
        self.open = []
        self.next_batch = BatchNumber(self.next_batch + 1)
        return batch

    def verify_closed(self, proposed: events.AssertionProposed) -> None:
        """Check that an assertion's batch is closed; SkippedLog when the node lost its closing.

        Else the assertion would stand unjudged until another batch closes.
        """
        if not FIRST_BATCH <= proposed.batch < self.next_batch:
            raise SkippedLog(
                f"the node's logs tell of an assertion of batch {proposed.batch}, which they do "
                f"not close, batch {self.next_batch} is next: reading again"
            )


class _Collector:
    """Takes events in order; a tolerant one stops at the first batch that cannot be believed."""

    def __init__(self, inbox: Inbox, block: Block, *, tolerant: bool) -> None:
        self._inbox = inbox
        self._block = block
        self._tolerant = tolerant
        self._assembler = Assembler()
        self.batches: list[Batch] = []
        self.proposed: list[events.AssertionProposed] = []
        self.finalized: list[events.AssertionFinalized] = []
        self.altered: AlteredBatch | None = None
        self.skipped: SkippedLog | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether entries and batches are no longer taken."""
        return self.altered is not None or self.skipped is not None

    def take(self, event: events.Event | game_events.GameEvent) -> None:
        """Take the next event."""
        match event:
            case events.AssertionProposed():
                self.proposed.append(event)
            case events.AssertionFinalized():
                self.finalized.append(event)
            case events.CallQueued() | events.BatchClosed() if not self.is_stopped:
                try:
                    self._assemble(event)
                except AlteredBatch as error:
                    if not self._tolerant:
                        raise
                    self.altered = error
                except SkippedLog as error:
                    if not self._tolerant:
                        raise
                    self._stop_at_gap(error)

    def build(self) -> History:
        """Return what was taken; a tolerant collector notices a closing that never came."""
        if self._tolerant and not self.is_stopped:
            self._stop_at_gap(None)
        return History(
            block=self._block,
            batches=tuple(self.batches),
            open=() if self.is_stopped else tuple(self._assembler.open),
            proposed=tuple(self.proposed),
            finalized=tuple(self.finalized),
            altered=self.altered,
            skipped=self.skipped,
        )

    def _assemble(self, event: events.CallQueued | events.BatchClosed) -> None:
        if isinstance(event, events.CallQueued):
            self._assembler.add_call(event)
            return
        batch = self._assembler.close(event)
        verify_recorded(self._inbox, batch, self._block.hash)
        self.batches.append(batch)

    def _stop_at_gap(self, gap: SkippedLog | None) -> None:
        """Hold the next batch for altered if the Inbox has closed it: the node keeps a log back.

        Rule: DERIVE-10
        """
        number = self._assembler.next_batch
        kept = self._inbox.fetch_batch(number, at=self._block.hash).batch_hash
        if kept != ZERO_HASH:
            what = f"a log of batch {number} is missing"
            self.altered = AlteredBatch("DERIVE-10", number, what, ours=ZERO_HASH, kept=kept)
        else:
            self.skipped = gap


def fetch_history(
    chain: Chain, deployment: Deployment, until: int | None = None, *, tolerant: bool = False
) -> History:
    """Read and check everything from the deployment to a block, the newest by default.

    With `tolerant`, what stands before an altered batch is kept, and the result names that one.

    Raises:
        Temporary: the node cannot be read now.
        AlteredBatch: what it gives does not hash to what the contracts keep.
        Fatal: the deployment file names another Inbox, or a block after its first logs.
    """
    block = chain.fetch_block("latest" if until is None else until)
    place.verify_inbox(chain, deployment, block)
    collector = _Collector(Inbox(chain, deployment), block, tolerant=tolerant)
    after: follow.Checkpoint | None = None
    while True:
        try:
            window = follow.fetch_window(chain, deployment, after, until=block.number)
        except Rewind as error:
            raise Temporary(f"{error}: run the command again") from error
        if window is None:
            break
        if after is None:
            place.verify_first(chain, deployment, window.events)
        for event in window.events:
            collector.take(event)
        after = window.last
    return collector.build()


def _advise(what: str) -> str:
    return f"{what}: the node's logs are incomplete or altered, use another RPC"
