"""Deploys what judges quotes and keeps enclaves' keys: before the rollup that relies on it."""

from __future__ import annotations

from dataclasses import dataclass

from oyez.attestation.certificates import Certificate
from oyez.attestation.submissions import compute_subject_id
from oyez.chain import deploy
from oyez.chain.client import Chain
from oyez.chain.contracts import Transaction
from oyez.chain.keys import Key
from oyez.chain.sender import MemoryJournal, Sender
from oyez.protocol.errors import Fatal
from oyez.protocol.types import ZERO_ADDRESS, Address, Hash32

DAY = 86_400


@dataclass(frozen=True, slots=True)
class EnclaveSettings:
    """What the two constructors fix for ever.

    Attributes:
        root: of a simulated platform, on a local chain alone; None: Intel's.
        lifetime: the most seconds that a registration lasts.
        curator: may change the list of workloads; zero is nobody.
        delay: seconds before an announced workload is allowed.
        workloads: allowed from the start.
    """

    root: Certificate | None = None
    lifetime: int = 7 * DAY
    curator: Address = ZERO_ADDRESS
    delay: int = 3 * DAY
    workloads: tuple[Hash32, ...] = ()


def deploy_enclaves(chain: Chain, key: Key, settings: EnclaveSettings) -> dict[str, Address]:
    """Deploy collateral and registry; return the addresses by the names of their files.

    Raises:
        Reverted: a constructor refuses its settings or the chain, in its own words.
    """
    build = "Intel" if settings.root is None else "Sim"
    root = settings.root
    first = () if root is None else ((compute_subject_id(root), root.key[:32], root.key[32:]),)
    kept = _create(chain, key, f"TdxCollateral{build}", *first)
    listed = (settings.lifetime, settings.curator, settings.delay, list(settings.workloads))
    registry = _create(chain, key, f"TdxRegistry{build}", kept, *listed)
    return {f"TdxCollateral{build}": kept, f"TdxRegistry{build}": registry}


def _create(chain: Chain, key: Key, name: str, *arguments: object) -> Address:
    """Create one contract; return its address."""
    artifact = deploy.compile_named(name)
    data = artifact.bytecode + deploy.encode_arguments(artifact.abi, arguments)
    mined = Sender(chain, key, MemoryJournal()).send(f"create {name}", Transaction(None, data))
    if mined.created is None:
        raise Fatal(f"{name} was not created: is {chain.rpc} a chain's RPC?")
    return mined.created
