"""A local chain for tests: `with Anvil() as node:` (one block a transaction, clock moved by hand).

`node.rpc`, `node.chain_id`, `node.accounts[i].address/.key`, `node.request(method, *params)`,
`node.advance(seconds)`, `node.mine(blocks)`; `node.snapshot()` and `node.restore(id)`.
"""

from __future__ import annotations

from oyez.chain.devnet import Devnet


class Anvil(Devnet):
    """A devnet with snapshots."""

    def snapshot(self) -> str:
        return str(self.request("evm_snapshot"))

    def restore(self, snapshot: str) -> None:
        assert self.request("evm_revert", snapshot) is True
