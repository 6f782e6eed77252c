# pragma version 0.4.3
"""
@title Assertions and the append-only log of final roots, with all reads of them
@notice Written by Rollup alone, which exports the views. None of them can be paused, and none reads
        a root of a batch that is not final.
"""
from contracts import constants as c
from contracts.interfaces import IInbox
from contracts.interfaces import IRollup
from contracts.modules import codec
from contracts.modules import forks
from contracts.modules import merkle

uses: forks


struct Record:
    parent: bytes32
    state_root: bytes32
    outbox_root: bytes32
    receipts_root: bytes32
    word: uint256  # proposer 160 | batch 32 | time 32 | attested 1 | allowance 23 | status 8


INBOX: immutable(IInbox)

# assertion id => record; its word's time is the proposal's, and finality's once FINAL
records: HashMap[bytes32, Record]
# batch => final assertion; append-only
finals: HashMap[uint256, bytes32]
# the last final batch; 0 is genesis
head: public(uint256)


@deploy
def __init__(inbox: address):
    """
    @dev Batch 0 is genesis, FINAL from the start.
    @param inbox Inbox.
    """
    INBOX = IInbox(inbox)
    genesis: bytes32 = codec._genesis_id()
    self.finals[0] = genesis
    self.records[genesis] = Record(
        parent=empty(bytes32),
        state_root=empty(bytes32),
        outbox_root=codec._outbox_root(0, merkle._empty_root(c.OUTBOX_HEIGHT)),
        receipts_root=merkle._empty_root(c.RECEIPTS_HEIGHT),
        word=(block.timestamp << 32) | c.STATUS_FINAL,
    )


# --- The log of final roots ---

@view
@external
def final_id(n: uint256) -> bytes32:
    """
    @notice The final assertion of a batch.
    @param n The batch.
    @return Its id, or zero while there is none.
    """
    return self.finals[n]


@view
@external
def state_root(n: uint256) -> bytes32:
    """
    @notice The state after a final batch; reverts for any other, since 0 is the empty state's root.
    @param n The batch.
    @return Root of the compact sparse tree.
    """
    return self.records[self._final(n)].state_root


@view
@external
def outbox_root(n: uint256) -> bytes32:
    """
    @notice The messages up to a final batch; reverts for any other.
    @param n The batch.
    @return H(OUTBOX, count, root).
    """
    return self.records[self._final(n)].outbox_root


@view
@external
def receipts_root(n: uint256) -> bytes32:
    """
    @notice The receipts of a final batch; reverts for any other.
    @param n The batch.
    @return Root of the 8-level tree.
    """
    return self.records[self._final(n)].receipts_root


@view
@external
def finalized_at(n: uint256) -> uint256:
    """
    @notice When a batch became final; reverts for one that is not.
    @param n The batch.
    @return Unix seconds.
    """
    return (self.records[self._final(n)].word >> 32) & c.M32


# --- Proofs against it ---


@view
@external
def verify_field(
    n: uint256,
    action_id: bytes32,
    k: bytes32,
    index: uint256,
    name_hash: bytes32,
    type_hash: bytes32,
    word: bytes32,
    proof: IRollup.FieldProof,
) -> bool:
    """
    @notice Whether a cell's field had this value after a final batch. 21k gas at 20 levels.
    @custom:rule ROLLUP-12
    @param n The batch; false while it is not final.
    @param action_id The action.
    @param k 0 for a shared cell, the caller for his own, keccak256 of a name.
    @param index The field's place in the manifest.
    @param name_hash keccak256 of its name.
    @param type_hash keccak256 of its type's descriptor.
    @param word int or bool as int256; keccak256 of a string's or an option's bytes.
    @param proof As `oyez prove` prints it.
    @return True iff the proof folds to the state root.
    """
    id: bytes32 = self.finals[n]
    if id == empty(bytes32) or index >= c.MAX_FIELDS:
        return False
    key: bytes32 = codec._cell_key(action_id, k)
    leaf: bytes32 = codec._field_leaf(index, name_hash, type_hash, word)
    fields_root: bytes32 = merkle._fold_fields(leaf, index, proof.field_siblings)
    cell: bytes32 = codec._cell_leaf(key, proof.manifest_hash, fields_root, proof.version)
    return merkle._fold_key(key, cell, proof.siblings) == self.records[id].state_root


@view
@external
def verify_absent(
    n: uint256, action_id: bytes32, k: bytes32, proof: IRollup.AbsenceProof
) -> bool:
    """
    @notice Whether a cell did not exist after a final batch: its fields had their initial values.
    @custom:rule ROLLUP-13
    @param n The batch; false while it is not final.
    @param action_id The action.
    @param k As for `verify_field`.
    @param proof The empty place, or the other cell's leaf, found on the key's path.
    @return True iff the proof folds to the state root.
    """
    id: bytes32 = self.finals[n]
    if id == empty(bytes32):
        return False
    key: bytes32 = codec._cell_key(action_id, k)
    leaf: bytes32 = empty(bytes32)
    if proof.other_version != 0:
        # a leaf stands where the key would: its own key begins with the same bits
        unused: uint256 = c.KEY_BITS - len(proof.siblings)
        if (
            proof.other_key == key
            or convert(proof.other_key, uint256) >> unused != convert(key, uint256) >> unused
        ):
            return False
        leaf = codec._cell_leaf(
            proof.other_key, proof.other_manifest_hash, proof.other_fields_root, proof.other_version
        )
    return merkle._fold_key(key, leaf, proof.siblings) == self.records[id].state_root


