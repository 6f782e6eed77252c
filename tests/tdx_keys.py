"""Keys of simulated enclaves, registered by quotes of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_account import Account

from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.submissions import compute_workload, split_quote
from oyez.protocol.codec import keccak
from oyez.protocol.enclaves import compute_application, compute_binding, compute_report_data
from oyez.protocol.types import Address, Hash32
from tests.tdx_chain import TdxChain

PLATFORM = SimulatedPlatform()
APPLICATION = compute_application(Hash32(b"\1" * 32), Hash32(b"\2" * 32))
WORKLOAD = compute_workload(PLATFORM.quote(bytes(64)))
Quoted = Callable[[bytes], bytes]  # report data -> quote


@dataclass(frozen=True)
class Request:
    """The arguments of `register`."""

    quote: bytes
    signer: Address
    ref_block: int
    possession: bytes

    def arguments(self) -> tuple[Any, ...]:
        parts = split_quote(self.quote)
        return (
            *(parts.quote, parts.certificate, parts.signature),
            *(self.signer, self.ref_block, self.possession),
        )


@dataclass(frozen=True)
class EnclaveKey:
    """A key that may stand outside the chain's accounts."""

    secret: bytes

    @property
    def address(self) -> Address:
        return Address(bytes.fromhex(Account.from_key(self.secret).address[2:]))

    def sign(self, digest: bytes) -> bytes:
        return bytes(Account.unsafe_sign_hash(digest, self.secret).signature)

    def request(
        self,
        chain: TdxChain,
        quoted: Quoted = PLATFORM.quote,
        *,
        ref_block: int | None = None,
        chain_id: int | None = None,
        registry: Address | None = None,
        application: Hash32 = APPLICATION,
    ) -> Request:
        """Have a quote made over this key, the newest block but one, and an application."""
        newest = chain.chain.fetch_block().number
        number = newest - 1 if ref_block is None else ref_block
        found = chain.chain.find_block(number)
        binding = compute_binding(
            chain_id or chain.node.chain_id,
            registry or chain.registry.address,
            self.address,
            number,
            found.hash if found else Hash32(bytes(32)),
        )
        quote = quoted(compute_report_data(binding, application))
        return Request(quote, self.address, number, self.sign(binding))


def new_key(name: str) -> EnclaveKey:
    return EnclaveKey(bytes(keccak(b"enclave " + name.encode())))


def register(chain: TdxChain, request: Request, who: int = 2) -> dict[str, Any]:
    return chain.send(chain.registry, "register", *request.arguments(), who=who)


def evidence_of(chain: TdxChain, receipt: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a registration logged for later pruning."""
    logged = chain.event(chain.registry, receipt, "EnclaveRegistered")
    return tuple(logged["evidence"].values())
