"""Reads the chain into the store, window by window, and takes nothing that does not hash.

Logs of a lying or lagging node do no lasting harm: a batch that does not hash to what the Inbox
keeps is forgotten, and read again.
"""

from __future__ import annotations

from oyez.chain import events
from oyez.chain.client import Chain
from oyez.chain.contracts import Inbox
from oyez.chain.deployment import Deployment
from oyez.derivation import follow, history
from oyez.service import Log
from sequencer.assertions import ENDS, Ended
from sequencer.rows import ClosedBatch, NewAssertion
from sequencer.store import Store


class InboxReader:
    """Follows the Inbox and the Rollup."""

    def __init__(self, chain: Chain, deployment: Deployment, store: Store, log: Log) -> None:
        """Take the chain to read and the store to fill."""
        self._chain = chain
        self._deployment = deployment
        self._inbox = Inbox(chain, deployment)
        self._store = store
        self._log = log
        #: Whether all was read up to the newest block that the node showed.
        self.is_current = False

    def read(self) -> bool:
        """Read one window; False when the chain has not grown.

        Raises:
            Rewind: the chain changed its mind about a block that was read.
            Temporary, Invalid: the node is down, behind, or wrong.
        """
        window = follow.fetch_window(self._chain, self._deployment, self._store.get_checkpoint())
        if window is None:
            self.is_current = True
            return False
        try:
            self._apply(window)
        except (history.AlteredBatch, history.SkippedLog):
            self.read_again()
            raise
        self.is_current = window.is_newest
        return True

    def rewind(self) -> None:
        """Go back to the newest block that is still in the chain."""
        common = follow.find_common(self._chain, self._store.list_checkpoints())
        self._store.rewind(common)
        self._log("rewound", block=-1 if common is None else common.number)

    def read_again(self, since: int | None = None) -> None:
        """Forget the open batch, or the last closed one, and what was read since.

        A log of an entry or a closing that the node altered or lost stands among them: everything
        earlier hashed. One of an assertion may stand anywhere after its batch's closing, the
        block `since`.

        Rule: SEQ-12
        """
        first = self._store.get_unverified_block()
        if since is not None:
            first = min(first, since)
        earlier = [c for c in self._store.list_checkpoints() if c.number < first]
        self._store.rewind(earlier[0] if earlier else None)
        self._log("reading_again", block=first)

    def _apply(self, window: follow.Window) -> None:
        queued: list[events.CallQueued] = []
        closed: list[ClosedBatch] = []
        proposed: list[NewAssertion] = []
        ended: list[Ended] = []
        attested: list[events.AssertionAttested] = []
        assembler = history.Assembler(
            next_call=self._store.count_calls(),
            next_batch=self._store.count_batches() + 1,
            open_entries=[entry for entry, _ in self._store.list_open()],
        )
        for event in window.events:
            match event:
                case events.CallQueued():
                    assembler.add_call(event)
                    queued.append(event)
                case events.BatchClosed():
                    batch = assembler.close(event)
                    history.verify_recorded(self._inbox, batch, window.newest.hash)
                    closed.append(ClosedBatch(batch, event.place.block))
                case events.AssertionProposed():
                    assembler.verify_closed(event)
                    proposed.append(self._date(event))
                case (
                    events.AssertionFinalized()
                    | events.AssertionDefeated()
                    | events.AssertionVoided()
                ):
                    ended.append(event)
                case events.AssertionAttested():
                    attested.append(event)
        self._store.apply_window(
            queued=queued,
            closed=closed,
            proposed=proposed,
            ended=ended,
            checkpoint=window.last,
            time=window.time,
            attested=attested,
        )
        for call in queued:
            self._log("queued", call=call.entry.call_id, batch=call.batch)
        for item in closed:
            header = item.batch.header
            self._log(
                "closed",
                batch=header.number,
                first_call=header.first_call,
                count=header.count,
                batch_hash=item.batch.batch_hash,
            )
        for end in ended:
            name = ENDS[type(end)].name.lower()
            self._log(name, batch=end.batch, assertion=end.assertion_id)

    def _date(self, event: events.AssertionProposed) -> NewAssertion:
        return NewAssertion(
            assertion_id=event.assertion_id,
            parent=event.parent,
            batch=event.batch,
            proposer=event.proposer,
            attempt=event.attempt,
            claim=event.claim,
            block=event.place.block,
            place=event.place.index,
            created_at=follow.fetch_time(self._chain, event.place),
        )
