"""Signs transactions here and sees them mined, at most once per key.

A signed transaction is journalled before it is broadcast. After a crash the same bytes are
broadcast again: the chain takes a nonce once, so nothing is ever sent twice.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Protocol

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from oyez.chain.client import Chain, Mined, Reverted
from oyez.chain.contracts import Transaction
from oyez.chain.delivery import PATIENCE_SECONDS, Delivery, NonceTaken
from oyez.chain.delivery import Signed as Signed  # a journal speaks of it
from oyez.chain.keys import Key
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Address, Hash32

#: Gas above the node's estimate, in percent: a pending block may cost a little more.
GAS_MARGIN = 20
MINIMUM_TIP = 10**6
#: Bytes of a signed transaction that nodes still take into their pools.
MAX_TRANSACTION_BYTES = 131_072


class InsufficientBalance(Fatal):
    """The account cannot pay; nothing was sent."""

    def __init__(self, address: Address, balance: int, needed: int) -> None:
        """Say who lacks how much."""
        super().__init__(
            f"0x{address.hex()} holds {format_ether(balance)} ETH and this transaction needs up to "
            f"{format_ether(needed)}: send it at least {format_ether(needed - balance)} ETH"
        )


class TransactionTooLarge(Fatal):
    """Nodes would not pass the transaction on; nothing was sent."""

    def __init__(self, size: int) -> None:
        """Say how large it is, and what is allowed."""
        super().__init__(
            f"this transaction has {size:,} bytes, nodes take {MAX_TRANSACTION_BYTES:,} at most: "
            "nothing was sent; shorten its data"
        )


class Journal(Protocol):
    """Signed transactions by key, kept over restarts."""

    def get_signed(self, key: str) -> Signed | None:
        """Return what was signed under a key."""
        ...

    def put_signed(self, key: str, signed: Signed) -> None:
        """Keep it durably, in place of an earlier one under the key.

        Returns only when a crash can no longer lose it.
        """
        ...

    def drop_signed(self, key: str) -> None:
        """Forget it: it can never be mined, or reverted."""
        ...


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
        self._key = key
        self._journal = journal
        self._delivery = Delivery(chain, key.address, pause=pause, patience=patience)

    @property
    def address(self) -> Address:
        """The account that pays and signs."""
        return self._key.address

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
        signed = self._journal.get_signed(key)
        if signed is None:
            signed = self.sign(transaction)
            self._journal.put_signed(key, signed)
        else:
            self._fill_gap(signed.nonce)
        mined = self._deliver(key, signed)
        if not mined.succeeded:
            self._journal.drop_signed(key)
            raise Reverted(self._delivery.find_reason(transaction, mined))
        return mined

    def _deliver(self, key: str, signed: Signed) -> Mined:
        """See it mined; what can never be is forgotten."""
        try:
            mined, _ = self._delivery.deliver(signed, lambda older: self.raise_fee(key, older))
        except NonceTaken:
            self._journal.drop_signed(key)
            raise
        return mined

    def _fill_gap(self, nonce: int) -> None:
        """Send an empty transaction under each nonce below this one that no transaction has.

        Why: a re-org, a restarted node or a full pool loses one transaction and keeps the next,
        which would wait for ever. The lost one may be nobody's wish any more, and signing the
        next anew would send it twice.

        Rule: SEQ-20
        """
        for missing in range(self._chain.fetch_nonce(self.address, "latest"), nonce):
            key = f"fill {missing}"
            signed = self._journal.get_signed(key)
            if signed is None:
                if missing < self._chain.fetch_nonce(self.address, "pending"):
                    continue  # the node has one, and will mine it
                signed = self.sign(Transaction(self.address, b"", 0), nonce=missing)
                self._journal.put_signed(key, signed)
            with contextlib.suppress(NonceTaken):  # the lost one came back: the gap is filled
                self._deliver(key, signed)
            self._journal.drop_signed(key)

    def sign(self, transaction: Transaction, *, nonce: int | None = None) -> Signed:
        """Sign with the account's next nonce, or this, and today's fees; nothing is kept or sent.

        Raises:
            Reverted: the contract would refuse it now.
            InsufficientBalance: the account cannot pay.
            TransactionTooLarge: nodes would not pass it on.

        Rule: SDK-9
        """
        chain, address = self._chain, self._key.address
        if len(transaction.data) > MAX_TRANSACTION_BYTES:
            raise TransactionTooLarge(len(transaction.data))  # no node need estimate it
        balance = chain.fetch_balance(address)
        if balance < transaction.value:
            raise InsufficientBalance(address, balance, transaction.value)
        estimate = chain.estimate_gas(address, transaction.to, transaction.data, transaction.value)
        gas = estimate * (100 + GAS_MARGIN) // 100
        tip = max(MINIMUM_TIP, chain.fetch_tip())
        fee = 2 * chain.fetch_block("latest").base_fee + tip
        if balance < transaction.value + gas * fee:
            raise InsufficientBalance(address, balance, transaction.value + gas * fee)
        if nonce is None:
            nonce = chain.fetch_nonce(address, "pending")
        raw, digest = self._key.sign(
            {
                "type": 2,
                "chainId": chain.chain_id,
                "nonce": nonce,
                "to": b"" if transaction.to is None else transaction.to,
                "data": transaction.data,
                "value": transaction.value,
                "gas": gas,
                "maxFeePerGas": fee,
                "maxPriorityFeePerGas": tip,
            }
        )
        if len(raw) > MAX_TRANSACTION_BYTES:
            raise TransactionTooLarge(len(raw))
        return Signed(nonce, raw, Hash32(digest))

    def raise_fee(self, key: str, signed: Signed) -> Signed:
        """Sign, keep and send the same at a higher fee, if blocks now cost more than it offers.

        So they do when the base fee rose, or when others came to tip more.
        """
        fields = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
        old_fee, old_tip = fields["maxFeePerGas"], fields["maxPriorityFeePerGas"]
        base_fee, asked = self._chain.fetch_block("latest").base_fee, self._chain.fetch_tip()
        if base_fee + old_tip <= old_fee and asked <= old_tip:
            return signed
        # Nodes take a replacement from an eighth more on, for both fees.
        tip = max(old_tip * 9 // 8 + 1, asked)
        fee = max(old_fee * 9 // 8 + 1, 2 * base_fee + tip)
        changed = {name: value for name, value in fields.items() if name not in ("v", "r", "s")}
        changed |= {"maxFeePerGas": fee, "maxPriorityFeePerGas": tip}
        raw, digest = self._key.sign(changed)
        raised = Signed(signed.nonce, raw, Hash32(digest), (signed.hash, *signed.replaced))
        self._journal.put_signed(key, raised)
        self._delivery.broadcast(raised)
        return raised


def format_ether(wei: int) -> str:
    """Write wei as ether, without trailing zeros."""
    whole, rest = divmod(wei, 10**18)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")
