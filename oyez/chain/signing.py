"""Signs an account's transactions at what blocks cost now; keeps and sends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from oyez.chain.client import Chain
from oyez.chain.contracts import Transaction
from oyez.chain.delivery import Signed
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

    def __init__(self, address: Address, balance: int, needed: int, waiting: int = 0) -> None:
        """Say who lacks how much; `waiting` of the `needed` is for what is on its way."""
        others = f" (of it {format_ether(waiting)} ETH for others on their way)" if waiting else ""
        super().__init__(
            f"0x{address.hex()} holds {format_ether(balance)} ETH and this transaction needs up to "
            f"{format_ether(needed)}{others}: send it at least {format_ether(needed - balance)} ETH"
        )


class TransactionTooLarge(Fatal):
    """Nodes would not pass the transaction on; nothing was sent."""

    def __init__(self, size: int) -> None:
        """Say how large it is, and what is allowed."""
        super().__init__(
            f"this transaction has {size:,} bytes, nodes take {MAX_TRANSACTION_BYTES:,} at most: "
            "nothing was sent; shorten its data"
        )


@dataclass(frozen=True, slots=True)
class Fees:
    """What a unit of gas costs now, in wei: the newest block's base fee, the tip to give."""

    base: int
    tip: int


@dataclass(frozen=True, slots=True)
class Purse:
    """An account's wei, and how much of it transactions on their way may cost at most."""

    balance: int
    waiting: int = 0


class Signer:
    """An account's key, and the chain that it signs for."""

    def __init__(self, chain: Chain, key: Key) -> None:
        """Take the connection and the key."""
        self._chain = chain
        self._key = key

    @property
    def address(self) -> Address:
        """The account that pays and signs."""
        return self._key.address

    def fetch_fees(self) -> Fees:
        """Return what gas costs now."""
        tip = max(MINIMUM_TIP, self._chain.fetch_tip())
        return Fees(self._chain.fetch_block("latest").base_fee, tip)

    def sign(
        self,
        transaction: Transaction,
        *,
        nonce: int | None = None,
        fees: Fees | None = None,
        purse: Purse | None = None,
    ) -> Signed:
        """Sign with the account's next nonce, today's fees and balance, or those given.

        Raises:
            Reverted: the contract would refuse it now.
            InsufficientBalance: the account cannot pay it besides what is on its way.
            TransactionTooLarge: nodes would not pass it on.

        Rule: SDK-9
        """
        chain, address = self._chain, self._key.address
        if len(transaction.data) > MAX_TRANSACTION_BYTES:
            raise TransactionTooLarge(len(transaction.data))  # no node need estimate it
        purse = purse or Purse(chain.fetch_balance(address))
        self._verify_purse(purse, transaction.value)
        estimate = chain.estimate_gas(address, transaction.to, transaction.data, transaction.value)
        gas = estimate * (100 + GAS_MARGIN) // 100
        fees = fees or self.fetch_fees()
        fee = 2 * fees.base + fees.tip
        self._verify_purse(purse, transaction.value + gas * fee)
        signed = self._sign(
            {
                "type": 2,
                "chainId": chain.chain_id,
                "nonce": chain.fetch_nonce(address, "pending") if nonce is None else nonce,
                "to": b"" if transaction.to is None else transaction.to,
                "data": transaction.data,
                "value": transaction.value,
                "gas": gas,
                "maxFeePerGas": fee,
                "maxPriorityFeePerGas": fees.tip,
            }
        )
        if len(signed.raw) > MAX_TRANSACTION_BYTES:
            raise TransactionTooLarge(len(signed.raw))
        return signed

    def sign_dearer(self, signed: Signed, fees: Fees) -> Signed:
        """Return the same at a higher fee where blocks now cost more than it offers, else itself.

        So they do when the base fee rose, or when others came to tip more.
        """
        fields = read_fields(signed)
        old_fee, old_tip = fields["maxFeePerGas"], fields["maxPriorityFeePerGas"]
        if fees.base + old_tip <= old_fee and fees.tip <= old_tip:
            return signed
        # Nodes take a replacement from an eighth more on, for both fees.
        tip = max(old_tip * 9 // 8 + 1, fees.tip)
        fee = max(old_fee * 9 // 8 + 1, 2 * fees.base + tip)
        changed = {name: value for name, value in fields.items() if name not in ("v", "r", "s")}
        changed |= {"maxFeePerGas": fee, "maxPriorityFeePerGas": tip}
        return self._sign(changed, (signed.hash, *signed.replaced))

    def _verify_purse(self, purse: Purse, cost: int) -> None:
        needed = purse.waiting + cost
        if purse.balance < needed:
            raise InsufficientBalance(self._key.address, purse.balance, needed, purse.waiting)

    def _sign(self, fields: dict[str, Any], replaced: tuple[Hash32, ...] = ()) -> Signed:
        # Any: numbers and bytes, as eth_account takes them
        raw, digest = self._key.sign(fields)
        return Signed(int(fields["nonce"]), raw, Hash32(digest), replaced)


def read_fields(signed: Signed) -> dict[str, Any]:  # Any: numbers and bytes
    """Return the fields of a signed transaction by their names."""
    return dict(TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict())


def read_transaction(signed: Signed) -> Transaction:
    """Return what a signed transaction does."""
    fields = read_fields(signed)
    to = bytes(fields["to"])
    return Transaction(Address(to) if to else None, bytes(fields["data"]), int(fields["value"]))


def compute_cost(signed: Signed) -> int:
    """Return the wei that a signed transaction costs at most."""
    fields = read_fields(signed)
    return int(fields["value"]) + int(fields["gas"]) * int(fields["maxFeePerGas"])


def format_ether(wei: int) -> str:
    """Write wei as ether, without trailing zeros."""
    whole, rest = divmod(wei, 10**18)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")
