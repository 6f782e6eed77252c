"""Rollup: proposals, finality, the log of final roots."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oyez.protocol import codec, merkle, trace
from tests.contracts.conftest import publish
from tests.contracts.harness import (
    CALLER,
    CURATOR,
    DEPLOYER,
    ETHER,
    GAME,
    SEQUENCER,
    START,
    STRANGER,
    World,
    reverts,
    settings,
)
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import (
    ZERO,
    close_batch_of,
    finalize_one,
    id_of,
    make_proposal,
    noise,
    propose,
    stake,
)

T = 600


@pytest.fixture
def genesis(world: World) -> bytes:
    found = world.rollup.final_id(0)
    assert isinstance(found, bytes)
    return found


def test_genesis_is_final_from_the_start(world: World) -> None:
    rollup = world.rollup
    genesis = codec.compute_genesis_id(1, rollup.address)
    empty_outbox = codec.compute_outbox_root(0, merkle.compute_root([], 32))

    assert rollup.head() == 0
    assert rollup.final_id(0) == genesis
    assert rollup.status(genesis) == 2
    assert rollup.state_root(0) == ZERO
    assert rollup.outbox_root(0) == empty_outbox
    assert rollup.receipts_root(0) == merkle.compute_root([], 8)
    assert rollup.finalized_at(0) == START
    assert rollup.total_stakes() == rollup.total_credits() == 0
    assert rollup.credit(CALLER) == 0
    assert rollup.settings() == {
        "inbox": world.inbox.address,
        "game": bytes(20),
        "challenge_window": 600,
        "response_window": 120,
        "sequencer_grace": 60,
        "enclaves": bytes(20),
        "needs_enclave": False,
        "stake": ETHER,
    }


def test_roots_of_batches_that_are_not_final_are_refused(world: World) -> None:
    """Invariant 47: 0 is the empty state's root: it must never stand for "not yet"."""
    assert world.rollup.final_id(1) == ZERO
    for view in ("state_root", "outbox_root", "receipts_root", "finalized_at"):
        for n in (1, 2**256 - 1):
            with reverts("rollup: batch not final"):
                getattr(world.rollup, view)(n)


def test_propose_records_the_claim(world: World, ballot: bytes, genesis: bytes) -> None:
    """Audit 2 L1. Rule: ROLLUP-8"""
    stake(world)
    n = close_batch_of(world, ballot)
    proposal = make_proposal(noise("state"), noise("receipts"))
    found = propose(world, genesis, proposal, data=b"rows" * 500)

    assert found == id_of(world, genesis, n, proposal)
    trace.verify_last_record(proposal.claim, proposal.proof)
    assert world.event("AssertionProposed") == {
        "assertion_id": found,
        "parent": genesis,
        "batch": 1,
        "proposer": SEQUENCER,
        "attempt": 0,
        "trace_root": proposal.claim.trace_root,
        "state_root": proposal.claim.state_root,
        "outbox_root": proposal.claim.outbox_root,
        "receipts_root": proposal.claim.receipts_root,
        "batch_data": b"rows" * 500,
    }
    assert world.rollup.assertion(found) == {
        "parent": genesis,
        "state_root": proposal.claim.state_root,
        "outbox_root": proposal.claim.outbox_root,
        "receipts_root": proposal.claim.receipts_root,
        "proposer": SEQUENCER,
        "batch": 1,
        "created_at": world.now,
        "allowance": T,
        "status": 1,
    }
    assert world.rollup.stake(SEQUENCER) == {
        "status": 1,
        "proposals": 1,
        "championships": 0,
        "requested_at": 0,
        "tip": found,
    }


def test_a_wrong_last_record_is_refused(world: World, ballot: bytes, genesis: bytes) -> None:
    """Audit 1 C5: the roots are those of the trace."""
    stake(world)
    close_batch_of(world, ballot)
    good = make_proposal(noise("state"))
    damaged = [
        replace(good, proof=(*good.proof[:i], ZERO, *good.proof[i + 1 :])) for i in range(24)
    ]
    for root in ("trace_root", "state_root", "outbox_root", "receipts_root"):
        damaged.append(replace(good, claim=replace(good.claim, **{root: noise("lie")})))

    for proposal in damaged:
        with reverts("rollup: last record"):
            propose(world, genesis, proposal)
    propose(world, genesis, good)


