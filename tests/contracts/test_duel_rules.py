"""DuelGame: who may do what, when; a refused call changes nothing."""

from __future__ import annotations

import pytest

from oyez.testing import toy
from tests.contracts.duelling import (
    HONEST,
    LIAR,
    Arena,
    Play,
    Side,
    make_arena,
    make_side,
    post,
)
from tests.contracts.harness import CALLER, SEQUENCER, STRANGER, actor, reverts
from tests.contracts.proposals import ZERO, close_batch_of

T = 600
CHANGE = (2, 2, 37, 5)
SECOND = (2, 2, 37, 6)


@pytest.fixture
def arena() -> Arena:
    return make_arena(HONEST, LIAR, STRANGER, CALLER)


def make_sides(arena: Arena, *changes: tuple[int, int, int, int] | None) -> list[Side]:
    return [make_side(toy.run(arena.batch_hash, 6, change)) for change in changes]


def post_all(arena: Arena, sides: list[Side], *who: bytes) -> None:
    arena.pass_time(100)
    for side, sender in zip(sides, who, strict=True):
        post(arena, side, sender)
        arena.pass_time(1)


@pytest.fixture
def three(arena: Arena) -> list[Side]:
    """A lie, the truth, another lie; in this order of time."""
    sides = make_sides(arena, CHANGE, None, SECOND)
    post_all(arena, sides, SEQUENCER, HONEST, LIAR)
    return sides


def test_opening_in_both_orders_twice_and_with_itself(arena: Arena, three: list[Side]) -> None:
    """Invariant 38. Rule: DUEL-1"""
    lie, truth, _ = three
    with reverts("duel: older first"):
        Play(arena, truth, lie).open()
    with reverts("duel: older first"):
        Play(arena, lie, lie).open()
    key = Play(arena, lie, truth).open()
    assert arena.game.duel(key) != ZERO
    with reverts("duel: open already"):
        Play(arena, lie, truth).open()


def test_of_siblings_of_one_second_the_smaller_id_is_older(arena: Arena) -> None:
    sides = make_sides(arena, CHANGE, None)
    arena.pass_time(100)
    for side, who in zip(sides, (SEQUENCER, HONEST), strict=True):
        post(arena, side, who)
    older, newer = sorted(sides, key=lambda side: side.assertion_id)
    with reverts("duel: older first"):
        Play(arena, newer, older).open()
    Play(arena, older, newer).open()


def test_no_duel_with_a_cousin_or_the_dead_or_the_unknown(arena: Arena, three: list[Side]) -> None:
    """Invariant 38. Rule: DUEL-1"""
    lie, truth, other = three
    close_batch_of(arena, arena.action)
    cousins = [make_side(toy.run(arena.batch_hash, 2, change)) for change in (CHANGE, None)]
    post(arena, cousins[0], SEQUENCER, lie.assertion_id)
    arena.pass_time(1)
    post(arena, cousins[1], HONEST, truth.assertion_id)
    with reverts("duel: no siblings"):
        Play(arena, cousins[0], cousins[1]).open()
    unknown = make_side(toy.run(arena.batch_hash, 3, (0, 0, 0, 1)))
    unknown.content = (*truth.content[:4], unknown.proposal.words)
    with reverts("duel: newer not pending"):
        Play(arena, lie, unknown).open()
    with reverts("duel: older not pending"):
        Play(arena, unknown, lie).open()
    beat(arena, lie, truth, loser=0)
    with reverts("duel: older not pending"):
        Play(arena, lie, other).open()


def beat(arena: Arena, older: Side, newer: Side, loser: int, seconds: int = T) -> Play:
    """A duel that the loser lets run out."""
    play = Play(arena, older, newer)
    play.open()
    if loser == 0:
        play.start()
    arena.pass_time(seconds)
    play.game.defeat(play.state, loser)
    return play


