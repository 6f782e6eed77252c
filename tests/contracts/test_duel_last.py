"""DuelGame: the last choice of a descent, among leaves, is checked as every choice before it."""

from __future__ import annotations

from typing import Any

import pytest

from oyez.testing import toy
from tests.contracts.duelling import (
    HONEST,
    LIAR,
    Arena,
    Play,
    Side,
    make_arena,
    make_move,
    make_side,
    meet,
    post,
    read_digits,
)
from tests.contracts.harness import SEQUENCER, reverts
from tests.contracts.proposals import ZERO

#: Records 2 and 3 differ, and all after them: 2 is the first.
CHANGE = (2, 2, 37, 5)
#: What is wrong => why it is refused.
REASONS = {
    "no child": "duel: no such child",
    "earlier": "duel: children agree",
    "later": "duel: not the moving child",
    "waiting": "duel: not the waiting child",
    "moving": "duel: not the moving child",
    "shared": "duel: not the waiting child",
}


def tamper(what: str, right: tuple[Any, ...], later: tuple[Any, ...]) -> tuple[Any, ...]:
    """A move with one thing wrong."""
    index, waiting, moving, shared, own = right
    other = (bytes(31) + b"\1", *shared[1:])
    return {
        "no child": (16 + index, waiting, moving, shared, own),
        "earlier": (index, waiting, waiting, shared, own),
        "later": later,
        "waiting": (index, ZERO, moving, shared, own),
        "moving": (index, waiting, ZERO, shared, own),
        "shared": (index, waiting, moving, other, own),
    }[what]


def make_sides(arena: Arena) -> tuple[Side, Side]:
    lie, truth = (make_side(toy.run(arena.batch_hash, 6, change)) for change in (CHANGE, None))
    return lie, truth


@pytest.mark.parametrize("what", REASONS)
def test_the_record_is_the_first_that_differs(what: str) -> None:
    """No other node, place or path passes for it. Rule: DUEL-4, DUEL-7"""
    arena = make_arena(HONEST, LIAR)
    lie, truth = make_sides(arena)
    arena.pass_time(100)
    play = Play(arena, post(arena, lie, SEQUENCER), truth)
    arena.pass_time(1)
    post(arena, truth, HONEST)
    play.open()
    for move in (play.start, *[play.advance] * 5):
        move()
    right, later = play.make_move(), play.make_move(CHANGE[0] + 1)
    assert right[0] == CHANGE[0]
    before = arena.game.duel(play.key)
    with reverts(REASONS[what]):
        play.game.last(play.state, tamper(what, right, later))
    assert arena.game.duel(play.key) == before
    play.last()
    assert arena.event("RecordFound")["record"] == CHANGE[0]


@pytest.mark.parametrize("what", REASONS)
def test_the_leaf_is_the_first_that_differs(what: str) -> None:
    """No other node, place or path passes for it. Rule: DUEL-4, DUEL-7"""
    arena = make_arena(HONEST, LIAR)
    lie, truth = make_sides(arena)
    play, bout = meet(arena, truth, lie, liar_first=True)
    play.inner(bout)
    play.inner(bout)
    turn = play.bout_turn(bout)
    mine, theirs = bout.champions[turn].inner, bout.champions[1 - turn].inner
    right, later = (
        make_move(theirs.tree, mine.tree, toy.INNER_HEIGHT, bout.path, index)
        for index in (None, CHANGE[1] + 1)
    )
    assert right[0] == CHANGE[1]
    before = arena.game.bout(*bout.keys)
    shown = mine.leaf(later[0] if what == "later" else right[0])
    with reverts(REASONS[what]):
        play.game.leaf(*bout.keys, bout.state, tamper(what, right, later), shown)
    assert arena.game.bout(*bout.keys) == before
    play.leaf(bout)
    assert read_digits(bout.path) == CHANGE[1]
