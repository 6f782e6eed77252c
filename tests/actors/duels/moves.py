"""What a party can do, as records, and the one justified move of a side: pure.

Trees are the party's own; of the other side's it knows what was shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oyez.testing import toy
from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.contracts.duelling import NO_MOVE, Side
from tests.contracts.proposals import ZERO, sha

HEIGHTS = {"outer": toy.OUTER_HEIGHT, "inner": toy.INNER_HEIGHT}


@dataclass(frozen=True, slots=True)
class Act:
    """One call of a contract by an address; `gas` is less than it may need."""

    sender: bytes
    contract: str
    name: str
    args: tuple[Any, ...] = ()
    value: int = 0
    gas: int | None = None

    @property
    def content(self) -> tuple[Any, ...]:
        """What is done, whoever does it."""
        return self.contract, self.name, self.args


def fold_path(children: tuple[bytes, ...], index: int) -> tuple[bytes, ...]:
    """The four siblings of a child in its list of 16."""
    siblings, nodes = [], list(children)
    while len(nodes) > 1:
        siblings.append(nodes[index ^ 1])
        nodes = [sha(nodes[i] + nodes[i + 1]) for i in range(0, len(nodes), 2)]
        index >>= 1
    return tuple(siblings)


def choose(shown: tuple[bytes, ...], own: tuple[bytes, ...]) -> tuple[Any, ...] | None:
    """The first child that differs, with both paths; None: the nodes are one."""
    for i, (theirs, mine) in enumerate(zip(shown, own, strict=True)):
        if theirs != mine:
            return i, theirs, mine, fold_path(shown, i), fold_path(own, i)
    return None


def show(tree: toy.Tree, level: int, index: int) -> tuple[bytes, ...] | None:
    """A tree's 16 nodes below a node; None where it knows none."""
    return tree.children(level, index)


def propose(sender: bytes, parent: bytes, batch: rec.Batch, side: Side, attempt: int = 0) -> Act:
    proposal = side.proposal
    args = (parent, attempt, batch.hash, proposal.words, proposal.proof, b"")
    return Act(sender, "rollup", "propose", args)


def open_duel(sender: bytes, one: rec.Assertion, other: rec.Assertion) -> Act:
    older, newer = sorted((one, other), key=lambda a: (a.created_at, a.id))
    return Act(sender, "game", "open_duel", (older.content, newer.content))


def move_outer(sender: bytes, duel: rec.Duel, tree: toy.Tree) -> Act | None:
    """The move of the side on turn, whose tree this is; None if it has none."""
    state = duel.descent
    if state.phase == rec.START:
        root = show(tree, toy.OUTER_HEIGHT, 0)
        return None if root is None else Act(sender, "game", "start", (duel.words, root))
    level = 4 * state.level
    own = show(tree, level, state.index)
    move = None if own is None else choose(state.shown, own)
    if move is None:
        return None
    if state.level == 1:
        return Act(sender, "game", "last", (duel.words, move))
    below = show(tree, level - 4, 16 * state.index + move[0])
    return None if below is None else Act(sender, "game", "advance", (duel.words, move, below))


def commit(sender: bytes, duel: rec.Duel, side: int, inner: toy.Inner) -> Act:
    children = inner.tree.children(toy.INNER_HEIGHT, 0)
    return Act(sender, "game", "commit", (duel.words, side, inner.binding, children))


def move_inner(sender: bytes, bout: rec.Bout, inner: toy.Inner) -> Act | None:
    """The move of the champion on turn, whose inner tree this is; None if it has none."""
    state = bout.descent
    if state.phase == rec.LEAF:
        return show_leaf(sender, bout, NO_MOVE, inner, state.index)
    move = choose(state.shown, inner.tree.children(4 * state.level, state.index))
    if move is None:
        return None
    index = 16 * state.index + move[0]
    if state.level == 1:
        return show_leaf(sender, bout, move, inner, index)
    below = inner.tree.children(4 * state.level - 4, index)
    if bout.has_begun:
        return Act(sender, "game", "advance_bout", (*bout.keys, state.state, move, below))
    first, second = bout.champions
    args = (first.duel.words, first.words, second.words, move, below)
    return Act(sender, "game", "inner", args)


def show_leaf(
    sender: bytes, bout: rec.Bout, move: tuple[Any, ...], inner: toy.Inner, index: int
) -> Act | None:
    """Reveal a leaf; None where its preimage is unknown."""
    leaf = inner.leaf(index)
    if toy.hash_leaf(*leaf) != inner.tree.node(0, index):
        return None
    args = (*bout.keys, bout.descent.state, move, leaf)
    return Act(sender, "game", "leaf", args)


def resolve(
    sender: bytes, bout: rec.Bout, content: tuple[Any, ...], side: Side, inner: toy.Inner
) -> Act:
    """Have the first lane that differs recomputed, its inputs opened under one side's trees."""
    first, second = bout.champions
    state = bout.descent
    lane = toy.find_lane(bout.leaves[0], bout.leaves[1])
    proof = open_inputs(side, inner, state.record, state.index, lane)
    args = (first.duel.words, content, first.words, second.words, state.state)
    return Act(sender, "game", "resolve", (*args, *bout.leaves, lane, proof))


def open_inputs(side: Side, inner: toy.Inner, record: int, leaf: int, lane: int) -> bytes:
    """What the toy's step reads, as it decodes it; empty where it reads nothing."""
    if lane or leaf not in toy.LIVING or (leaf == 0 and record == 0):
        return b""
    if leaf:
        source = 7 if leaf == 4_080 else leaf - 1
        opened, siblings = inner.leaf(source)[1], inner.tree.path(source)
    else:
        before = side.machine.inner(record - 1)
        opened = before.leaf(4_080)[1]
        siblings = before.tree.path(4_080, up=4) + side.tree.path(record - 1)
    return encode(["(bytes,bytes32[])"], [(opened, siblings)])


def time_out(sender: bytes, bout: rec.Bout) -> Act:
    first, second = bout.champions
    state = bout.descent.state if bout.has_begun else rec.NO_STATE
    args = (first.duel.words, first.words, second.words, state)
    return Act(sender, "game", "timeout_bout", args)


def defeat(sender: bytes, duel: rec.Duel, side: int) -> Act:
    return Act(sender, "game", "defeat", (duel.words, side))


def expel(sender: bytes, champion: rec.Champion) -> Act:
    args = (champion.duel.words, champion.side, champion.staker)
    return Act(sender, "game", "expel", args)


def release(sender: bytes, champion: rec.Champion) -> Act:
    args = (champion.duel.words, champion.side, champion.staker)
    return Act(sender, "game", "release", args)


def is_late(board: Board, duel: rec.Duel, side: int) -> bool:
    """Whether a side may be struck for its time, or for want of a champion."""
    state = duel.descent
    if state.phase == rec.COMMIT:
        return board.now >= state.deadline(side) and not duel.alive(side)
    return state.turn == side and board.now >= state.deadline(side)


def compute_mover_chain(movers: list[bytes]) -> bytes:
    """The hash chain that the game keeps of who moved."""
    hashed = ZERO
    for mover in movers:
        hashed = keccak(hashed + mover.rjust(32, b"\0"))
    return hashed
