# pragma version 0.4.3
"""
@title A clocked 16-ary descent between two committed SHA-256 trees to their first differing leaf
@notice One module, two uses: between the outer trees of two assertions, and between the inner trees
        of two champions. Exactly one side's clock runs. Pure: the caller stores a descent's hash.
"""
from contracts import constants as c
from contracts.interfaces import IDuelGame

START: constant(uint256) = 1
DESCENT: constant(uint256) = 2
COMMIT: constant(uint256) = 3
LEAF: constant(uint256) = 4
RESOLVABLE: constant(uint256) = 5
RESOLVED: constant(uint256) = 6

# bits of a descent's word, see IDuelGame.Descent
PHASE_AT: constant(uint256) = 184
TURN_AT: constant(uint256) = 176
LEVEL_AT: constant(uint256) = 168
LAST_AT: constant(uint256) = 128
REM_0_AT: constant(uint256) = 96
REM_1_AT: constant(uint256) = 64


@internal
@pure
def _pack(
    record: uint256,
    phase: uint256,
    turn: uint256,
    level: uint256,
    last: uint256,
    rem_0: uint256,
    rem_1: uint256,
) -> uint256:
    return (
        (record << 192)
        | (phase << PHASE_AT)
        | (turn << TURN_AT)
        | (level << LEVEL_AT)
        | (last << LAST_AT)
        | (rem_0 << REM_0_AT)
        | (rem_1 << REM_1_AT)
    )


@internal
@pure
def _phase(word: uint256) -> uint256:
    return (word >> PHASE_AT) & c.M8


@internal
@pure
def _turn(word: uint256) -> uint256:
    return (word >> TURN_AT) & 1


@internal
@pure
def _level(word: uint256) -> uint256:
    return (word >> LEVEL_AT) & c.M8


@internal
@pure
def _last(word: uint256) -> uint256:
    return (word >> LAST_AT) & c.M40


@internal
@pure
def _rem(word: uint256, side: uint256) -> uint256:
    if side == 0:
        return (word >> REM_0_AT) & c.M32
    return (word >> REM_1_AT) & c.M32


@internal
@pure
def _index(word: uint256) -> uint256:
    return word & c.M64


@internal
@pure
def _enter(word: uint256, phase: uint256) -> uint256:
    return (word & ~(c.M8 << PHASE_AT)) | (phase << PHASE_AT)


@internal
@view
def _elapsed(word: uint256) -> uint256:
    return block.timestamp - self._last(word)


@internal
@view
def _is_late(word: uint256) -> bool:
    """
    @dev Whether the side on turn has used up its time.
         # rule: DUEL-3
    """
    return self._elapsed(word) >= self._rem(word, self._turn(word))


@internal
@view
def _tick(word: uint256) -> uint256:
    """
    @dev Charge the side on turn for its time and give the turn to the other.
         # rule: DUEL-2
    """
    assert not self._is_late(word), "duel: time is up"
    at: uint256 = REM_0_AT
    if self._turn(word) == 1:
        at = REM_1_AT
    charged: uint256 = word - (self._elapsed(word) << at)
    return ((charged ^ (1 << TURN_AT)) & ~(c.M40 << LAST_AT)) | (block.timestamp << LAST_AT)


@internal
@pure
def _fold_children(children: bytes32[c.HEX]) -> bytes32:
    """
    @dev Root of 16 nodes.
    """
    nodes: bytes32[c.HEX] = children
    # indices stay below 16
    for i: uint256 in range(8):
        left: uint256 = unsafe_add(i, i)
        nodes[i] = sha256(concat(nodes[left], nodes[unsafe_add(left, 1)]))
    for i: uint256 in range(4):
        left: uint256 = unsafe_add(i, i)
        nodes[i] = sha256(concat(nodes[left], nodes[unsafe_add(left, 1)]))
    low: bytes32 = sha256(concat(nodes[0], nodes[1]))
    return sha256(concat(low, sha256(concat(nodes[2], nodes[3]))))


@internal
@pure
def _check_move(descent: IDuelGame.Descent, move: IDuelGame.Move):
    """
    @dev Both children stand at one place under their nodes, differ, and share every left sibling:
         so all children before them agree, and the descent ends at the first difference.
         # rule: DUEL-4
    """
    assert move.index < c.HEX, "duel: no such child"
    assert move.waiting != move.moving, "duel: children agree"
    w: bytes32 = move.waiting
    m: bytes32 = move.moving
    i: uint256 = move.index
    for level: uint256 in range(c.HEX_BITS):
        if i & 1 == 1:
            w = sha256(concat(move.waiting_siblings[level], w))
            m = sha256(concat(move.waiting_siblings[level], m))
        else:
            w = sha256(concat(w, move.waiting_siblings[level]))
            m = sha256(concat(m, move.moving_siblings[level]))
        i = i >> 1
    assert w == descent.waiting, "duel: not the waiting child"
    assert m == descent.moving, "duel: not the moving child"


@internal
@view
def _append_mover(movers: bytes32) -> bytes32:
    return keccak256(abi_encode(movers, msg.sender))


@internal
@view
def _start(descent: IDuelGame.Descent, children: bytes32[c.HEX]) -> IDuelGame.Descent:
    """
    @dev The side on turn shows its root's children.
         # rule: DUEL-5
    """
    assert self._phase(descent.word) == START, "duel: started"
    assert self._fold_children(children) == descent.moving, "duel: not the root's children"
    return IDuelGame.Descent(
        waiting=descent.moving,
        moving=descent.waiting,
        word=self._enter(self._tick(descent.word), DESCENT),
        movers=self._append_mover(descent.movers),
        leaves=empty(bytes32),
    )


@internal
@view
def _advance(
    descent: IDuelGame.Descent, move: IDuelGame.Move, children: bytes32[c.HEX]
) -> IDuelGame.Descent:
    """
    @dev One level down: to the first child that differs, whose own children the mover shows.
         # rule: DUEL-6
    """
    assert self._phase(descent.word) == DESCENT, "duel: no descent runs"
    assert self._level(descent.word) > 1, "duel: lowest level"
    self._check_move(descent, move)
    assert self._fold_children(children) == move.moving, "duel: not the child's children"
    word: uint256 = self._tick(descent.word) - (1 << LEVEL_AT)
    return IDuelGame.Descent(
        waiting=move.moving,
        moving=move.waiting,
        word=(word & ~c.M64) | (self._index(word) << c.HEX_BITS) | move.index,
        movers=self._append_mover(descent.movers),
        leaves=empty(bytes32),
    )


@internal
@view
def _reach(descent: IDuelGame.Descent, move: IDuelGame.Move) -> IDuelGame.Descent:
    """
    @dev The last choice: the leaves themselves. Phase and what follows are the caller's.
         # rule: DUEL-7
    """
    assert self._phase(descent.word) == DESCENT, "duel: no descent"
    assert self._level(descent.word) == 1, "duel: levels left"
    self._check_move(descent, move)
    word: uint256 = self._tick(descent.word) - (1 << LEVEL_AT)
    return IDuelGame.Descent(
        waiting=move.moving,
        moving=move.waiting,
        word=(word & ~c.M64) | (self._index(word) << c.HEX_BITS) | move.index,
        movers=self._append_mover(descent.movers),
        leaves=empty(bytes32),
    )


@internal
@pure
def _is_height(height: uint256) -> bool:
    return height > 0 and height <= c.MAX_INNER_BINDING and height % c.HEX_BITS == 0
