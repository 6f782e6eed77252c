"""An enclave's home and its registration: what `oyez enclave register` and a sequencer share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oyez.attestation.guest import Guest
from oyez.attestation.sealing import SealedFile
from oyez.attestation.signer import Domain, EnclaveSigner, Signed
from oyez.attestation.submissions import QuoteParts, compute_workload, split_quote
from oyez.chain import events
from oyez.chain.client import Chain
from oyez.chain.contracts import Transaction
from oyez.chain.deployment import Deployment
from oyez.chain.tdx import TdxRegistry
from oyez.protocol.enclaves import compute_report_data
from oyez.protocol.types import BatchNumber, Hash32
from oyez.service import lock_home

STATE, SEAL = "state", "seal"
#: Blocks below the newest one that a quote names, so that no usual re-org makes it another's:
#: on a chain of one machine, on every other.
LOCAL_DEPTH, DEPTH = 1, 8
LOCAL_CHAINS = (1_337, 31_337)


@dataclass(frozen=True, slots=True)
class Registration:
    """A quote over a key, and all else that registers it."""

    quote: bytes
    parts: QuoteParts
    workload: Hash32
    application: Hash32
    ref_block: int
    transaction: Transaction


def build_domain(chain: Chain, deployment: Deployment) -> Domain:
    """Return for whom an enclave of this deployment signs."""
    registry = TdxRegistry(chain, deployment)
    return Domain(chain.chain_id, deployment.address("Rollup"), registry.address)


@contextlib.contextmanager
def open_signer(home: Path, seal: Path | None, domain: Domain) -> Iterator[EnclaveSigner]:
    """Hold a home and yield the key that rests there, made where there is none.

    Args:
        home: folder of the state.
        seal: the seal's file, in the guest's own memory; None puts it into the home.
        domain: for whom the key signs.

    Raises:
        Fatal: another process has the home, or its files cannot be used.
    """
    with lock_home(home):
        yield EnclaveSigner(SealedFile(home / STATE, seal or home / SEAL), domain)


def request_registration(
    chain: Chain, registry: TdxRegistry, guest: Guest, signer: EnclaveSigner, application: Hash32
) -> Registration:
    """Have the guest quote a key, bound to a recent block, and return what registers it.

    Raises:
        Temporary: guest or chain do not answer.
        Fatal: the guest's quote is of no use.

    Rule: ENCLAVE-5, ENCLAVE-12
    """
    depth = LOCAL_DEPTH if chain.chain_id in LOCAL_CHAINS else DEPTH
    block = chain.fetch_block(max(chain.fetch_block().number - depth, 0))
    binding = signer.bind(block.number, block.hash)
    quote = guest.fetch_quote(compute_report_data(binding, application))
    parts = split_quote(quote)
    possession = signer.prove_possession(block.number, block.hash)
    return Registration(
        quote=quote,
        parts=parts,
        workload=compute_workload(quote),
        application=application,
        ref_block=block.number,
        transaction=registry.build_register(parts, signer.address, block.number, possession),
    )


def resume(signer: EnclaveSigner, chain: Chain, deployment: Deployment) -> BatchNumber:
    """Have a key look at the chain before it signs; return the newest batch that was proposed.

    What the chain has of this key in that batch is held against what the key remembers.

    Raises:
        Fatal: the two contradict; the key signs no more.

    Rule: ENCLAVE-8
    """
    rollup = deployment.address("Rollup")
    topics = events.compute_topics(("AssertionProposed", "AssertionAttested"))
    last = chain.fetch_block().number
    proposed: list[events.AssertionProposed] = []
    signed: set[Hash32] = set()
    for log in chain.fetch_logs([rollup], topics, deployment.deployment_block, last):
        match events.decode(log):
            case events.AssertionProposed() as event:
                proposed.append(event)
            case events.AssertionAttested() as event if event.signer == signer.address:
                signed.add(event.assertion_id)
    newest = BatchNumber(max((event.batch for event in proposed), default=0))
    signer.resume(
        newest,
        [
            Signed(event.parent, event.batch, event.assertion_id)
            for event in proposed
            if event.batch == newest and event.assertion_id in signed
        ],
    )
    return newest
