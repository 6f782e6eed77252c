# pragma version 0.4.3
"""
@title Forks: the living siblings under one parent, and the time in which more may join
@notice Written by Rollup alone. Everything is O(1) however many siblings there are: with one left
        the sum of the living's created_at is the survivor's, so no list is kept.
"""
from contracts import constants as c

ONE_LIVING: constant(uint256) = 2**64

WINDOW: immutable(uint256)

# parent id => t0 40 (its first child's time) | living 24 | sum of the living's created_at 64
words: HashMap[bytes32, uint256]


@deploy
def __init__(window: uint256):
    """
    @param window Seconds T: what a fork's duels may take, and how long it may be joined.
    """
    assert window > 0 and window <= c.M23, "rollup: window not 1 to 2^23 s"
    WINDOW = window


@internal
@view
def _count_living(parent: bytes32) -> uint256:
    return (self.words[parent] >> 64) & c.M24


@internal
def _join(parent: bytes32) -> uint256:
    """
    @dev Enter a fork now; return the time that its duels leave to the new assertion, 1 to T. An
         empty fork begins anew. Another child enters within T of the first, or of the only one
         that lives: else that one could be final before anyone answered it.
         # rule: ROLLUP-19
    """
    word: uint256 = self.words[parent]
    living: uint256 = (word >> 64) & c.M24
    start: uint256 = word >> 88
    if living == 0:
        self.words[parent] = (block.timestamp << 88) | ONE_LIVING | block.timestamp
        return WINDOW
    if block.timestamp >= start + WINDOW:
        assert living == 1, "rollup: fork closed, no survivor"
        start = word & c.M64
        assert block.timestamp < start + WINDOW, "rollup: too late to join"

    # 2**24 stakes of 2**32 seconds fill 56 of the sum's 64 bits
    self.words[parent] = word + ONE_LIVING + block.timestamp
    return WINDOW - (block.timestamp - start)


@internal
def _leave(parent: bytes32, created_at: uint256):
    """
    @dev A defeated child, once, goes out of count and sum.
    """
    self.words[parent] -= ONE_LIVING + created_at


@internal
@view
def _check_won(parent: bytes32, created_at: uint256):
    """
    @dev One child alone is alive, and nobody can join any more. No child is older than t0, so T
         after its created_at is T after both.
         # rule: ROLLUP-20
    """
    assert self._count_living(parent) == 1, "rollup: a sibling lives"
    assert block.timestamp >= created_at + WINDOW, "rollup: too early"
