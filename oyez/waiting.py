"""Waiting for a call: looks often but reads little, and loses nothing when it ends early."""

from __future__ import annotations

from collections.abc import Callable

from oyez import unposted
from oyez.protocol.errors import Temporary
from oyez.protocol.types import CallId, Finality, Outcome
from oyez.reader import Reader
from oyez.status import CallStatus, fetch_status, is_reached

POLL_SECONDS = 0.5


class Waiter:
    """Waits for one call."""

    def __init__(
        self, reader: Reader, sequencer: str | None, report: Callable[[str], None]
    ) -> None:
        """Take the chain's reader, the sequencer's service if one was named, and who hears."""
        self._reader = reader
        self._sequencer = sequencer
        self._report = report
        self._block = 0

    def wait(
        self,
        call_id: CallId,
        until: str,
        timeout: float | None,
        report: Callable[[CallStatus], None],
        pause: Callable[[float], None],
    ) -> CallStatus:
        """Look until the call has come as far as `until`; see `Client.wait`.

        Rule: SDK-8
        """
        waited = 0.0
        found = fetch_status(self._reader, call_id)
        while True:
            found = self._ask_sequencer(found)
            report(found)
            if is_reached(found, until):
                return found
            if timeout is not None and waited >= timeout:
                raise Temporary(
                    f"call {call_id} is {found.finality.name} after {timeout:g} s; it is queued "
                    f"and not lost: ask again with `oyez status {call_id}`"
                )
            pause(POLL_SECONDS)
            waited += POLL_SECONDS
            if self._has_moved(found):
                found = fetch_status(self._reader, call_id)

    def _ask_sequencer(self, found: CallStatus) -> CallStatus:
        """Return the status with the service's outcome; the chain answers where it does not."""
        if found.outcome is not Outcome.NONE or self._sequencer is None:
            return found
        try:
            return unposted.fetch_call(self._sequencer, found)
        except Temporary as error:
            self._report(f"{error}; waiting for the chain")
            return found

    def _has_moved(self, found: CallStatus) -> bool:
        """Ask for little: the whole history is read only when a call may have come further."""
        rollup = self._reader.rollup
        now = rollup.fetch_finality(found.call_id, found.batch)
        if now is Finality.QUEUED:
            # behind another pending batch the view says QUEUED of a posted one too
            return found.batch > rollup.fetch_head() + 1 and self._has_new_block()
        return now is not found.finality or found.source in ("none", "sequencer")

    def _has_new_block(self) -> bool:
        before, self._block = self._block, self._reader.fetch_block_number()
        return before != self._block
