"""DuelGame: a node cannot pass for a leaf."""

from __future__ import annotations

import pytest

from oyez.testing import toy
from tests.contracts.duelling import HONEST, LIAR, make_arena, make_side, meet
from tests.contracts.harness import reverts

CHANGE = (2, 2, 37, 5)


@pytest.mark.parametrize("liar_first", [True, False])
@pytest.mark.parametrize("length", [0, 62, 1_023, 1_024 - 32])
def test_a_node_is_no_leaf(liar_first: bool, length: int) -> None:
    """Invariant 9: 62 bytes behind a leaf's prefix hash as two children; they are never shown."""
    arena = make_arena(HONEST, LIAR)
    truth, lie = (make_side(toy.run(arena.batch_hash, 6, change)) for change in (None, CHANGE))
    own = lie.machine.records[2].raw
    false = toy.Inner({**own, 2: own[2][:length]})
    play, bout = meet(arena, truth, lie, liar_first=liar_first, liars=false)
    play.inner(bout)
    play.inner(bout)
    if play.bout_turn(bout) == play.sides.index(truth):
        play.leaf(bout)
    with reverts("duel: a leaf is 1,024 bytes"):
        play.leaf(bout)
    arena.pass_time(arena.settings.challenge_window)
    a, b = bout.champions
    play.game.timeout_bout(play.state, a.words, b.words, bout.state)
    assert arena.rollup.stake(LIAR).status == 2


@pytest.mark.parametrize("liar_first", [True, False])
def test_a_withheld_leaf_times_out(liar_first: bool) -> None:
    """Audit 1 C3: whoever owes the bytes of a leaf is on a clock until they are shown."""
    arena = make_arena(HONEST, LIAR)
    truth, lie = (make_side(toy.run(arena.batch_hash, 6, change)) for change in (None, CHANGE))
    play, bout = meet(arena, truth, lie, liar_first=liar_first)
    for move in (play.inner, play.inner, play.leaf):
        move(bout)
    late = play.bout_turn(bout)
    arena.pass_time(arena.settings.challenge_window)
    a, b = bout.champions
    play.game.timeout_bout(play.state, a.words, b.words, bout.state)
    assert arena.rollup.stake(bout.champions[late].staker).status == 2
