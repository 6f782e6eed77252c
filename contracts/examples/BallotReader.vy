# pragma version 0.4.3
"""
@title BallotReader
@notice A consumer: keeps the newest final count of a shared ballot cell. Anyone may bring a proof;
        nobody is trusted but the Rollup's log of final roots. Twin of BallotReader.sol.
@dev Fresh means: no root that became final more than MAX_AGE seconds ago is taken, and none of a
     batch at or before the one kept. A count kept grows old too: act on `fresh_count` alone.
"""
from contracts.interfaces import IRollup

SHARED: constant(bytes32) = empty(bytes32)  # the key part of an action's one shared cell

event CountRecorded:
    batch: indexed(uint256)
    count: uint256

ROLLUP: immutable(IRollup)
ACTION_ID: immutable(bytes32)
INDEX: immutable(uint256)
NAME_HASH: immutable(bytes32)
TYPE_HASH: immutable(bytes32)
# seconds since its finality for which a root is taken
MAX_AGE: immutable(uint256)

# final batch of the count kept; written by record
batch: public(uint256)
# value of the field after that batch; written by record
count: public(uint256)


@deploy
def __init__(
    rollup: address,
    action_id: bytes32,
    index: uint256,
    name_hash: bytes32,
    type_hash: bytes32,
    max_age: uint256,
):
    """
    @param rollup Rollup.
    @param action_id The ballot.
    @param index Place of the counting field in its state.
    @param name_hash keccak256 of the field's name.
    @param type_hash keccak256 of its type's descriptor: an upgrade that changes it is not read.
    @param max_age Seconds since its finality for which a root is taken.
    """
    assert rollup.is_contract, "ballot: rollup has no code"
    ROLLUP = IRollup(rollup)
    ACTION_ID = action_id
    INDEX = index
    NAME_HASH = name_hash
    TYPE_HASH = type_hash
    MAX_AGE = max_age


@external
def record(n: uint256, word: bytes32, proof: IRollup.FieldProof):
    """
    @notice Keep the field's value after final batch n, newer than the one kept.
    @param n A batch that became final at most MAX_AGE seconds ago.
    @param word The value.
    @param proof As `oyez prove` prints it.
    """
    assert n > self.batch, "ballot: not newer"
    self._check_age(n)
    assert staticcall ROLLUP.verify_field(
        n, ACTION_ID, SHARED, INDEX, NAME_HASH, TYPE_HASH, word, proof
    ), "ballot: proof does not hold"

    self.batch = n
    self.count = convert(word, uint256)

    log CountRecorded(batch=n, count=convert(word, uint256))


@view
@external
def fresh_count() -> uint256:
    """
    @notice The count kept, for whoever acts on it; reverts once its root is too old.
    @return The count.
    """
    assert self.batch > 0, "ballot: nothing recorded"
    self._check_age(self.batch)
    return self.count


@internal
@view
def _check_age(n: uint256):
    """
    @dev The Rollup reverts for a batch that is not final.
    """
    assert block.timestamp - staticcall ROLLUP.finalized_at(n) <= MAX_AGE, "ballot: root too old"
