"""The embedded EVM as a chain with blocks, receipts and logs, for code that speaks JSON-RPC.

`Embedded` is an arena each of whose transactions is a block; `EmbeddedChain(arena)` is a
`oyez.chain.client.Chain` on it. State is answered for the newest block alone.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from oyez.chain.client import Chain, Reverted, from_hex
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Address
from tests.contracts import harness
from tests.contracts.duelling import Arena

CHAIN_ID = 1


@dataclass
class History:
    """What a node keeps besides the state; copied for a snapshot."""

    blocks: list[dict[str, Any]] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)


@functools.lru_cache(maxsize=4_096)
def recover(raw: bytes) -> Address:
    """Return who signed a transaction."""
    return Address(to_canonical_address(Account.recover_transaction(raw)))


class Embedded(Arena):
    """An arena with one transaction a block; `seconds` pass before each."""

    def __init__(self, **changes: Any) -> None:
        self.history = History()
        self.seconds = 1
        self.branch = 0
        self._transaction = ""
        super().__init__(**changes)

    def call(self, to: Address, data: bytes, **how: Any) -> bytes:
        if how["view"]:
            return super().call(to, data, **how)
        self._transaction = "0x" + keccak(b"%d %d" % (self.block, self.branch)).hex()
        super().pass_time(self.seconds)
        return super().call(to, data, **how)

    def take_snapshot(self) -> Callable[[], None]:
        """Return what takes everything since back; blocks of the new branch have other hashes."""
        checkpoint = self.evm.snapshot()
        kept = copy.deepcopy((self.history, self.now, self.block, self.prevrandao, self.nonces))

        def restore() -> None:
            self.evm.revert(checkpoint)
            self.history, self.now, self.block, self.prevrandao, self.nonces = kept
            self.branch += 1
            self._set_block()

        return restore

    def send_raw(self, raw: bytes) -> str:
        digest = "0x" + keccak(raw).hex()
        if digest in self.history.receipts:
            return digest
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        sender = recover(raw)
        count = self.history.sent.get("0x" + sender.hex(), 0)
        if fields["nonce"] < count:
            raise Temporary("nonce too low")
        assert fields["nonce"] == count
        super().pass_time(self.seconds)
        self.execute(raw)
        return digest

    def count(self, who: str, at: str) -> int:
        """An account's transactions; without a pool pending ones are mined ones."""
        return self.history.sent.get(who, 0)

    def execute(self, raw: bytes) -> None:
        """Run a signed transaction in the newest block."""
        digest = "0x" + keccak(raw).hex()
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        sender = recover(raw)
        self._transaction, self.logs = digest, []
        before, failed = len(self.history.logs), ""
        to = Address(bytes(fields["to"]))
        try:
            harness.World.call(
                self, to, bytes(fields["data"]), sender=sender, value=fields["value"], view=False,
                gas=fields["gas"],
            )  # fmt: skip
        except harness.Reverted as error:
            failed = error.reason
        self.history.sent["0x" + sender.hex()] = fields["nonce"] + 1
        self.history.receipts[digest] = {
            "transactionHash": digest, "blockNumber": hex(self.block), "blockHash": self.hash(),
            "status": "0x0" if failed else "0x1", "gasUsed": hex(self.gas),
            "logs": self.history.logs[before:],
        }  # fmt: skip

    def hash(self, number: int | None = None) -> str:
        block = self.block if number is None else number
        return str(self.history.blocks[block]["hash"])

    def _set_block(self) -> None:
        super()._set_block()
        blocks = self.history.blocks
        while len(blocks) <= self.block:
            number = len(blocks)
            blocks.append(
                {
                    "number": hex(number),
                    "hash": "0x" + keccak(b"%d of %d" % (number, self.branch)).hex(),
                    "parentHash": blocks[-1]["hash"] if blocks else "0x" + bytes(32).hex(),
                    "timestamp": hex(self.now),
                }
            )

    def _read_logs(self) -> None:
        super()._read_logs()
        result = self.evm.result
        assert result is not None
        for log in result.logs:
            topics = ["0x" + str(topic).removeprefix("0x") for topic in log.topics]
            data = b"".join(bytes(part) for part in log.data[1:2])
            index = sum(1 for kept in self.history.logs if kept["blockNumber"] == hex(self.block))
            self.history.logs.append(
                {
                    "address": str(log.address).lower(), "topics": topics,
                    "data": "0x" + data.hex(), "blockNumber": hex(self.block),
                    "blockHash": self.hash(), "logIndex": hex(index),
                    "transactionHash": self._transaction or "0x" + bytes(32).hex(),
                }
            )  # fmt: skip


class EmbeddedChain(Chain):
    """Requests answered by the arena; `lost` hides logs, as a node that loses some would."""

    def __init__(self, arena: Embedded) -> None:
        super().__init__("embedded", CHAIN_ID, None)  # type: ignore[arg-type]  # never asked
        self.arena = arena
        self.lost: Callable[[dict[str, Any]], bool] = lambda log: False

    def request(self, method: str, *params: Any) -> Any:
        return getattr(self, "_" + method)(*params)

    def _eth_call(self, message: dict[str, str], at: str) -> str:
        if at not in ("latest", self.arena.hash()):
            raise Temporary("this node keeps no old state")
        return "0x" + self._run(message, view=True).hex()

    def _eth_estimateGas(self, message: dict[str, str]) -> str:
        checkpoint = self.arena.evm.snapshot()
        kept = self.arena.logs
        try:
            self._run(message, view=False)
        finally:
            self.arena.evm.revert(checkpoint)
            self.arena.logs = kept
        return hex(min(self.arena.gas * 5 // 4 + 60_000, 16_000_000))

    def _run(self, message: dict[str, str], *, view: bool) -> bytes:
        arena = self.arena
        sender = Address(from_hex(message.get("from", "0x" + harness.CALLER.hex())))
        try:
            before = len(arena.history.logs)
            return harness.World.call(
                arena, Address(from_hex(message["to"])), from_hex(message["data"]), sender=sender,
                value=int(message.get("value", "0x0"), 16), view=view,
            )  # fmt: skip
        except harness.Reverted as error:
            raise Reverted(error.reason) from error
        finally:
            del arena.history.logs[before:]

    def _eth_getBlockByNumber(self, at: str, _: bool) -> dict[str, Any] | None:
        number = self.arena.block if at in ("latest", "pending") else int(at, 16)
        blocks = self.arena.history.blocks
        return blocks[number] if number <= self.arena.block else None

    def _eth_getBlockByHash(self, at: str, _: bool) -> dict[str, Any] | None:
        return next((b for b in self.arena.history.blocks if b["hash"] == at), None)

    def _eth_getLogs(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        return [
            log
            for log in self.arena.history.logs
            if first <= int(log["blockNumber"], 16) <= last
            and log["address"] in query["address"]
            and log["topics"][0] in query["topics"][0]
            and not self.lost(log)
        ]

    def _eth_sendRawTransaction(self, raw: str) -> str:
        return self.arena.send_raw(from_hex(raw))

    def _eth_getTransactionReceipt(self, digest: str) -> dict[str, Any] | None:
        return self.arena.history.receipts.get(digest)

    def _eth_getTransactionCount(self, who: str, at: str) -> str:
        return hex(self.arena.count(who, at))

    def _eth_getBalance(self, who: str, _: str) -> str:
        return hex(self.arena.balance(Address(from_hex(who))))

    def _eth_maxPriorityFeePerGas(self) -> str:
        return "0x1"
