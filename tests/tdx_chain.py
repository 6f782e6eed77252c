"""The contracts that judge quotes, on a real chain with its P-256 precompile, at a chosen time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import decode
from eth_utils.abi import collapse_if_tuple

from oyez.attestation.certificates import Certificate
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.submissions import (
    QuoteParts,
    Submission,
    compute_subject_id,
    list_submissions,
    split_quote,
)
from oyez.chain import deploy
from oyez.chain.artifacts import Abi
from oyez.chain.client import Reverted, connect
from oyez.protocol.types import Address
from tests.contracts.harness import Event, decode_event, encode_call
from tests.devnet import Anvil

DAY = 86_400
LIFETIME = 7 * DAY
DELAY = 3 * DAY
CURATOR, STRANGER = 1, 2
GAS = 16_000_000


@dataclass
class Deployed:
    """A contract and what it was seen to cost, by function."""

    address: Address
    abi: Abi
    gas: dict[str, list[int]] = field(default_factory=dict)


class TdxChain:
    """Both contracts of one build on a running node; `root` None: Intel's build."""

    def __init__(
        self, node: Anvil, root: Certificate | None = None, workloads: tuple[bytes, ...] = ()
    ) -> None:
        self.attach(node)
        self.build = "Intel" if root is None else "Sim"
        arguments = () if root is None else (encode_root(root),)
        self.collateral = self.deploy(f"TdxCollateral{self.build}", *arguments)
        self.registry = self.deploy(
            f"TdxRegistry{self.build}",
            self.collateral.address,
            LIFETIME,
            self.account(CURATOR),
            DELAY,
            workloads,
        )

    def attach(self, node: Anvil) -> None:
        """Talk to a node on which nothing need be deployed."""
        self.node = node
        self.chain = connect(node.rpc, node.chain_id)

    def account(self, who: int) -> Address:
        return Address(bytes.fromhex(self.node.accounts[who].address[2:]))

    @property
    def now(self) -> int:
        return self.chain.fetch_block().timestamp

    def deploy(self, name: str, *arguments: Any) -> Deployed:
        """Create a contract; Reverted with the constructor's own words."""
        artifact = deploy.compile_contract(f"contracts/{name}.vy")
        data = artifact.bytecode + deploy.encode_arguments(artifact.abi, arguments)
        sender = self.account(0)
        self.chain.request("eth_call", {"from": "0x" + sender.hex(), "data": "0x" + data.hex()})
        receipt = self.node.send(
            **{"from": self.node.accounts[0].address}, data="0x" + data.hex(), gas=hex(GAS)
        )
        assert receipt["status"] == "0x1"
        address = Address(bytes.fromhex(receipt["contractAddress"][2:]))
        return Deployed(address, artifact.abi, {"constructor": [int(receipt["gasUsed"], 16)]})

    def read(self, contract: Deployed, name: str, *arguments: Any, who: int = STRANGER) -> Any:
        """Call; Reverted with the contract's words."""
        entry = find_entry(contract.abi, name)
        data = encode_call(entry, *arguments)
        output = self.chain.call(contract.address, data, sender=self.account(who))
        results = decode([collapse_if_tuple(o) for o in entry["outputs"]], output)
        return results[0] if len(results) == 1 else results

    def send(
        self, contract: Deployed, name: str, *arguments: Any, who: int = STRANGER
    ) -> dict[str, Any]:
        """Send a transaction; Reverted with the contract's words where it would fail."""
        data = encode_call(find_entry(contract.abi, name), *arguments)
        self.chain.call(contract.address, data, sender=self.account(who))
        receipt = self.node.send(
            **{"from": self.node.accounts[who].address},
            to="0x" + contract.address.hex(),
            data="0x" + data.hex(),
            gas=hex(GAS),
        )
        assert receipt["status"] == "0x1", name
        contract.gas.setdefault(name, []).append(int(receipt["gasUsed"], 16))
        return receipt

    def submit(self, submission: Submission) -> dict[str, Any]:
        return self.send(self.collateral, submission.name, *submission.arguments)

    def submit_all(self, text: str) -> None:
        """Bring a whole collateral onto the chain; what is there already is skipped."""
        for submission in list_submissions(parse_collateral(text)):
            try:
                self.submit(submission)
            except Reverted as refusal:
                if "not newer" not in refusal.reason:
                    raise

    def verify(self, raw: bytes) -> Any:
        return self.verify_parts(split_quote(raw))

    def verify_parts(self, parts: QuoteParts) -> Any:
        """Return (workload, report data, until); Reverted with the first rule that it breaks."""
        return self.read(self.registry, "verify", parts.quote, parts.certificate, parts.signature)

    def why(self, act: Callable[..., Any], *arguments: Any, **named: Any) -> str | None:
        """Return the contract's reason for refusing, None if it does not."""
        try:
            act(*arguments, **named)
        except Reverted as refusal:
            return refusal.reason
        return None

    def event(self, contract: Deployed, receipt: dict[str, Any], name: str) -> dict[str, Any]:
        """Return the one event of that name in a receipt."""
        found = [event for event in self.events(contract, receipt) if event.name == name]
        assert len(found) == 1, found
        return found[0].args

    def events(self, contract: Deployed, receipt: dict[str, Any]) -> list[Event]:
        found = []
        for log in receipt["logs"]:
            assert log["address"] == "0x" + contract.address.hex()
            topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
            event = decode_event(
                contract.abi, contract.address, topics, bytes.fromhex(log["data"][2:])
            )
            assert event is not None
            found.append(event)
        return found

    def set_time(self, seconds: int) -> None:
        """Mine a block at a time, which must be later than the newest block's."""
        self.set_next_time(seconds)
        self.node.request("evm_mine")

    def set_next_time(self, seconds: int) -> None:
        """Let the next transaction's block be of a time, later than the newest block's."""
        self.node.request("evm_setNextBlockTimestamp", seconds)


def encode_root(root: Certificate) -> tuple[bytes, bytes, bytes]:
    return compute_subject_id(root), root.key[:32], root.key[32:]


def find_entry(abi: Abi, name: str) -> dict[str, Any]:
    (entry,) = [e for e in abi if e.get("name") == name and e["type"] == "function"]
    return entry
