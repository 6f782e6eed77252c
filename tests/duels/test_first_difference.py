"""A descent ends at the smallest place that differs, wherever that is and whatever follows it.

Many siblings of one truth in one fork, many champions of one lie in one duel: each pair differs
first at a place that was chosen, every child of every level among them.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from oyez.protocol.types import Hash32
from oyez.testing import toy
from tests.contracts.duelling import (
    HONEST,
    LAST_RECORD,
    NO_MOVE,
    NO_STATE,
    Arena,
    Champion,
    Play,
    Side,
    make_move,
    make_side,
    post,
    read_digits,
    words,
)
from tests.contracts.harness import SEQUENCER, actor

LEAF = 4


def choose_places(rng: random.Random, levels: int, last: int) -> list[int]:
    """Each of 16 children on each level, other digits random; the first, the last, near ends."""
    places = [0, last, last - 1, 15, 16, 255, 256]
    for level in range(levels):
        for child in range(16):
            digits = [rng.choice((0, 15, rng.randrange(16))) for _ in range(levels)]
            digits[level] = child
            places.append(read_digits(digits))
    return sorted({min(place, last) for place in places})


def spread(rng: random.Random, first: int, last: int) -> dict[int, bytes]:
    """Leaves from a first on, some of them zeros: often few, sometimes a run of them."""
    later = [rng.randrange(first, last + 1) for _ in range(rng.randrange(3))]
    run = range(first, min(last, first + rng.randrange(20)) + 1) if rng.random() < 0.3 else ()
    return {
        place: bytes(32) if rng.random() < 0.4 else rng.randbytes(32)
        for place in {first, *later, *run}
    }


@pytest.mark.parametrize("truth_first", [True, False])
def test_every_child_of_every_outer_level(truth_first: bool) -> None:
    """Invariant 5, Invariant 8: living records, PAD regions, zeros; the truth older or newer."""
    rng = random.Random(f"outer {truth_first}")
    arena = Arena()
    truth = make_side(toy.run(arena.batch_hash, 300))
    places = choose_places(rng, 6, LAST_RECORD - 1)
    liars = [actor(f"liar {place}") for place in places]
    arena.staked(SEQUENCER, HONEST, *liars)
    arena.pass_time(100)
    known = {i: inner.record_root for i, inner in enumerate(truth.machine.records)}
    lies = []
    for place in places:
        leaves = {**known, **spread(rng, place, LAST_RECORD - 1)}
        tree = toy.Tree(24, leaves, filler=4)
        tree.put(LAST_RECORD, truth.tree.node(0, LAST_RECORD))
        claim = replace(truth.proposal.claim, trace_root=Hash32(tree.root))
        proposal = replace(truth.proposal, claim=claim, proof=tree.path(LAST_RECORD))
        lies.append(Side(truth.machine, tree, proposal))
    if truth_first:
        post(arena, truth, SEQUENCER)
    else:
        post(arena, make_side(truth.machine, "another"), SEQUENCER)
    arena.pass_time(1)
    for lie, liar in zip(lies, liars, strict=True):
        post(arena, lie, liar)
    arena.pass_time(1)
    if not truth_first:
        post(arena, truth, HONEST)
    for place, lie in zip(places, lies, strict=True):
        pair = (truth, lie) if truth_first else (lie, truth)
        play = Play(arena, *pair)
        assert play.descend() == place
        assert play.state[2][:2] == tuple(side.tree.node(0, place) for side in pair)


class Low(Arena):
    """A game whose inner trees have 8 levels."""

    inner_height = 8


class High(Arena):
    """A game whose inner trees have 16 levels."""

    inner_height = 16


def hash_leaves(raw: dict[int, tuple[int, bytes]]) -> dict[int, bytes]:
    return {i: toy.hash_leaf(*leaf) for i, leaf in raw.items()}


def build_inner(
    rng: random.Random, height: int, record: toy.Inner, first: int | None
) -> tuple[toy.Tree, dict[int, tuple[int, bytes]]]:
    """A tree that ends in a record and differs from the plain one at `first` and after it."""
    last = (1 << height) - 16
    raw = {i: (toy.type_at(i), toy.encode(toy.type_at(i), [0])) for i in range(8)}
    if first is not None:
        for place in {first, *(rng.randrange(first, last) for _ in range(rng.randrange(3)))}:
            value = [rng.randrange(1, 250)]
            raw[place] = (toy.type_at(place), toy.encode(toy.type_at(place), value))
    chunks = {last + i - 4_080: record.leaf(i) for i in range(4_080, 4_096)}
    raw |= {i: leaf for i, leaf in chunks.items() if leaf[0]}
    return toy.Tree(height, hash_leaves(raw)), raw


@pytest.mark.parametrize("kind", [Low, Arena, High])
def test_every_child_of_every_inner_level(kind: type[Arena]) -> None:
    """Invariant 5, Invariant 8: all inner heights of a deployment, the record's own leaves too."""
    height = kind.inner_height
    rng = random.Random(f"inner {height}")
    arena = kind()
    places = choose_places(rng, height // 4, (1 << height) - 17)
    knights = [actor(f"knight {place}") for place in places]
    arena.staked(SEQUENCER, HONEST, *knights)
    arena.pass_time(100)
    truth = make_side(toy.run(arena.batch_hash, 6))
    lie = make_side(toy.run(arena.batch_hash, 6, (2, 4_080, 0, 17)))
    post(arena, lie, SEQUENCER)
    arena.pass_time(1)
    post(arena, truth, HONEST)
    play = Play(arena, lie, truth)
    assert play.descend() == 2
    own, raw = build_inner(rng, height, truth.machine.inner(2), None)
    mine = commit(play, 1, HONEST, own)
    arena.pass_time(1)
    for place, knight in zip(places, knights, strict=True):
        tree, shown = build_inner(rng, height, lie.machine.inner(2), place)
        champion = commit(play, 0, knight, tree)
        index = fight(play, (champion, mine), (tree, own), (shown, raw))
        assert index == place


def commit(play: Play, side: int, staker: bytes, tree: toy.Tree) -> Champion:
    binding = tree.path((1 << tree.height >> 4) - 1, level=4)
    children = tree.children(tree.height, 0)
    play.game.commit(play.state, side, binding, children, sender=staker)
    key, _ = play.game.champion(play.key, side, staker)
    inner = toy.Inner()
    inner.tree = tree
    return Champion(staker, side, inner, key, play.arena.now)


def fight(
    play: Play,
    champions: tuple[Champion, Champion],
    trees: tuple[toy.Tree, toy.Tree],
    raw: tuple[dict[int, tuple[int, bytes]], ...],
) -> int:
    """Down to the leaves, both shown; the leaf's index that the game keeps. Side 0 came later."""
    game, arena, height = play.game, play.arena, trees[0].height
    keys = champions[0].key, champions[1].key
    path: list[int] = []
    state, turn = NO_STATE, 0
    while len(path) < height // 4:
        move = make_move(trees[1 - turn], trees[turn], height, path)
        path.append(move[0])
        index = read_digits(path)
        if len(path) == height // 4:
            shown = raw[turn].get(index, (0, toy.PAD_CHUNK))
            game.leaf(*keys, state, move, shown)
            state = words(arena.event("LeafRevealed")["state"])
        else:
            below = trees[turn].children(height - 4 * len(path), index)
            if state == NO_STATE:
                a, b = champions
                game.inner(play.state, a.words, b.words, move, below)
            else:
                game.advance_bout(*keys, state, move, below)
            state = words(arena.event("Revealed")["state"])
        turn = 1 - turn
    assert int(state[2]) >> 184 & 0xFF == LEAF
    game.leaf(*keys, state, NO_MOVE, raw[turn].get(index, (0, toy.PAD_CHUNK)))
    state = words(arena.event("LeafRevealed")["state"])
    assert int(state[2]) >> 192 == 2
    return int(state[2]) & (2**64 - 1)
