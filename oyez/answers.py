"""What the SDK answers when something was sent, or asked about an action or a stake."""

from __future__ import annotations

from dataclasses import dataclass

from oyez.chain import contracts
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Address, BatchNumber, CallId, Hash32, Manifest


@dataclass(frozen=True, slots=True)
class Action:
    """An action as the chain has it now.

    Attributes:
        data: the manifest's canonical bytes.
        missing: bytes without a token of their own, of the action's model.
    """

    action_id: Hash32
    author: Address
    manifest_hash: Hash32
    manifest: Manifest
    data: bytes
    missing: bytes


@dataclass(frozen=True, slots=True)
class Published:
    """An action that was just published; `gas_used` of the transaction, `record` as in Queued."""

    action_id: Hash32
    manifest_hash: Hash32
    transaction: Hash32
    block: int
    gas_used: int
    record: str


@dataclass(frozen=True, slots=True)
class Queued:
    """A call in the inbox; `fee` and `paid` in wei, what is paid above the fee is credited.

    Attributes:
        record: name under which its signed transaction is kept, for `Client.acknowledge`.
    """

    call_id: CallId
    batch: BatchNumber
    fee: int
    paid: int
    transaction: Hash32
    block: int
    record: str


@dataclass(frozen=True, slots=True)
class Stake:
    """An account's stake.

    Attributes:
        amount: wei at risk, 0 when there is none.
        required: wei that the Rollup asks for.
        proposals: pending assertions that bind it.
    """

    owner: Address
    amount: int
    required: int
    proposals: int
    slashed: bool


_LIVE, _SLASHED = 1, 2


def build_stake(owner: Address, found: contracts.Stake, required: int) -> Stake:
    """Return an account's stake as the Rollup's word has it; a live one is always `required`."""
    amount = required if found.status == _LIVE else 0
    return Stake(owner, amount, required, found.proposals, found.status == _SLASHED)


def decide_deposit(before: Stake, amount: int | None) -> int:
    """Return the wei to deposit, by default what is required.

    Rule: SDK-3

    Raises:
        Invalid: another amount than is required, slashed, or there is a stake already.
    """
    if before.slashed:
        raise Invalid("SDK-3", "this account was slashed for ever: use another key")
    if before.amount:
        raise Invalid("SDK-3", "this account has its stake already: nothing to do")
    if amount is not None and amount != before.required:
        raise Invalid(
            "SDK-3", f"a stake is {before.required} wei, not {amount}: leave --amount out"
        )
    return before.required
