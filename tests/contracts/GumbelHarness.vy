# pragma version 0.4.3
"""
@title The noise's internals as views, and their gas; for tests alone
"""
from contracts.modules import gumbel


@pure
@external
def key(seed: bytes32, position: uint256) -> uint256:
    return gumbel._key(seed, position)


@pure
@external
def draw(key: uint256, token: uint256) -> uint256:
    return gumbel._draw(key, token)


@pure
@external
def log2(x: uint256) -> int256:
    return gumbel._log2(x)


@pure
@external
def noises(draws: DynArray[uint256, 256]) -> DynArray[int256, 256]:
    found: DynArray[int256, 256] = []
    for r: uint256 in draws:
        found.append(gumbel._gumbel(r))
    return found


@pure
@external
def score(logit: int256, key: uint256, token: uint256, temperature: uint256) -> int256:
    return gumbel._score(logit, key, token, temperature)


@view
@external
def measure(key: uint256, token: uint256) -> (uint256, uint256):
    """
    @dev Gas of a draw, and of its noise.
    """
    start: uint256 = msg.gas
    r: uint256 = gumbel._draw(key, token)
    between: uint256 = msg.gas
    noise: int256 = gumbel._gumbel(r)
    end: uint256 = msg.gas
    assert noise > -2**20 and r < 2**32
    return start - between, between - end
