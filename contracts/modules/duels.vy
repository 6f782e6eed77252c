# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Duels: two siblings, their outer trees, one clock
@notice Part of DuelGame, which exports the externals. A duel is the hash of its state in one slot;
        moves bring the state, and a re-org that changes a sibling changes the key.
"""
from contracts import constants as c
from contracts.interfaces import IDuelGame
from contracts.interfaces import IRollup
from contracts.modules import codec
from contracts.modules import descent

# bit of a duel's counts
MADE: constant(uint256) = 2**64

ROLLUP: immutable(IRollup)
# 16-ary levels; Rollup proves the last record at the same height
LEVELS: constant(uint256) = c.OUTER_HEIGHT // c.HEX_BITS

# key of a duel => hash of its state
duels: HashMap[bytes32, bytes32]
# key of a duel => living champions of side 0 32 | of side 1 32 | made 1; a slot of its own, not in the
# hashed state: each commit would make every other in flight stale
counts: HashMap[bytes32, uint256]


@deploy
def __init__(rollup: IRollup):
    """
    @param rollup Rollup.
    """
    ROLLUP = rollup


@external
def open_duel(a: IDuelGame.Content, b: IDuelGame.Content) -> bytes32:
    """
    @notice Begin a duel between two siblings. The newer one is on turn, and its clock runs since it
            was proposed, so that nobody wins time by opening late.
    @custom:rule DUEL-1
    @param a Content of the older sibling (of equals, the smaller id).
    @param b Content of the newer one.
    @return The duel's key.
    """
    first: bytes32 = self._id(a)
    second: bytes32 = self._id(b)
    older: IRollup.Assertion = staticcall ROLLUP.assertion(first)
    newer: IRollup.Assertion = staticcall ROLLUP.assertion(second)
    assert a.parent == b.parent, "duel: no siblings"
    assert older.status == c.STATUS_PENDING, "duel: older not pending"
    assert newer.status == c.STATUS_PENDING, "duel: newer not pending"
    assert older.created_at < newer.created_at or (
        older.created_at == newer.created_at
        and convert(first, uint256) < convert(second, uint256)
    ), "duel: older first"
    key: bytes32 = self._pair(first, second)
    assert self.duels[key] == empty(bytes32), "duel: open already"
    opened: IDuelGame.Duel = IDuelGame.Duel(
        a=first,
        b=second,
        descent=IDuelGame.Descent(
            waiting=a.claim.trace_root,
            moving=b.claim.trace_root,
            word=descent._pack(
                0,
                descent.START,
                1,
                LEVELS,
                newer.created_at,
                older.allowance,
                newer.allowance,
            ),
            movers=descent._append_mover(empty(bytes32)),
            leaves=empty(bytes32),
        ),
    )

    self.duels[key] = keccak256(abi_encode(opened))

    log IDuelGame.DuelOpened(duel=key, a=first, b=second, opener=msg.sender, state=opened)
    return key


@external
def start(duel: IDuelGame.Duel, children: bytes32[c.HEX]):
    """
    @notice Show the 16 children of the newer sibling's trace root.
    @param duel Its state.
    @param children Nodes that fold to the root.
    """
    key: bytes32 = self._load(duel)
    self._store(key, duel, descent._start(duel.descent, children), children)


@external
def advance(duel: IDuelGame.Duel, move: IDuelGame.Move, children: bytes32[c.HEX]):
    """
    @notice Go to the first child that differs, and show the own one's children.
    @param duel Its state.
    @param move The two children and their paths.
    @param children Nodes that fold to the mover's child.
    """
    key: bytes32 = self._load(duel)
    self._store(key, duel, descent._advance(duel.descent, move, children), children)


@external
def last(duel: IDuelGame.Duel, move: IDuelGame.Move):
    """
    @notice Choose the first record that differs: from now on champions commit inner trees of it,
            each side while it has time.
    @custom:rule DUEL-8
    @param duel Its state.
    @param move The two records and their paths.
    """
    key: bytes32 = self._load(duel)
    reached: IDuelGame.Descent = descent._reach(duel.descent, move)
    record: uint256 = descent._index(reached.word)
    # whoever moved is now the waiting side
    if descent._turn(reached.word) == 0:
        reached.waiting = move.waiting
        reached.moving = move.moving
    reached.word = descent._enter(reached.word, descent.COMMIT)

    changed: IDuelGame.Duel = duel
    changed.descent = reached
    self.duels[key] = keccak256(abi_encode(changed))
    # made here, so that no commit pays for the slot
    self.counts[key] = MADE

    log IDuelGame.RecordFound(duel=key, mover=msg.sender, record=record, state=reached)


@external
def defeat(duel: IDuelGame.Duel, side: uint256):
    """
    @notice Strike an assertion: its time in the outer tree is up, or no champion of it is alive once
            none can come. Each side is judged alone.
    @custom:rule DUEL-17
    @param duel Its state; both assertions must be PENDING, a moot duel defeats nobody.
    @param side The loser.
    """
    key: bytes32 = self._load(duel)
    word: uint256 = duel.descent.word
    assert side < 2, "duel: neither side"
    self._check_pending(duel)
    if descent._phase(word) == descent.COMMIT:
        assert descent._elapsed(word) >= descent._rem(word, side), "duel: champions may come"
        assert (self.counts[key] >> (32 * side)) & c.M32 == 0, "duel: a champion lives"
    else:
        assert descent._turn(word) == side, "duel: the other is on turn"
        assert descent._is_late(word), "duel: not late"

    extcall ROLLUP.defeat(self._id_of(duel, side))


# --- VIEWS ---


@view
@reentrant
@external
def duel(key: bytes32) -> bytes32:
    """
    @notice Hash of a duel's state.
    @param key keccak256 of both ids, the older first.
    @return Zero if there is none.
    """
    return self.duels[key]


@view
@reentrant
@external
def alive(key: bytes32) -> (uint256, uint256):
    """
    @notice Living champions of a duel.
    @param key The duel's.
    @return Of the older side, of the newer.
    """
    counts: uint256 = self.counts[key]
    return counts & c.M32, (counts >> 32) & c.M32


# --- INTERNAL ---


@internal
@view
def _id(content: IDuelGame.Content) -> bytes32:
    return codec._assertion_id_of(
        ROLLUP.address,
        content.parent,
        content.attempt,
        content.batch,
        content.batch_hash,
        content.claim,
    )


@internal
@pure
def _pair(first: bytes32, second: bytes32) -> bytes32:
    return keccak256(concat(first, second))


@internal
@pure
def _id_of(duel: IDuelGame.Duel, side: uint256) -> bytes32:
    if side == 0:
        return duel.a
    return duel.b


@internal
@view
def _is_pending(id: bytes32) -> bool:
    return staticcall ROLLUP.status(id) == c.STATUS_PENDING


@internal
@view
def _are_pending(duel: IDuelGame.Duel) -> bool:
    return self._is_pending(duel.a) and self._is_pending(duel.b)


@internal
@view
def _check_pending(duel: IDuelGame.Duel):
    assert self._are_pending(duel), "duel: moot"


@internal
@view
def _load(duel: IDuelGame.Duel) -> bytes32:
    """
    @dev Check a duel's state; return its key.
    """
    key: bytes32 = self._pair(duel.a, duel.b)
    assert self.duels[key] == keccak256(abi_encode(duel)), "duel: another state"
    return key


@internal
def _store(
    key: bytes32,
    duel: IDuelGame.Duel,
    state: IDuelGame.Descent,
    children: bytes32[c.HEX],
):
    changed: IDuelGame.Duel = duel
    changed.descent = state
    self.duels[key] = keccak256(abi_encode(changed))

    log IDuelGame.Revealed(game=key, mover=msg.sender, state=state, children=children)
