"""Rollup: who may be first, who may join a fork and until when, and when a fork is won."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import publish
from tests.contracts.harness import (
    AUTHOR,
    CALLER,
    GAME,
    SEQUENCER,
    STRANGER,
    Reverted,
    World,
    actor,
    reverts,
    settings,
)
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import close_batch_of, finalize_one, make_proposal, propose, stake

T = 600
# age of a batch, the longest opening and the grace, up to which the sequencer is first
FIRST = 10 + 60
TRUTH, LIE, THIRD = make_proposal(salt="truth"), make_proposal(salt="lie"), make_proposal(salt=3)


@pytest.fixture
def world() -> World:
    """With a game, here a plain account, and a stake for everyone."""
    made = World(settings(game=GAME))
    for who in (SEQUENCER, STRANGER, CALLER, AUTHOR):
        stake(made, who)
    return made


@pytest.fixture
def ballot(world: World) -> bytes:
    return publish(world, BALLOT)


@pytest.fixture
def parent(world: World, ballot: bytes) -> bytes:
    """Genesis, its batch closed."""
    close_batch_of(world, ballot)
    found = world.rollup.final_id(0)
    assert isinstance(found, bytes)
    return found


def allowance(world: World, assertion_id: bytes) -> int:
    return int(world.rollup.assertion(assertion_id).allowance)


def test_anyone_posts_the_true_sibling_and_neither_is_final(world: World, parent: bytes) -> None:
    """Invariant 10: a lying sequencer gets nothing final, however long it waits.

    Rule: ROLLUP-20
    """
    lie = propose(world, parent, LIE)
    with reverts("rollup: already proposed"):
        propose(world, parent, LIE, sender=STRANGER)
    truth = propose(world, parent, TRUTH, sender=STRANGER)
    for seconds in (0, T, 100 * T):
        world.pass_time(seconds)
        for found in (lie, truth):
            with reverts("rollup: a sibling lives"):
                world.rollup.finalize(found)
    assert world.rollup.head() == 0
    assert world.rollup.finality(0, 1) == 2
    world.rollup.defeat(lie, sender=GAME)
    world.rollup.finalize(truth)

    assert world.rollup.final_id(1) == truth
    assert world.inbox.credit(STRANGER) > 0
    assert world.inbox.credit(SEQUENCER) == 0
    world.solvent()


def test_a_late_joiner_has_what_is_left_of_the_window(world: World, parent: bytes) -> None:
    """Invariant 18: exactly T - (u - t0), accepted at t0 + T - 1 and refused at t0 + T.

    Rule: ROLLUP-19
    """
    first = propose(world, parent, LIE)
    world.pass_time(0)
    same = propose(world, parent, THIRD, sender=CALLER)
    world.pass_time(T - 1)
    last = propose(world, parent, TRUTH, sender=STRANGER)
    world.pass_time(1)

    assert [allowance(world, found) for found in (first, same, last)] == [T, T, 1]
    with reverts("rollup: fork closed, no survivor"):
        propose(world, parent, make_proposal(salt="late"), sender=AUTHOR)


def test_one_survivor_can_be_answered_for_a_window_of_its_own(world: World, parent: bytes) -> None:
    """Invariant 19, Audit 2 H1: no join underflows, so a late liar does not stop the head."""
    first = propose(world, parent, THIRD)
    world.pass_time(T - 1)
    lie = propose(world, parent, LIE, sender=CALLER)
    world.pass_time(T - 100)
    world.rollup.defeat(first, sender=GAME)
    with reverts("rollup: too early"):
        world.rollup.finalize(lie)
    truth = propose(world, parent, TRUTH, sender=STRANGER)

    assert allowance(world, truth) == 100
    with reverts("rollup: fork closed, no survivor"):
        propose(world, parent, make_proposal(salt="more"), sender=AUTHOR)
    world.rollup.defeat(lie, sender=GAME)
    world.pass_time(T - 1)
    late = propose(world, parent, make_proposal(salt="more"), sender=AUTHOR)
    assert allowance(world, late) == 1
    world.rollup.defeat(late, sender=GAME)
    world.pass_time(1)
    world.rollup.finalize(truth)


def test_an_old_survivor_cannot_be_rivaled(world: World, parent: bytes) -> None:
    """Invariant 19: a liar does not keep a fork open by one sibling after another."""
    truth = propose(world, parent, TRUTH)
    world.pass_time(T - 1)
    lie = propose(world, parent, LIE, sender=CALLER)
    world.pass_time(1)
    world.rollup.defeat(lie, sender=GAME)
    with reverts("rollup: too late to join"):
        propose(world, parent, THIRD, sender=AUTHOR)
    world.rollup.finalize(truth)


@pytest.mark.parametrize("joined", [0, 1, 299, T - 1])
def test_a_fork_can_be_joined_until_it_can_be_won(world: World, parent: bytes, joined: int) -> None:
    """Never both, never neither: whoever is censored at the boundary loses nothing by order."""
    first = propose(world, parent, THIRD)
    world.pass_time(joined)
    survivor = propose(world, parent, LIE, sender=CALLER)
    world.rollup.defeat(first, sender=GAME)
    world.pass_time(T - joined - 2 if joined < T - 2 else 0)
    for _ in range(joined + 5):
        mark = world.evm.snapshot()
        try:
            world.rollup.finalize(survivor)
            final = True
        except Reverted as refusal:
            assert refusal.reason == "rollup: too early"  # noqa: PT017  # finality may also be reached
            final = False
        world.evm.revert(mark)
        mark = world.evm.snapshot()
        try:
            propose(world, parent, TRUTH, sender=STRANGER)
            open_ = True
        except Reverted as refusal:
            assert refusal.reason == "rollup: too late to join"  # noqa: PT017  # it may also be open
            open_ = False
        world.evm.revert(mark)
        assert final != open_
        world.pass_time(1)
    assert final


def test_an_empty_fork_begins_anew(world: World, parent: bytes) -> None:
    """Invariant 12: two dead siblings leave no stuck head, whatever the time."""
    ids = [propose(world, parent, THIRD), propose(world, parent, LIE, sender=CALLER)]
    world.pass_time(3 * T)
    for found in ids:
        world.rollup.defeat(found, sender=GAME)
    assert world.rollup.finality(0, 1) == 1
    truth = propose(world, parent, TRUTH, sender=STRANGER)
    world.pass_time(T - 1)
    again = propose(world, parent, LIE, 1, sender=AUTHOR)

    assert [allowance(world, found) for found in (truth, again)] == [T, 1]


def test_attempts_follow_one_another(world: World, parent: bytes) -> None:
    """Audit 1 M4, Audit 2 H1: a true content that was defeated stands again, once at a time."""
    first = propose(world, parent, TRUTH)
    keep = propose(world, parent, LIE, sender=AUTHOR)
    world.rollup.defeat(first, sender=GAME)
    for attempt in (2, 3, 2**256 - 1):
        with reverts("rollup: earlier attempt lives"):
            propose(world, parent, TRUTH, attempt, sender=STRANGER)
    second = propose(world, parent, TRUTH, 1, sender=STRANGER)
    with reverts("rollup: earlier attempt lives"):
        propose(world, parent, TRUTH, 2, sender=CALLER)
    world.rollup.defeat(second, sender=GAME)
    third = propose(world, parent, TRUTH, 2, sender=CALLER)
    world.rollup.defeat(keep, sender=GAME)
    world.pass_time(T)
    world.rollup.finalize(third)


def test_a_void_attempt_is_not_a_defeated_one(world: World, ballot: bytes, parent: bytes) -> None:
    close_batch_of(world, ballot)
    lie = propose(world, parent, LIE)
    child = propose(world, lie, TRUTH)
    world.rollup.defeat(lie, sender=GAME)
    world.rollup.mark_void(child)
    with reverts("rollup: parent past or unknown"):
        propose(world, lie, TRUTH, 1, sender=STRANGER)


def test_the_sequencer_is_first_for_a_time(world: World, parent: bytes) -> None:
    """Rule: ROLLUP-18"""
    world.pass_time(FIRST - 10)
    with reverts("rollup: sequencer proposes first"):
        propose(world, parent, TRUTH, sender=STRANGER)
    mark = world.evm.snapshot()
    propose(world, parent, LIE)
    propose(world, parent, TRUTH, sender=STRANGER)
    world.evm.revert(mark)
    world.pass_time(1)
    propose(world, parent, TRUTH, sender=STRANGER)


def test_a_silent_sequencer_gains_no_time_by_small_batches(world: World, ballot: bytes) -> None:
    """Invariant 41: each batch's time counts from its own opening, whatever came before it."""
    genesis = world.rollup.final_id(0)
    for _ in range(8):
        close_batch_of(world, ballot)
    # the first is 80 s old, the second 70
    first = propose(world, genesis, make_proposal(salt=1), sender=STRANGER)
    with reverts("rollup: sequencer proposes first"):
        propose(world, first, make_proposal(salt=2), sender=STRANGER)
    world.pass_time(1)
    propose(world, first, make_proposal(salt=2), sender=STRANGER)


