"""Sees a signed transaction into the chain, and again after a re-org: always the same nonce.

Whoever holds the signed bytes can do it: no key is needed. The chain takes a nonce once, so
nothing that is broadcast again is ever paid twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from oyez.chain.client import Chain, Mined, Reverted, RpcError
from oyez.chain.contracts import Transaction
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Address, Hash32

POLL_SECONDS = 0.1
#: Looks for a receipt once the nonce is used, before another transaction is held to have it.
RECEIPT_LOOKS = 20
PATIENCE_SECONDS = 60.0
#: Looks between two checks whether the fee has become too low.
FEE_POLLS = 300
#: Looks between two broadcasts of what is not mined yet.
BROADCAST_POLLS = 50
#: What nodes say when a transaction is in their pool already.
KNOWN = ("already known", "already imported", "known transaction")
USED = "nonce too low"


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction: its raw bytes are all that a re-broadcast needs.

    Attributes:
        replaced: hashes of the same transaction at lower fees, any of which may yet be mined in
            its place: all have one nonce.
    """

    nonce: int
    raw: bytes
    hash: Hash32
    replaced: tuple[Hash32, ...] = ()


class NonceTaken(Temporary):
    """Another transaction of the account has the nonce: this one was not paid, and never will be.

    Attributes:
        nonce: the number that both claim.
        hash: of the transaction that is out.
    """

    def __init__(self, signed: Signed) -> None:
        """Say which transaction took part in vain."""
        self.nonce = signed.nonce
        self.hash = signed.hash
        super().__init__(
            f"nonce {signed.nonce} went to another transaction: 0x{signed.hash.hex()} is not in "
            "the chain, was not paid and cannot be any more; deciding again"
        )


class Delivery:
    """One account's transactions on their way."""

    def __init__(
        self,
        chain: Chain,
        account: Address,
        *,
        pause: Callable[[float], object] = time.sleep,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Take the connection and the account that signed.

        `pause` waits that many seconds, and returns True to end waiting. After `patience` seconds
        without a receipt, or without a new block where confirmations are waited for, waiting ends
        for now.
        """
        self._chain = chain
        self._account = account
        self._pause = pause
        self._polls = max(1, round(patience / POLL_SECONDS))

    def find(self, signed: Signed) -> Mined | None:
        """Return the receipt of a transaction, or of one that it replaced, if it is mined."""
        for digest in (signed.hash, *signed.replaced):
            mined = self._chain.find_mined(digest)
            if mined is not None:
                return mined
        return None

    def broadcast(self, signed: Signed) -> None:
        """Hand the bytes to the node; what it has already, or has mined, is no error.

        Raises:
            RpcError: the node refuses them.
        """
        try:
            self._chain.send_raw(signed.raw)
        except RpcError as error:
            reason = error.reason.lower()
            # a used nonce is settled by the next look at receipt and nonce
            if not any(text in reason for text in (*KNOWN, USED)):
                raise

    def look(self, signed: Signed) -> Mined | None:
        """Return the receipt of a transaction whose nonce is used, None while it is not.

        Raises:
            NonceTaken: another transaction has its nonce.
        """
        mined = self.find(signed)
        if mined is None and self._chain.fetch_nonce(self._account, "latest") > signed.nonce:
            return self._await_receipt(signed)
        return mined

    def deliver(
        self, signed: Signed, raise_fee: Callable[[Signed], Signed] = lambda signed: signed
    ) -> tuple[Mined, Signed]:
        """Broadcast until mined; `raise_fee` returns it at a higher fee where that is needed.

        The second of the pair is what was sent last: after a raise it knows all its hashes.

        Raises:
            NonceTaken: another transaction has its nonce.
            Temporary: not mined in time, or the node refuses it.
        """
        for poll in range(self._polls):
            mined = self.look(signed)
            if mined is not None:
                return mined, signed
            # also at the end of a short patience: what a service looks for a few seconds a block
            # would else wait at its first fee for ever
            if poll % FEE_POLLS == FEE_POLLS - 1 or poll == self._polls - 1:
                signed = raise_fee(signed)
            if poll % BROADCAST_POLLS == 0:
                signed = self.broadcast_at_any_fee(signed, raise_fee)
            else:
                self._wait(signed)
        raise Temporary(f"0x{signed.hash.hex()} is not mined yet: will look again")

    def confirm(
        self,
        signed: Signed,
        confirmations: int,
        raise_fee: Callable[[Signed], Signed] = lambda signed: signed,
    ) -> Mined:
        """Deliver it and wait until so many blocks stand on its own; a re-org starts anew.

        Raises:
            NonceTaken: another transaction has its nonce.
            Temporary: no new block came in time, or it was not mined again.

        Rule: SDK-10
        """
        seen, polls = -1, 0
        while True:
            mined, signed = self.deliver(signed, raise_fee)
            head = self._chain.fetch_block("latest").number
            if mined.succeeded and head - mined.block < confirmations:
                polls = 0 if head != seen else polls + 1
                seen = head
                if polls >= self._polls:
                    raise Temporary(
                        f"0x{mined.hash.hex()} has {head - mined.block} of {confirmations} "
                        "confirmations and no block comes: it is mined and not lost; ask again"
                    )
                self._wait(signed)
                continue
            return mined

    def find_reason(self, transaction: Transaction, mined: Mined) -> str:
        """Return why a mined transaction failed, as far as the block before it tells."""
        if transaction.to is None:
            return "the constructor failed"
        try:
            self._chain.call(
                transaction.to,
                transaction.data,
                mined.block - 1,
                sender=self._account,
                value=transaction.value,
            )
        except Reverted as error:
            return error.reason
        except Temporary as error:
            # also a node that keeps no old state: what is mined needs no reason to be over
            return f"unknown ({error})"
        return "it passed a block earlier: out of gas, or another transaction came before it"

    def _await_receipt(self, signed: Signed) -> Mined:
        """Look for the receipt once the nonce is used: by this transaction, or by another.

        A node's receipts may come a little after its nonces.
        """
        for _ in range(RECEIPT_LOOKS):
            mined = self.find(signed)
            if mined is not None:
                return mined
            self._wait(signed)
        raise NonceTaken(signed)

    def _wait(self, signed: Signed) -> None:
        if self._pause(POLL_SECONDS):
            raise Temporary(f"stopped while waiting for 0x{signed.hash.hex()}: it is not lost")

    def broadcast_at_any_fee(self, signed: Signed, raise_fee: Callable[[Signed], Signed]) -> Signed:
        """Broadcast it, and at a higher fee where the node refuses it; return what was sent.

        Raises:
            RpcError: the node refuses it for another reason.
        """
        try:
            self.broadcast(signed)
        except RpcError:
            raised = raise_fee(signed)
            if raised == signed:
                raise
            return raised
        return signed
