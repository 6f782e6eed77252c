# pragma version 0.4.3
"""
@title The leaky bucket that admits work, and the Inbox's books
@notice Written by Inbox alone. Work is admitted at no more than what a verifier can replay.
"""
from contracts import constants as c


struct Bucket:
    level: uint256  # work, as of `updated`
    updated: uint256
    escrow: uint256  # wei, owed to future proposers
    credits: uint256  # wei, owed to those who overpaid or proposed


BURST: immutable(uint256)
LEAK: immutable(uint256)

# level 48 | updated 32 | escrow 88 | credits 88
word: uint256


@deploy
def __init__(burst: uint256, leak: uint256):
    """
    @param burst Work that may be admitted at once, of one batch.
    @param leak Work per second: at most half of what a reference verifier replays.
    """
    BURST = burst
    LEAK = leak


@view
@external
def escrow() -> uint256:
    """
    @notice Fees of calls that are not final yet, surge aside.
    @return Wei.
    """
    return self._load().escrow


@view
@external
def total_credits() -> uint256:
    """
    @notice Sum of all credits.
    @return Wei.
    """
    return self._load().credits


@internal
@view
def _load() -> Bucket:
    word: uint256 = self.word
    return Bucket(
        level=word >> 208,
        updated=(word >> 176) & c.M32,
        escrow=(word >> 88) & c.M88,
        credits=word & c.M88,
    )


@internal
def _store(bucket: Bucket):
    """
    @dev level <= burst + one call < 2**48; all the ether there is stays below 2**88 wei; the clock
         fits 32 bits until 2106.
    """
    self.word = (
        (bucket.level << 208)
        | (bucket.updated << 176)
        | (bucket.escrow << 88)
        | bucket.credits
    )


@internal
@view
def _load_drained() -> Bucket:
    """
    @dev Let out what leaked since the last call, and admit iff the level is at most the burst:
         a call may overshoot it once.
         # rule: INBOX-5
    """
    word: uint256 = self.word
    level: uint256 = word >> 208
    level -= min(level, LEAK * (block.timestamp - ((word >> 176) & c.M32)))
    if level > BURST:
        wait: uint256 = (level - BURST + LEAK - 1) // LEAK
        raise concat("inbox: busy, seconds to wait: ", uint2str(wait))
    return Bucket(
        level=level,
        updated=block.timestamp,
        escrow=(word >> 88) & c.M88,
        credits=word & c.M88,
    )


@internal
@view
def _price(level: uint256, work: uint256) -> (uint256, uint256):
    """
    @dev (what is escrowed, the surge on top), in wei. The price follows the level in sixteenths of
         the burst, so that a quoted fee is exact at inclusion while the inbox is quiet.
         # rule: INBOX-4
    """
    # work and level are below 2**49, the price below 2**40: no product reaches 2**128
    plain: uint256 = unsafe_mul(c.PRICE_WEI_PER_WORK, work)
    step: uint256 = unsafe_mul(level, c.BUCKET_STEPS) // BURST
    surge: uint256 = unsafe_mul(unsafe_mul(plain, c.SURGE_FACTOR), unsafe_mul(step, step))
    return unsafe_add(c.BASE_FEE_WEI, plain), surge // (c.BUCKET_STEPS * c.BUCKET_STEPS)
