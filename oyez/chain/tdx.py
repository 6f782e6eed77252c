"""Typed calls to the contracts that judge quotes; which build a deployment has, its names say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector

from oyez.attestation.submissions import QuoteParts
from oyez.chain.client import At, Chain, RpcError, from_hex, to_hex
from oyez.chain.contracts import Contract, Transaction, compute_topic, decode_log, find_abi
from oyez.chain.deployment import Deployment
from oyez.protocol.errors import Fatal, Temporary
from oyez.protocol.types import Address, Hash32

#: Real quotes, or those of the simulated platform on a local chain.
BUILDS = ("Intel", "Sim")
#: FAULT_SIGNER_REVOKED of the contracts: a stored document's signer is on a list.
SIGNER_REVOKED = 8
#: How deep the chain lets calls nest.
MAX_CALL_DEPTH = 1_024


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that the chain has; times in seconds, zeros where there is none."""

    issued: int
    until: int
    evaluation: int
    is_current: bool


class Tdx(Contract):
    """A contract of which a deployment has one of two builds."""

    base = ""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        """Find the build that the deployment file names.

        Raises:
            Fatal: it names none.
        """
        found = [f"{self.base}{build}" for build in BUILDS]
        found = [name for name in found if name in deployment.contracts]
        if not found:
            raise Fatal(
                f"the deployment file names no {self.base}: it was deployed without enclaves"
            )
        self.name = found[0]
        super().__init__(chain, deployment)


class TdxCollateral(Tdx):
    """Issuers, revocation lists and documents, as anyone may submit them."""

    base = "TdxCollateral"

    def fetch_root(self, at: At = "latest") -> bytes:
        """Return the root's key x, y in 64 bytes."""
        return b"".join(self.read("root", at=at))

    def fetch_issuer_start(self, id: Hash32, at: At = "latest") -> int:
        """Return from when the stored certificate of an issuer is valid, 0 for none."""
        return int(self.read("issuer", id, at=at)[3]) >> 40

    def fetch_list(self, id: Hash32, at: At = "latest") -> tuple[int, int]:
        """Return when an issuer's newest list was issued, and when the next is due; 0 for none."""
        this_update, next_update = self.read("list_dates", id, at=at)
        return this_update, next_update

    def fetch_is_revoked(self, mark: bytes, at: At = "latest") -> bool:
        """Return whether a certificate is on a list."""
        return bool(self.read("is_revoked", mark, at=at))

    def fetch_tcb_info(self, fmspc: bytes, at: At = "latest") -> Kept:
        """Return the TCB info of an FMSPC."""
        return Kept(*self.read("tcb_info", fmspc, at=at))

    def fetch_qe_identity(self, at: At = "latest") -> Kept:
        """Return the quoting enclave's identity."""
        return Kept(*self.read("qe_identity", at=at))

    def fetch_is_orphaned(self, issuer: Hash32, fmspc: bytes, at: At = "latest") -> bool:
        """Return whether a stored document's signer was revoked, so that it counts no more."""
        found = self.read("standard", issuer, bytes(20), fmspc, 1, 1, at=at)
        return bool(found[0] == SIGNER_REVOKED)

    def build_list(self, signed: bytes, signature: bytes) -> Transaction:
        """Return the transaction that submits a revocation list."""
        return self.build("submit_list", signed, signature)

    def build_issuer(self, signed: bytes, signature: bytes) -> Transaction:
        """Return the transaction that submits a CA's or signer's certificate."""
        return self.build("submit_issuer", signed, signature)

    def build_tcb_info(self, text: bytes, signature: bytes, signer: Hash32) -> Transaction:
        """Return the transaction that submits a TCB info."""
        return self.build("submit_tcb_info", text, signature, signer)

    def build_qe_identity(self, text: bytes, signature: bytes, signer: Hash32) -> Transaction:
        """Return the transaction that submits a QE identity."""
        return self.build("submit_qe_identity", text, signature, signer)


@dataclass(frozen=True, slots=True)
class Enclave:
    """What the registry keeps of a key; all zero for one that was never registered."""

    application: Hash32
    evidence_hash: Hash32
    expiry: int  # seconds since 1970, 0 once pruned
    ref_block: int
    mark: bytes  # 20, of the PCK
    is_active: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """A key's registration, as its event says it."""

    signer: Address
    workload: Hash32
    application: Hash32
    expiry: int
    ref_block: int
    evidence: tuple[Any, ...]  # ABI values, as `prune` wants them
    block: int
    index: int  # of its log in the block
    transaction: Hash32


