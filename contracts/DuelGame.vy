# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title DuelGame
@notice One against one, between PENDING siblings: their outer trees are walked down to the first
        record that differs; champions with a stake commit inner trees of that record and walk those
        to one leaf; a step verifier recomputes the first lane that differs. Anyone makes a forced
        move; only a commit is a staker's own. Nobody owns a parameter.
@dev Slashes through Rollup alone. What is won for moves is paid by MovePay.
"""
from contracts.interfaces import IDuelGame
from contracts.interfaces import IRollup
from contracts.modules import bouts
from contracts.modules import champions
from contracts.modules import duels

initializes: duels
initializes: champions[duels := duels]
initializes: bouts[duels := duels, champions := champions]
# which record: the siblings' own moves
exports: (duels.open_duel, duels.start, duels.advance, duels.last, duels.defeat)
# who stands behind it
exports: (champions.commit, champions.expel, champions.release)
# which lane: the champions' moves
exports: (bouts.inner, bouts.advance_bout, bouts.leaf, bouts.resolve, bouts.timeout_bout)
# what stands
exports: (duels.duel, duels.alive, champions.champion, bouts.bout)

# pays movers out of slashed stakes
PAY: immutable(address)


@deploy
def __init__(rollup: address, steps: address, pay: address, inner_height: uint256):
    """
    @custom:rule DUEL-20
    @param rollup Rollup, deployed before; it must name this address.
    @param steps Says which op stands at an address, and which verifier recomputes it.
    @param pay MovePay, deployed next.
    @param inner_height Levels of an inner trace, a multiple of 4 from 8 on; the steps' too.
    """
    links: IRollup.Settings = staticcall IRollup(rollup).settings()
    assert links.game == self, "duel: rollup names another"
    assert pay != empty(address), "duel: nobody pays moves"
    duels.__init__(IRollup(rollup))
    champions.__init__(inner_height)
    bouts.__init__(steps, inner_height)
    PAY = pay


@external
def collect():
    """
    @notice Move what Rollup credits to this contract, a quarter of each slashed stake, to MovePay.
    """
    extcall duels.ROLLUP.withdraw(PAY)


@view
@reentrant
@external
def settings() -> IDuelGame.Settings:
    """
    @notice What the constructor fixed for ever.
    @return Links, and the 16-ary levels of both trees.
    """
    return IDuelGame.Settings(
        rollup=duels.ROLLUP.address,
        steps=bouts.STEPS.address,
        pay=PAY,
        outer_levels=duels.LEVELS,
        inner_levels=champions.LEVELS,
    )
