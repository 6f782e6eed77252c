"""DuelGame: clocks. Exactly one side's time runs, and what is late stays late."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oyez.testing import toy
from tests.contracts.duelling import (
    HONEST,
    LIAR,
    NO_STATE,
    Arena,
    Bout,
    Play,
    make_arena,
    make_side,
    meet,
    post,
)
from tests.contracts.harness import CALLER, SEQUENCER, STRANGER, reverts

T = 600
CHANGE = (2, 2, 37, 5)
GAP = 40


@pytest.fixture
def arena() -> Arena:
    return make_arena(HONEST, LIAR, STRANGER, CALLER)


@pytest.fixture
def play(arena: Arena) -> Play:
    """A duel opened in the second of the newer sibling's proposal, GAP after the older's."""
    arena.pass_time(100)
    lie = post(arena, make_side(toy.run(arena.batch_hash, 6, CHANGE)), SEQUENCER)
    arena.pass_time(GAP)
    truth = post(arena, make_side(toy.run(arena.batch_hash, 6)), HONEST)
    made = Play(arena, lie, truth)
    made.open()
    return made


def rem(word: int, side: int) -> int:
    return word >> (64 if side else 96) & 0xFFFFFFFF


def test_the_newer_side_has_what_the_fork_left_it(play: Play) -> None:
    """Invariant 18: late joining is charged. Rule: DUEL-1"""
    assert (rem(play.word, 0), rem(play.word, 1)) == (T, T - GAP)
    assert play.turn == 1


def test_a_duel_opens_with_this_word_alone(play: Play) -> None:
    """No record, START, the newer's turn, all levels, since its proposal; index 0.

    Rule: DUEL-1
    """
    created_at = int(play.arena.rollup.assertion(play.sides[1].assertion_id).created_at)
    fields = (0, 1, 1, 6, created_at, T, T - GAP, 0)
    places = (192, 184, 176, 168, 128, 96, 64, 0)
    assert play.word == sum(value << at for value, at in zip(fields, places, strict=True))


def test_opening_late_wins_no_time(arena: Arena) -> None:
    """The clock runs since the newer sibling's proposal. Rule: DUEL-1"""
    arena.pass_time(100)
    lie = post(arena, make_side(toy.run(arena.batch_hash, 6, CHANGE)), SEQUENCER)
    arena.pass_time(GAP)
    truth = post(arena, make_side(toy.run(arena.batch_hash, 6)), HONEST)
    arena.pass_time(50)
    play = Play(arena, lie, truth)
    play.open()
    arena.pass_time(5)
    play.start()
    assert rem(play.word, 1) == T - GAP - 55
    assert rem(play.word, 0) == T


def outer_steps(play: Play) -> list[Callable[[], None]]:
    return [play.start, *[play.advance] * 5, play.last]


@pytest.mark.parametrize("done", range(7))
@pytest.mark.parametrize("late", [-1, 0, 1, 10_000])
def test_a_move_and_a_defeat_exclude_each_other(play: Play, done: int, late: int) -> None:
    """Invariant 15, Invariant 16: below rem one moves, from rem on one is late, however late.

    Rule: DUEL-2, DUEL-3, DUEL-17
    """
    steps = outer_steps(play)
    for step in steps[:done]:
        play.arena.pass_time(1)
        step()
    side, left = play.turn, rem(play.word, play.turn)
    play.arena.pass_time(left + late)
    if late < 0:
        with reverts("duel: not late"):
            play.game.defeat(play.state, side)
        steps[done]()
        assert rem(play.word, side) == -late
    else:
        with reverts("duel: time is up"):
            steps[done]()
        with reverts("duel: the other is on turn"):
            play.game.defeat(play.state, 1 - side)
        play.game.defeat(play.state, side)
        assert play.arena.rollup.status(play.sides[side].assertion_id) == 3
        assert play.arena.rollup.status(play.sides[1 - side].assertion_id) == 1


def test_one_clock_runs_and_the_sum_never_grows(play: Play) -> None:
    """Invariant 14. Rule: DUEL-3"""
    total = rem(play.word, 0) + rem(play.word, 1)
    for seconds, step in enumerate(outer_steps(play), 3):
        side = play.turn
        waits = rem(play.word, 1 - side)
        play.arena.pass_time(seconds)
        step()
        assert rem(play.word, 1 - side) == waits
        assert rem(play.word, 0) + rem(play.word, 1) == total - seconds
        total -= seconds
        assert play.turn == 1 - side


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("late", [-1, 0])
def test_a_champion_comes_until_its_sides_deadline(play: Play, side: int, late: int) -> None:
    """Rule: DUEL-9"""
    for step in outer_steps(play):
        play.arena.pass_time(2)
        step()
    play.arena.pass_time(rem(play.word, side) + late)
    if late < 0:
        with reverts("duel: champions may come"):
            play.game.defeat(play.state, side)
        play.commit(side, STRANGER)
        play.arena.pass_time(1)
        with reverts("duel: a champion lives"):
            play.game.defeat(play.state, side)
    else:
        with reverts("duel: too late to commit"):
            play.commit(side, STRANGER)
        play.game.defeat(play.state, side)
        assert play.arena.rollup.status(play.sides[side].assertion_id) == 3