def test_nobody_waits_for_a_sequencer_without_a_stake(world: World, ballot: bytes) -> None:
    genesis = world.rollup.final_id(0)
    world.rollup.request_withdrawal(sender=SEQUENCER)
    world.pass_time(120)
    close_batch_of(world, ballot)
    with reverts("rollup: sequencer proposes first"):
        propose(world, genesis, TRUTH, sender=STRANGER)
    world.rollup.withdraw_stake(SEQUENCER, sender=SEQUENCER)
    propose(world, genesis, TRUTH, sender=STRANGER)


def test_nobody_waits_for_a_slashed_sequencer(world: World, parent: bytes) -> None:
    lie = propose(world, parent, LIE)
    world.rollup.defeat(lie, sender=GAME)

    propose(world, parent, TRUTH, sender=STRANGER)


def test_nobody_waits_for_a_sequencer_bound_elsewhere(
    world: World, ballot: bytes, parent: bytes
) -> None:
    """Audit 2 L8: on its own branch it is first; beside it, where it cannot propose, it is not."""
    close_batch_of(world, ballot)
    lie = propose(world, parent, LIE)
    truth = propose(world, parent, TRUTH, sender=STRANGER)
    with reverts("rollup: sequencer proposes first"):
        propose(world, lie, make_proposal(salt="on it"), sender=CALLER)
    propose(world, truth, make_proposal(salt="next"), sender=STRANGER)


