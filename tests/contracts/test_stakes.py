"""Rollup: stakes, their withdrawal, and what slashing does to them."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import publish
from tests.contracts.harness import (
    AUTHOR,
    CALLER,
    ETHER,
    GAME,
    GRAVE,
    SEQUENCER,
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
    make_proposal,
    propose,
    stake,
)

D, T = 120, 600


@pytest.fixture
def world() -> World:
    """With a game that may defeat; here a plain account."""
    return World(settings(game=GAME))


@pytest.fixture
def ballot(world: World) -> bytes:
    return publish(world, BALLOT)


def test_one_stake_an_address_of_the_exact_amount(world: World) -> None:
    """Rule: ROLLUP-1"""
    for wrong in (0, ETHER - 1, ETHER + 1):
        with reverts("rollup: not the stake's amount"):
            world.rollup.deposit_stake(value=wrong)
    world.rollup.deposit_stake(value=ETHER)
    assert world.event("StakeDeposited") == {"staker": CALLER, "amount": ETHER}
    with reverts("rollup: already staked"):
        world.rollup.deposit_stake(value=ETHER)
    assert world.rollup.total_stakes() == ETHER
    assert world.rollup.stake(CALLER).status == 1
    assert world.rollup.stake(STRANGER).status == 0


def test_a_stake_leaves_a_response_window_after_its_request(world: World) -> None:
    """Rule: ROLLUP-2, ROLLUP-4"""
    with reverts("rollup: stake not idle"):
        world.rollup.request_withdrawal()
    with reverts("rollup: no idle stake"):
        world.rollup.withdraw_stake(CALLER)
    world.rollup.deposit_stake(value=ETHER)
    with reverts("rollup: withdrawal not requested"):
        world.rollup.withdraw_stake(CALLER)
    world.rollup.request_withdrawal()
    assert world.event("WithdrawalRequested") == {"staker": CALLER, "ready_at": world.now + D}
    with reverts("rollup: stake not idle"):
        world.rollup.request_withdrawal()
    world.pass_time(D - 1)
    with reverts("rollup: withdrawal too early"):
        world.rollup.withdraw_stake(CALLER)
    world.pass_time(1)
    before = world.balance(AUTHOR)
    world.rollup.withdraw_stake(AUTHOR)

    assert world.event("StakeWithdrawn") == {"staker": CALLER, "amount": ETHER}
    assert world.balance(AUTHOR) - before == ETHER
    assert world.rollup.total_stakes() == world.balance(world.rollup.address) == 0
    with reverts("rollup: no idle stake"):
        world.rollup.withdraw_stake(CALLER)
    world.rollup.deposit_stake(value=ETHER)


def test_a_request_can_be_cancelled_and_then_starts_anew(world: World) -> None:
    """Audit 3 S7. Rule: ROLLUP-3"""
    with reverts("rollup: no request to cancel"):
        world.rollup.cancel_withdrawal()
    world.rollup.deposit_stake(value=ETHER)
    with reverts("rollup: no request to cancel"):
        world.rollup.cancel_withdrawal()
    world.rollup.request_withdrawal()
    world.pass_time(D)
    world.rollup.cancel_withdrawal()
    assert world.event("WithdrawalCancelled") == {"staker": CALLER}
    with reverts("rollup: withdrawal not requested"):
        world.rollup.withdraw_stake(CALLER)
    world.rollup.request_withdrawal()
    with reverts("rollup: withdrawal too early"):
        world.rollup.withdraw_stake(CALLER)


def test_no_proposal_under_a_request_and_no_request_under_a_proposal(
    world: World, ballot: bytes
) -> None:
    """Audit 3 S7: cancelled, it is armed at once."""
    stake(world)
    genesis = world.rollup.final_id(0)
    close_batch_of(world, ballot)
    world.rollup.request_withdrawal(sender=SEQUENCER)
    with reverts("rollup: withdrawal requested"):
        propose(world, genesis, make_proposal())
    assert world.rollup.sequencer_live()
    world.rollup.cancel_withdrawal(sender=SEQUENCER)
    found = propose(world, genesis, make_proposal())
    with reverts("rollup: stake not idle"):
        world.rollup.request_withdrawal(sender=SEQUENCER)
    world.pass_time(T)
    world.rollup.finalize(found)
    world.rollup.request_withdrawal(sender=SEQUENCER)
    world.pass_time(D)
    world.rollup.withdraw_stake(SEQUENCER, sender=SEQUENCER)

    assert world.rollup.stake(SEQUENCER).tip == ZERO
    assert not world.rollup.sequencer_live()


def test_a_stake_is_bound_to_its_tip_until_it_is_free(world: World, ballot: bytes) -> None:
    """Rule: ROLLUP-5"""
    stake(world)
    genesis = world.rollup.final_id(0)
    close_batch_of(world, ballot)
    close_batch_of(world, ballot)
    close_batch_of(world, ballot)
    first = propose(world, genesis, make_proposal(salt=1))
    second = propose(world, first, make_proposal(salt=2))
    world.rollup.transfer_sequencer(STRANGER, sender=SEQUENCER)
    stake(world, STRANGER)
    third = propose(world, second, make_proposal(salt=3), sender=STRANGER)
    close_batch_of(world, ballot)
    world.rollup.transfer_sequencer(SEQUENCER, sender=STRANGER)
    with reverts("rollup: stake bound to its tip"):
        propose(world, third, make_proposal(salt=4))

    world.pass_time(T)
    for found in (first, second):
        world.rollup.finalize(found)
    propose(world, third, make_proposal(salt=4))
    assert world.rollup.stake(SEQUENCER).proposals == 1


def test_a_defeat_strikes_the_assertion_and_takes_the_stake_once(
    world: World, ballot: bytes
) -> None:
    """Invariant 27. Rule: ROLLUP-7, ROLLUP-11"""
    stake(world)
    genesis = world.rollup.final_id(0)
    close_batch_of(world, ballot)
    close_batch_of(world, ballot)
    lie = propose(world, genesis, make_proposal())
    child = propose(world, lie, make_proposal(salt=1))
    grave = world.balance(GRAVE)
    world.rollup.defeat(lie, sender=GAME)

    assert world.event("AssertionDefeated") == {"assertion_id": lie, "batch": 1}
    assert world.event("StakeSlashed") == {
        "staker": SEQUENCER,
        "amount": ETHER,
        "burned": ETHER * 3 // 4,
    }
    assert world.balance(GRAVE) == grave
    assert world.rollup.credit(GAME) == world.rollup.total_credits() == ETHER // 4
    assert world.rollup.total_stakes() == 0
    assert world.rollup.status(lie) == 3
    assert not world.rollup.posted([lie])
    assert not world.rollup.posted([lie, child])
    assert world.rollup.stake(SEQUENCER).status == 2
    assert not world.rollup.sequencer_live()
    with reverts("rollup: nothing to defeat"):
        world.rollup.defeat(lie, sender=GAME)
    world.pass_time(T)
    with reverts("rollup: not pending"):
        world.rollup.finalize(lie)
    with reverts("rollup: parent not the head"):
        world.rollup.finalize(child)
    world.rollup.defeat(child, sender=GAME)
    assert [log.name for log in world.logs] == ["AssertionDefeated"]
    world.solvent()


def test_a_slashed_address_is_out_for_ever(world: World, ballot: bytes) -> None:
    """Invariant 27: it neither proposes nor withdraws."""
    stake(world)
    close_batch_of(world, ballot)
    lie = propose(world, world.rollup.final_id(0), make_proposal())
    world.rollup.defeat(lie, sender=GAME)

    with reverts("rollup: slashed for ever"):
        world.rollup.deposit_stake(sender=SEQUENCER, value=ETHER)
    with reverts("rollup: stake not idle"):
        world.rollup.request_withdrawal(sender=SEQUENCER)
    with reverts("rollup: no request to cancel"):
        world.rollup.cancel_withdrawal(sender=SEQUENCER)
    with reverts("rollup: no idle stake"):
        world.rollup.withdraw_stake(SEQUENCER, sender=SEQUENCER)
    with reverts("rollup: no live stake"):
        propose(world, world.rollup.final_id(0), make_proposal(salt=1))


def test_finality_of_a_slashed_proposer_never_reverts(world: World, ballot: bytes) -> None:
    """Slashed for batch 2, it is still paid for batch 1: else the head would stick for ever.

    Rule: ROLLUP-6
    """
    stake(world)
    close_batch_of(world, ballot)
    close_batch_of(world, ballot)
    truth = propose(world, world.rollup.final_id(0), make_proposal())
    lie = propose(world, truth, make_proposal(salt=1))
    world.rollup.defeat(lie, sender=GAME)
    world.pass_time(T)
    world.rollup.finalize(truth)

    assert world.rollup.head() == 1
    assert world.rollup.stake(SEQUENCER).proposals == 0
    assert world.inbox.credit(SEQUENCER) > 0
    world.solvent()


def test_an_empty_fork_opens_again(world: World, ballot: bytes) -> None:
    """After a defeat another child may stand, its window counted from its own proposal."""
    genesis = world.rollup.final_id(0)
    stake(world)
    close_batch_of(world, ballot)
    lie = propose(world, genesis, make_proposal())
    world.pass_time(T // 2)
    world.rollup.defeat(lie, sender=GAME)
    assert world.rollup.finality(0, 1) == 1
    world.rollup.transfer_sequencer(STRANGER, sender=SEQUENCER)
    stake(world, STRANGER)
    truth = propose(world, genesis, make_proposal(salt=1), sender=STRANGER)
    world.pass_time(T - 1)
    with reverts("rollup: too early"):
        world.rollup.finalize(truth)
    world.pass_time(1)
    world.rollup.finalize(truth)

    assert world.rollup.final_id(1) == truth


def test_the_rest_of_a_slashed_stake_is_burned_by_anyone_whenever(
    world: World, ballot: bytes
) -> None:
    """Invariant 33: the game's quarter stays, and so do stakes. Rule: ROLLUP-29"""
    rollup, grave = world.rollup, world.balance(GRAVE)
    with reverts("rollup: nothing to burn"):
        rollup.burn(sender=STRANGER)
    stake(world)
    stake(world, STRANGER)
    close_batch_of(world, ballot)
    with reverts("rollup: nothing to burn"):
        rollup.burn(sender=STRANGER)
    rollup.defeat(propose(world, rollup.final_id(0), make_proposal()), sender=GAME)
    rollup.burn(sender=STRANGER)

    assert world.event("SlashedBurned") == {"amount": ETHER * 3 // 4}
    assert world.balance(GRAVE) - grave == ETHER * 3 // 4
    assert world.balance(rollup.address) == ETHER + ETHER // 4
    with reverts("rollup: nothing to burn"):
        rollup.burn(sender=STRANGER)
    rollup.slash(STRANGER, sender=GAME)
    assert rollup.credit(GAME) == ETHER // 2
    rollup.withdraw(AUTHOR, sender=GAME)
    assert world.balance(rollup.address) == ETHER * 3 // 4
    rollup.burn(sender=AUTHOR)
    assert world.balance(GRAVE) - grave == ETHER * 3 // 2
    assert world.balance(rollup.address) == 0


def test_the_game_draws_its_credit(world: World, ballot: bytes) -> None:
    """Rule: ROLLUP-14"""
    stake(world)
    close_batch_of(world, ballot)
    assert world.rollup.credit(GAME) == world.rollup.total_credits() == 0
    with reverts("rollup: no credit"):
        world.rollup.withdraw(AUTHOR, sender=GAME)
    world.rollup.defeat(propose(world, world.rollup.final_id(0), make_proposal()), sender=GAME)
    before = world.balance(AUTHOR)
    world.rollup.withdraw(AUTHOR, sender=GAME)

    assert world.event("CreditWithdrawn") == {"owner": GAME, "to": AUTHOR, "amount": ETHER // 4}
    assert world.balance(AUTHOR) - before == ETHER // 4
    assert world.rollup.total_credits() == world.rollup.credit(GAME) == 0
    assert world.rollup.credit(CALLER) == 0
    assert world.balance(world.rollup.address) == ETHER * 3 // 4
    for who in (GAME, CALLER):
        with reverts("rollup: no credit"):
            world.rollup.withdraw(AUTHOR, sender=who)


def test_a_final_assertion_is_beyond_the_game(world: World, ballot: bytes) -> None:
    stake(world)
    finalize_one(world, ballot, make_proposal())
    for found in (world.rollup.final_id(1), world.rollup.final_id(0), ZERO):
        with reverts("rollup: nothing to defeat"):
            world.rollup.defeat(found, sender=GAME)
