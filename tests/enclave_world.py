"""A rollup on a local chain with a registry of simulated enclaves, and a guest's agent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oyez import cli
from oyez.attestation.certificates import parse_certificate
from oyez.attestation.enclave import request_registration
from oyez.attestation.guest import DstackGuest
from oyez.attestation.keeper import Keeper, Parts
from oyez.attestation.signer import EnclaveSigner
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_agent import Agent, AgentServer
from oyez.attestation.sources import CollateralSource, SimulatedSource
from oyez.attestation.submissions import compute_workload, split_quote
from oyez.chain.contracts import Transaction
from oyez.chain.enclave_deploy import DAY, EnclaveSettings
from oyez.chain.keys import Key
from oyez.chain.sender import MemoryJournal, Sender
from oyez.chain.tdx import TdxCollateral, TdxRegistry
from oyez.protocol.enclaves import compute_binding, compute_report_data
from oyez.protocol.types import Address
from tests.local_rollup import LocalRollup
from tests.services import Lines
from tests.tdx_keys import APPLICATION, EnclaveKey

PLATFORM = SimulatedPlatform()
NOWHERE = Path("/nowhere/tdx_guest")
CURATOR, KEEPER = 3, 4
DELAY = 600
WORKLOAD = compute_workload(PLATFORM.quote(bytes(64)))


@dataclass
class EnclaveWorld:
    """What a test of enclaves works with."""

    rollup: LocalRollup
    agent: Agent
    endpoint: str

    @property
    def kept(self) -> TdxCollateral:
        return TdxCollateral(self.rollup.chain, self.rollup.deployment)

    @property
    def registry(self) -> TdxRegistry:
        return TdxRegistry(self.rollup.chain, self.rollup.deployment)

    @property
    def now(self) -> int:
        return self.rollup.chain.fetch_block().timestamp

    def keeper(self, source: CollateralSource | None = None, **parts: Any) -> tuple[Keeper, Lines]:
        log = Lines()
        key = self.rollup.keys[KEEPER]
        journal = parts.pop("journal", None) or MemoryJournal()
        made = Parts(
            chain=self.rollup.chain,
            kept=self.kept,
            source=source or SimulatedSource(PLATFORM),
            sender=Sender(self.rollup.chain, key, journal, pause=lambda _: None),
            log=log,
            **parts,
        )
        return Keeper(made), log

    def keep(self, source: CollateralSource | None = None, **parts: Any) -> Lines:
        """Run a keeper of its own until nothing is lacking."""
        keeper, log = self.keeper(source, **parts)
        run(keeper)
        return log


def run(keeper: Keeper) -> None:
    for _ in range(100):
        if not keeper.step():
            return
    raise AssertionError("the keeper never comes to rest")


def choose_settings(keys: Sequence[Key]) -> EnclaveSettings:
    return EnclaveSettings(
        root=parse_certificate(PLATFORM.root),
        curator=keys[CURATOR].address,
        delay=DELAY,
        lifetime=7 * DAY,
        workloads=(WORKLOAD,),
    )


@contextmanager
def open_world(*, needs_enclave: bool = False) -> Iterator[EnclaveWorld]:
    """Deploy, with the agent's own workload allowed, and no collateral yet."""
    with (
        LocalRollup(enclaves=choose_settings, needs_enclave=needs_enclave) as rollup,
        AgentServer(Agent(PLATFORM), device=NOWHERE) as server,
    ):
        yield EnclaveWorld(rollup, Agent(PLATFORM), server.endpoint)


def build_registration(world: EnclaveWorld, key: EnclaveKey) -> Transaction:
    """Return what registers a key that a test holds, as a guest would one of its own."""
    chain, registry = world.rollup.chain, world.registry
    block = chain.fetch_block(chain.fetch_block().number - 1)
    binding = compute_binding(
        chain.chain_id, registry.address, key.address, block.number, block.hash
    )
    parts = split_quote(PLATFORM.quote(compute_report_data(binding, APPLICATION)))
    return registry.build_register(parts, key.address, block.number, key.sign(binding))


def register_key(world: EnclaveWorld, key: EnclaveKey) -> None:
    """Register a key that a test holds."""
    world.rollup.act(5, build_registration(world, key))


def register_signer(world: EnclaveWorld, signer: EnclaveSigner) -> None:
    """Register the key of a sequencer's enclave by a quote of this world's agent."""
    guest = DstackGuest(world.endpoint)
    made = request_registration(world.rollup.chain, world.registry, guest, signer, APPLICATION)
    world.rollup.act(5, made.transaction)


class Shell:
    """Runs commands as a user with an empty home and some account's key."""

    def __init__(self, world: EnclaveWorld, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.home, self._patch = world, home, monkeypatch
        self.file = home / "deployment.json"
        world.rollup.deployment.save(self.file)
        monkeypatch.setenv("OYEZ_HOME", str(home))
        monkeypatch.setenv("DSTACK_SIMULATOR_ENDPOINT", world.endpoint)
        self.use(5)

    def use(self, account: int) -> None:
        self._patch.setenv("OYEZ_KEY", self.world.rollup.anvil.accounts[account].key)

    def __call__(self, *args: str, code: int = 0) -> dict[str, Any]:
        result = CliRunner().invoke(cli.main, ["enclave", *args, "--json"])
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        found = json.loads(result.stdout)
        assert isinstance(found, dict)
        return found

    def error(self, *args: str, code: int = 2) -> str:
        return str(self(*args, code=code)["error"]["message"])

    def text(self, *args: str, code: int = 0) -> str:
        result = CliRunner().invoke(cli.main, ["enclave", *args])
        assert result.exit_code == code, result.stderr
        return result.stdout


def read_signer(found: dict[str, Any]) -> Address:
    """Return the signer of an enclave as `oyez enclave` prints it."""
    return Address(bytes.fromhex(found["signer"][2:]))
