"""What this account signed, kept until re-orgs can no longer undo it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from oyez.chain.delivery import Signed
from oyez.protocol.types import Address, CallId, Hash32


@dataclass(frozen=True, slots=True)
class Record:
    """One transaction of an account.

    Attributes:
        name: hash of the first bytes signed, as hex; the file's name.
        intent: "call", "publish" or "deposit_stake".
        wish: what makes two transactions the same wish of a user, whatever their fees.
        block: the block in which it was last seen.
        call_ids: the ids that were told of a call, the newest last; more than one after a re-org.
        ended: its command came to its end and told the result.
        displaced: another transaction took the nonce and that was told: never send it again.
    """

    name: str
    intent: str
    wish: Hash32
    account: Address
    signed: Signed
    block: int | None = None
    call_ids: tuple[CallId, ...] = ()
    ended: bool = False
    displaced: bool = False


class Records:
    """Records in memory, for a client that keeps nothing over its end."""

    def __init__(self) -> None:
        """Begin empty."""
        self._records: dict[str, Record] = {}

    def list_records(self) -> list[Record]:
        """Return all, lowest nonce first."""
        return sorted(self._records.values(), key=lambda record: record.signed.nonce)

    def get(self, name: str) -> Record:
        """Return a record as it is now."""
        return self._records[name]

    def find(self, name: str) -> Record | None:
        """Return a record as it is now, None when it was forgotten."""
        return self._records.get(name)

    def take(self, wish: Hash32) -> Record | None:
        """Return what a command that is gone signed for this wish and did not end, and own it."""
        return None

    def end(self, name: str) -> None:
        """Note that a record's result was told: the same wish is a new one from now on."""
        self.note(replace(self._records[name], ended=True))

    def put(self, record: Record) -> None:
        """Keep a record of our own; returns only when a crash can no longer lose it."""
        self._records[record.name] = record

    def note(self, record: Record) -> None:
        """Keep what was learned about a record; the process that owns it learns it by itself."""
        self._records[record.name] = record

    def drop(self, name: str) -> None:
        """Forget a record."""
        self._records.pop(name, None)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other commands from choosing a nonce meanwhile."""
        yield

    def describe(self, record: Record) -> str:
        """Return where a record lies."""
        return f"0x{record.name}"

    def close(self) -> None:
        """Give up what this process owns."""

    # oyez.chain.sender.Journal: what raises a fee writes the new bytes back

    def get_signed(self, key: str) -> Signed | None:
        """Return the bytes of a record."""
        found = self._records.get(key)
        return found.signed if found is not None else None

    def put_signed(self, key: str, signed: Signed) -> None:
        """Keep newly signed bytes of a record."""
        self.note(replace(self._records[key], signed=signed))

    def drop_signed(self, key: str) -> None:
        """Forget a record."""
        self.drop(key)
