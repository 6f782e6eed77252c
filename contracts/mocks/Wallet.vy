# pragma version 0.4.3
"""
@title A contract wallet that does as its owner says and takes no ether from anyone else
@notice Whoever stakes, proposes or moves from a contract must not be able to block the others.
"""
MAX_DATA_BYTES: constant(uint256) = 8_192

OWNER: immutable(address)


@deploy
def __init__(owner: address):
    """
    @param owner Whose calls it makes.
    """
    OWNER = owner


@external
@payable
def execute(to: address, data: Bytes[MAX_DATA_BYTES]):
    """
    @notice Call a contract in the wallet's name, with the ether that comes along.
    @param to The contract.
    @param data The call.
    """
    assert msg.sender == OWNER, "wallet: owner only"

    raw_call(to, data, value=msg.value)


@external
@payable
def __default__():
    """
    @notice Refuse every payment.
    """
    raise "wallet: no payments"
