# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Champions: stakes behind the inner trees of a duel's record
@notice Part of DuelGame, which exports the externals.
"""
from contracts import constants as c
from contracts.interfaces import IDuelGame
from contracts.interfaces import IRollup
from contracts.modules import descent
from contracts.modules import duels

uses: duels

# a champion's slot once it is out, or has its lock back
OUT: constant(bytes32) = 0x0000000000000000000000000000000000000000000000000000000000000001
RELEASED: constant(bytes32) = 0x0000000000000000000000000000000000000000000000000000000000000002
# how a champion went out
BY_TIME: constant(uint256) = 1
BY_LANE: constant(uint256) = 2
BY_STAKE: constant(uint256) = 3
BY_FALL: constant(uint256) = 4
STAKE_LIVE: constant(uint256) = 1

# 16-ary levels
LEVELS: immutable(uint256)

# key of a champion => hash of root and time, OUT or RELEASED
champions: HashMap[bytes32, bytes32]


@deploy
def __init__(height: uint256):
    """
    @param height Levels of an inner tree, a multiple of 4 from 8 on.
    """
    # a bout begins with `inner` and ends with `leaf`, a level each
    assert descent._is_height(height) and height > c.HEX_BITS, "duel: bad inner height"
    LEVELS = height // c.HEX_BITS


@external
def commit(
    duel: IDuelGame.Duel,
    side: uint256,
    siblings: DynArray[bytes32, c.MAX_INNER_BINDING],
    children: bytes32[c.HEX],
):
    """
    @notice Put the caller's stake behind an inner tree of one side's record.
    @custom:rule DUEL-9
    @param duel Its state, in COMMIT.
    @param side 0 the older, 1 the newer.
    @param siblings From the record's root up to the inner root, all of them on the left: a record's
           chunks are the inner tree's last 16 leaves.
    @param children Nodes that fold to the inner root.
    """
    key: bytes32 = duels._load(duel)
    word: uint256 = duel.descent.word
    assert descent._phase(word) == descent.COMMIT, "duel: no commits now"
    assert side < 2, "duel: no such side"
    assert descent._elapsed(word) < descent._rem(word, side), "duel: too late to commit"
    inner_root: bytes32 = duel.descent.waiting
    id: bytes32 = duel.a
    rival: bytes32 = duel.b
    if side == 1:
        inner_root = duel.descent.moving
        id = duel.b
        rival = duel.a
    # that its own side is PENDING, Rollup checks
    assert duels._is_pending(rival), "duel: rival not pending"
    assert len(siblings) == c.HEX_BITS * (LEVELS - 1), "duel: wrong inner height"
    for sibling: bytes32 in siblings:
        inner_root = sha256(concat(sibling, inner_root))
    assert descent._fold_children(children) == inner_root, "duel: not the inner children"
    slot: bytes32 = self._champion_key(key, side, msg.sender)
    assert self.champions[slot] == empty(bytes32), "duel: champion already"

    self.champions[slot] = keccak256(abi_encode(inner_root, block.timestamp))
    duels.counts[key] += 1 << (32 * side)

    log IDuelGame.Committed(
        duel=key, side=side, staker=msg.sender, inner_root=inner_root, children=children
    )

    extcall duels.ROLLUP.lock(msg.sender, id)


@external
def expel(duel: IDuelGame.Duel, side: uint256, staker: address):
    """
    @notice Put out a champion whose assertion was defeated, in whichever duel, or whose stake was
            slashed elsewhere: nothing stands behind it any more.
    @custom:rule DUEL-15
    @param duel Its state.
    @param side The champion's.
    @param staker The champion.
    """
    key: bytes32 = duels._load(duel)
    slot: bytes32 = self._champion_key(key, side, staker)
    assert self._is_alive(slot), "duel: no champion to expel"
    if staticcall duels.ROLLUP.status(duels._id_of(duel, side)) == c.STATUS_DEFEATED:
        self._put_out(key, slot, side, staker, BY_FALL)
        return
    stake: IRollup.Stake = staticcall duels.ROLLUP.stake(staker)
    assert stake.status != STAKE_LIVE, "duel: champion in good standing"
    duels._check_pending(duel)
    self._put_out(key, slot, side, staker, BY_STAKE)


@external
def release(duel: IDuelGame.Duel, side: uint256, staker: address):
    """
    @notice Give a living champion's lock back once the duel is moot and its assertion did not fall.
    @custom:rule DUEL-16
    @param duel Its state.
    @param side The champion's.
    @param staker The champion.
    """
    key: bytes32 = duels._load(duel)
    slot: bytes32 = self._champion_key(key, side, staker)
    assert self._is_alive(slot), "duel: no champion to release"
    assert not duels._are_pending(duel), "duel: still on"
    assert (
        staticcall duels.ROLLUP.status(duels._id_of(duel, side)) != c.STATUS_DEFEATED
    ), "duel: falls with its assertion"

    self.champions[slot] = RELEASED
    duels.counts[key] -= 1 << (32 * side)

    log IDuelGame.ChampionReleased(duel=key, side=side, staker=staker)

    extcall duels.ROLLUP.unlock(staker)


# --- VIEWS ---


@view
@reentrant
@external
def champion(key: bytes32, side: uint256, staker: address) -> (bytes32, bytes32):
    """
    @notice A champion's slot.
    @param key The duel's.
    @param side 0 the older, 1 the newer.
    @param staker The champion.
    @return Its key, and what it holds: zero none, 1 out, 2 released, else the hash of its inner
            root and time.
    """
    slot: bytes32 = self._champion_key(key, side, staker)
    return slot, self.champions[slot]


# --- INTERNAL ---


@internal
@pure
def _champion_key(key: bytes32, side: uint256, staker: address) -> bytes32:
    return keccak256(abi_encode(key, side, staker))


@internal
@view
def _is_alive(slot: bytes32) -> bool:
    kept: bytes32 = self.champions[slot]
    return kept != empty(bytes32) and kept != OUT and kept != RELEASED


@internal
@view
def _load_champions(
    key: bytes32, a: IDuelGame.Champion, b: IDuelGame.Champion
) -> (bytes32, bytes32):
    """
    @dev Check that both are alive, with these roots and times; return their keys.
    """
    ka: bytes32 = self._champion_key(key, 0, a.staker)
    kb: bytes32 = self._champion_key(key, 1, b.staker)
    assert self.champions[ka] == keccak256(
        abi_encode(a.inner_root, a.committed_at)
    ), "duel: not side 0's champion"
    assert self.champions[kb] == keccak256(
        abi_encode(b.inner_root, b.committed_at)
    ), "duel: not side 1's champion"
    return ka, kb


@internal
def _put_out(key: bytes32, slot: bytes32, side: uint256, staker: address, how: uint256):
    self.champions[slot] = OUT
    duels.counts[key] -= 1 << (32 * side)

    log IDuelGame.ChampionOut(duel=key, side=side, staker=staker, how=how)

    extcall duels.ROLLUP.slash(staker)
