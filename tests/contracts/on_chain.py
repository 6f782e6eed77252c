"""The harness's worlds on a real node: the same calls, as transactions with receipts."""

from __future__ import annotations

from typing import Any

from eth_utils.address import to_canonical_address

from oyez.protocol.errors import Fatal
from oyez.protocol.types import Address
from tests.contracts.duelling import Arena
from tests.contracts.harness import Reverted, World, decode_event
from tests.devnet import Anvil

GAS = 16_000_000


class OnChain(World):
    """Put before a world's class: `class X(OnChain, Arena)`; every actor is impersonated.

    `gas` is the last transaction's, whole; `now` is the newest block's time.
    """

    node: Anvil

    def fund(self, who: Address, wei: int) -> None:
        self.node.request("anvil_setBalance", show(who), hex(wei))

    def balance(self, who: Address) -> int:
        return int(self.node.request("eth_getBalance", show(who), "latest"), 16)

    def create(self, code: bytes, sender: Address, value: int = 0) -> Address:
        receipt = self._send({"data": show(code), "value": hex(value)}, sender)
        self.nonces[sender] = self.nonces.get(sender, 0) + 1
        return Address(to_canonical_address(receipt["contractAddress"]))

    def call(
        self,
        to: Address,
        data: bytes,
        *,
        sender: Address,
        value: int,
        view: bool,
        gas: int | None = None,
    ) -> bytes:
        call = {"to": show(to), "data": show(data), "value": hex(value), "from": show(sender)}
        try:
            # a transaction's answer is that of the same call just before it
            output = self.node.request("eth_call", {**call, "gas": hex(gas or GAS)}, "latest")
        except Fatal as error:
            raise Reverted(read_reason(error)) from error
        if not view:
            receipt = self._send(call, sender, gas or GAS)
            assert receipt["status"] == "0x1"
        return bytes.fromhex(output[2:])

    def pass_time(self, seconds: int, blocks: int = 1) -> None:
        self.node.request("evm_increaseTime", hex(seconds))
        self.node.mine(blocks)
        self._read_time("latest")

    def _set_block(self) -> None:
        """The node keeps its own."""

    def _send(self, transaction: dict[str, str], sender: Address, gas: int = GAS) -> dict[str, Any]:
        self.node.request("anvil_impersonateAccount", show(sender))
        if self.balance(sender) < 10**20:
            self.fund(sender, 10**21)
        receipt = self.node.send(**{**transaction, "from": show(sender), "gas": hex(gas)})
        self.gas = int(receipt["gasUsed"], 16)
        self._read_time(receipt["blockNumber"])
        self.logs = []
        for log in receipt["logs"]:
            address = Address(to_canonical_address(log["address"]))
            topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
            data = bytes.fromhex(log["data"][2:])
            event = decode_event(self.abis.get(address, []), address, topics, data)
            if event is not None:
                self.logs.append(event)
                self.seen.add(event.name)
        return receipt

    def _read_time(self, block: str) -> None:
        found = self.node.request("eth_getBlockByNumber", block, False)
        self.now = int(found["timestamp"], 16)


class NodeArena(OnChain, Arena):
    """A world with a game over the toy machine, on a node."""

    def __init__(self, node: Anvil) -> None:
        self.node = node
        super().__init__()


def show(data: bytes) -> str:
    return "0x" + data.hex()


def read_reason(error: Fatal) -> str:
    """The contract's own words out of what the node answers."""
    return str(error).partition("execution reverted: ")[2] or str(error)
