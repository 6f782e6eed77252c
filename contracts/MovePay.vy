# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MovePay
@notice Pays those who moved against a loser: a fixed amount a move, at most a quarter of the loser's
        slashed stake in all. The rest of the stake is lost. Anyone claims for the movers; the
        winner's proposer gets nothing as such, so a liar who plays both sides loses three quarters.
@dev Rollup credits each quarter to DuelGame once, at the slash; DuelGame sends it here.
"""
from contracts import constants as c
from contracts.interfaces import IDuelGame
from contracts.interfaces import IMovePay
from contracts.interfaces import IRollup
from contracts.modules import descent

OUT: constant(bytes32) = 0x0000000000000000000000000000000000000000000000000000000000000001

GAME: immutable(IDuelGame)
ROLLUP: immutable(IRollup)
# wei for moves against one staker
QUARTER: immutable(uint256)

# key of a duel or bout => its moves are paid
paid: public(HashMap[bytes32, bool])
# slashed staker => wei paid for moves against it
drawn: public(HashMap[address, uint256])
# owner => wei to withdraw
credit: public(HashMap[address, uint256])
total_credits: public(uint256)


@deploy
def __init__(game: address):
    """
    @param game DuelGame, deployed before; it must name this address.
    """
    links: IDuelGame.Settings = staticcall IDuelGame(game).settings()
    assert links.pay == self, "pay: game names another"
    settings: IRollup.Settings = staticcall IRollup(links.rollup).settings()
    GAME = IDuelGame(game)
    ROLLUP = IRollup(links.rollup)
    QUARTER = settings.stake // c.MOVE_PAY_SHARE


@reentrant
@payable
@external
def __default__():
    """
    @notice Receives the quarters, and nothing else.
    """
    assert msg.sender == ROLLUP.address, "pay: from the rollup only"


@external
def pay_duel(duel: IDuelGame.Duel, loser: uint256, movers: DynArray[address, c.MAX_MOVERS]):
    """
    @notice Credit the opener, and who moved against a defeated assertion.
    @custom:rule DUEL-18
    @param duel Its state.
    @param loser The side that was defeated, 0 or 1.
    @param movers Who opened, then who moved.
    """
    key: bytes32 = keccak256(concat(duel.a, duel.b))
    assert staticcall GAME.duel(key) == keccak256(abi_encode(duel)), "pay: another state"
    assert loser < 2, "pay: no such side"
    id: bytes32 = duel.a
    if loser == 1:
        id = duel.b
    beaten: IRollup.Assertion = staticcall ROLLUP.assertion(id)
    assert beaten.status == c.STATUS_DEFEATED, "pay: not defeated"
    self._check_movers(duel.descent.movers, movers)

    left: uint256 = self._begin(key, beaten.proposer)
    amount: uint256 = self._pay_one(movers[0], left)
    for i: uint256 in range(1, len(movers), bound=c.MAX_MOVERS):
        # side 1 moved first
        if i & 1 != loser:
            amount += self._pay_one(movers[i], left - amount)
    self._end(key, beaten.proposer, amount)


@external
def pay_bout(
    duel_key: bytes32,
    champions: address[2],
    state: IDuelGame.Descent,
    loser: uint256,
    movers: DynArray[address, c.MAX_MOVERS],
):
    """
    @notice Credit who moved, and who resolved, against a champion that is out.
    @custom:rule DUEL-19
    @param duel_key The duel's.
    @param champions Of side 0, of side 1.
    @param state The bout's.
    @param loser The side whose champion is out.
    @param movers Who moved, then who resolved.
    """
    ka: bytes32 = empty(bytes32)
    kb: bytes32 = empty(bytes32)
    held_a: bytes32 = empty(bytes32)
    held_b: bytes32 = empty(bytes32)
    ka, held_a = staticcall GAME.champion(duel_key, 0, champions[0])
    kb, held_b = staticcall GAME.champion(duel_key, 1, champions[1])
    assert staticcall GAME.bout(ka, kb) == keccak256(abi_encode(state)), "pay: another bout"
    assert loser < 2, "pay: no such loser"
    assert (held_a == OUT and loser == 0) or (held_b == OUT and loser == 1), "pay: not out"
    self._check_movers(state.movers, movers)

    staker: address = champions[loser]
    key: bytes32 = keccak256(concat(ka, kb))
    left: uint256 = self._begin(key, staker)
    turns: uint256 = len(movers)
    amount: uint256 = 0
    if descent._phase(state.word) == descent.RESOLVED:
        turns -= 1
        amount = self._pay_one(movers[turns], left)
    # every move flipped the turn
    first: uint256 = descent._turn(state.word) ^ (turns & 1)
    for i: uint256 in range(turns, bound=c.MAX_MOVERS):
        if (first ^ (i & 1)) != loser:
            amount += self._pay_one(movers[i], left - amount)
    self._end(key, staker, amount)


@external
def withdraw(to: address):
    """
    @notice Pay the caller's whole credit to any address.
    @param to Who receives it; if it refuses, nothing happens.
    """
    amount: uint256 = self.credit[msg.sender]
    assert amount > 0, "pay: no credit"

    self.credit[msg.sender] = 0
    self.total_credits -= amount

    log IMovePay.CreditWithdrawn(owner=msg.sender, to=to, amount=amount)

    if self.balance < amount:
        extcall GAME.collect()
    raw_call(to, b"", value=amount, max_outsize=0)


# --- INTERNAL ---


@internal
@pure
def _check_movers(kept: bytes32, movers: DynArray[address, c.MAX_MOVERS]):
    assert len(movers) > 0, "pay: nobody moved"
    hashed: bytes32 = empty(bytes32)
    for mover: address in movers:
        hashed = keccak256(abi_encode(hashed, mover))
    assert hashed == kept, "pay: others moved"


@internal
def _begin(key: bytes32, staker: address) -> uint256:
    """
    @dev Mark a game as paid; return what is left of the staker's quarter. He was slashed: a defeat
         slashes the proposer, a way out the champion, and the quarter was credited then.
    """
    assert not self.paid[key], "pay: paid already"
    self.paid[key] = True
    return QUARTER - self.drawn[staker]


@internal
def _pay_one(mover: address, left: uint256) -> uint256:
    amount: uint256 = min(c.MOVE_PAY_WEI, left)
    self.credit[mover] += amount
    return amount


@internal
def _end(key: bytes32, staker: address, amount: uint256):
    self.drawn[staker] += amount
    self.total_credits += amount

    log IMovePay.MovesPaid(game=key, loser=staker, amount=amount)