class TdxRegistry(Tdx):
    """Keys of enclaves, registered by quotes."""

    base = "TdxRegistry"

    @property
    def is_simulated(self) -> bool:
        """Whether it takes a simulated platform for a real one, by its build's name."""
        return self.name.endswith("Sim")

    def fetch_enclave(self, signer: Address, at: At = "latest") -> Enclave:
        """Return what is kept of a key."""
        return Enclave(*self.read("enclave", signer, at=at))

    def fetch_allowed_from(self, workload: Hash32, at: At = "latest") -> int:
        """Return since when a workload is allowed, 0 for one that is not on the list."""
        return int(self.read("allowed_from", workload, at=at))

    def fetch_registered(self, first: int, last: int) -> Iterator[Registered]:
        """Yield the registrations of blocks first..last, in the chain's order."""
        topic = compute_topic(self.name, "EnclaveRegistered")
        for log in self.chain.fetch_logs([self.address], [topic], first, last):
            facts = decode_log(self.name, "EnclaveRegistered", log)
            place = (log.block, log.index, log.transaction)
            yield Registered(
                Address(facts["signer"]),
                Hash32(facts["workload"]),
                Hash32(facts["application"]),
                facts["expiry"],
                facts["ref_block"],
                facts["evidence"],
                *place,
            )

    def build_register(
        self, parts: QuoteParts, signer: Address, ref_block: int, possession: bytes
    ) -> Transaction:
        """Return the transaction that registers a key by a quote."""
        quote = (parts.quote, parts.certificate, parts.signature)
        return self.build("register", *quote, signer, ref_block, possession)

    def build_prune(self, signer: Address, evidence: tuple[Any, ...]) -> Transaction:
        """Return the transaction that ends a key which no longer holds."""
        return self.build("prune", signer, evidence)

    def build_announce(self, workload: Hash32) -> Transaction:
        """Return the curator's transaction that allows a workload after the delay."""
        return self.build("announce_workload", workload)

    def build_withdraw(self, workload: Hash32) -> Transaction:
        """Return the curator's transaction that takes a workload off the list."""
        return self.build("withdraw_workload", workload)


def fetch_input(
    contract: Contract, function: str, transaction: Hash32, place: int = 0
) -> tuple[Any, ...]:
    """Return the arguments of a call that a transaction made to a contract.

    A transaction sent elsewhere may have made it from there, and several of them: then the node's
    trace says what was handed over. Each that took effect logged one event of its own, in the same
    order, so that an event's place among its like in the transaction is its call's place too.

    Args:
        contract: the one that was called.
        function: its name.
        transaction: which was mined.
        place: which of the calls that took effect, from 0.

    Raises:
        Temporary: the node has not the transaction, or has no traces where one is needed.

    Rule: ENCLAVE-13
    """
    found = contract.chain.request("eth_getTransactionByHash", to_hex(transaction))
    if found is None:
        raise Temporary(f"the node has no transaction {to_hex(transaction)}: use an archive node")
    element = find_abi(contract.name, "function", function)
    try:
        data, to = from_hex(found["input"]), from_hex(found["to"] or "")
        if to != contract.address or not is_call(element, data):
            data = _trace_calls(contract, element, transaction)[place]
        return decode_call(element, data)
    except (LookupError, ValueError, TypeError, AttributeError, DecodingError) as error:
        raise Temporary("the node gave a damaged transaction: use another RPC") from error


def _trace_calls(contract: Contract, element: Any, transaction: Hash32) -> list[bytes]:
    """Return what each call of a function handed over, if it and all around it took effect."""
    try:
        with _deep_json():
            trace = contract.chain.request(
                "debug_traceTransaction", to_hex(transaction), {"tracer": "callTracer"}
            )
    except RpcError as error:
        raise Temporary(
            f"transaction {to_hex(transaction)} called {element['name']} from another contract, so "
            "that only a trace has what it handed over, and this node gives none "
            f"({error.reason}): use an archive node with the debug API (debug_traceTransaction)"
        ) from error
    found, left = [], [trace]
    while left:
        frame = left.pop()
        if frame.get("error") is not None:
            continue
        data = from_hex(frame.get("input") or "")
        to = from_hex(frame.get("to") or "")
        if frame["type"] == "CALL" and to == contract.address and is_call(element, data):
            found.append(data)
        left += reversed(frame.get("calls") or [])
    return found


@contextmanager
def _deep_json() -> Iterator[None]:
    """Let JSON be read that is as deep as calls may nest, two levels each: the reader recurses."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 4 * MAX_CALL_DEPTH)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def is_call(element: Any, data: bytes) -> bool:  # Any: an ABI element
    """Tell whether data calls this function."""
    return data[:4] == bytes(function_abi_to_4byte_selector(element))


def decode_call(element: Any, data: bytes) -> tuple[Any, ...]:  # Any: an ABI element, its values
    """Return a call's arguments.

    What fills up words may be anything, as to the contracts: its sender cannot hide what it sent.
    """
    types = [collapse_if_tuple(item) for item in element["inputs"]]
    return tuple(decode(types, data[4:], strict=False))
