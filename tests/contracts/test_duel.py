"""DuelGame: whole duels, from two siblings to one lane, in which every lie dies."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from oyez.protocol.types import Hash32
from oyez.testing import toy
from tests.contracts.duelling import (
    HONEST,
    LIAR,
    NO_MOVE,
    Play,
    Side,
    check_truth_wins,
    encode_opening,
    make_arena,
    make_side,
    meet,
    post,
    read_digits,
)
from tests.contracts.harness import SEQUENCER, Reverted, reverts

CHANGES = [
    (0, 0, 0, 5),
    (0, 0, 255, 5),
    (1, 0, 0, 5),
    (1, 1, 511, 5),
    (2, 2, 37, 5),
    (2, 3, 0, 5),
    (2, 3, 1_023, 5),
    (1, 4, 31, 2**200),
    (3, 7, 9, -(2**31)),
    (2, 4_080, 0, 17),
    (2, 4_080, 255, 0),
    (1, 4_081, 510, -1),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("liar_first", [True, False])
def test_a_lie_in_any_lane_dies_and_the_truth_is_final(
    change: tuple[int, int, int, int], liar_first: bool
) -> None:
    """Invariant 4: whatever the lane's type and place; Invariant 5: at the first difference.

    Rule: DUEL-5, DUEL-7, DUEL-8, DUEL-11, DUEL-13, DUEL-16
    """
    arena = make_arena(HONEST, LIAR)
    truth = make_side(toy.run(arena.batch_hash, 6))
    lie = make_side(toy.run(arena.batch_hash, 6, change))
    play, bout = meet(arena, truth, lie, liar_first=liar_first)
    assert play.record == change[0]
    play.fight(bout)
    assert (read_digits(bout.path), play.find_lane(bout)) == change[1:3]
    before = int(bout.state[2])
    play.resolve(bout)
    # of the bout's word its phase alone changes: pay reads the turn and the phase there
    assert int(bout.state[2]) == before & ~(0xFF << 184) | (6 << 184)
    check_truth_wins(arena, play, truth, lie)


def test_two_lies_in_one_lane_both_die_and_the_fork_opens_again() -> None:
    """Invariant 12: both out, both assertions defeated, and the truth is first of an empty fork."""
    arena = make_arena(HONEST, LIAR)
    lies = [make_side(toy.run(arena.batch_hash, 3, (1, 2, 3, value))) for value in (1, 2)]
    play, bout = meet(arena, lies[1], lies[0], liar_first=True)
    play.fight(bout)
    play.resolve(bout)
    assert arena.game.alive(play.key) == (0, 0)
    arena.pass_time(arena.settings.challenge_window)
    play.game.defeat(play.state, 0)
    # the other one is alone and older than T, but the duel is moot: nobody else can be struck
    with reverts("duel: moot"):
        play.game.defeat(play.state, 1)
    assert arena.rollup.status(lies[1].assertion_id) == 1
    arena.check_solvent()


@pytest.mark.parametrize("seed", range(12))
def test_a_descent_ends_at_the_first_record_that_differs(seed: int) -> None:
    """Invariant 5, Invariant 8: random differences over 2**24 records, zeros and runs among them.

    Rule: DUEL-4
    """
    pick = random.Random(seed)
    arena = make_arena(HONEST, LIAR)
    truth = make_side(toy.run(arena.batch_hash, 2))
    places = {
        pick.choice(
            [pick.randrange(1 << 24), pick.randrange(256), (1 << 24) - 2 - pick.randrange(300)]
        )
        for _ in range(pick.randrange(1, 6))
    }
    leaves = {place: bytes(32) if pick.random() < 0.3 else pick.randbytes(32) for place in places}
    known = dict(enumerate(inner.record_root for inner in truth.machine.records))
    last = truth.tree.node(0, (1 << 24) - 1)
    changed = toy.Tree(24, {**known, **leaves, (1 << 24) - 1: last}, filler=4)
    claim = replace(truth.proposal.claim, trace_root=Hash32(changed.root))
    proof = changed.path((1 << 24) - 1)
    lie = Side(truth.machine, changed, replace(truth.proposal, claim=claim, proof=proof))
    arena.pass_time(100)
    pair = [(truth, HONEST), (lie, SEQUENCER)]
    pick.shuffle(pair)
    if pair[0][1] == HONEST:
        pair = [(pair[0][0], SEQUENCER), (pair[1][0], HONEST)]
    for side, who in pair:
        post(arena, side, who)
        arena.pass_time(1)
    play = Play(arena, pair[0][0], pair[1][0])
    assert play.descend() == min(leaves)
    assert play.state[2][0] == pair[0][0].tree.node(0, min(leaves))
    assert play.state[2][1] == pair[1][0].tree.node(0, min(leaves))


@pytest.mark.parametrize("change", [(2, 0, 9, 5), (2, 2, 37, 5), (2, 3, 40, 5), (2, 5, 255, 5)])
def test_only_the_first_lane_that_differs_is_resolved(change: tuple[int, int, int, int]) -> None:
    """Rule: DUEL-12"""
    arena = make_arena(HONEST, LIAR)
    truth = make_side(toy.run(arena.batch_hash, 6))
    lie = make_side(toy.run(arena.batch_hash, 6, change))
    play, bout = meet(arena, truth, lie, liar_first=True)
    play.fight(bout)
    count = toy.LANES[toy.type_at(change[1])]
    assert play.find_lane(bout) == change[2]
    for lane in {*range(max(0, change[2] - 33), change[2])}:
        with reverts("duel: the lane agrees"):
            play.resolve(bout, lane=lane)
    group = {1: 8, 2: 32, 4: 32, 5: 32}[toy.type_at(change[1])]
    for lane in {*range(change[2] + 1, min(count, change[2] + 67)), count - 1}:
        if lane == change[2]:
            continue
        near = lane // group == change[2] // group
        reason = "duel: a lane before it differs" if near else "duel: an earlier lane differs"
        with reverts(reason):
            play.resolve(bout, lane=lane)
    with reverts("duel: no such lane"):
        play.resolve(bout, lane=count)
    play.resolve(bout)
    assert arena.rollup.stake(LIAR).status == 2


def test_a_resolution_needs_the_leaves_and_inputs_that_stand() -> None:
    """A verifier that reverts leaves everything as it was. Rule: DUEL-13"""
    arena = make_arena(HONEST, LIAR)
    truth = make_side(toy.run(arena.batch_hash, 6))
    lie = make_side(toy.run(arena.batch_hash, 6, (2, 0, 0, 5)))
    play, bout = meet(arena, truth, lie, liar_first=True)
    play.fight(bout)
    a, b = (champion.words for champion in bout.champions)
    content, leaves = play.sides[0].content, bout.leaves
    proof = play.open_inputs(bout, 0)

    def resolve(content: Any = content, leaves: Any = leaves, proof: bytes = proof) -> None:
        play.game.resolve(play.state, content, a, b, bout.state, *leaves, 0, proof)

    before = arena.game.bout(*bout.keys)
    with reverts("duel: neither sibling"):
        resolve(content=(*content[:2], content[2] + 1, *content[3:]))
    with reverts("toy: not under the root"):
        resolve(content=play.sides[1].content)
    for other in (leaves[::-1], [(0, leaves[0][1]), leaves[1]], [leaves[0], (1, bytes(1_024))]):
        with reverts("duel: other leaves"):
            resolve(leaves=other)
    with reverts("toy: not under the root"):
        resolve(proof=proof[:200] + bytes([proof[200] ^ 1]) + proof[201:])
    with pytest.raises(Reverted, match="no reason"):
        resolve(proof=b"")
    siblings = (bytes(32),) * 28
    with reverts("toy: a leaf is 1,024 bytes"):
        resolve(proof=encode_opening(bytes(1_023), siblings))
    with reverts("toy: wrong height"):
        resolve(proof=encode_opening(bytes(1_024), siblings[:-1]))
    assert arena.game.bout(*bout.keys) == before
    assert arena.game.alive(play.key) == (1, 1)
    resolve()
    assert arena.rollup.stake(LIAR).status == 2


@pytest.mark.parametrize("change", [(2, 0, 0, 5), (2, 1, 0, 5), (2, 4_080, 0, 5)])
@pytest.mark.parametrize("liar_first", [True, False])
def test_a_party_opens_with_its_own_trees_alone(
    change: tuple[int, int, int, int], liar_first: bool
) -> None:
    """Of the other's trees only what it showed is known; what is right of it may never be.

    Rule: DUEL-13
    """
    arena = make_arena(HONEST, LIAR)
    truth = make_side(toy.run(arena.batch_hash, 6))
    lie = make_side(toy.run(arena.batch_hash, 6, change))
    play, bout = meet(arena, truth, lie, liar_first=liar_first)
    play.fight(bout)
    play.resolve(bout, under=play.sides.index(truth))
    check_truth_wins(arena, play, truth, lie)


@pytest.mark.parametrize("wrong", ["type", "raw", "length"])
def test_only_the_committed_leaf_is_shown(wrong: str) -> None:
    """Its type is the address's, or PAD; a leaf committed as another can never be shown.

    Rule: DUEL-11
    """
    arena = make_arena(HONEST, LIAR)
    truth = make_side(toy.run(arena.batch_hash, 6))
    lie = make_side(toy.run(arena.batch_hash, 6, (2, 2, 37, 5)))
    play, bout = meet(arena, truth, lie, liar_first=True)
    play.inner(bout)
    play.inner(bout)
    play.leaf(bout)
    kind, raw = bout.champions[play.bout_turn(bout)].inner.leaf(read_digits(bout.path))
    shown, reason = {
        "type": ((2, raw), "duel: wrong type of leaf"),
        "raw": ((kind, raw[:-1] + bytes([raw[-1] ^ 1])), "duel: not the leaf"),
        "length": ((kind, raw[:-1]), "duel: a leaf is 1,024 bytes"),
    }[wrong]
    with reverts(reason):
        play.game.leaf(*bout.keys, bout.state, NO_MOVE, shown)
    play.leaf(bout)
