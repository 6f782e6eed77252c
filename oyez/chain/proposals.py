"""What an assertion's id is the hash of, read from the log of its proposal."""

from __future__ import annotations

from oyez.chain import events
from oyez.chain.client import Chain
from oyez.chain.contracts import Inbox, Rollup
from oyez.chain.deployment import Deployment
from oyez.protocol import codec
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Hash32


def fetch_id_preimage(chain: Chain, deployment: Deployment, assertion_id: Hash32) -> bytes:
    """Return the bytes whose Keccak-256 is an assertion's id.

    Raises:
        Temporary: the node shows no proposal that hashes to it.

    Rule: FRAME-5
    """
    rollup = Rollup(chain, deployment).address
    genesis = codec.encode_hashed("ASSERTION", chain.chain_id, rollup)
    if codec.keccak(genesis) == assertion_id:
        return genesis
    last = chain.fetch_block().number
    topics = events.compute_topics(["AssertionProposed"])
    logs = chain.fetch_logs([rollup], topics, deployment.deployment_block, last, about=assertion_id)
    for log in logs:
        event = events.decode(log)
        if not isinstance(event, events.AssertionProposed):
            continue
        claim = event.claim
        found = codec.encode_hashed(
            "ASSERTION",
            chain.chain_id,
            rollup,
            event.parent,
            event.attempt,
            event.batch,
            Inbox(chain, deployment).fetch_batch(event.batch).batch_hash,
            claim.trace_root,
            claim.state_root,
            claim.outbox_root,
            claim.receipts_root,
        )
        if codec.keccak(found) == assertion_id:
            return found
    raise Temporary(
        f"the node shows no proposal of 0x{assertion_id.hex()}: use another RPC, or wait"
    )