@view
@external
def verify_receipt(
    n: uint256, receipt: IRollup.Receipt, siblings: bytes32[c.RECEIPTS_HEIGHT]
) -> bool:
    """
    @notice Whether a call of a final batch ended like this.
    @custom:rule ROLLUP-9
    @param n The batch; false while it is not final.
    @param receipt All of it.
    @param siblings From the leaf upwards; leaves stand in call order.
    @return True iff the proof folds to the receipts root.
    """
    id: bytes32 = self.finals[n]
    batch: IInbox.Batch = staticcall INBOX.batch(n)
    if id == empty(bytes32) or not self._holds(batch, receipt.call_id):
        return False
    leaf: bytes32 = codec._receipt_leaf(receipt)
    root: bytes32 = merkle._fold_receipts(leaf, receipt.call_id - batch.first_call, siblings)
    return root == self.records[id].receipts_root


@view
@external
def finality(call_id: uint256, n: uint256) -> uint256:
    """
    @notice How far a call has come.
    @custom:rule ROLLUP-16
    @param call_id The call.
    @param n The batch that its CallQueued names.
    @return 0 UNKNOWN (no such call in that batch), 1 QUEUED, 2 POSTED (the next batch to be final,
            with a living assertion; `posted` answers for later ones), 3 FINAL.
    """
    if not self._holds(staticcall INBOX.batch(n), call_id):
        return c.FINALITY_UNKNOWN
    if n <= self.head:
        return c.FINALITY_FINAL
    if n == self.head + 1 and forks._count_living(self.finals[n - 1]) > 0:
        return c.FINALITY_POSTED
    return c.FINALITY_QUEUED


@view
@external
def posted(path: DynArray[bytes32, c.MAX_PATH]) -> bool:
    """
    @notice Whether a chain of assertions stands on the head, each PENDING: then the batch len(path)
            after the head is posted.
    @custom:rule ROLLUP-17
    @param path Ids, the head's child first.
    @return False also for an empty path.
    """
    parent: bytes32 = self.finals[self.head]
    for id: bytes32 in path:
        if self.records[id].parent != parent:
            return False
        if self.records[id].word & c.M8 != c.STATUS_PENDING:
            return False
        parent = id
    return len(path) > 0


# --- Assertions ---


@view
@external
def assertion(id: bytes32) -> IRollup.Assertion:
    """
    @notice All that is stored of an assertion; trace root and attempt are in its id.
    @param id The assertion.
    @return Status 0 if there is none.
    """
    record: Record = self.records[id]
    return IRollup.Assertion(
        parent=record.parent,
        state_root=record.state_root,
        outbox_root=record.outbox_root,
        receipts_root=record.receipts_root,
        proposer=convert(record.word >> 96, address),
        batch=(record.word >> 64) & c.M32,
        created_at=(record.word >> 32) & c.M32,
        allowance=(record.word >> 8) & c.M23,
        status=record.word & c.M8,
    )


@view
@external
def status(id: bytes32) -> uint256:
    """
    @notice What became of an assertion.
    @param id The assertion.
    @return 0 NONE, 1 PENDING, 2 FINAL, 3 DEFEATED, 4 VOID.
    """
    return self.records[id].word & c.M8


# --- INTERNAL ---


@internal
@view
def _final(n: uint256) -> bytes32:
    assert n <= self.head, "rollup: batch not final"
    return self.finals[n]


@internal
@pure
def _holds(batch: IInbox.Batch, call_id: uint256) -> bool:
    return call_id >= batch.first_call and call_id - batch.first_call < batch.count


@internal
def _put(id: bytes32, status: uint256):
    """
    @dev Change an assertion's status alone.
    """
    self.records[id].word = (self.records[id].word & ~c.M8) | status


@internal
def _void(id: bytes32) -> uint256:
    """
    @dev Void a PENDING child of a dead parent; return its word. O(1): each of a dead branch is
         voided by a call of its own, in order, and no other step waits for it.
         # rule: ROLLUP-21
    """
    word: uint256 = self.records[id].word
    assert word & c.M8 == c.STATUS_PENDING, "rollup: nothing to void"
    parent_status: uint256 = self.records[self.records[id].parent].word & c.M8
    assert (
        parent_status == c.STATUS_DEFEATED or parent_status == c.STATUS_VOID
    ), "rollup: parent not dead"

    self._put(id, c.STATUS_VOID)
    return word
