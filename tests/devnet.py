"""A local chain for tests: `with Anvil() as node:` (one block a transaction, clock moved by hand).

`node.rpc`, `node.chain_id`, `node.accounts[i].address/.key`, `node.request(method, *params)`,
`node.advance(seconds)`, `node.mine(blocks)`; `node.snapshot()` and
`node.restore(id)`; `node.send(to=..., data=...)` -> receipt.
"""

from __future__ import annotations

from typing import Any

from oyez.chain.devnet import Devnet
from oyez.chain.signing import MAX_TRANSACTION_BYTES

#: More than signature, fees and the other fields around the data ever take.
ENVELOPE = 256


def check_size(data: bytes) -> None:
    """Assert that a transaction with this data would pass through nodes: anvil takes any."""
    assert len(data) + ENVELOPE <= MAX_TRANSACTION_BYTES


class Anvil(Devnet):
    """A devnet with snapshots, sending from its unlocked accounts; no transaction above 128 KB."""

    def request(self, method: str, *params: Any) -> Any:
        if method == "eth_sendTransaction":
            check_size(bytes.fromhex(params[0].get("data", "0x")[2:]))
        return super().request(method, *params)

    def send(self, **transaction: str) -> dict[str, Any]:
        """Send and return the receipt: anvil answers a moment before it has mined."""
        sent = self.request("eth_sendTransaction", transaction)
        receipts = (self.request("eth_getTransactionReceipt", sent) for _ in range(50_000))
        return next(receipt for receipt in receipts if receipt is not None)

    def snapshot(self) -> str:
        return str(self.request("evm_snapshot"))

    def restore(self, snapshot: str) -> None:
        assert self.request("evm_revert", snapshot) is True
