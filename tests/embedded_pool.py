"""The embedded EVM with a pool: what is broadcast waits until a block is mined, many in one."""

from __future__ import annotations

from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from oyez.chain.client import RpcError
from tests.contracts.duelling import Arena
from tests.embedded import Embedded, recover


def refuse(reason: str) -> RpcError:
    return RpcError("eth_sendRawTransaction", -32000, reason)


class Pooled(Embedded):
    """Blocks come when `mine` is called.

    Attributes:
        is_held: whether transactions wait; until then each is a block.
        pool: by account, raw transactions by nonce; a gap keeps those behind it out of blocks.
        base_fee: what a transaction has to offer to be mined, in wei a unit of gas.
        room: how many transactions of the pool a block takes.
        mined: by block, what was taken out of the pool, in order.
    """

    def __init__(self, **changes: Any) -> None:
        self.is_held = False
        self.pool: dict[str, dict[int, bytes]] = {}
        self.base_fee = 0
        self.room = 1_000
        self.mined: dict[int, list[bytes]] = {}
        super().__init__(**changes)

    def send_raw(self, raw: bytes) -> str:
        if not self.is_held:
            return super().send_raw(raw)
        fields = read(raw)
        who = "0x" + recover(raw).hex()
        waiting = self.pool.setdefault(who, {})
        before = waiting.get(fields["nonce"])
        if before == raw:
            raise refuse("already known")
        if fields["nonce"] < self.count(who, "latest"):
            raise refuse("nonce too low")
        if before is not None and not is_dearer(fields, read(before)):
            raise refuse("replacement transaction underpriced")
        waiting[fields["nonce"]] = raw
        return "0x" + keccak(raw).hex()

    def count(self, who: str, at: str) -> int:
        nonce = super().count(who, at)
        while at == "pending" and nonce in self.pool.get(who, {}):
            nonce += 1
        return nonce

    def mine(self) -> None:
        """Mine a block of what is executable and offers enough, each account's in its order."""
        Arena.pass_time(self, self.seconds)
        self.history.blocks[self.block]["baseFeePerGas"] = hex(self.base_fee)
        taken = self.mined.setdefault(self.block, [])
        for who, waiting in self.pool.items():
            nonce = self.count(who, "latest")
            while len(taken) < self.room and nonce in waiting:
                if read(waiting[nonce])["maxFeePerGas"] < self.base_fee:
                    break
                taken.append(waiting.pop(nonce))
                self.execute(taken[-1])
                nonce += 1

    def forget(self, who: bytes, nonce: int) -> None:
        """Lose one from the pool."""
        del self.pool["0x" + who.hex()][nonce]

    def list_pool(self, who: bytes) -> list[int]:
        """The nonces of an account that wait."""
        return sorted(self.pool.get("0x" + who.hex(), {}))


def read(raw: bytes) -> dict[str, Any]:
    return dict(TypedTransaction.from_bytes(HexBytes(raw)).as_dict())


def is_dearer(new: dict[str, Any], old: dict[str, Any]) -> bool:
    names = ("maxFeePerGas", "maxPriorityFeePerGas")
    return all(new[name] * 10 >= old[name] * 11 for name in names)