def test_a_moot_duel_defeats_nobody(arena: Arena, three: list[Side]) -> None:
    """Audit 3 S2: the true sibling, on turn in a duel that became moot, does not die."""
    lie, truth, other = three
    with_other = Play(arena, lie, other)
    with_other.open()
    with_truth = Play(arena, lie, truth)
    with_truth.open()
    with_truth.start()
    with_other.start()
    with_truth.advance()
    assert with_truth.turn == 1
    arena.pass_time(T)
    with_other.game.defeat(with_other.state, 0)
    with reverts("duel: moot"):
        with_truth.game.defeat(with_truth.state, 1)
    assert arena.rollup.status(truth.assertion_id) == 1
    # its reveals are harmless, its champions' moves too
    with reverts("duel: time is up"):
        with_truth.advance()


def test_all_duels_of_a_dead_assertion_are_moot_at_once(arena: Arena) -> None:
    """Invariant 11: a sibling that came late runs out of time while the others have theirs."""
    lie, truth, other = make_sides(arena, CHANGE, None, SECOND)
    post_all(arena, [lie, truth], SEQUENCER, HONEST)
    arena.pass_time(500)
    post(arena, other, LIAR)
    plays = [Play(arena, lie, other), Play(arena, lie, truth)]
    for play in plays:
        play.descend()
        play.commit(0, STRANGER)
    beat(arena, truth, other, loser=1, seconds=100)
    with reverts("duel: rival not pending"):
        plays[0].commit(0, CALLER)
    with reverts("duel: still on"):
        plays[1].game.release(plays[1].state, 0, STRANGER)
    plays[1].commit(0, CALLER)
    plays[0].game.release(plays[0].state, 0, STRANGER)
    assert arena.rollup.stake(STRANGER).championships == 1


def test_a_champion_falls_with_its_assertion(arena: Arena, three: list[Side]) -> None:
    """Audit 3 S3: champions that stall until their assertion dies elsewhere are slashed.

    Rule: DUEL-15
    """
    lie, truth, other = three
    play = Play(arena, lie, other)
    play.descend()
    play.commit(0, STRANGER)
    play.commit(1, CALLER)
    beat(arena, lie, truth, loser=0)
    with reverts("duel: falls with its assertion"):
        play.game.release(play.state, 0, STRANGER)
    play.game.expel(play.state, 0, STRANGER, sender=HONEST)
    assert arena.event("ChampionOut")["how"] == 4
    assert arena.rollup.stake(STRANGER).status == 2
    with reverts("duel: champion in good standing"):
        play.game.expel(play.state, 1, CALLER)
    play.game.release(play.state, 1, CALLER)
    assert arena.rollup.stake(CALLER).championships == 0
    with reverts("duel: no champion to expel"):
        play.game.expel(play.state, 0, STRANGER)
    with reverts("duel: no champion to release"):
        play.game.release(play.state, 1, CALLER)
    arena.check_solvent()


def test_a_champion_slashed_elsewhere_is_expelled_once(arena: Arena, three: list[Side]) -> None:
    """Invariant 27: its stake is gone already, and goes no second time. Rule: DUEL-15"""
    lie, truth, other = three
    play = Play(arena, truth, other)
    play.descend()
    play.commit(1, SEQUENCER)
    play.commit(0, HONEST)
    with reverts("duel: champion in good standing"):
        play.game.expel(play.state, 1, SEQUENCER)
    # the sequencer's own assertion falls: his stake is slashed
    beat(arena, lie, truth, loser=0)
    burned = arena.rollup.total_stakes()
    play.game.expel(play.state, 1, SEQUENCER)
    assert arena.event("ChampionOut")["how"] == 3
    assert arena.game.alive(play.key) == (1, 0)
    assert arena.rollup.total_stakes() == burned
    play.game.defeat(play.state, 1)
    assert arena.rollup.status(other.assertion_id) == 3
    arena.check_solvent()


