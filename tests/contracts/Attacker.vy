# pragma version 0.4.3
"""
@title A caller with code: does as told, and meets a payment in whatever way it was set to
"""

ACCEPT: constant(uint256) = 0
REFUSE: constant(uint256) = 1
BURN_GAS: constant(uint256) = 2
CALL_BACK: constant(uint256) = 3
BOMB: constant(uint256) = 4

mode: uint256
target: address
data: Bytes[4_096]
price: uint256
called_back: public(uint256)
answered: public(bool)


@external
def set(mode: uint256, target: address, data: Bytes[4_096]):
    self.mode = mode
    self.target = target
    self.data = data


@external
def set_price(price: uint256):
    """
    @dev What it pays, of its own ether, when it calls back next; nobody has answered that yet.
    """
    self.answered = False
    self.price = price


@external
@payable
def do(to: address, data: Bytes[4_096]) -> Bytes[1_024]:
    return raw_call(to, data, value=msg.value, max_outsize=1_024)


@external
@payable
def force(to: address):
    """
    @dev A contract that destroys itself in its constructor: no code of `to` runs.
    """
    at: address = raw_create(concat(x"73", convert(to, bytes20), x"ff"), value=msg.value)


@external
@payable
def __default__():
    if self.mode == REFUSE:
        raise "attacker: refused"
    if self.mode == BURN_GAS:
        for i: uint256 in range(2**64):
            self.called_back = i
    if self.mode == BOMB:
        raw_revert(abi_encode(empty(uint256[2_048])))
    if self.mode == CALL_BACK:
        self.called_back += 1
        self.answered = raw_call(
            self.target, self.data, value=self.price, revert_on_failure=False, max_outsize=0
        )
