# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What the contract owes: credits that their owners pull
"""
from contracts.interfaces import IRollup

# owner => wei to withdraw
credit: reentrant(public(HashMap[address, uint256]))
total_credits: reentrant(public(uint256))


@external
def withdraw(to: address):
    """
    @notice Pay the caller's whole credit to any address.
    @custom:rule ROLLUP-14
    @param to Who receives it; if it refuses, nothing happens.
    """
    amount: uint256 = self.credit[msg.sender]
    assert amount > 0, "rollup: no credit"

    self.credit[msg.sender] = 0
    self.total_credits -= amount

    log IRollup.CreditWithdrawn(owner=msg.sender, to=to, amount=amount)

    raw_call(to, b"", value=amount, max_outsize=0)


@internal
def _add(owner: address, amount: uint256):
    self.credit[owner] += amount
    self.total_credits += amount
