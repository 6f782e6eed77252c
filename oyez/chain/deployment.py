"""Where a rollup lives: one JSON file that every command takes with `--deployment`.

Keys: `rpc`, `chain_id`, `deployment_block`, `contracts` (Vyper file name -> address) and
`consumer` (an example consumer's address, or null).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from eth_utils.address import is_address, to_canonical_address, to_checksum_address

from oyez.protocol.errors import Fatal
from oyez.protocol.types import Address


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployed rollup.

    Attributes:
        rpc: URL of the chain's JSON-RPC endpoint.
        deployment_block: no log of these contracts lies in an earlier block.
        contracts: name of the Vyper file, without its ending -> address.
        consumer: an example consumer, where one was deployed.
    """

    rpc: str
    chain_id: int
    deployment_block: int
    contracts: dict[str, Address]
    consumer: Address | None = None

    def address(self, name: str) -> Address:
        """Return a contract's address; Fatal when the file does not name it."""
        if name not in self.contracts:
            raise Fatal(f"the deployment file names no {name}: deploy again or use another file")
        return self.contracts[name]

    @property
    def has_game(self) -> bool:
        """Whether assertions can be defeated: the rollup was deployed with a DuelGame."""
        return "DuelGame" in self.contracts

    @property
    def has_steps(self) -> bool:
        """Whether duels are decided lane by lane: the steps of the traces are verified on chain."""
        return "StepTable" in self.contracts

    def save(self, path: Path) -> None:
        """Write the file in one step, so that no reader ever sees half of it."""
        document = {
            "rpc": self.rpc,
            "chain_id": self.chain_id,
            "deployment_block": self.deployment_block,
            "contracts": {n: to_checksum_address(a) for n, a in self.contracts.items()},
            "consumer": None if self.consumer is None else to_checksum_address(self.consumer),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".new")
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        os.replace(draft, path)


def load_deployment(path: Path) -> Deployment:
    """Read a deployment file; Fatal names the broken key and what to do."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Fatal(
            f"cannot read {path} ({error.strerror}): give the file that the deployment wrote"
        ) from error
    except (ValueError, RecursionError) as error:
        raise Fatal(f"{path} is not JSON: give the file that the deployment wrote") from error
    if not isinstance(document, dict):
        raise Fatal(f"{path} holds no JSON object: give the file that the deployment wrote")
    contracts = document.get("contracts")
    if not isinstance(contracts, dict):
        raise _broken(path, "contracts", "an object of addresses")
    consumer = document.get("consumer")
    return Deployment(
        rpc=_text(path, document, "rpc"),
        chain_id=_count(path, document, "chain_id"),
        deployment_block=_count(path, document, "deployment_block"),
        contracts={name: _address(path, name, value) for name, value in contracts.items()},
        consumer=None if consumer is None else _address(path, "consumer", consumer),
    )


def _text(path: Path, document: dict[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise _broken(path, name, "a string")
    return value


def _count(path: Path, document: dict[str, object], name: str) -> int:
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _broken(path, name, "a whole number")
    return value


def _address(path: Path, name: str, value: object) -> Address:
    if not isinstance(value, str) or not is_address(value):
        raise _broken(path, name, "an address of 0x and 40 hex digits")
    return Address(to_canonical_address(value))


def _broken(path: Path, name: str, wanted: str) -> Fatal:
    return Fatal(f"{path}: {name} must be {wanted}: give the file that the deployment wrote")
