"""A rollup over the real registry of simulated enclaves: what a key of it signed is attested."""

from __future__ import annotations

from oyez.chain import client, contracts, deploy, sender
from oyez.chain.keys import Key
from oyez.protocol.enclaves import compute_attestation
from oyez.protocol.types import Address, Hash32, ModelShape
from oyez.testing.scripted import ScriptedEngine
from tests.devnet import Anvil
from tests.tdx_chain import TdxChain
from tests.tdx_keys import EnclaveKey

DEPLOYER, BRINGER = 0, 6
SHAPE: ModelShape = ScriptedEngine(seed=3).shape


def deploy_over(node: Anvil, registry: Address, needs_enclave: bool = False) -> contracts.Rollup:
    """Deploy a rollup that nobody can challenge; Reverted with the constructor's own words."""
    chain = client.connect(node.rpc, node.chain_id)
    key = read_key(node, DEPLOYER)
    settings = deploy.DeploySettings(
        sequencer=key.address,
        models=(deploy.ListedModel(Hash32(b"\1" * 32), SHAPE),),
        enclaves=registry,
        needs_enclave=needs_enclave,
    )
    return contracts.Rollup(chain, deploy.deploy(chain, key, settings))


def deploy_rollup(chain: TdxChain) -> contracts.Rollup:
    """Deploy a rollup over a chain's own registry."""
    return deploy_over(chain.node, chain.registry.address)


def read_key(node: Anvil, account: int) -> Key:
    return Key(bytes.fromhex(node.accounts[account].key[2:]))


def build_attest(
    rollup: contracts.Rollup, key: EnclaveKey, assertion_id: Hash32 | None = None
) -> contracts.Transaction:
    """Return what brings a key's signature of an assertion, by default of genesis."""
    signed = assertion_id or rollup.fetch_final_id(0)
    registry = rollup.fetch_settings().enclaves
    return rollup.build_attest(signed, key.sign(compute_attestation(registry, signed)))


def send(chain: TdxChain, transaction: contracts.Transaction) -> int:
    """Send from an account that is nobody's; return the gas. Reverted where it would fail."""
    way = sender.Sender(chain.chain, read_key(chain.node, BRINGER), sender.MemoryJournal())
    return way.send("test", transaction).gas_used
