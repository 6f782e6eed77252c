"""Rollup: one stake on one branch: tips, step_down, void, and what championships do not do."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import publish
from tests.contracts.harness import (
    AUTHOR,
    CALLER,
    ETHER,
    GAME,
    SEQUENCER,
    STRANGER,
    World,
    reverts,
    settings,
)
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import ZERO, close_batch_of, make_proposal, noise, propose, stake

D, T, GRACE = 120, 600, 61
BATCHES = 6


@pytest.fixture
def world() -> World:
    """With a game, here a plain account, a stake for all, and batches that anyone may propose."""
    made = World(settings(game=GAME))
    for who in (SEQUENCER, STRANGER, CALLER, AUTHOR):
        stake(made, who)
    ballot = publish(made, BALLOT)
    for _ in range(BATCHES):
        close_batch_of(made, ballot)
    made.pass_time(GRACE)
    return made


@pytest.fixture
def genesis(world: World) -> bytes:
    found = world.rollup.final_id(0)
    assert isinstance(found, bytes)
    return found


def post(world: World, parent: bytes, salt: object, who: bytes = SEQUENCER) -> bytes:
    return propose(world, parent, make_proposal(salt=salt), sender=who)


def proposals(world: World, who: bytes) -> int:
    return int(world.rollup.stake(who).proposals)


def test_one_stake_backs_one_branch(world: World, genesis: bytes) -> None:
    """Invariant 28, Audit 2 K2: no sibling, no cousin, none after its own is final."""
    lie = post(world, genesis, "lie")
    truth = post(world, genesis, "truth", STRANGER)
    cousin = post(world, truth, "cousin", CALLER)
    for parent in (genesis, truth, cousin):
        with reverts("rollup: stake bound to its tip"):
            post(world, parent, "second")
    world.pass_time(T // 2)
    child = post(world, lie, "child")
    with reverts("rollup: stake bound to its tip"):
        post(world, lie, "sibling of my own")
    world.rollup.defeat(truth, sender=GAME)
    world.pass_time(T // 2)
    world.rollup.finalize(lie)
    with reverts("rollup: stake bound to its tip"):
        post(world, lie, "beside my own")
    post(world, child, "above it")


def test_a_free_stake_stands_anywhere(world: World, genesis: bytes) -> None:
    """Audit 2 K2: a rival with an old or no tip reaches a lie deep in a pending chain at once."""
    parent = genesis
    for n in range(4):
        parent = post(world, parent, n)
    post(world, parent, "lie")
    found = post(world, parent, "truth", STRANGER)

    assert world.rollup.assertion(found).batch == 5


def test_step_down_follows_what_others_proposed(world: World, genesis: bytes) -> None:
    """Audit 1 C6. Rule: ROLLUP-22"""
    first = post(world, genesis, 1, SEQUENCER)
    rival = post(world, genesis, 2, STRANGER)
    second = post(world, rival, 3, CALLER)
    third = post(world, second, 4, CALLER)
    post(world, third, "lie", CALLER)
    with reverts("rollup: stake bound to its tip"):
        post(world, third, "truth", STRANGER)
    world.rollup.step_down([second, third], sender=STRANGER)

    assert world.event("TipMoved") == {"staker": STRANGER, "tip": third}
    assert world.rollup.stake(STRANGER).tip == third
    for parent in (rival, second):
        with reverts("rollup: stake bound to its tip"):
            post(world, parent, "back", STRANGER)
    post(world, third, "truth", STRANGER)
    assert proposals(world, STRANGER) == 2
    assert world.rollup.status(first) == 1


def test_step_down_never_leaves_the_branch(world: World, genesis: bytes) -> None:
    lie = post(world, genesis, "lie")
    truth = post(world, genesis, "truth", STRANGER)
    child = post(world, lie, "child")
    above = post(world, truth, "above", CALLER)
    step = world.rollup.step_down

    with reverts("rollup: no step"):
        step([], sender=STRANGER)
    with reverts("rollup: tip not pending"):
        step([truth], sender=AUTHOR)
    for path in ([lie], [child], [truth], [genesis], [ZERO], [noise("none")], [above, child]):
        with reverts("rollup: not a child of the tip"):
            step(path, sender=STRANGER)
    assert world.rollup.stake(STRANGER).tip == truth
    world.rollup.defeat(above, sender=GAME)
    with reverts("rollup: step not pending"):
        step([above], sender=STRANGER)


def test_a_dead_tip_binds_until_the_stake_is_free(world: World, genesis: bytes) -> None:
    """Audit 2 M2, Invariant 30: a confederate's death frees the upper claim alone.

    Rule: ROLLUP-5
    """
    lie = post(world, genesis, "lie")
    middle = post(world, lie, "confederate", CALLER)
    world.rollup.step_down([middle], sender=SEQUENCER)
    above = post(world, middle, "above")
    truth = post(world, genesis, "truth", STRANGER)
    world.rollup.defeat(middle, sender=GAME)
    assert proposals(world, SEQUENCER) == 2
    world.rollup.mark_void(above)
    assert proposals(world, SEQUENCER) == 1
    for parent in (genesis, lie, truth):
        with reverts("rollup: stake bound to its tip"):
            post(world, parent, "elsewhere")
    with reverts("rollup: stake not idle"):
        world.rollup.request_withdrawal(sender=SEQUENCER)
    world.rollup.defeat(lie, sender=GAME)

    assert world.rollup.stake(SEQUENCER).status == 2
    world.pass_time(T)
    world.rollup.finalize(truth)
    world.solvent()


def test_a_stepped_tip_that_died_binds_until_free(world: World, genesis: bytes) -> None:
    own = post(world, genesis, "own")
    post(world, own, "other", STRANGER)
    dead = world.rollup.stake(STRANGER).tip
    world.rollup.step_down([dead], sender=SEQUENCER)
    above = post(world, dead, "above", CALLER)
    world.rollup.defeat(dead, sender=GAME)
    with reverts("rollup: parent past or unknown"):
        post(world, dead, "on a dead tip")
    with reverts("rollup: stake bound to its tip"):
        post(world, own, "beside it")
    with reverts("rollup: tip not pending"):
        world.rollup.step_down([above], sender=SEQUENCER)
    world.pass_time(T)
    world.rollup.finalize(own)
    post(world, own, "free again")


def test_void_goes_down_a_dead_branch_and_frees(world: World, genesis: bytes) -> None:
    """Invariant 31: honest authors on a dead branch get their stake back, the liar does not.

    Rule: ROLLUP-21
    """
    lie = post(world, genesis, "lie")
    one = post(world, lie, 1)
    two = post(world, lie, 2, STRANGER)
    three = post(world, two, 3, CALLER)
    for alive in (lie, one, two):
        with reverts("rollup: parent not dead"):
            world.rollup.mark_void(alive)
    world.rollup.defeat(lie, sender=GAME)
    with reverts("rollup: parent not dead"):
        world.rollup.mark_void(three)
    world.rollup.mark_void(two, sender=AUTHOR)
    assert world.event("AssertionVoided") == {"assertion_id": two, "batch": 2}
    with reverts("rollup: nothing to void"):
        world.rollup.mark_void(two)
    world.rollup.mark_void(three)
    world.rollup.mark_void(one)

    assert [world.rollup.status(found) for found in (lie, one, two, three)] == [3, 4, 4, 4]
    assert [proposals(world, who) for who in (SEQUENCER, STRANGER, CALLER)] == [0, 0, 0]
    for found in (lie, genesis, ZERO, noise("none")):
        with reverts("rollup: nothing to void"):
            world.rollup.mark_void(found)
    with reverts("rollup: nothing to defeat"):
        world.rollup.defeat(two, sender=GAME)
    world.rollup.request_withdrawal(sender=STRANGER)
    post(world, genesis, "truth", CALLER)


def test_a_long_dead_branch_costs_the_same_at_every_step(world: World, genesis: bytes) -> None:
    """Invariant 37: also for `finalize` beside it."""
    parent, ids = genesis, []
    for n in range(BATCHES):
        parent = post(world, parent, n, SEQUENCER)
        ids.append(parent)
    truth = post(world, genesis, "truth", STRANGER)
    world.rollup.defeat(ids[0], sender=GAME)
    world.pass_time(T)
    world.rollup.finalize(truth)
    spent = []
    for found in ids[1:]:
        world.rollup.mark_void(found)
        spent.append(world.gas)

    assert max(spent) - min(spent) < 500


def test_a_champion_may_propose(world: World, genesis: bytes) -> None:
    """Audit 3 S1: a championship that bound would let a lie above it pass.

    Rule: ROLLUP-25
    """
    truth = post(world, genesis, "truth")
    lie = post(world, genesis, "lie", CALLER)
    world.rollup.lock(STRANGER, truth, sender=GAME)
    world.rollup.lock(STRANGER, truth, sender=GAME)
    assert world.rollup.stake(STRANGER) == {
        "status": 1,
        "proposals": 0,
        "championships": 2,
        "requested_at": 0,
        "tip": ZERO,
    }
    post(world, truth, "lie above", AUTHOR)
    above = post(world, truth, "truth above", STRANGER)
    with reverts("rollup: champions a sibling"):
        world.rollup.lock(STRANGER, lie, sender=GAME)
    world.rollup.lock(STRANGER, above, sender=GAME)

    assert world.rollup.stake(STRANGER).championships == 3
    assert proposals(world, STRANGER) == 1


def test_a_championship_holds_the_stake(world: World, genesis: bytes) -> None:
    truth = post(world, genesis, "truth")
    world.rollup.request_withdrawal(sender=STRANGER)
    with reverts("rollup: withdrawal requested"):
        world.rollup.lock(STRANGER, truth, sender=GAME)
    world.rollup.cancel_withdrawal(sender=STRANGER)
    world.rollup.lock(STRANGER, truth, sender=GAME)
    with reverts("rollup: stake not idle"):
        world.rollup.request_withdrawal(sender=STRANGER)
    world.rollup.unlock(STRANGER, sender=GAME)
    world.rollup.request_withdrawal(sender=STRANGER)
    for found in (genesis, ZERO, noise("none")):
        with reverts("rollup: nothing to champion"):
            world.rollup.lock(AUTHOR, found, sender=GAME)
    with reverts("rollup: no live stake"):
        world.rollup.lock(GAME, truth, sender=GAME)


def test_a_beaten_champion_is_slashed_once_and_its_assertions_stand(
    world: World, genesis: bytes
) -> None:
    """Invariant 27; a true assertion outlives its proposer's stake, is final, and is paid."""
    truth = post(world, genesis, "truth", SEQUENCER)
    above = post(world, truth, "above")
    world.rollup.lock(SEQUENCER, above, sender=GAME)
    world.rollup.slash(SEQUENCER, sender=GAME)
    assert world.event("StakeSlashed") == {
        "staker": SEQUENCER,
        "amount": ETHER,
        "burned": ETHER * 3 // 4,
    }
    for _ in range(2):
        world.rollup.slash(SEQUENCER, sender=GAME)
        world.rollup.slash(GAME, sender=GAME)
        world.rollup.unlock(SEQUENCER, sender=GAME)
        assert world.logs == []
    assert [world.rollup.status(found) for found in (truth, above)] == [1, 1]
    world.pass_time(T)
    world.rollup.finalize(truth)
    world.rollup.defeat(above, sender=GAME)

    assert world.inbox.credit(SEQUENCER) > 0
    assert world.rollup.credit(GAME) == ETHER // 4
    assert world.rollup.total_stakes() == 3 * ETHER
    with reverts("rollup: no live stake"):
        post(world, truth, "more")
    world.solvent()


def test_a_new_stake_has_no_tip_of_the_old(world: World, genesis: bytes) -> None:
    """Withdrawn and put up again, it is free; a rejected request keeps nobody from proposing."""
    first = post(world, genesis, 1)
    world.pass_time(T)
    world.rollup.finalize(first)
    world.rollup.request_withdrawal(sender=SEQUENCER)
    world.pass_time(D)
    world.rollup.withdraw_stake(SEQUENCER, sender=SEQUENCER)
    stake(world, SEQUENCER)
    assert world.rollup.stake(SEQUENCER).tip == ZERO
    second = post(world, first, 2)
    with reverts("rollup: stake bound to its tip"):
        post(world, first, 3)
    post(world, second, 3)
