"""Checks that a deployment file means the rollup that it points to, before logs are blamed."""

from __future__ import annotations

from collections.abc import Sequence

from oyez.chain import events, game_events
from oyez.chain.client import Block, Chain, RpcError
from oyez.chain.contracts import Rollup
from oyez.chain.deployment import Deployment
from oyez.protocol.constants import FIRST_CALL
from oyez.protocol.errors import Fatal, Temporary


def verify_inbox(chain: Chain, deployment: Deployment, block: Block) -> None:
    """Check that the file's Inbox is the Rollup's, and that its first block is there already.

    Raises:
        Fatal: the file names another Inbox.
        Temporary: the chain is shorter than the file says.

    Rule: DERIVE-11
    """
    ours = deployment.address("Inbox")
    theirs = Rollup(chain, deployment).fetch_settings(at=block.hash).inbox
    if ours != theirs:
        raise Fatal(
            f"the deployment file names the Inbox 0x{ours.hex()}, its Rollup reads "
            f"0x{theirs.hex()}: correct `contracts.Inbox` in the deployment file"
        )
    if deployment.deployment_block > block.number:
        raise Temporary(
            f"the deployment file's `deployment_block` is {deployment.deployment_block}, the "
            f"chain's newest block is {block.number}: wait until the node has synced, or correct it"
        )


def verify_first(
    chain: Chain, deployment: Deployment, found: Sequence[events.Event | game_events.GameEvent]
) -> None:
    """Check, where logs do not begin with the first call, that none lie before the file's block.

    Raises:
        Fatal: the Inbox stood before that block.

    Rule: DERIVE-12
    """
    inbox_events = (e for e in found if isinstance(e, events.CallQueued | events.BatchClosed))
    first = next(inbox_events, None)
    if isinstance(first, events.CallQueued) and first.entry.call_id == FIRST_CALL:
        return
    block = deployment.deployment_block
    try:
        stood = block > 0 and chain.fetch_code(deployment.address("Inbox"), block - 1) != b""
    except RpcError:
        # a node without old state cannot tell; what it lacks shows in the logs
        return
    if stood:
        raise Fatal(
            f"the deployment file's `deployment_block` {block} is too late: the Inbox stood before "
            "it, and its first logs are not read; correct it"
        )