def test_who_may_commit_and_what(arena: Arena, three: list[Side]) -> None:
    """Invariant 9, Audit 2 H3: no other height, no other place of the record. Rule: DUEL-9"""
    lie, truth, other = three
    play = Play(arena, lie, truth)
    play.open()
    with reverts("duel: no commits now"):
        play.commit(0, STRANGER, toy.Inner())
    play = Play(arena, truth, other)
    play.descend()
    with reverts("rollup: no live stake"):
        play.commit(0, actor("poor"))
    wrong = toy.Inner({**truth.machine.inner(2).raw, 4_095: toy.encode(1, [1] * 256)})
    with reverts("duel: not the inner children"):
        play.commit(0, STRANGER, wrong)
    inner = truth.machine.inner(2).tree
    binding, children = inner.path(255, level=4), inner.children(12, 0)
    for path, shown, reason in (
        (binding[:-1], children, "duel: wrong inner height"),
        ((*binding, ZERO), children, "duel: wrong inner height"),
        (binding, (*children[:15], ZERO), "duel: not the inner children"),
        ((ZERO, *binding[1:]), children, "duel: not the inner children"),
    ):
        with reverts(reason):
            play.game.commit(play.state, 0, path, shown, sender=STRANGER)
    with reverts("duel: no such side"):
        play.game.commit(play.state, 2, binding, children, sender=STRANGER)
    arena.rollup.request_withdrawal(sender=STRANGER)
    with reverts("rollup: withdrawal requested"):
        play.commit(0, STRANGER)
    arena.rollup.cancel_withdrawal(sender=STRANGER)
    play.commit(0, STRANGER)
    with reverts("duel: champion already"):
        play.commit(0, STRANGER)
    with reverts("rollup: champions a sibling"):
        play.commit(1, STRANGER)
    with reverts("rollup: stake not idle"):
        arena.rollup.request_withdrawal(sender=STRANGER)


def test_a_duel_has_two_sides(arena: Arena, three: list[Side]) -> None:
    play = Play(arena, three[0], three[1])
    play.descend()
    arena.pass_time(T)
    with reverts("duel: neither side"):
        play.game.defeat(play.state, 2)


def test_a_champion_still_proposes(arena: Arena, three: list[Side]) -> None:
    """Audit 3 S1: a championship bars nobody from posting the true sibling of a later batch."""
    lie, truth, _ = three
    play = Play(arena, lie, truth)
    play.descend()
    play.commit(1, HONEST)
    close_batch_of(arena, arena.action)
    arena.pass_time(100)
    later = make_side(toy.run(arena.batch_hash, 2))
    post(arena, later, HONEST, truth.assertion_id)
    assert arena.rollup.stake(HONEST).proposals == 2


def test_states_of_others_do_not_pass(arena: Arena, three: list[Side]) -> None:
    """Invariant 36: a move names both assertions by id and lands on no other duel."""
    lie, truth, other = three
    play, second = Play(arena, lie, truth), Play(arena, truth, other)
    play.open()
    second.open()
    mixed = (*second.state[:2], *play.state[2:])
    children = truth.tree.children(24, 0)
    with reverts("duel: another state"):
        play.game.start(mixed, children)
    a, b, *rest = play.state
    with reverts("duel: another state"):
        play.game.start((b, a, *rest), children)
    play.start()
    stale = play.state
    play.advance()
    play.state = stale
    play.path = []
    with reverts("duel: another state"):
        play.advance()


def test_an_identical_move_comes_second_and_costs_little(arena: Arena, three: list[Side]) -> None:
    """Invariant 35: front-run, the second reverts within 40k gas."""
    play = Play(arena, three[0], three[1])
    play.open()
    state = play.state
    play.start(sender=actor("front-runner"))
    children = three[1].tree.children(24, 0)
    with reverts("duel: another state"):
        play.game.start(state, children, gas=40_000)
    play.advance(sender=HONEST)
