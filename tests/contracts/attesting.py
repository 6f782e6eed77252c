"""A registry of enclaves for the contracts in process, and signatures as an enclave writes them."""

from __future__ import annotations

from typing import Any

from eth_keys.datatypes import PrivateKey

from oyez.chain import deploy
from oyez.protocol import codec
from oyez.protocol.types import Address
from tests.contracts import manifests
from tests.contracts.conftest import publish
from tests.contracts.harness import GAME, SEQUENCER, STRANGER, Contract, World, settings
from tests.contracts.proposals import Proposal, close_batch_of, id_of, make_proposal, propose, stake

HARNESS = "tests/contracts/EnclavesHarness.vy"
KEY = PrivateKey(b"\x11" * 32)
OTHER = PrivateKey(b"\x22" * 32)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
#: The first contract of an account that creates nothing else.
REGISTRY = deploy.compute_create_address(STRANGER, 0)


def signer_of(key: PrivateKey) -> Address:
    return Address(key.public_key.to_canonical_address())


def sign(assertion_id: bytes, key: PrivateKey = KEY, registry: Address = REGISTRY) -> bytes:
    """Return r, s, v as an enclave writes them."""
    made = key.sign_msg_hash(codec.H("ATTEST", registry, assertion_id))
    return made.r.to_bytes(32, "big") + made.s.to_bytes(32, "big") + bytes([27 + made.v])


def create_registry(world: World, is_simulated: bool = False) -> Contract:
    """Create a registry at REGISTRY that knows KEY."""
    registry = world.deploy(HARNESS, is_simulated, sender=STRANGER)
    registry.name(signer_of(KEY), True)
    return registry


class Deployed:
    """A rollup whose registry knows one key, and a first batch that is closed."""

    def __init__(self, *, is_simulated: bool = False, chain_id: int = 1, **changes: Any) -> None:
        def prepare(world: World) -> None:
            self.registry = create_registry(world, is_simulated)

        changes = {"enclaves": REGISTRY, "game": GAME} | changes
        self.world = World(settings(**changes), prepare, chain_id)
        self.action = publish(self.world, manifests.BALLOT)
        stake(self.world)
        close_batch_of(self.world, self.action)

    @property
    def rollup(self) -> Contract:
        return self.world.rollup

    @property
    def genesis(self) -> bytes:
        found = self.rollup.final_id(0)
        assert isinstance(found, bytes)
        return found

    def predict(self, proposal: Proposal) -> bytes:
        return id_of(self.world, self.genesis, 1, proposal)

    def propose(self, proposal: Proposal | None = None, sender: bytes = SEQUENCER) -> bytes:
        return propose(self.world, self.genesis, proposal or make_proposal(), sender=sender)
