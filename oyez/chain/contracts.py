"""Typed calls to the rollup's contracts, through the ABIs in `contracts/abi`.

Reads take the block they look at; writes are `Transaction`s that a `Sender` signs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

import eth_abi
from eth_abi.exceptions import DecodingError
from eth_utils import abi as abi_types

from oyez.chain.client import At, Chain, Log
from oyez.chain.deployment import Deployment
from oyez.protocol.errors import Fatal, Temporary
from oyez.protocol.types import (
    Address,
    BatchNumber,
    CallId,
    Claim,
    Finality,
    Hash32,
    ModelShape,
    Status,
)

Member = TypeVar("Member", bound=IntEnum)

ABI_FOLDER = Path(__file__).resolve().parents[2] / "contracts" / "abi"


@dataclass(frozen=True, slots=True)
class Transaction:
    """What to send: the sender adds nonce, gas and fees. `to` None deploys `data`."""

    to: Address | None
    data: bytes
    value: int = 0


@functools.cache
def load_abi(name: str) -> tuple[dict[str, Any], ...]:
    """Read a contract's generated ABI."""
    path = ABI_FOLDER / f"{name}.json"
    try:
        return tuple(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise Fatal(
            f"cannot read {path}: run `python scripts/abi.py` in a full checkout"
        ) from error


@functools.cache
def find_abi(contract: str, kind: str, name: str) -> Any:  # Any: an ABI element, plain JSON
    """Return one function or event of a contract's ABI."""
    for element in load_abi(contract):
        if element["type"] == kind and element.get("name") == name:
            return element
    raise Fatal(f"{contract} has no {kind} {name}: its ABI is of another version")


@functools.cache
def compute_topic(contract: str, event: str) -> bytes:
    """Return an event's signature hash, its first topic."""
    return bytes(abi_types.event_abi_to_log_topic(find_abi(contract, "event", event)))


def decode_log(contract: str, event: str, log: Log) -> dict[str, Any]:  # Any: ABI values
    """Return an event's arguments by name; Temporary when the node gave damaged data."""
    inputs = find_abi(contract, "event", event)["inputs"]
    indexed = [item for item in inputs if item["indexed"]]
    plain = [item for item in inputs if not item["indexed"]]
    try:
        words = [
            _decode([item], topic)[0] for item, topic in zip(indexed, log.topics[1:], strict=True)
        ]
        values = _decode(plain, log.data)
    except (DecodingError, ValueError) as error:
        raise Temporary(f"the node gave a damaged {event} log: use another RPC") from error
    names = [item["name"] for item in (*indexed, *plain)]
    return dict(zip(names, (*words, *values), strict=True))


def _decode(items: Sequence[Any], data: bytes) -> tuple[Any, ...]:  # Any: ABI components, values
    """Decode ABI data, with addresses as bytes."""
    values = eth_abi.abi.decode([_type(item) for item in items], data)
    return tuple(_plain(item, value) for item, value in zip(items, values, strict=True))


def _plain(item: Any, value: Any) -> Any:  # Any: an ABI component and its value
    """Turn the hex addresses that eth_abi gives into bytes, inside structs and arrays too."""
    kind = item["type"]
    if kind.endswith("]"):
        element = {**item, "type": kind[: kind.rindex("[")]}
        return tuple(_plain(element, part) for part in value)
    if kind == "tuple":
        parts = zip(item["components"], value, strict=True)
        return tuple(_plain(component, part) for component, part in parts)
    return bytes.fromhex(value[2:]) if kind == "address" else value


def _type(item: Any) -> str:  # Any: an ABI component
    return abi_types.collapse_if_tuple(item)


class Contract:
    """A deployed contract: its name picks the ABI."""

    name = ""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        """Find the contract by its class's name in the deployment."""
        self.chain = chain
        self.address = deployment.address(self.name)

    def read(self, function: str, *arguments: Any, at: At = "latest") -> Any:  # Any: ABI values
        """Call a view; one output is returned bare, several as a tuple, addresses as bytes.

        Raises:
            Temporary: nothing is deployed there, or the node answers badly.
            Reverted: the contract refuses.
        """
        element = find_abi(self.name, "function", function)
        answer = self.chain.call(self.address, encode_call(element, arguments), at)
        try:
            values = _decode(element["outputs"], answer)
        except DecodingError as error:
            raise Temporary(
                f"{self.name}.{function} at 0x{self.address.hex()} answers {len(answer)} bytes: "
                "is the deployment file of this chain?"
            ) from error
        return values[0] if len(values) == 1 else values

    def build(self, function: str, *arguments: Any, value: int = 0) -> Transaction:
        """Return the transaction that calls a function."""
        element = find_abi(self.name, "function", function)
        return Transaction(self.address, encode_call(element, arguments), value)


def _member(kind: type[Member], value: int) -> Member:
    """Return a contract's enum value; what it cannot answer was made up by the node."""
    try:
        return kind(value)
    except ValueError as error:
        raise Temporary(f"the node gave {value} for a {kind.__name__}: use another RPC") from error


def encode_call(element: Any, arguments: Sequence[Any]) -> bytes:  # Any: ABI element and values
    """Return a call's data: selector and arguments."""
    types = [_type(item) for item in element["inputs"]]
    selector = bytes(abi_types.function_abi_to_4byte_selector(element))
    return selector + eth_abi.abi.encode(types, arguments)


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """What the Inbox stores of a batch; `batch_hash` is zero until it closes."""

    batch_hash: Hash32
    first_call: CallId
    count: int
    opened_at: int
    work: int


class Inbox(Contract):
    """The queue that fixes the order of calls and cuts the batches."""

    name = "Inbox"

    def fetch_batch(self, number: int, at: At = "latest") -> BatchRecord:
        """Return a closed batch's record."""
        return BatchRecord(*self.read("batch", number, at=at))

    def fetch_quote(self, action_id: Hash32, input_bytes: int, at: At = "latest") -> int:
        """Return the fee in wei of a call with an input of this length."""
        return int(self.read("quote", action_id, input_bytes, at=at))

    def fetch_period(self, which: str, at: At = "latest") -> int:
        """Return `min_batch_seconds` or `max_batch_seconds`."""
        return int(self.read(which, at=at))

    def build_submit(
        self, *, action_id: Hash32, cell: bytes, data: bytes, manifest_hash: Hash32, fee: int
    ) -> Transaction:
        """Return the transaction that queues a call; what is paid above the fee is credited."""
        return self.build("submit", action_id, cell, data, manifest_hash, 0, value=fee)

    def build_close(self) -> Transaction:
        """Return the transaction that closes the open batch."""
        return self.build("close_batch")


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion as the Rollup stores it; `created_at` is its finalization's time once FINAL."""

    parent: Hash32
    state_root: Hash32
    outbox_root: Hash32
    receipts_root: Hash32
    proposer: Address
    batch: BatchNumber
    created_at: int
    allowance: int
    status: Status


@dataclass(frozen=True, slots=True)
class Stake:
    """A staker's word; `status` is 0 none, 1 live, 2 slashed."""

    status: int
    proposals: int
    championships: int
    requested_at: int
    tip: Hash32


@dataclass(frozen=True, slots=True)
class RollupSettings:
    """The Rollup's immutables: periods in seconds, the stake in wei."""

    inbox: Address
    game: Address
    challenge_window: int
    response_window: int
    sequencer_grace: int
    stake: int
    enclaves: Address
    needs_enclave: bool


class Rollup(Contract):
    """Assertions, stakes and the log of final roots."""

    name = "Rollup"

    def fetch_head(self, at: At = "latest") -> BatchNumber:
        """Return the last final batch."""
        return BatchNumber(self.read("head", at=at))

    def fetch_assertion(self, assertion_id: Hash32, at: At = "latest") -> Assertion:
        """Return an assertion; status NONE when it was never proposed."""
        (
            parent,
            state_root,
            outbox_root,
            receipts_root,
            proposer,
            batch,
            created_at,
            allowance,
            status,
        ) = self.read("assertion", assertion_id, at=at)
        return Assertion(
            parent=parent,
            state_root=state_root,
            outbox_root=outbox_root,
            receipts_root=receipts_root,
            proposer=proposer,
            batch=batch,
            created_at=created_at,
            allowance=allowance,
            status=_member(Status, status),
        )

    def fetch_status(self, assertion_id: Hash32, at: At = "latest") -> Status:
        """Return an assertion's status."""
        return _member(Status, self.read("status", assertion_id, at=at))

    def fetch_final_id(self, number: int, at: At = "latest") -> Hash32:
        """Return the id of the final assertion of a batch; zero when it is not final."""
        return Hash32(self.read("final_id", number, at=at))

    def fetch_root(self, which: str, number: int, at: At = "latest") -> Hash32:
        """Return the final `state_root`, `outbox_root` or `receipts_root` of a batch."""
        return Hash32(self.read(which, number, at=at))

    def fetch_attested(self, assertion_id: Hash32, at: At = "latest") -> bool:
        """Return whether a registered enclave signed a proposed assertion."""
        return bool(self.read("attested", assertion_id, at=at))

    def build_attest(self, assertion_id: Hash32, signature: bytes) -> Transaction:
        """Return the transaction that brings an enclave's signature of an assertion."""
        return self.build("attest", assertion_id, signature)

    def fetch_finality(self, call_id: int, number: int, at: At = "latest") -> Finality:
        """Return how far a call of a batch has come."""
        return _member(Finality, self.read("finality", call_id, number, at=at))

    def fetch_stake(self, staker: Address, at: At = "latest") -> Stake:
        """Return what a staker has at risk."""
        return Stake(*self.read("stake", staker, at=at))

    def fetch_sequencer(self, at: At = "latest") -> Address:
        """Return the address that proposes first."""
        return Address(self.read("sequencer", at=at))

    def fetch_settings(self, at: At = "latest") -> RollupSettings:
        """Return the periods and the stake of this deployment."""
        return RollupSettings(*self.read("settings", at=at))

    def build_propose(
        self,
        *,
        parent: Hash32,
        attempt: int,
        batch_hash: Hash32,
        claim: Claim,
        last_record_proof: Sequence[Hash32],
        batch_data: bytes,
    ) -> Transaction:
        """Return the transaction that proposes an assertion."""
        roots = (claim.trace_root, claim.state_root, claim.outbox_root, claim.receipts_root)
        proof = list(last_record_proof)
        return self.build("propose", parent, attempt, batch_hash, roots, proof, batch_data)

    def build_finalize(self, assertion_id: Hash32) -> Transaction:
        """Return the transaction that makes an assertion final."""
        return self.build("finalize", assertion_id)

    def build_step_down(self, path: Sequence[Hash32]) -> Transaction:
        """Return the transaction that moves the caller's tip along PENDING children."""
        return self.build("step_down", list(path))

    def build_mark_void(self, assertion_id: Hash32) -> Transaction:
        """Return the transaction that voids a child of a dead parent."""
        return self.build("mark_void", assertion_id)

    def build_cancel_withdrawal(self) -> Transaction:
        """Return the transaction that arms the caller's stake again."""
        return self.build("cancel_withdrawal")

    def build_deposit(self, amount: int) -> Transaction:
        """Return the transaction that deposits the caller's stake."""
        return self.build("deposit_stake", value=amount)


class ActionRegistry(Contract):
    """Published actions and where their manifests' bytes lie."""

    name = "ActionRegistry"

    def fetch_pointer(self, manifest_hash: Hash32, at: At = "latest") -> Address:
        """Return the address whose code holds a manifest, zero when it was never published."""
        return Address(self.read("manifest_pointer", manifest_hash, at=at))

    def build_publish(self, manifest: bytes) -> Transaction:
        """Return the transaction that publishes an action."""
        return self.build("publish", manifest)


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A listed model; `effective_at` in seconds."""

    root: Hash32
    engine: int
    shape_hash: Hash32
    effective_at: int


class ModelRegistry(Contract):
    """The models that this rollup runs."""

    name = "ModelRegistry"

    def fetch_model(self, index: int, at: At = "latest") -> ModelRecord:
        """Return a listed model; Reverted when there is none at the index."""
        return ModelRecord(*self.read("models", index, at=at))

    def fetch_shape(self, index: int, at: At = "latest") -> ModelShape:
        """Return a listed model's shape."""
        words = list(self.read("shape", index, at=at))
        # One byte each, ascending from the word's highest; a listed byte is never zero.
        words[-1] = words[-1].rstrip(b"\0")
        return ModelShape(*words)
