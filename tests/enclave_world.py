"""A rollup on a local chain with a registry of simulated enclaves, and a guest's agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oyez import cli
from oyez.attestation.certificates import parse_certificate
from oyez.attestation.keeper import Keeper, Parts
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_agent import Agent, AgentServer
from oyez.attestation.sources import CollateralSource, SimulatedSource
from oyez.attestation.submissions import compute_workload
from oyez.chain.enclave_deploy import DAY, EnclaveSettings, deploy_enclaves
from oyez.chain.sender import MemoryJournal, Sender
from oyez.chain.tdx import TdxCollateral, TdxRegistry
from tests.local_rollup import LocalRollup
from tests.services import Lines

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


@contextmanager
def open_world() -> Iterator[EnclaveWorld]:
    """Deploy, with the agent's own workload allowed, and no collateral yet."""
    with LocalRollup() as rollup, AgentServer(Agent(PLATFORM), device=NOWHERE) as server:
        settings = EnclaveSettings(
            root=parse_certificate(PLATFORM.root),
            curator=rollup.keys[CURATOR].address,
            delay=DELAY,
            lifetime=7 * DAY,
            workloads=(WORKLOAD,),
        )
        made = deploy_enclaves(rollup.chain, rollup.keys[0], settings)
        contracts = rollup.deployment.contracts | made
        rollup.deployment = replace(rollup.deployment, contracts=contracts)
        yield EnclaveWorld(rollup, Agent(PLATFORM), server.endpoint)


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
