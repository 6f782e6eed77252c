"""DuelGame: what is dead is PAD, one constant, and nothing else is."""

from __future__ import annotations

import pytest

from oyez.testing import toy
from tests.contracts.duelling import (
    HONEST,
    LIAR,
    Arena,
    check_truth_wins,
    make_arena,
    make_side,
    meet,
    read_digits,
)
from tests.contracts.harness import reverts


def find_run(records: int) -> tuple[Arena, toy.Machine]:
    """An arena whose machine runs for exactly that many records before it halts."""
    for wait in range(1, 400):
        arena = make_arena(HONEST, LIAR, wait=wait)
        machine = toy.run(arena.batch_hash, records + 1)
        if len(machine.records) == records:
            return arena, machine
    raise AssertionError("no such run")


@pytest.mark.parametrize("liar_first", [True, False])
def test_padding_that_lives_dies(liar_first: bool) -> None:
    """Invariant 7: a record after the machine's end, though consistent in itself."""
    arena, machine = find_run(4)
    last = machine.records[-1].first_number
    assert last is not None
    more = toy.Machine([*machine.records, toy.run_record(last)])
    truth, lie = make_side(machine), make_side(more)
    play, bout = meet(arena, truth, lie, liar_first=liar_first)
    assert play.record == 4
    play.fight(bout)
    assert read_digits(bout.path) == 0
    play.resolve(bout)
    check_truth_wins(arena, play, truth, lie)


@pytest.mark.parametrize("liar_first", [True, False])
@pytest.mark.parametrize("leaf", [0, 3, 4_080, 4_081])
def test_life_that_is_padded_dies(liar_first: bool, leaf: int) -> None:
    """A leaf that should live is PAD, and what follows it in the record too. Rule: DUEL-12"""
    arena, machine = find_run(4)
    cut = toy.Inner({i: raw for i, raw in machine.records[2].raw.items() if i < leaf})
    truth, lie = make_side(machine), make_side(toy.Machine([*machine.records[:2], cut]))
    play, bout = meet(arena, truth, lie, liar_first=liar_first)
    assert play.record == 2
    play.fight(bout)
    assert read_digits(bout.path) == leaf
    with reverts("duel: they differ from lane 0 on"):
        play.resolve(bout, lane=1)
    play.resolve(bout)
    check_truth_wins(arena, play, truth, lie)


@pytest.mark.parametrize("leaf", [9, 2_000, 4_095])
def test_a_leaf_that_never_lives_must_be_pad(leaf: int) -> None:
    arena, machine = find_run(4)
    seven = toy.encode(1, [7] * 256)
    alive = toy.Inner({**machine.records[2].raw, leaf: seven, 4_095: seven})
    truth = make_side(machine)
    lie = make_side(toy.Machine([*machine.records[:2], alive]))
    play, bout = meet(arena, truth, lie, liar_first=True, liars=alive)
    play.fight(bout)
    play.resolve(bout)
    assert arena.rollup.stake(LIAR).status == 2
    assert arena.game.alive(play.key) == (0, 1)


@pytest.mark.parametrize("liar_first", [True, False])
@pytest.mark.parametrize("raw", [toy.encode(1, [7] * 256), bytes(1_023) + b"\1"])
@pytest.mark.parametrize("leaf", [9, 4_095])
def test_a_pad_leaf_that_is_not_zeros_is_never_shown(
    liar_first: bool, raw: bytes, leaf: int
) -> None:
    """Else no lane of it or of the honest PAD would be worth PAD, and both would be out.

    Invariant 7: the true PAD is one constant. Rule: DUEL-11
    """
    arena, machine = find_run(4)
    false = toy.Inner({**machine.records[2].raw, leaf: raw, 4_095: raw}, types={leaf: 0, 4_095: 0})
    truth = make_side(machine)
    lie = make_side(toy.Machine([*machine.records[:2], false]))
    play, bout = meet(arena, truth, lie, liar_first=liar_first, liars=false)
    play.inner(bout)
    play.inner(bout)
    if play.bout_turn(bout) == play.sides.index(truth):
        play.leaf(bout)
    with reverts("duel: PAD is all zeros"):
        play.leaf(bout)
    arena.pass_time(arena.settings.challenge_window)
    a, b = bout.champions
    play.game.timeout_bout(play.state, a.words, b.words, bout.state)
    check_truth_wins(arena, play, truth, lie)


@pytest.mark.parametrize("liar_first", [True, False])
def test_a_word_that_looks_like_pad_is_not_pad(liar_first: bool) -> None:
    """A dead leaf of words that begins with 2**255, what a PAD leaf is worth: its owner is out.

    Invariant 7, Audit 2 H2. Rule: DUEL-13
    """
    arena, machine = find_run(4)
    words = toy.Inner({4: toy.encode(3, [2**255] + [0] * 31), 4_095: toy.encode(1, [7] * 256)})
    truth, lie = make_side(machine), make_side(toy.Machine([*machine.records, words]))
    play, bout = meet(arena, truth, lie, liar_first=liar_first)
    assert play.record == 4
    play.fight(bout)
    assert read_digits(bout.path) == 4
    play.resolve(bout)
    check_truth_wins(arena, play, truth, lie)


def test_two_leaves_of_words_are_judged_by_value_alone() -> None:
    """Whoever holds the lane that is true stays, 2**255 too: elsewhere an author may choose it.

    Rule: DUEL-13
    """
    arena, machine = find_run(4)
    seven = toy.encode(1, [7] * 256)
    lies = [toy.Inner({4: toy.encode(3, [word] + [0] * 31), 4_095: seven}) for word in (2**255, 5)]
    # both lie that the dead leaf lives; they differ in nothing else but their last chunk
    lies[1].raw[4_095] = toy.encode(1, [8] * 256)
    sides = [make_side(toy.Machine([*machine.records, lie])) for lie in lies]
    play, bout = meet(arena, sides[0], sides[1], liar_first=True)
    play.fight(bout)
    assert read_digits(bout.path) == 4
    play.resolve(bout)
    assert arena.game.alive(play.key) == (0, 1)
    assert arena.rollup.stake(LIAR).status == 2
    assert arena.rollup.stake(HONEST).status == 1