def test_the_parent_must_be_on_the_branch(world: World, ballot: bytes, genesis: bytes) -> None:
    stake(world)
    finalize_one(world, ballot, make_proposal(salt=1))
    close_batch_of(world, ballot)

    for parent in (genesis, ZERO, noise("nothing")):
        with reverts("rollup: parent past or unknown"):
            propose(world, parent, make_proposal(salt=2))
    propose(world, world.rollup.final_id(1), make_proposal(salt=2))


def test_the_batch_must_be_closed(world: World, ballot: bytes, genesis: bytes) -> None:
    stake(world)
    with reverts("rollup: batch not closed"):
        propose(world, genesis, make_proposal())
    world.inbox.submit(ballot, b"", b"", ZERO, 0, value=ETHER)
    with reverts("rollup: batch not closed"):
        propose(world, genesis, make_proposal())


def test_bytes_signed_for_another_batch_are_refused(
    world: World, ballot: bytes, genesis: bytes
) -> None:
    """A re-org may put another batch under the same parent. Rule: ROLLUP-8"""
    stake(world)
    close_batch_of(world, ballot)
    for other in (ZERO, noise("the batch before the re-org")):
        with reverts("rollup: another batch"):
            propose(world, genesis, make_proposal(), batch_hash=other)
    propose(world, genesis, make_proposal(), batch_hash=world.inbox.batch(1).batch_hash)


def test_proposing_takes_a_stake(world: World, ballot: bytes, genesis: bytes) -> None:
    close_batch_of(world, ballot)
    for who in (SEQUENCER, STRANGER):
        with reverts("rollup: no live stake"):
            propose(world, genesis, make_proposal(), sender=who)
    stake(world)
    first = propose(world, genesis, make_proposal())
    with reverts("rollup: already proposed"):
        propose(world, genesis, make_proposal())
    with reverts("rollup: no live stake"):
        propose(world, genesis, make_proposal(salt=1), sender=STRANGER)
    assert world.rollup.status(first) == 1


def test_proposals_stand_on_pending_ones(world: World, ballot: bytes, genesis: bytes) -> None:
    """Batches need not wait for finality; each becomes final in turn."""
    stake(world)
    parent, ids = genesis, []
    for i in range(3):
        close_batch_of(world, ballot)
        parent = propose(world, parent, make_proposal(noise(i), salt=i))
        ids.append(parent)
    assert world.rollup.stake(SEQUENCER).proposals == 3
    assert world.rollup.stake(SEQUENCER).tip == ids[2]
    assert world.rollup.posted(ids)
    world.pass_time(T)
    for n, assertion_id in enumerate(ids, 1):
        for other in ids[n:]:
            with reverts("rollup: parent not the head"):
                world.rollup.finalize(other)
        world.rollup.finalize(assertion_id)
        assert world.rollup.head() == n
        assert world.rollup.state_root(n) == noise(n - 1)
    assert world.rollup.stake(SEQUENCER).proposals == 0


def test_an_attempt_needs_a_defeated_predecessor() -> None:
    """Invariant 10: one live assertion of a content."""
    world = World(settings(game=GAME))
    ballot = publish(world, BALLOT)
    genesis = world.rollup.final_id(0)
    stake(world)
    n = close_batch_of(world, ballot)
    for attempt in (1, 2, 2**256 - 1):
        with reverts("rollup: earlier attempt lives"):
            propose(world, genesis, make_proposal(), attempt)
    first = propose(world, genesis, make_proposal())
    with reverts("rollup: earlier attempt lives"):
        propose(world, genesis, make_proposal(), 1)
    world.rollup.defeat(first, sender=GAME)
    world.rollup.transfer_sequencer(STRANGER, sender=SEQUENCER)
    stake(world, STRANGER)
    with reverts("rollup: already proposed"):
        propose(world, genesis, make_proposal(), 0, sender=STRANGER)
    second = propose(world, genesis, make_proposal(), 1, sender=STRANGER)

    assert second == id_of(world, genesis, n, make_proposal(), 1) != first


