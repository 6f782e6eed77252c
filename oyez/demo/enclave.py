"""A simulated enclave of the demonstration: its registry, its key, and whose word does not count.

The platform is simulated, so what it says is worth nothing; the contracts that judge it are those
of a real one, under another root.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from eth_account import Account

from oyez.attestation.certificates import parse_certificate
from oyez.attestation.enclave import Registration, build_domain, open_signer, request_registration
from oyez.attestation.engine_build import compute_engine_build
from oyez.attestation.guest import DstackGuest
from oyez.attestation.keeper import Keeper, Parts
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_agent import Agent, AgentServer
from oyez.attestation.sources import SimulatedSource
from oyez.attestation.submissions import compute_workload
from oyez.chain.client import Mined, Reverted, connect
from oyez.chain.deployment import Deployment
from oyez.chain.devnet import Devnet
from oyez.chain.enclave_deploy import EnclaveSettings, deploy_enclaves
from oyez.chain.keys import Key
from oyez.chain.sender import MemoryJournal, Sender
from oyez.chain.tdx import TdxCollateral, TdxRegistry
from oyez.client import Client
from oyez.demo import story
from oyez.protocol.enclaves import compute_application, compute_attestation
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Address, Hash32

REGISTRY = "TdxRegistrySim"
#: Of the enclave's key, below the story's own folder.
HOME = "enclave"


@dataclass(frozen=True, slots=True)
class Judges:
    """The contracts that judge quotes, and the collateral that is on its way to them."""

    place: Deployment
    kept: Future[int]

    def join(self, deployment: Deployment) -> Deployment:
        """Return a rollup's deployment with these, once the collateral is there."""
        self.kept.result()
        return replace(
            deployment,
            deployment_block=self.place.deployment_block,
            contracts=self.place.contracts | deployment.contracts,
        )


@contextlib.contextmanager
def open_judges(devnet: Devnet, author: Key, keeper: Key) -> Iterator[Judges]:
    """Deploy the contracts, and have the collateral brought while the caller goes on."""
    platform = SimulatedPlatform()
    chain = connect(devnet.rpc, devnet.chain_id)
    settings = EnclaveSettings(
        root=parse_certificate(platform.root),
        workloads=(compute_workload(platform.quote(bytes(64))),),
    )
    block = chain.fetch_block().number
    contracts = deploy_enclaves(chain, author, settings)
    place = Deployment(devnet.rpc, devnet.chain_id, block, contracts)
    pool = ThreadPoolExecutor(1)
    try:
        yield Judges(place, pool.submit(keep, place, keeper, platform))
    finally:
        pool.shutdown(wait=False)


def keep(place: Deployment, key: Key, platform: SimulatedPlatform) -> int:
    """Bring what the chain lacks of the collateral; return how many transactions that took."""
    chain = connect(place.rpc, place.chain_id)
    parts = Parts(
        chain=chain,
        kept=TdxCollateral(chain, place),
        source=SimulatedSource(platform),
        sender=Sender(chain, key, MemoryJournal()),
        log=lambda *_, **__: None,
    )
    steps, keeper = 0, Keeper(parts)
    while keeper.step():
        steps += 1
    return steps


def register(deployment: Deployment, home: Path, payer: Key, model_root: Hash32) -> Address:
    """Make the enclave's key, have it quoted and registered, and show what that took."""
    chain = connect(deployment.rpc, deployment.chain_id)
    registry = TdxRegistry(chain, deployment)
    application = compute_application(compute_engine_build(), model_root)
    with (
        AgentServer(Agent(SimulatedPlatform())) as server,
        open_signer(home / HOME, None, build_domain(chain, deployment)) as signer,
    ):
        guest = DstackGuest(server.endpoint)
        made = request_registration(chain, registry, guest, signer, application)
        mined = Sender(chain, payer, MemoryJournal()).send("register", made.transaction)
        tell_registration(registry, signer.address, made, mined)
        return signer.address


def tell_registration(
    registry: TdxRegistry, signer: Address, made: Registration, mined: Mined
) -> None:
    """Show a registered key.

    Raises:
        Fatal: the registry does not know it.
    """
    if not registry.fetch_enclave(signer).is_active:
        raise Fatal("the registry does not know the enclave's key")
    story.say(
        f"enclave    SIMULATED, quote of {len(made.quote)} bytes verified on chain, key "
        f"0x{signer.hex()}\n"
        f"           registered for {mined.gas_used:,} gas; it runs this model by its own word"
    )


def find_attested(client: Client, assertion_id: Hash32) -> bool | None:
    """Return True once an assertion is attested, None before."""
    return client.rollup.fetch_attested(assertion_id) or None


def refuse(client: Client, assertion_id: Hash32, secret: bytes) -> str:
    """Have a key that is no enclave's sign an assertion; return the contract's own words.

    Args:
        client: of the rollup.
        assertion_id: what it signs.
        secret: the key.

    Raises:
        Fatal: the contract takes the signature.
    """
    registry = client.rollup.fetch_settings().enclaves
    digest = compute_attestation(registry, assertion_id)
    signature = bytes(Account.unsafe_sign_hash(digest, secret).signature)
    transaction = client.rollup.build_attest(assertion_id, signature)
    try:
        client.chain.call(client.rollup.address, transaction.data)
    except Reverted as error:
        return error.reason
    raise Fatal("the contract took a foreign key's signature")
