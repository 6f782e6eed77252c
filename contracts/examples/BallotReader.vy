# pragma version 0.4.3
"""
@title BallotReader
@notice A consumer: keeps the newest final count of a shared ballot cell. Anyone may bring a proof;
        nobody is trusted but the Rollup's log of final roots.
@dev To pay on a count instead of keeping it, put the payment where `count` is written.
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

# final batch of the count kept; written by record
batch: public(uint256)
# value of the field after that batch; written by record
count: public(uint256)


@deploy
def __init__(
    rollup: address, action_id: bytes32, index: uint256, name_hash: bytes32, type_hash: bytes32
):
    """
    @param rollup Rollup.
    @param action_id The ballot.
    @param index Place of the counting field in its state.
    @param name_hash keccak256 of the field's name.
    @param type_hash keccak256 of its type's descriptor: an upgrade that changes it is not read.
    """
    assert rollup.is_contract, "ballot: rollup has no code"
    ROLLUP = IRollup(rollup)
    ACTION_ID = action_id
    INDEX = index
    NAME_HASH = name_hash
    TYPE_HASH = type_hash


@external
def record(n: uint256, word: bytes32, proof: IRollup.FieldProof):
    """
    @notice Keep the field's value after final batch n, newer than the one kept.
    @param n A final batch.
    @param word The value.
    @param proof As `oyez prove` prints it.
    """
    assert n > self.batch, "ballot: not newer"
    assert staticcall ROLLUP.verify_field(
        n, ACTION_ID, SHARED, INDEX, NAME_HASH, TYPE_HASH, word, proof
    ), "ballot: proof does not hold"

    self.batch = n
    self.count = convert(word, uint256)

    log CountRecorded(batch=n, count=convert(word, uint256))