def test_a_sibling_waits_for_nobody(world: World, parent: bytes) -> None:
    """A liar does not hold the truth off by handing the sequencer's place to a free stake."""
    propose(world, parent, LIE)
    world.rollup.transfer_sequencer(AUTHOR, sender=SEQUENCER)

    propose(world, parent, TRUTH, sender=STRANGER)


def test_a_stale_tip_gives_no_place_away(world: World, ballot: bytes) -> None:
    """Free again, the sequencer is first wherever it may be."""
    finalize_one(world, ballot, make_proposal(salt=1))
    finalize_one(world, ballot, make_proposal(salt=2), calls=2)
    close_batch_of(world, ballot)
    with reverts("rollup: sequencer proposes first"):
        propose(world, world.rollup.final_id(2), TRUTH, sender=STRANGER)


def test_a_signed_proposal_dies_with_its_parent(world: World, ballot: bytes, parent: bytes) -> None:
    """Invariant 36: it names the parent by content, so it never lands on another."""
    close_batch_of(world, ballot)
    close_batch_of(world, ballot)
    lie = propose(world, parent, LIE)
    child = propose(world, lie, make_proposal(salt=1))
    world.rollup.defeat(lie, sender=GAME)
    with reverts("rollup: parent past or unknown"):
        propose(world, lie, make_proposal(salt=2), sender=STRANGER)
    world.rollup.mark_void(child)
    with reverts("rollup: parent past or unknown"):
        propose(world, child, make_proposal(salt=2), sender=STRANGER)


def test_gas_does_not_grow_with_siblings(world: World, parent: bytes) -> None:
    """Invariant 37: nothing walks a list."""
    propose(world, parent, TRUTH)
    ids, spent = [], []
    for i in range(200):
        who = actor(f"liar {i}")
        world.fund(who, 2 * world.settings.stake)
        stake(world, who)
        ids.append(propose(world, parent, make_proposal(salt=i), sender=who))
        spent.append(world.gas)
    assert max(spent[1:]) - min(spent[1:]) < 1_000
    spent = []
    for found in ids:
        world.rollup.defeat(found, sender=GAME)
        spent.append(world.gas)
    assert max(spent[1:]) - min(spent[1:]) < 1_000
    world.pass_time(T)
    world.rollup.finalize(world.rollup.stake(SEQUENCER).tip)
    world.solvent()
