# pragma version 0.4.3
"""
@title Stakes: one an address, covering any number of assertions on one line of ancestry
@notice Written by Rollup alone. A stake is free iff it has no pending proposals; championships are
        counted apart and never bind where it may propose.
"""
from contracts import constants as c
from contracts.interfaces import IRollup

LIVE: constant(uint256) = 1
SLASHED: constant(uint256) = 2
ONE_PROPOSAL: constant(uint256) = 2**8
ONE_CHAMPIONSHIP: constant(uint256) = 2**40

AMOUNT: immutable(uint256)
DELAY: immutable(uint256)

# staker => status 8 | proposals 32 | championships 32 | requested_at 40 (0 = no request)
words: HashMap[address, uint256]
# staker => the assertion it proposed last, or stepped down to
tips: HashMap[address, bytes32]
# staker => parent => the one of its children that the staker championed first
championed: HashMap[address, HashMap[bytes32, bytes32]]
# wei of all live stakes
total: uint256


@deploy
def __init__(amount: uint256, delay: uint256):
    """
    @param amount Wei of a stake.
    @param delay Seconds between a withdrawal's request and the withdrawal.
    """
    assert amount >= c.MOVE_PAY_SHARE, "rollup: stake too small"
    AMOUNT = amount
    DELAY = delay


@view
@external
def stake(staker: address) -> IRollup.Stake:
    """
    @notice A staker's stake.
    @param staker The address.
    @return Status 0 none, 1 live, 2 slashed; its counts, request and tip.
    """
    word: uint256 = self.words[staker]
    return IRollup.Stake(
        status=word & c.M8,
        proposals=(word >> 8) & c.M32,
        championships=(word >> 40) & c.M32,
        requested_at=word >> 72,
        tip=self.tips[staker],
    )


@view
@external
def total_stakes() -> uint256:
    """
    @notice Sum of all live stakes.
    @return Wei.
    """
    return self.total


@internal
@view
def _is_live(staker: address) -> bool:
    return self.words[staker] & c.M8 == LIVE


@internal
@view
def _may_follow(staker: address, parent: bytes32) -> bool:
    """
    @dev Whether a live stake is free, or bound to this parent.
    """
    word: uint256 = self.words[staker]
    return word & c.M8 == LIVE and ((word >> 8) & c.M32 == 0 or self.tips[staker] == parent)


@internal
def _deposit(staker: address, amount: uint256):
    """
    @dev A slashed address keeps its status for ever, so it never deposits again.
         # rule: ROLLUP-1
    """
    assert amount == AMOUNT, "rollup: not the stake's amount"
    assert self.words[staker] & c.M8 != SLASHED, "rollup: slashed for ever"
    assert self.words[staker] == 0, "rollup: already staked"

    self.words[staker] = LIVE
    self.total += amount

    log IRollup.StakeDeposited(staker=staker, amount=amount)


@internal
def _request(staker: address):
    """
    @dev Both counts are 0: the word is LIVE and nothing else.
         # rule: ROLLUP-2
    """
    assert self.words[staker] == LIVE, "rollup: stake not idle"

    self.words[staker] = LIVE | (block.timestamp << 72)

    log IRollup.WithdrawalRequested(staker=staker, ready_at=block.timestamp + DELAY)


@internal
def _cancel(staker: address):
    """
    @dev Arms the stake again at once; the delay starts anew with the next request.
         # rule: ROLLUP-3
    """
    word: uint256 = self.words[staker]
    assert word & c.M8 == LIVE and word >> 72 != 0, "rollup: no request to cancel"

    self.words[staker] = word & (2**72 - 1)

    log IRollup.WithdrawalCancelled(staker=staker)


@internal
def _withdraw(staker: address):
    """
    @dev Under a request nothing can be bound, so the counts are still 0.
         # rule: ROLLUP-4
    """
    word: uint256 = self.words[staker]
    assert word & (2**72 - 1) == LIVE, "rollup: no idle stake"
    assert word >> 72 != 0, "rollup: withdrawal not requested"
    assert block.timestamp >= (word >> 72) + DELAY, "rollup: withdrawal too early"

    self.words[staker] = 0
    self.tips[staker] = empty(bytes32)
    self.total -= AMOUNT

    log IRollup.StakeWithdrawn(staker=staker, amount=AMOUNT)


@internal
@view
def _load_armed(staker: address) -> uint256:
    """
    @dev The word of a stake that may be put behind something.
    """
    word: uint256 = self.words[staker]
    assert word & c.M8 == LIVE, "rollup: no live stake"
    assert word >> 72 == 0, "rollup: withdrawal requested"
    return word


@internal
def _bind(staker: address, parent: bytes32, id: bytes32):
    """
    @dev Count a proposal. A free stake may stand on any parent, one that is not only on its tip;
         championships bind nobody. A dead tip is no parent: it binds until the stake is free.
         # rule: ROLLUP-5
    """
    word: uint256 = self._load_armed(staker)
    if (word >> 8) & c.M32 > 0:
        assert self.tips[staker] == parent, "rollup: stake bound to its tip"

    self.words[staker] = word + ONE_PROPOSAL
    self.tips[staker] = id


@internal
def _lock(staker: address, parent: bytes32, id: bytes32):
    """
    @dev Count a championship. A stake champions one assertion of a fork at most.
         # rule: ROLLUP-25
    """
    word: uint256 = self._load_armed(staker)
    first: bytes32 = self.championed[staker][parent]
    assert first == empty(bytes32) or first == id, "rollup: champions a sibling"

    self.words[staker] = word + ONE_CHAMPIONSHIP
    self.championed[staker][parent] = id


@internal
def _unlock(staker: address):
    """
    @dev Uncount a championship; nothing for a slashed staker. The game unlocks what it locked.
    """
    if self._is_live(staker):
        self.words[staker] -= ONE_CHAMPIONSHIP


@internal
def _release(staker: address):
    """
    @dev Uncount a proposal. Never reverts for a slashed staker: his counts are gone, and the head
         would stick for ever.
         # rule: ROLLUP-6
    """
    if self._is_live(staker):
        self.words[staker] -= ONE_PROPOSAL


@internal
def _slash(staker: address) -> uint256:
    """
    @dev Take a stake once; returns what was taken, 0 from one that is gone already.
         # rule: ROLLUP-7
    """
    if not self._is_live(staker):
        return 0
    self.words[staker] = SLASHED
    self.total -= AMOUNT
    return AMOUNT
