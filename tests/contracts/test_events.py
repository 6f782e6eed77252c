"""Every event that an ABI declares is logged, in one life of a rollup from genesis to defeat."""

from __future__ import annotations

from tests.contracts.attesting import REGISTRY, create_registry, sign
from tests.contracts.conftest import publish
from tests.contracts.harness import (
    AUTHOR,
    CURATOR,
    ETHER,
    GAME,
    SEQUENCER,
    STRANGER,
    World,
    settings,
)
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import ZERO, close_batch_of, finalize_one, make_proposal, propose
from tests.contracts.test_model_registry import LLAMA, words
from tests.contracts.test_proofs import finalized
from tests.contracts.test_readers import VYPER, create, state_with_count

SLOW = BALLOT.change(delay=60)


def test_every_declared_event_is_logged() -> None:
    world = World(
        settings(game=GAME, curator=CURATOR, model_delay=600, enclaves=REGISTRY), create_registry
    )
    world.models.announce(words(LLAMA), sender=CURATOR)
    action_id = publish(world, SLOW)
    world.actions.announce_upgrade(action_id, BALLOT.encode(), sender=AUTHOR)
    world.rollup.deposit_stake(sender=STRANGER, value=ETHER)
    world.rollup.request_withdrawal(sender=STRANGER)
    world.rollup.cancel_withdrawal(sender=STRANGER)
    world.rollup.request_withdrawal(sender=STRANGER)
    world.pass_time(120)
    world.rollup.withdraw_stake(STRANGER, sender=STRANGER)
    world.rollup.deposit_stake(sender=SEQUENCER, value=ETHER)
    finalize_one(world, action_id, make_proposal(salt=1))
    for _ in range(30):
        world.inbox.submit(action_id, b"", b"x" * 512, ZERO, 0, value=ETHER)
        world.pass_time(0)
    world.inbox.withdraw(SEQUENCER, sender=SEQUENCER)
    world.inbox.burn()
    close_batch_of(world, action_id)
    lie = propose(world, world.rollup.final_id(1), make_proposal(salt=2))
    world.rollup.deposit_stake(sender=STRANGER, value=ETHER)
    world.rollup.deposit_stake(sender=AUTHOR, value=ETHER)
    close_batch_of(world, action_id)
    close_batch_of(world, action_id)
    above = propose(world, lie, make_proposal(salt=3))
    beside = propose(world, lie, make_proposal(salt=4), sender=STRANGER)
    world.rollup.step_down(
        [propose(world, beside, make_proposal(salt=5), sender=AUTHOR)], sender=STRANGER
    )
    world.rollup.attest(lie, sign(lie))
    world.rollup.defeat(lie, sender=GAME)
    world.rollup.mark_void(above)
    world.rollup.withdraw(GAME, sender=GAME)
    world.rollup.burn()
    world.rollup.transfer_sequencer(STRANGER, sender=SEQUENCER)

    declared = {
        entry["name"] for abi in world.abis.values() for entry in abi if entry["type"] == "event"
    }
    assert declared - world.seen == set()
    assert len(declared) == 21


def test_the_consumers_event_is_logged() -> None:
    state, word, proof = state_with_count(3)
    world = finalized(state.root)
    create(world, VYPER, world.rollup.address).record(1, word, proof)

    assert world.event("CountRecorded") == {"batch": 1, "count": 3}
