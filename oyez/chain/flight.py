"""Transactions of one account that are on their way together, each once a key.

A flight is one look at the chain: transactions are begun, lowest nonce first, and then seen mined.
What is signed is journalled before it is broadcast. What a flight leaves unmined stays on its way.
"""

from __future__ import annotations

from typing import Protocol

from oyez.chain.client import Chain, Mined, Reverted, RpcError
from oyez.chain.contracts import Transaction
from oyez.chain.delivery import Delivery, NonceTaken, Signed
from oyez.chain.signing import Fees, Purse, Signer, compute_cost, read_transaction

#: Transactions of an account on their way at once: so many nodes keep of each, however full their
#: pool is.
MOST_WAITING = 16
#: First word of the keys of empty transactions, each under a nonce that no other has.
FILLER = "fill "


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


class Flight:
    """One account's transactions on their way, seen from one moment."""

    def __init__(
        self,
        chain: Chain,
        signer: Signer,
        journal: Journal,
        delivery: Delivery,
        on_the_way: dict[str, Signed],
    ) -> None:
        """Ask the chain for the account's nonces; `on_the_way` is what earlier flights left."""
        self._chain = chain
        self._signer = signer
        self._journal = journal
        self._delivery = delivery
        self._on_the_way = on_the_way
        self._members: set[str] = set()
        self._is_clear = False
        self._look()

    @property
    def waiting(self) -> int:
        """How many transactions are on their way."""
        return len(self._list_waiting())

    def settle(self) -> dict[str, Mined | Reverted]:
        """Return what became of those that earlier flights left, where their nonces are used.

        One whose nonce went to another is not among them.
        """
        found: dict[str, Mined | Reverted] = {}
        for key, signed in list(self._on_the_way.items()):
            if signed.nonce >= self._used:
                continue
            mined = self._delivery.find(signed)
            if mined is None or key.startswith(FILLER):
                self._forget(key, is_over=key.startswith(FILLER))
                continue
            try:
                found[key] = self._conclude(key, signed, mined)
            except Reverted as error:
                found[key] = error
        return found

    def resume(self, key: str) -> bool:
        """Send what is journalled under a key again; False: nothing is.

        Raises:
            RpcError: the node refuses it.
        """
        signed = self._journal.get_signed(key)
        if signed is None:
            return False
        self._join(key, signed)
        if signed.nonce >= self._used:
            self._push(key)
        return True

    def begin(self, key: str, transaction: Transaction) -> None:
        """Sign a transaction under the next nonce, keep it and broadcast it.

        Raises:
            Reverted, InsufficientBalance, TransactionTooLarge: nothing was sent.
            RpcError: the node refuses it; nothing is kept, and its nonce is free.

        Rule: SEQ-32
        """
        taken = [signed.nonce + 1 for signed in self._list_waiting()]
        signed = self._signer.sign(
            transaction,
            nonce=max(self._used, self._pending, *taken),
            fees=self._fetch_fees(),
            purse=self._fetch_purse(),
        )
        self._journal.put_signed(key, signed)
        self._join(key, signed)
        try:
            self._delivery.broadcast(signed)
        except RpcError:
            # the node has it not, and says so: under its nonce it would hold up all that comes
            self._forget(key, is_over=True)
            raise

    def finish(self, key: str) -> Mined:
        """Wait until one that was begun or resumed is mined.

        Raises:
            Reverted: the contract refused it; it is forgotten.
            NonceTaken: its nonce went to another transaction; it is forgotten.
            Temporary: not mined in time; it stays on its way.
        """
        self._clear_way()
        signed = self._on_the_way[key]
        try:
            mined, _ = self._delivery.deliver(signed, lambda _: self._raise_all(key))
        except NonceTaken:
            self._forget(key, is_over=True)
            raise
        return self._conclude(key, signed, mined)

    def look(self, key: str) -> Mined | None:
        """Return the receipt of one that was begun or resumed; None while it is not mined.

        Raises:
            Reverted, NonceTaken: as `finish`.
        """
        signed = self._on_the_way[key]
        try:
            mined = self._delivery.look(signed)
        except NonceTaken:
            self._forget(key, is_over=True)
            raise
        return None if mined is None else self._conclude(key, signed, mined)

    def push_all(self) -> None:
        """Send all that is on its way once more, at a higher fee where it is too cheap.

        Why: where nobody waits for any of it any more, it would keep its places for ever.
        """
        for key, signed in sorted(self._on_the_way.items(), key=lambda item: item[1].nonce):
            if signed.nonce >= self._used:
                self._push(key)

    def get_nonce(self, key: str) -> int:
        """Return the nonce of one that was begun or resumed."""
        return self._on_the_way[key].nonce

    def drop(self, key: str, signed: Signed) -> bool:
        """Forget one that nobody wants; False: the node may have it, and it stays on its way.

        Why: what the node's pool holds at too low a fee would hold up all behind it.
        """
        if self._used <= signed.nonce < self._pending:
            self._on_the_way[key] = signed
            return False
        self._forget(key, is_over=True)
        return True

    def _look(self) -> None:
        address = self._signer.address
        self._used = self._chain.fetch_nonce(address, "latest")
        self._pending = self._chain.fetch_nonce(address, "pending")
        self._fees: Fees | None = None
        self._balance: int | None = None

    def _list_waiting(self) -> list[Signed]:
        return [signed for signed in self._on_the_way.values() if signed.nonce >= self._used]

    def _fetch_fees(self) -> Fees:
        if self._fees is None:
            self._fees = self._signer.fetch_fees()
        return self._fees

    def _fetch_purse(self) -> Purse:
        """Read the balance after the nonces: what is mined in between counts twice, not never."""
        if self._balance is None:
            self._balance = self._chain.fetch_balance(self._signer.address)
        return Purse(self._balance, sum(compute_cost(signed) for signed in self._list_waiting()))

    def _join(self, key: str, signed: Signed) -> None:
        self._on_the_way[key] = signed
        self._members.add(key)

    def _push(self, key: str) -> Signed:
        """Broadcast one, at a higher fee if blocks now cost more than it offers."""
        signed = self._on_the_way[key]
        dearer = self._signer.sign_dearer(signed, self._fetch_fees())
        if dearer != signed:
            self._journal.put_signed(key, dearer)
            self._on_the_way[key] = dearer
        self._delivery.broadcast(dearer)
        return dearer

    def _raise_all(self, key: str) -> Signed:
        """Look at the chain anew; raise what has become too cheap, up to the last of this flight.

        Why all: one that is stuck holds up every one behind it.
        """
        self._look()
        self._is_clear = False
        self._clear_way(again=True)
        return self._on_the_way[key]

    def _clear_way(self, *, again: bool = False) -> None:
        """Send what earlier flights left once more, and an empty transaction where there is none.

        Why: a re-org, a restarted node or a full pool loses one transaction and keeps the next,
        which would wait for ever. The lost one may be nobody's wish any more, and signing the
        next anew would send it twice.

        Rule: SEQ-20
        """
        if self._is_clear:
            return
        self._is_clear = True
        last = max(self._on_the_way[key].nonce for key in self._members if key in self._on_the_way)
        for nonce in range(self._used, last + 1):
            key = self._find(nonce)
            if key is None:
                key = f"{FILLER}{nonce}"
                kept = self._journal.get_signed(key)
                if kept is not None:
                    self._on_the_way[key] = kept
                elif nonce < self._pending:
                    continue  # the node has one, and will mine it
                else:
                    self._fill(key, nonce)
            elif key in self._members and not again:
                continue
            self._push(key)
            # what waited behind the gap waits no more
            self._pending = self._chain.fetch_nonce(self._signer.address, "pending")

    def _fill(self, key: str, nonce: int) -> None:
        """Sign an empty transaction; those behind it are not counted: else nothing would move."""
        nothing, fees = Transaction(self._signer.address, b"", 0), self._fetch_fees()
        signed = self._signer.sign(nothing, nonce=nonce, fees=fees)
        self._journal.put_signed(key, signed)
        self._on_the_way[key] = signed

    def _find(self, nonce: int) -> str | None:
        found = (key for key, signed in self._on_the_way.items() if signed.nonce == nonce)
        return next(found, None)

    def _conclude(self, key: str, signed: Signed, mined: Mined) -> Mined:
        """Take one that is mined off the way.

        Raises:
            Reverted: it failed.
        """
        self._forget(key, is_over=not mined.succeeded)
        if not mined.succeeded:
            raise Reverted(self._delivery.find_reason(read_transaction(signed), mined))
        return mined

    def _forget(self, key: str, *, is_over: bool) -> None:
        self._on_the_way.pop(key, None)
        if is_over:
            self._journal.drop_signed(key)
