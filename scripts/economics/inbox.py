"""The Inbox as plain Python: bucket, price, batches and books. Pure: time and blocks are arguments.

Told without packing, trees or hashes; the contract is held to it step by step by a stateful test
and by random schedules. Refusals carry the contract's own reasons.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from oyez.protocol import constants as c

STEPS = c.BUCKET_STEPS


class Refused(Exception):
    """The inbox reverts; `reason` is its revert string."""

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the constructor fixes.

    Attributes:
        burst: work of a batch, and what the bucket may hold before a call.
        leak: work a second.
        max_seconds: age of its first entry at which anyone may close a batch.
        min_seconds: age at which the sequencer may.
    """

    burst: int
    leak: int
    max_seconds: int
    min_seconds: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A queued call: who sent it, its declared work and output bytes, and what it paid in wei."""

    call_id: int
    caller: object
    work: int
    output_bytes: int
    fee: int
    at: int


@dataclass(slots=True)
class Batch:
    """Entries in order; `closed_at` None while open, in seconds."""

    number: int
    first_call: int
    entries: list[Entry] = field(default_factory=list)
    opened_at: int = 0
    last_block: int = 0
    closed_at: int | None = None

    @property
    def work(self) -> int:
        """Declared work of all entries."""
        return sum(entry.work for entry in self.entries)

    @property
    def output_bytes(self) -> int:
        """Declared output bytes of all entries."""
        return sum(entry.output_bytes for entry in self.entries)

    @property
    def escrowed(self) -> int:
        """Wei that its proposer is owed at finality: base fees and quiet prices, no surge."""
        return c.BASE_FEE_WEI * len(self.entries) + c.PRICE_WEI_PER_WORK * self.work


class Inbox:
    """The queue, the bucket and the books; `batches[-1]` is the open one."""

    def __init__(self, rules: Rules) -> None:
        """Begin with an empty first batch."""
        self.rules = rules
        self.batches = [Batch(c.FIRST_BATCH, c.FIRST_CALL)]
        self.settled = 0
        self.level = 0
        self.updated = 0
        self.credits: dict[object, int] = {}
        self.surplus = 0  # surge and ether forced in, until somebody burns it

    @property
    def escrow(self) -> int:
        """Wei owed to proposers of batches that are not final."""
        return sum(batch.escrowed for batch in self.batches[self.settled :])

    @property
    def call_count(self) -> int:
        """The next call's id."""
        return self.batches[-1].first_call + len(self.batches[-1].entries)

    def drained(self, now: int) -> int:
        """Return the bucket's level at a time."""
        return max(0, self.level - self.rules.leak * (now - self.updated))

    def price(self, work: int, now: int) -> tuple[int, int]:
        """Return what a call would put into escrow, and the surge on top, in wei.

        Raises:
            Refused: the bucket is above its burst.
        """
        level, rules = self.drained(now), self.rules
        if level > rules.burst:
            wait = -((rules.burst - level) // rules.leak)
            raise Refused(f"inbox: busy, seconds to wait: {wait}")
        step = level * STEPS // rules.burst
        plain = c.PRICE_WEI_PER_WORK * work
        surge = plain * c.SURGE_FACTOR * step**2 // STEPS**2
        return c.BASE_FEE_WEI + plain, surge

    def quote(self, work: int, now: int) -> int:
        """Return the fee of a call submitted now, in wei; raises Refused as `submit` would."""
        return sum(self.price(work, now))

    def fits(self, work: int, output_bytes: int) -> bool:
        """Return whether an entry would fit into the open batch."""
        batch = self.batches[-1]
        return (
            len(batch.entries) < c.MAX_BATCH_ENTRIES
            and batch.work + work <= self.rules.burst
            and batch.output_bytes + output_bytes <= c.MAX_BATCH_OUTPUT_BYTES
        )

    def submit(
        self, caller: object, work: int, output_bytes: int, paid: int, now: int, block: int
    ) -> Entry:
        """Queue a call; what is paid above the fee becomes the caller's credit.

        Raises:
            Refused: the contract would revert, for this reason.
        """
        escrowed, surge = self.price(work, now)
        if paid < escrowed + surge:
            raise Refused("inbox: fee too low")
        batch = self.batches[-1]
        old = now >= batch.opened_at + self.rules.max_seconds and block > batch.last_block
        if batch.entries and (old or not self.fits(work, output_bytes)):
            self._close(now, block)
            batch = self.batches[-1]
        self.level = self.drained(now) + work
        self.updated = now
        self.surplus += surge
        self._credit(caller, paid - escrowed - surge)
        entry = Entry(self.call_count, caller, work, output_bytes, escrowed + surge, now)
        if not batch.entries:
            batch.opened_at = now
        batch.last_block = block
        batch.entries.append(entry)
        return entry

    def close_batch(self, now: int, block: int, *, by_sequencer: bool = False) -> Batch:
        """Close the open batch; `by_sequencer` says that the one with a live stake asks.

        Raises:
            Refused: it is empty, too young, or its last entry is of this block.
        """
        batch = self.batches[-1]
        if not batch.entries:
            raise Refused("inbox: no entries to close")
        age = now - batch.opened_at
        if age < self.rules.max_seconds:
            if not by_sequencer:
                raise Refused("inbox: too early to close")
            if age < self.rules.min_seconds:
                raise Refused("inbox: sequencer too early")
        return self._close(now, block)

    def settle(self, proposer: object) -> int:
        """Credit the next batch's escrow to the proposer of its final assertion; return it."""
        amount = self.batches[self.settled].escrowed
        self.settled += 1
        self._credit(proposer, amount)
        return amount

    def withdraw(self, owner: object) -> int:
        """Pay out a credit and return it, in wei.

        Raises:
            Refused: there is none.
        """
        if not self.credits.get(owner):
            raise Refused("inbox: no credit")
        return self.credits.pop(owner)

    def burn(self) -> int:
        """Burn surge and forced ether, and return how much.

        Raises:
            Refused: there is none.
        """
        if not self.surplus:
            raise Refused("inbox: nothing to burn")
        burned, self.surplus = self.surplus, 0
        return burned

    def _credit(self, owner: object, wei: int) -> None:
        if wei:
            self.credits[owner] = self.credits.get(owner, 0) + wei

    def _close(self, now: int, block: int) -> Batch:
        batch = self.batches[-1]
        if block <= batch.last_block:
            raise Refused("inbox: full until the next block")
        batch.closed_at = now
        self.batches.append(Batch(batch.number + 1, self.call_count))
        return batch
