"""Claims with their last-record proofs, made by hand, and a rollup driven to a wanted state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from oyez.protocol.codec import compute_assertion_id
from oyez.protocol.types import BatchNumber, Claim, Hash32
from tests.contracts.harness import CALLER, ETHER, SEQUENCER, World

ZERO = bytes(32)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def noise(*parts: object) -> Hash32:
    return Hash32(sha(repr(parts).encode()))


@dataclass(frozen=True)
class Proposal:
    """A claim and the 24 siblings of its trace's last record."""

    claim: Claim
    proof: tuple[bytes, ...]

    @property
    def words(self) -> tuple[bytes, bytes, bytes, bytes]:
        claim = self.claim
        return claim.trace_root, claim.state_root, claim.outbox_root, claim.receipts_root


def make_proposal(
    state_root: bytes = ZERO, receipts_root: bytes = ZERO, salt: object = 0
) -> Proposal:
    """Build a claim: a trace whose every other part is noise."""
    outbox_root = noise("outbox", salt)
    proof = tuple(noise("sibling", salt, i) for i in range(24))
    chunk = state_root + outbox_root + receipts_root + bytes(1_024 - 96)
    node = sha(b"\0\3" + chunk)
    pad = sha(b"\0\0" + bytes(1_024))
    for _ in range(4):
        node, pad = sha(node + pad), sha(pad + pad)
    for sibling in proof:
        node = sha(sibling + node)
    claim = Claim(Hash32(node), Hash32(state_root), outbox_root, Hash32(receipts_root))
    return Proposal(claim, proof)


def stake(world: World, who: bytes = SEQUENCER) -> None:
    world.rollup.deposit_stake(sender=who, value=world.settings.stake)


def close_batch_of(world: World, action_id: bytes, calls: int = 1) -> int:
    """Queue calls, close their batch, return its number."""
    for i in range(calls):
        world.inbox.submit(action_id, b"", b"%d" % i, ZERO, 0, value=ETHER, sender=CALLER)
    world.pass_time(world.settings.max_batch_seconds)
    world.inbox.close_batch()
    return int(world.event("BatchClosed")["batch"])


def propose(
    world: World,
    parent: bytes,
    proposal: Proposal,
    attempt: int = 0,
    sender: bytes = SEQUENCER,
    data: bytes = b"",
    batch_hash: bytes | None = None,
) -> bytes:
    """Propose and return the id; the batch is the one that follows parent's."""
    if batch_hash is None:
        batch_hash = world.inbox.batch(world.rollup.assertion(parent).batch + 1).batch_hash
    found = world.rollup.propose(
        parent, attempt, batch_hash, proposal.words, proposal.proof, data, sender=sender
    )
    assert isinstance(found, bytes)
    return found


def id_of(world: World, parent: bytes, n: int, proposal: Proposal, attempt: int = 0) -> Hash32:
    return compute_assertion_id(
        chain_id=1,
        rollup=world.rollup.address,
        parent=Hash32(parent),
        attempt=attempt,
        batch=BatchNumber(n),
        batch_hash=world.inbox.batch(n).batch_hash,
        claim=proposal.claim,
    )


def finalize_one(world: World, action_id: bytes, proposal: Proposal, calls: int = 1) -> int:
    """Close a batch on the head, propose it, wait and finalize; return its number."""
    parent = world.rollup.final_id(world.rollup.head())
    n = close_batch_of(world, action_id, calls)
    assertion_id = propose(world, parent, proposal)
    world.pass_time(world.settings.challenge_window)
    world.rollup.finalize(assertion_id)
    return n