def test_finalize_pays_the_proposer_and_writes_the_log(
    world: World, ballot: bytes, genesis: bytes
) -> None:
    """Rule: ROLLUP-10, INBOX-9"""
    stake(world)
    close_batch_of(world, ballot, calls=3)
    escrow = world.inbox.escrow()
    proposal = make_proposal(noise("state"), noise("receipts"))
    found = propose(world, genesis, proposal)
    world.pass_time(T)
    world.rollup.finalize(found)

    assert world.event("AssertionFinalized") == {"assertion_id": found, "batch": 1}
    assert world.event("FeesSettled") == {"batch": 1, "proposer": SEQUENCER, "amount": escrow}
    assert world.rollup.head() == 1
    assert world.rollup.final_id(1) == found
    assert world.rollup.status(found) == 2
    assert world.rollup.state_root(1) == proposal.claim.state_root
    assert world.rollup.outbox_root(1) == proposal.claim.outbox_root
    assert world.rollup.receipts_root(1) == proposal.claim.receipts_root
    assert world.rollup.finalized_at(1) == world.now
    assert world.rollup.assertion(found).proposer == SEQUENCER
    assert world.rollup.assertion(found).batch == 1
    assert world.rollup.stake(SEQUENCER).proposals == 0
    assert world.inbox.credit(SEQUENCER) == escrow
    assert world.inbox.escrow() == 0
    world.solvent()


def test_neither_early_nor_twice_nor_unknown(world: World, ballot: bytes, genesis: bytes) -> None:
    stake(world)
    close_batch_of(world, ballot)
    found = propose(world, genesis, make_proposal())
    for _ in range(2):
        with reverts("rollup: too early"):
            world.rollup.finalize(found)
        world.pass_time(T - 1 if world.now < START + T else 0)
    with reverts("rollup: too early"):
        world.rollup.finalize(found)
    world.pass_time(1)
    world.rollup.finalize(found)
    for other in (found, genesis, ZERO, noise("nothing")):
        with reverts("rollup: not pending"):
            world.rollup.finalize(other)
    assert world.rollup.head() == 1


def test_finality_of_calls(world: World, ballot: bytes, genesis: bytes) -> None:
    """Rule: ROLLUP-16"""
    finality = world.rollup.finality
    stake(world)
    assert [finality(0, n) for n in (0, 1, 2, 2**256 - 1)] == [0, 0, 0, 0]
    world.inbox.submit(ballot, b"", b"", ZERO, 0, value=ETHER)
    assert finality(0, 1) == 1
    assert [finality(1, 1), finality(2**256 - 1, 1), finality(0, 2)] == [0, 0, 0]
    world.pass_time(10)
    world.inbox.close_batch()
    close_batch_of(world, ballot, calls=2)
    assert [finality(i, n) for i, n in ((0, 1), (1, 2), (2, 2), (3, 2), (0, 2))] == [1, 1, 1, 0, 0]
    first = propose(world, genesis, make_proposal(salt=1))
    assert [finality(0, 1), finality(1, 2)] == [2, 1]
    second = propose(world, first, make_proposal(salt=2))
    assert [finality(0, 1), finality(1, 2)] == [2, 1]
    world.pass_time(T)
    world.rollup.finalize(first)
    assert [finality(0, 1), finality(1, 2), finality(2, 2)] == [3, 2, 2]
    world.rollup.finalize(second)
    assert [finality(0, 1), finality(1, 2), finality(2, 2), finality(3, 2)] == [3, 3, 3, 0]


def test_a_posted_path_is_a_chain_of_pending_ids(
    world: World, ballot: bytes, genesis: bytes
) -> None:
    """Rule: ROLLUP-17"""
    stake(world)
    close_batch_of(world, ballot)
    close_batch_of(world, ballot)
    first = propose(world, genesis, make_proposal(salt=1))
    second = propose(world, first, make_proposal(salt=2))
    posted = world.rollup.posted

    assert posted([first])
    assert posted([first, second])
    for path in ([], [second], [second, first], [first, first], [genesis], [ZERO], [first, ZERO]):
        assert not posted(path)
    world.pass_time(T)
    world.rollup.finalize(first)
    assert not posted([first, second])
    assert posted([second])


