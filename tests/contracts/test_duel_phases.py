"""DuelGame: moves in a wrong phase, and moves that were tampered with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oyez.protocol.types import Hash32
from oyez.testing import toy
from tests.contracts.duelling import (
    HONEST,
    LIAR,
    NO_MOVE,
    Arena,
    Bout,
    Champion,
    Play,
    Side,
    make_arena,
    make_side,
    meet,
    post,
)
from tests.contracts.harness import CALLER, SEQUENCER, STRANGER, Reverted, reverts
from tests.contracts.proposals import ZERO

CHANGE = (2, 2, 37, 5)


@pytest.fixture
def arena() -> Arena:
    return make_arena(HONEST, LIAR)


@pytest.fixture
def pair(arena: Arena) -> list[Side]:
    """A lie and the truth, posted in this order."""
    sides = make_pair(arena)
    arena.pass_time(100)
    for side, who in zip(sides, (SEQUENCER, HONEST), strict=True):
        post(arena, side, who)
        arena.pass_time(1)
    return sides


def make_pair(arena: Arena) -> list[Side]:
    return [make_side(toy.run(arena.batch_hash, 6, change)) for change in (CHANGE, None)]


def snapshot(arena: Arena, play: Play, bout: Bout) -> Any:
    """All that the game stores of a duel and a bout."""
    stakes = [arena.rollup.stake(c.staker).status for c in bout.champions]
    slots = [arena.game.champion(play.key, c.side, c.staker) for c in bout.champions]
    return (
        arena.game.duel(play.key),
        arena.game.alive(play.key),
        arena.game.bout(*bout.keys),
        slots,
        stakes,
    )


class Calls:
    """Every move as a call with what stands now, whether it fits or not."""

    def __init__(self, play: Play, bout: Bout) -> None:
        game, (a, b) = play.game, bout.champions
        nodes = (ZERO,) * 16
        leaf = (0, bytes(1_024))
        self.outer = {
            "start": lambda: game.start(play.state, nodes),
            "advance": lambda: game.advance(play.state, NO_MOVE, nodes),
            "last": lambda: game.last(play.state, NO_MOVE),
        }
        self.inner = {
            "inner": lambda: game.inner(play.state, a.words, b.words, NO_MOVE, nodes),
            "advance_bout": lambda: game.advance_bout(*bout.keys, bout.state, NO_MOVE, nodes),
            "leaf": lambda: game.leaf(*bout.keys, bout.state, NO_MOVE, leaf),
            "resolve": lambda: game.resolve(
                play.state,
                play.sides[0].content,
                a.words,
                b.words,
                bout.state,
                leaf,
                leaf,
                0,
                b"",
            ),
        }


#: phase => call => why it is refused there; what is not listed is the phase's own move.
OUTER_PHASES = {
    "start": {"advance": "duel: no descent runs", "last": "duel: no descent"},
    "descent": {"start": "duel: started", "last": "duel: levels left"},
    "lowest": {"start": "duel: started", "advance": "duel: lowest level"},
    "commit": {
        "start": "duel: started",
        "advance": "duel: no descent runs",
        "last": "duel: no descent",
    },
}
INNER_PHASES = {
    0: {
        "advance_bout": "duel: another state of a bout",
        "leaf": "duel: another state of a bout",
        "resolve": "duel: another state of a bout",
    },
    1: {
        "inner": "duel: bout begun",
        "leaf": "duel: levels left",
        "resolve": "duel: not resolvable",
    },
    2: {
        "inner": "duel: bout begun",
        "advance_bout": "duel: lowest level",
        "resolve": "duel: not resolvable",
    },
    3: {
        "inner": "duel: bout begun",
        "advance_bout": "duel: no descent runs",
        "resolve": "duel: not resolvable",
    },
    4: {
        "inner": "duel: bout begun",
        "advance_bout": "duel: no descent runs",
        "leaf": "duel: no descent",
    },
}


@pytest.mark.parametrize("phase", OUTER_PHASES)
def test_outer_moves_in_a_wrong_phase(arena: Arena, pair: list[Side], phase: str) -> None:
    """Invariant 40."""
    play = Play(arena, pair[0], pair[1])
    play.open()
    done = {"start": 0, "descent": 1, "lowest": 6, "commit": 7}[phase]
    for step in [play.start, *[play.advance] * 5, play.last][:done]:
        step()
    before = arena.game.duel(play.key)
    nobody = Champion(STRANGER, 0, toy.Inner(), ZERO, 0)
    calls = Calls(play, Bout((nobody, nobody))).outer
    for name, reason in OUTER_PHASES[phase].items():
        with reverts(reason):
            calls[name]()
    assert arena.game.duel(play.key) == before


@pytest.mark.parametrize("done", INNER_PHASES)
def test_bout_moves_in_a_wrong_phase(arena: Arena, done: int) -> None:
    """Invariant 40."""
    lie, truth = make_pair(arena)
    play, bout = meet(arena, truth, lie, liar_first=True)
    for step in [play.inner, play.inner, play.leaf, play.leaf][:done]:
        step(bout)
    before = snapshot(arena, play, bout)
    calls = Calls(play, bout).inner
    for name, reason in INNER_PHASES[done].items():
        with reverts(reason):
            calls[name]()
    assert snapshot(arena, play, bout) == before


def test_nothing_moves_after_a_champion_is_out(arena: Arena) -> None:
    lie, truth = make_pair(arena)
    play, bout = meet(arena, truth, lie, liar_first=True)
    play.fight(bout)
    before = bout.state
    play.resolve(bout)
    assert arena.game.bout(*bout.keys) != ZERO
    bout.state = before
    calls = Calls(play, bout).inner
    with reverts("duel: not side 0's champion"):
        calls["resolve"]()
    with reverts("duel: another state of a bout"):
        calls["leaf"]()


REASONS = {
    "waiting": "duel: not the waiting child",
    "moving": "duel: not the moving child",
    "same": "duel: children agree",
    "shared": "duel: not the waiting child",
    "own": "duel: not the moving child",
}


@pytest.mark.parametrize("what", REASONS)
def test_tampered_moves_are_refused(arena: Arena, pair: list[Side], what: str) -> None:
    """Neither another node nor another path passes. Rule: DUEL-4"""
    play = Play(arena, pair[0], pair[1])
    play.open()
    with reverts("duel: not the root's children"):
        play.game.start(play.state, pair[0].tree.children(24, 0))
    play.start()
    index, waiting, moving, shared, own = play.make_move()
    assert index == 0
    other = (bytes(31) + b"\1", *shared[1:])
    move = {
        "waiting": (index, ZERO, moving, shared, own),
        "moving": (index, waiting, ZERO, shared, own),
        "same": (index, waiting, waiting, shared, own),
        "shared": (index, waiting, moving, other, own),
        "own": (index, waiting, moving, shared, other),
    }[what]
    children = play.sides[play.turn].tree.children(20, index)
    before = arena.game.duel(play.key)
    with reverts(REASONS[what]):
        play.game.advance(play.state, move, children)
    assert arena.game.duel(play.key) == before


@pytest.mark.parametrize("side", [0, 1])
def test_no_bout_goes_on_without_a_champion(arena: Arena, pair: list[Side], side: int) -> None:
    """Of three in two bouts one goes out; its other bout stands still."""
    arena.staked(STRANGER, CALLER)
    play = Play(arena, pair[0], pair[1])
    play.descend()
    names = ((SEQUENCER, CALLER), (HONEST, CALLER))[side]
    lone = play.commit(side, names[0])
    bouts = []
    for staker in (STRANGER, LIAR):
        other = play.commit(1 - side, staker)
        champions = (lone, other) if side == 0 else (other, lone)
        bouts.append(Bout(champions))
    for bout in bouts:
        arena.pass_time(1)
        play.inner(bout)
    left = int(bouts[0].state[2])
    turn = play.bout_turn(bouts[0])
    arena.pass_time(left >> (64 if turn else 96) & 0xFFFFFFFF)
    a, b = bouts[0].champions
    play.game.timeout_bout(play.state, a.words, b.words, bouts[0].state)
    reason = ("duel: side 0's champion is out", "duel: side 1's champion is out")[turn]
    with reverts(reason):
        play.inner(bouts[0])


def test_moves_past_the_first_difference_are_refused(arena: Arena) -> None:
    """Invariant 5: of several children that differ only the first is a move. Rule: DUEL-6"""
    truth = make_side(toy.run(arena.batch_hash, 6))
    known = {i: truth.tree.node(0, i) for i in (0, 1, 2, 3, 4, 5, (1 << 24) - 1)}
    step = 1 << 20
    for place in (3, 5, 9):
        known[place * step + 1] = bytes([place]) * 32
    tree = toy.Tree(24, known, filler=4)
    lie = make_side(truth.machine)
    lie.tree = tree
    claim = replace(lie.proposal.claim, trace_root=Hash32(tree.root))
    lie.proposal = replace(lie.proposal, claim=claim, proof=tree.path((1 << 24) - 1))
    arena.pass_time(100)
    post(arena, lie, SEQUENCER)
    arena.pass_time(1)
    post(arena, truth, HONEST)
    play = Play(arena, lie, truth)
    play.open()
    play.start()
    for index in (0, 4, 5, 9, 15):
        move = play.make_move(index)
        children = play.sides[play.turn].tree.children(20, index)
        with pytest.raises(Reverted, match=r"duel: (not the|children agree)"):
            play.game.advance(play.state, move, children)
    with reverts("duel: no such child"):
        play.game.advance(play.state, (16, *play.make_move(3)[1:]), (ZERO,) * 16)
    move = play.make_move(3)
    with reverts("duel: not the child's children"):
        play.game.advance(play.state, move, (ZERO,) * 16)
    play.advance()
    assert play.path == [3]