def test_both_sides_without_champions_die_only_one_by_this_duel(play: Play) -> None:
    for step in outer_steps(play):
        step()
    play.arena.pass_time(T)
    play.game.defeat(play.state, 0)
    with reverts("duel: moot"):
        play.game.defeat(play.state, 1)


def test_a_bout_starts_with_the_later_commit_and_charges_the_delay(play: Play) -> None:
    """Each has what its side had left at its commit; the later one is on turn. Rule: DUEL-10"""
    for step in outer_steps(play):
        step()
    left = [rem(play.word, side) for side in (0, 1)]
    play.arena.pass_time(11)
    b = play.commit(1, HONEST)
    play.arena.pass_time(13)
    a = play.commit(0, SEQUENCER)
    bout = Bout((a, b))
    assert play.bout_turn(bout) == 0
    play.arena.pass_time(17)
    play.inner(bout)
    word = int(bout.state[2])
    assert [rem(word, side) for side in (0, 1)] == [left[0] - 24 - 17, left[1] - 11]


def test_of_two_commits_in_one_second_the_greater_address_moves(play: Play) -> None:
    for step in outer_steps(play):
        step()
    pair = [play.commit(0, SEQUENCER), play.commit(1, HONEST)]
    bout = Bout((pair[0], pair[1]))
    assert play.bout_turn(bout) == (1 if HONEST > SEQUENCER else 0)
    play.inner(bout)
    other = Bout((play.commit(0, STRANGER), play.commit(1, CALLER)))
    assert play.bout_turn(other) == (1 if CALLER > STRANGER else 0)
    play.inner(other)


@pytest.mark.parametrize("done", range(4))
@pytest.mark.parametrize("late", [-1, 0, 1, 50_000])
def test_a_bouts_move_and_its_time_out_exclude_each_other(
    arena: Arena, done: int, late: int
) -> None:
    """Invariant 15, Invariant 16 for bouts, one that nobody moved in included. Rule: DUEL-14"""
    truth = make_side(toy.run(arena.batch_hash, 6))
    lie = make_side(toy.run(arena.batch_hash, 6, CHANGE))
    play, bout = meet(arena, truth, lie, liar_first=True)
    a, b = bout.champions
    steps = [play.inner, play.inner, play.leaf, play.leaf]
    for step in steps[:done]:
        arena.pass_time(1)
        step(bout)
    turn = play.bout_turn(bout)
    if done:
        left = rem(int(bout.state[2]), turn)
    else:
        found_at = play.word >> 128 & (2**40 - 1)
        left = rem(play.word, turn) - (bout.champions[turn].committed_at - found_at)
    arena.pass_time(left + late)
    if late < 0:
        with reverts("duel: bout not late"):
            play.game.timeout_bout(play.state, a.words, b.words, bout.state)
        steps[done](bout)
        return
    with reverts("duel: time is up"):
        steps[done](bout)
    play.game.timeout_bout(play.state, a.words, b.words, bout.state)
    assert arena.event("ChampionOut")["side"] == turn
    assert arena.event("ChampionOut")["how"] == 1
    assert arena.rollup.stake(bout.champions[turn].staker).status == 2
    assert arena.game.alive(play.key) == ((0, 1) if turn == 0 else (1, 0))
    with reverts(("duel: not side 0's champion", "duel: not side 1's champion")[turn]):
        play.game.timeout_bout(play.state, a.words, b.words, bout.state)
    arena.check_solvent()


def test_no_clock_runs_once_a_bout_can_be_resolved(arena: Arena) -> None:
    """Invariant 17: a time-out and a resolution are never both valid. Rule: DUEL-14"""
    truth = make_side(toy.run(arena.batch_hash, 6))
    lie = make_side(toy.run(arena.batch_hash, 6, CHANGE))
    play, bout = meet(arena, truth, lie, liar_first=False)
    play.fight(bout)
    arena.pass_time(100 * T)
    a, b = bout.champions
    with reverts("duel: no clock runs"):
        play.game.timeout_bout(play.state, a.words, b.words, bout.state)
    with reverts("duel: another state of the bout"):
        play.game.timeout_bout(play.state, a.words, b.words, NO_STATE)
    play.resolve(bout)
    assert arena.rollup.stake(LIAR).status == 2


def test_time_is_block_time_alone(play: Play) -> None:
    """Invariant 24: a thousand blocks in one second change nothing."""
    play.arena.pass_time(0, blocks=1_000)
    play.start()
    assert rem(play.word, 1) == T - GAP
