"""Signs transactions here and sees them mined, at most once per key.

A signed transaction is journalled before it is broadcast. After a crash the same bytes are
broadcast again: the chain takes a nonce once, so nothing is ever sent twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from oyez.chain.client import Chain, Mined
from oyez.chain.contracts import Transaction
from oyez.chain.delivery import PATIENCE_SECONDS, Delivery, Signed
from oyez.chain.flight import Flight, Journal
from oyez.chain.keys import Key
from oyez.chain.signing import Signer
from oyez.protocol.types import Address


class MemoryJournal:
    """A journal for a command that sends a few transactions and ends."""

    def __init__(self) -> None:
        """Begin empty."""
        self._signed: dict[str, Signed] = {}

    def get_signed(self, key: str) -> Signed | None:
        """Return what was signed under a key."""
        return self._signed.get(key)

    def put_signed(self, key: str, signed: Signed) -> None:
        """Keep it."""
        self._signed[key] = signed

    def drop_signed(self, key: str) -> None:
        """Forget it."""
        self._signed.pop(key, None)


class Sender:
    """One account's way to the chain."""

    def __init__(
        self,
        chain: Chain,
        key: Key,
        journal: Journal,
        *,
        pause: Callable[[float], object] = time.sleep,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Take the connection, the key and the journal.

        `pause` waits that many seconds and returns True to end waiting; a service passes its stop
        event's `wait`. After `patience` seconds without a receipt `send` gives up for now.
        """
        self._chain = chain
        self._journal = journal
        self._signer = Signer(chain, key)
        self._delivery = Delivery(chain, key.address, pause=pause, patience=patience)
        self._on_the_way: dict[str, Signed] = {}

    @property
    def address(self) -> Address:
        """The account that pays and signs."""
        return self._signer.address

    def open_flight(self) -> Flight:
        """Return the way of transactions that are sent together."""
        return Flight(self._chain, self._signer, self._journal, self._delivery, self._on_the_way)

    def reset(self) -> None:
        """Forget what is on its way, all but the journal: the chain may be another."""
        self._on_the_way.clear()

    def send(self, key: str, transaction: Transaction) -> Mined:
        """Send a transaction and wait until it is mined; repeating a key sends nothing new.

        `key` names the intention, e.g. "propose 0x12..". What is journalled under it is
        broadcast again in place of `transaction`.

        Raises:
            Reverted: the contract refuses; found before anything is sent where possible.
            InsufficientBalance: the account cannot pay.
            TransactionTooLarge: more than 128 KB.
            Temporary: not mined in time, or its nonce went to another transaction: decide again.
        """
        flight = self.open_flight()
        if not flight.resume(key):
            flight.begin(key, transaction)
        return flight.finish(key)

    def sign(self, transaction: Transaction) -> Signed:
        """Sign with the account's next nonce and today's fees; nothing is kept or sent.

        Raises:
            Reverted: the contract would refuse it now.
            InsufficientBalance: the account cannot pay.
            TransactionTooLarge: nodes would not pass it on.
        """
        return self._signer.sign(transaction)

    def raise_fee(self, key: str, signed: Signed) -> Signed:
        """Sign, keep and send the same at a higher fee, if blocks now cost more than it offers."""
        raised = self._signer.sign_dearer(signed, self._signer.fetch_fees())
        if raised != signed:
            self._journal.put_signed(key, raised)
            self._delivery.broadcast(raised)
        return raised
