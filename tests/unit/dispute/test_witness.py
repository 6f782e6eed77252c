"""Witnesses by hand: the first child that differs, its paths, the first lane."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oyez.chain.duel_states import Descent, Leaf, Phase, pack_word
from oyez.dispute.lanes import find_first_lane
from oyez.dispute.traces import list_children
from oyez.dispute.witness import UnfoundedMove, choose
from oyez.protocol import codec, merkle, trace
from oyez.protocol.types import ZERO_HASH, Hash32
from oyez.testing.toy import read_lane


class Noise:
    """A tree of eight levels over made-up leaves, one of which may be another."""

    height = 8

    def __init__(self, changed: int | None = None) -> None:
        self.leaves = [codec.sha256(bytes([i])) for i in range(256)]
        if changed is not None:
            self.leaves[changed] = codec.sha256(b"changed")

    def get_node(self, level: int, index: int) -> Hash32:
        part = self.leaves[index << level : (index + 1) << level]
        return merkle.compute_root(part, level, trace.record_tree())


def state_of(tree: Noise, other: Noise, level: int, index: int) -> Descent:
    word = pack_word(phase=Phase.DESCENT, turn=0, level=level, last=1, rem=(9, 9), index=index)
    nodes = (other.get_node(4 * level, index), tree.get_node(4 * level, index))
    return Descent(*nodes, word, ZERO_HASH, ZERO_HASH)


@pytest.mark.parametrize("changed", [0, 1, 15, 16, 37, 255])
@pytest.mark.parametrize("level", [2, 1])
def test_the_first_child_that_differs_is_chosen_with_both_paths(changed: int, level: int) -> None:
    """Rule: CHAL-41"""
    mine, theirs = Noise(), Noise(changed)
    index = 0 if level == 2 else changed >> 4
    state = state_of(mine, theirs, level, index)
    shown = list_children(theirs, 4 * level, index)
    choice = choose(mine, state, shown)
    assert choice.index == (changed >> 4 if level == 2 else changed & 15)
    assert choice.waiting != choice.moving
    kind = trace.record_tree()
    paths = (
        (choice.waiting, choice.waiting_siblings, state.waiting),
        (choice.moving, choice.moving_siblings, state.moving),
    )
    for node, siblings, root in paths:
        assert merkle.fold_proof(node, choice.index, siblings, kind) == root


def test_what_does_not_fit_is_no_move() -> None:
    """Rule: CHAL-41"""
    mine, theirs = Noise(), Noise(37)
    state = state_of(mine, theirs, 2, 0)
    shown = list_children(theirs, 8, 0)
    with pytest.raises(UnfoundedMove, match="another node 0 on level 8"):
        choose(mine, replace(state, moving=ZERO_HASH), shown)
    with pytest.raises(UnfoundedMove, match="all 16 children agree"):
        choose(mine, state, list_children(mine, 8, 0))
    with pytest.raises(UnfoundedMove, match="no children"):
        choose(mine, state, ())


@pytest.mark.parametrize(("kind", "count"), [(1, 256), (2, 512), (3, 32), (4, 1_024), (5, 512)])
def test_the_first_lane_is_the_lowest_that_differs(kind: int, count: int) -> None:
    """By the layout as the harness reads it. Rule: CHAL-44"""
    width = 1_024 // count
    first = bytes(1_024)
    for place in range(count):
        raw = bytearray(first)
        raw[place * width + width - 1] = 1
        expected = next(i for i in range(count) if read_lane(kind, bytes(raw), i))
        assert find_first_lane(Leaf(kind, first), Leaf(kind, bytes(raw))) == expected
        raw[0] = raw[-1] = 1  # one more at both ends
        lowest = next(i for i in range(count) if read_lane(kind, bytes(raw), i))
        assert find_first_lane(Leaf(kind, bytes(raw)), Leaf(kind, first)) == lowest


def test_a_pad_leaf_differs_from_lane_0_on() -> None:
    """Rule: CHAL-44"""
    pad, other = Leaf(0, bytes(1_024)), Leaf(1, bytes(1_023) + b"\1")
    assert find_first_lane(pad, other) == 0
    assert find_first_lane(other, pad) == 0
    for one, two in ((pad, pad), (other, other), (other, Leaf(2, other.raw))):
        with pytest.raises(ValueError, match=r"equal|two types"):
            find_first_lane(one, two)
