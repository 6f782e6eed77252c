"""A registration's evidence as the chain keeps it: quote and collateral from transactions' data.

Everything that the contracts judged stands in the transactions that brought it. It is put together
again as it was, so that anyone judges it again with other programs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from oyez.attestation.certificates import parse_certificate
from oyez.attestation.intel_root import INTEL_ROOT_CERTIFICATE
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_certificates import pem, wrap
from oyez.attestation.slices import join_quote
from oyez.attestation.submissions import compute_subject_id
from oyez.chain.client import Chain, Log
from oyez.chain.contracts import compute_topic, decode_log
from oyez.chain.deployment import Deployment
from oyez.chain.tdx import Registered, TdxCollateral, TdxRegistry, fetch_input
from oyez.protocol.errors import Fatal, Invalid
from oyez.protocol.types import Hash32


@dataclass(frozen=True, slots=True)
class Evidence:
    """A registration put together again.

    Attributes:
        quote: as the guest made it, but for what followed its end.
        collateral: QuoteCollateralV3 JSON, as it stood when the key was registered.
        root: the root's certificate, DER.
        at: time of the registration's block, seconds since 1970.
    """

    quote: bytes
    collateral: str
    root: bytes
    at: int


class Archive:
    """Reads what the contracts of a deployment were given.

    Rule: ENCLAVE-13
    """

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        """Find both contracts and the root's certificate."""
        self._chain, self._first = chain, deployment.deployment_block
        self._registry = TdxRegistry(chain, deployment)
        self._kept = TdxCollateral(chain, deployment)
        simulated = self._registry.is_simulated
        self.root = SimulatedPlatform().root if simulated else INTEL_ROOT_CERTIFICATE
        if parse_certificate(self.root).key != self._kept.fetch_root():
            raise Fatal("the contract's root is neither Intel's nor the simulated platform's")

    def read(self, registered: Registered) -> Evidence:
        """Return a registration's evidence.

        Raises:
            Invalid: ENCLAVE-13, a part is not there.
            Temporary: the node does not have it, or has no traces and a part came through another
                contract.
        """
        same = [
            one.index
            for one in self._registry.fetch_registered(registered.block, registered.block)
            if one.transaction == registered.transaction
        ]
        place = sum(index < registered.index for index in same)
        head, certificate, signature, *_ = fetch_input(
            self._registry, "register", registered.transaction, place
        )
        logs = self._read_logs(registered)
        issuer = registered.evidence[0]
        ca = self._certificate(logs, issuer)
        info, info_signature, info_signer = self._input(
            logs, "submit_tcb_info", "TcbInfoStored", fmspc=registered.evidence[2]
        )
        enclave, enclave_signature, enclave_signer = self._input(
            logs, "submit_qe_identity", "QeIdentityStored"
        )
        root_id = compute_subject_id(parse_certificate(self.root))
        chains = {
            name: pem(self._certificate(logs, id), self.root).decode()
            for name, id in (("tcb_info", info_signer), ("qe_identity", enclave_signer))
        }
        collateral = {
            "pck_crl_issuer_chain": pem(ca, self.root).decode(),
            "root_ca_crl": self._list(logs, root_id).hex(),
            "pck_crl": self._list(logs, issuer).hex(),
            "tcb_info_issuer_chain": chains["tcb_info"],
            "tcb_info": info.decode(),
            "tcb_info_signature": info_signature.hex(),
            "qe_identity_issuer_chain": chains["qe_identity"],
            "qe_identity": enclave.decode(),
            "qe_identity_signature": enclave_signature.hex(),
        }
        chain = pem(wrap(certificate, signature), ca, self.root)
        return Evidence(
            quote=join_quote(head, chain),
            collateral=json.dumps(collateral),
            root=self.root,
            at=self._chain.fetch_block(registered.block).timestamp,
        )

    def _read_logs(self, registered: Registered) -> list[Log]:
        """Return everything that the collateral's contract logged before a registration."""
        last = registered.block
        logs = self._chain.fetch_logs([self._kept.address], [], self._first, last)
        return [log for log in logs if (log.block, log.index) < (last, registered.index)]

    def _input(self, logs: list[Log], function: str, event: str, **wanted: Any) -> tuple[Any, ...]:
        """Return what the newest submission of a kind handed over."""
        topic = compute_topic(self._kept.name, event)
        for log in reversed(logs):
            if log.topics and log.topics[0] == topic:
                facts = decode_log(self._kept.name, event, log)
                if all(facts[name] == value for name, value in wanted.items()):
                    place = sum(
                        one.transaction == log.transaction and one.topics[:1] == (topic,)
                        for one in logs[: logs.index(log)]
                    )
                    return fetch_input(self._kept, function, log.transaction, place)
        raise Invalid("ENCLAVE-13", f"the chain's logs have no {event} of it: use another RPC")

    def _certificate(self, logs: list[Log], id: bytes) -> bytes:
        """Return an issuer's certificate, DER."""
        return wrap(*self._input(logs, "submit_issuer", "IssuerStored", issuer=Hash32(id)))

    def _list(self, logs: list[Log], id: bytes) -> bytes:
        """Return an issuer's revocation list, DER."""
        return wrap(*self._input(logs, "submit_list", "ListStored", issuer=Hash32(id)))
