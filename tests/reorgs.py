"""Re-orgs of a local chain, in the ways that anvil knows, and what the chain holds afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from oyez.protocol.types import Address
from tests.devnet import Anvil

DEPTH = 8

#: Removes the newest blocks, up to DEPTH of them, and all that was mined in them.
Remove = Callable[[Anvil], None]


def roll_back(node: Anvil) -> None:
    """The chain is shorter afterwards."""
    node.request("anvil_rollback", DEPTH)


def replace_blocks(node: Anvil) -> None:
    """Empty blocks stand in the place of the removed ones."""
    node.request("anvil_reorg", DEPTH, [])


@contextmanager
def keep_snapshot(node: Anvil) -> Iterator[None]:
    """Leave the chain as it was found; re-orgs do not reach the block of the snapshot."""
    snapshot = node.snapshot()
    node.mine(DEPTH)
    yield
    node.restore(snapshot)


def list_sent(node: Anvil, sender: Address, first: int) -> list[dict[str, Any]]:
    """Return an account's mined transactions from a block on, in order."""
    last = int(node.request("eth_blockNumber"), 16)
    return [
        transaction
        for number in range(first, last + 1)
        for transaction in node.request("eth_getBlockByNumber", hex(number), True)["transactions"]
        if transaction["from"] == "0x" + sender.hex()
    ]