def test_only_the_sequencer_hands_over(world: World, ballot: bytes, genesis: bytes) -> None:
    """Rule: ROLLUP-15"""
    stake(world)
    with reverts("rollup: sequencer only"):
        world.rollup.transfer_sequencer(STRANGER, sender=STRANGER)
    with reverts("rollup: sequencer only"):
        world.rollup.transfer_sequencer(DEPLOYER, sender=DEPLOYER)
    with reverts("rollup: sequencer to nobody"):
        world.rollup.transfer_sequencer(bytes(20), sender=SEQUENCER)
    assert world.rollup.sequencer_live()
    world.rollup.transfer_sequencer(STRANGER, sender=SEQUENCER)
    assert world.event("SequencerTransferred") == {"previous": SEQUENCER, "next": STRANGER}
    assert world.rollup.sequencer() == STRANGER
    assert not world.rollup.sequencer_live()
    assert world.rollup.live_sequencer() == bytes(20)

    stake(world, STRANGER)
    assert world.rollup.live_sequencer() == STRANGER
    close_batch_of(world, ballot)
    with reverts("rollup: sequencer proposes first"):
        propose(world, genesis, make_proposal())
    propose(world, genesis, make_proposal(), sender=STRANGER)


@pytest.mark.parametrize("sender", [CALLER, SEQUENCER, DEPLOYER, GAME])
def test_nobody_settles_or_defeats_by_himself(world: World, ballot: bytes, sender: bytes) -> None:
    stake(world)
    close_batch_of(world, ballot)
    found = propose(world, world.rollup.final_id(0), make_proposal())
    with reverts("inbox: rollup only"):
        world.inbox.settle(1, sender, sender=sender)
    with reverts("rollup: game only"):
        world.rollup.defeat(found, sender=sender)
    with reverts("rollup: only the game locks"):
        world.rollup.lock(SEQUENCER, found, sender=sender)
    with reverts("rollup: only the game unlocks"):
        world.rollup.unlock(SEQUENCER, sender=sender)
    with reverts("rollup: only the game slashes"):
        world.rollup.slash(SEQUENCER, sender=sender)


def test_settling_needs_a_closed_batch(world: World) -> None:
    inbox = world.deploy("contracts/Inbox.vy", world.actions.address, STRANGER, 65_536, 250, 10, 2)
    with reverts("inbox: batch not closed"):
        inbox.settle(1, CALLER, sender=STRANGER)


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("rollup: no sequencer", {"sequencer": bytes(20)}),
        ("rollup: window not 1 to 2^23 s", {"challenge_window": 0}),
        ("rollup: window not 1 to 2^23 s", {"challenge_window": 2**23}),
        ("rollup: response above window", {"response_window": 600}),
        ("rollup: stake too small", {"stake": 3}),
        ("rollup: models change too fast", {"curator": CURATOR, "model_delay": 599}),
    ],
)
def test_the_constructor_refuses_unsafe_settings(reason: str, changes: dict[str, Any]) -> None:
    """Audit 1 C1, Audit 2 M6, Audit 3 S6: a curator waits T, and D is below T."""
    with reverts(reason):
        World(settings(**changes))
    World(settings(curator=CURATOR, model_delay=600))


def test_the_constructor_refuses_another_rollups_inbox(world: World) -> None:
    with reverts("rollup: inbox names another"):
        links = world.inbox.address, bytes(20), SEQUENCER
        world.deploy("contracts/Rollup.vy", *links, T, 120, 60, ETHER, bytes(20), False)


def test_the_largest_batch_data_fits(world: World, ballot: bytes, genesis: bytes) -> None:
    """Audit 1 H5: a full batch can always be posted."""
    stake(world)
    close_batch_of(world, ballot)
    data = bytes(range(256)) * 432
    assert len(data) == 110_592
    propose(world, genesis, make_proposal(), data=data)

    assert world.event("AssertionProposed")["batch_data"] == data


def test_a_proposal_is_bound_to_its_batch(world: World, ballot: bytes, genesis: bytes) -> None:
    """A re-org that changes the batch changes the id, so a lie is never put into one's mouth.

    Audit 1 H1
    """
    stake(world)
    mark = world.evm.snapshot()
    close_batch_of(world, ballot)
    one = propose(world, genesis, make_proposal())
    world.evm.revert(mark)
    world.inbox.submit(ballot, b"", b"other", ZERO, 0, value=ETHER)
    world.pass_time(10)
    world.inbox.close_batch()
    other = propose(world, genesis, make_proposal())

    assert one != other
