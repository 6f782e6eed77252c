# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What slashed stakes become: a quarter is the game's to pull, and nobody can have the rest
"""
from contracts import constants as c
from contracts.interfaces import IRollup
from contracts.modules import stakes

uses: stakes

GAME: immutable(address)

# wei to withdraw, and 1 more: no slash pays for a new slot
owed: uint256


@deploy
def __init__(game: address):
    """
    @param game Who is credited; zero until duels exist.
    """
    GAME = game
    self.owed = 1


@external
def withdraw(to: address):
    """
    @notice Pay the caller's whole credit to any address.
    @custom:rule ROLLUP-14
    @param to Who receives it; if it refuses, nothing happens.
    """
    amount: uint256 = self._credit(msg.sender)
    assert amount > 0, "rollup: no credit"

    self.owed = 1

    log IRollup.CreditWithdrawn(owner=msg.sender, to=to, amount=amount)

    raw_call(to, b"", value=amount, max_outsize=0)


@external
def burn():
    """
    @notice Burn what the balance exceeds stakes and credits by: the rest of slashed stakes, and ether
            forced in. A slash itself sends nothing.
    @custom:rule ROLLUP-29
    """
    amount: uint256 = self.balance - stakes.total - self._credit(GAME)
    assert amount > 0, "rollup: nothing to burn"

    log IRollup.SlashedBurned(amount=amount)

    raw_call(c.GRAVE, b"", value=amount, max_outsize=0)


@view
@reentrant
@external
def credit(owner: address) -> uint256:
    """
    @notice What an address may withdraw.
    @param owner Only the game ever has any.
    @return Wei.
    """
    return self._credit(owner)


@view
@reentrant
@external
def total_credits() -> uint256:
    """
    @notice Sum of all credits.
    @return Wei.
    """
    return self._credit(GAME)


@internal
@view
def _credit(owner: address) -> uint256:
    return unsafe_sub(self.owed, 1) if owner == GAME else 0


@internal
def _add(amount: uint256):
    self.owed += amount
