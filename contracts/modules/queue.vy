# pragma version 0.4.3
"""
@title The open batch: its counts in one word, and its entries' incremental Keccak tree
@notice Written by Inbox alone.
"""
from contracts import constants as c
from contracts.modules import merkle


struct OpenBatch:
    number: uint256
    first_call: uint256
    count: uint256
    opened_at: uint256  # time of its first entry
    last_block: uint256  # block of its last entry
    output_bytes: uint256  # declared, of all its entries
    work: uint256


# Roots of empty trees 0 to 7 levels high.
EMPTY_ROOTS: immutable(bytes32[c.ENTRIES_HEIGHT])

# number 40 | first_call 48 | count 16 | opened_at 40 | last_block 40 | output_bytes 24 | work 48
word: uint256
# Left subtrees that are complete, by height; of a full batch slot 0 holds the root.
frontier: bytes32[c.ENTRIES_HEIGHT]


@deploy
def __init__():
    roots: bytes32[c.ENTRIES_HEIGHT] = empty(bytes32[c.ENTRIES_HEIGHT])
    for i: uint256 in range(1, c.ENTRIES_HEIGHT):
        roots[i] = merkle._node(roots[i - 1], roots[i - 1])
    EMPTY_ROOTS = roots
    self.word = c.FIRST_BATCH << 216


@view
@external
def open_batch() -> uint256:
    """
    @notice Number of the batch that the next call joins, unless it does not fit.
    @return From 1; all lower batches are closed.
    """
    return self._load().number


@view
@external
def call_count() -> uint256:
    """
    @notice How many calls were queued: the next call's id.
    @return The count.
    """
    open: OpenBatch = self._load()
    return open.first_call + open.count


@internal
@view
def _load() -> OpenBatch:
    word: uint256 = self.word
    return OpenBatch(
        number=word >> 216,
        first_call=(word >> 168) & c.M48,
        count=(word >> 152) & c.M16,
        opened_at=(word >> 112) & c.M40,
        last_block=(word >> 72) & c.M40,
        output_bytes=(word >> 48) & c.M24,
        work=word & c.M48,
    )


@internal
def _store(batch: OpenBatch):
    """
    @dev No part outgrows its bits: 256 entries of at most 2**17 work and 2**16 output bytes a
         batch; a batch or call a second fills 40 and 48 bits in 34,000 years.
    """
    self.word = (
        (batch.number << 216)
        | (batch.first_call << 168)
        | (batch.count << 152)
        | (batch.opened_at << 112)
        | (batch.last_block << 72)
        | (batch.output_bytes << 48)
        | batch.work
    )


@internal
def _begin(closed: OpenBatch):
    """
    @dev Store the empty batch that follows a closed one.
    """
    self.word = (unsafe_add(closed.number, 1) << 216) | (
        unsafe_add(closed.first_call, closed.count) << 168  # as bounded as in _store
    )


@internal
def _append(index: uint256, leaf: bytes32):
    """
    @dev Put leaf number `index` (0 to 255) into the tree. One store, at most eight loads.
         # rule: INBOX-8
    """
    node: bytes32 = leaf
    k: uint256 = index + 1
    for height: uint256 in range(c.ENTRIES_HEIGHT):
        if k & 1 == 1:
            self.frontier[height] = node
            return
        node = keccak256(abi_encode(self.frontier[height], node))
        k = k >> 1
    self.frontier[0] = node


@internal
@view
def _root(count: uint256) -> bytes32:
    """
    @dev Root over the first `count` leaves, 1 to 256, filled up with empty ones. Level by level
         without a loop, whose checks and jumps cost 600 gas: closing is at its budget at 255.
    """
    if count == c.MAX_BATCH_ENTRIES:
        return self.frontier[0]
    node: bytes32 = empty(bytes32)
    if count & 1 != 0:
        node = keccak256(abi_encode(self.frontier[0], node))
    else:
        node = keccak256(abi_encode(node, EMPTY_ROOTS[0]))
    if count & 2 != 0:
        node = keccak256(abi_encode(self.frontier[1], node))
    else:
        node = keccak256(abi_encode(node, EMPTY_ROOTS[1]))
    if count & 4 != 0:
        node = keccak256(abi_encode(self.frontier[2], node))
    else:
        node = keccak256(abi_encode(node, EMPTY_ROOTS[2]))
    if count & 8 != 0:
        node = keccak256(abi_encode(self.frontier[3], node))
    else:
        node = keccak256(abi_encode(node, EMPTY_ROOTS[3]))
    if count & 16 != 0:
        node = keccak256(abi_encode(self.frontier[4], node))
    else:
        node = keccak256(abi_encode(node, EMPTY_ROOTS[4]))
    if count & 32 != 0:
        node = keccak256(abi_encode(self.frontier[5], node))
    else:
        node = keccak256(abi_encode(node, EMPTY_ROOTS[5]))
    if count & 64 != 0:
        node = keccak256(abi_encode(self.frontier[6], node))
    else:
        node = keccak256(abi_encode(node, EMPTY_ROOTS[6]))
    if count & 128 != 0:
        node = keccak256(abi_encode(self.frontier[7], node))
    else:
        node = keccak256(abi_encode(node, EMPTY_ROOTS[7]))
    return node
