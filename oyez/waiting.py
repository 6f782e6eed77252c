"""Waiting for a call: looks often but reads little, and loses nothing when it ends early."""

from __future__ import annotations

from collections.abc import Callable

from oyez import unposted
from oyez.protocol.errors import Invalid, Temporary
from oyez.protocol.types import Address, CallId, Finality, Hash32, Outcome
from oyez.reader import Reader
from oyez.status import CallStatus, fetch_status, is_reached

POLL_SECONDS = 0.5
#: Looks in a row that may fail: while it is re-organised a chain cannot always be read.
MAX_FAILURES = 5


class Waiter:
    """Waits for one call."""

    def __init__(
        self,
        reader: Reader,
        sequencer: str | None,
        report: Callable[[str], None],
        locate: Callable[[], CallId],
    ) -> None:
        """Take the chain's reader, the sequencer's service if one was named, and who hears.

        `locate` tells under which id the call stands now.
        """
        self._reader = reader
        self._sequencer = sequencer
        self._report = report
        self._locate = locate
        self._block = 0
        self._failures = 0

    def fetch(self, call_id: CallId) -> CallStatus:
        """Return a call's status under the id at which it stands, before and after reading.

        Raises:
            Invalid: the inbox holds no such call.
        """
        here = call_id
        while True:
            found, missing = None, None
            try:
                found = fetch_status(self._reader, here)
            except Invalid as error:
                missing = error
            before, here = here, self._locate()
            if here != before:
                continue
            if found is None:
                assert missing is not None
                raise missing
            return found

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
        first = found = self.fetch(call_id)
        while True:
            found = self._ask_sequencer(found)
            report(found)
            if is_reached(found, until) and self._locate() == found.call_id:
                return found
            if timeout is not None and waited >= timeout:
                raise Temporary(
                    f"call {found.call_id} is {found.finality.name} after {timeout:g} s; it is "
                    f"queued and not lost: ask again with `oyez status {found.call_id}`"
                )
            pause(POLL_SECONDS)
            waited += POLL_SECONDS
            found = self._look(found)
            if _identify(found) != _identify(first):
                raise Invalid(
                    "SDK-8",
                    f"call {call_id} is another call since the chain was re-organised: ask "
                    "whoever sent it for its new id",
                )

    def _look(self, found: CallStatus) -> CallStatus:
        """Return the status anew; a chain that cannot be read a few times in a row is an error."""
        try:
            if self._locate() != found.call_id or self._has_moved(found):
                found = self.fetch(found.call_id)
        except Temporary as error:
            self._failures += 1
            if self._failures >= MAX_FAILURES:
                raise
            self._report(f"{error}; looking again")
        else:
            self._failures = 0
        return found

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


def _identify(found: CallStatus) -> tuple[Address, Hash32, bytes, bytes]:
    """Return what stays of a call when a re-org gives it another id, time or fee."""
    entry = found.entry
    return entry.caller, entry.action_id, entry.cell, entry.input
