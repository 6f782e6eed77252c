# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Rollup
@notice Assertions about batches, the stakes behind them, and the append-only log of final roots.
        The sequencer proposes; anyone finalizes what stood undisputed for the challenge window;
        anyone reads fields and receipts by proof. Nobody owns a parameter, nothing is paused.
@dev Balance >= stakes + credits always; what exceeds them (slashed, or forced in) anyone may burn.
     Trusts Inbox for batches.
     Any staker may post a sibling of a living child; which of them lies only DuelGame decides.
     It is the zero address until duels exist: then nothing is defeated, and a fork stays open.
"""
from contracts import constants as c
from contracts.interfaces import IActionRegistry
from contracts.interfaces import IInbox
from contracts.interfaces import IModelRegistry
from contracts.interfaces import IRollup
from contracts.modules import assertions
from contracts.modules import codec
from contracts.modules import credits
from contracts.modules import attestations
from contracts.modules import forks
from contracts.modules import stakes
from contracts.modules import trace

implements: IRollup
initializes: forks
initializes: assertions[forks := forks]
initializes: attestations[assertions := assertions]
initializes: stakes
initializes: credits[stakes := stakes]
initializes: trace
# the log of final roots
exports: (
    assertions.head,
    assertions.final_id,
    assertions.state_root,
    assertions.outbox_root,
    assertions.receipts_root,
    assertions.finalized_at,
)
# what an enclave signed
exports: (attestations.attest, attestations.attested)
# proofs against it
exports: (assertions.verify_field, assertions.verify_absent, assertions.verify_receipt)
# what became of a call, of an assertion
exports: (
    assertions.finality,
    assertions.posted,
    assertions.assertion,
    assertions.status,
)
# who stands behind it
exports: (stakes.stake, stakes.total_stakes)
# what it owes, and what it owes nobody
exports: (credits.credit, credits.total_credits, credits.withdraw, credits.burn)

SEQUENCER_GRACE: immutable(uint256)
# seconds after its opening in which only the sequencer may propose a batch first
FIRST_CHILD_SECONDS: immutable(uint256)

# who may be first child of a batch; handed over only by itself
sequencer: reentrant(public(address))


@deploy
def __init__(
    inbox: address,
    game: address,
    sequencer: address,
    challenge_window: uint256,
    response_window: uint256,
    sequencer_grace: uint256,
    stake: uint256,
    enclave_registry: address,
    needs_enclave: bool,
):
    """
    @param inbox Inbox, deployed before; it must name this address.
    @param game DuelGame; zero until duels exist.
    @param sequencer First to propose each batch.
    @param challenge_window Seconds T an assertion stands before it can be final.
    @param response_window Seconds D, all an honest party's own time in one fork.
    @param sequencer_grace Seconds after a batch's longest opening before anyone may propose it.
    @param stake Wei.
    @param enclave_registry Registry of enclaves' keys; zero, and nothing is attested.
    @param needs_enclave Whether the sequencer is first only with what an enclave signed.
    """
    assert sequencer != empty(address), "rollup: no sequencer"
    forks.__init__(challenge_window)
    assert response_window < challenge_window, "rollup: response above window"
    assert staticcall IInbox(inbox).rollup() == self, "rollup: inbox names another"
    actions: address = staticcall IInbox(inbox).actions()
    models: address = staticcall IActionRegistry(actions).models()
    assert (
        staticcall IModelRegistry(models).curator() == empty(address)
        or staticcall IModelRegistry(models).delay() >= challenge_window
    ), "rollup: models change too fast"
    SEQUENCER_GRACE = sequencer_grace
    FIRST_CHILD_SECONDS = staticcall IInbox(inbox).max_batch_seconds() + sequencer_grace
    stakes.__init__(stake, response_window)
    credits.__init__(game)
    trace.__init__()
    assertions.__init__(inbox)
    attestations.__init__(enclave_registry, needs_enclave)

    self.sequencer = sequencer


# --- STAKERS ---


@external
@payable
def deposit_stake():
    """
    @notice Put up a stake: exactly its amount, one an address.
    """
    stakes._deposit(msg.sender, msg.value)


@external
def request_withdrawal():
    """
    @notice Begin to withdraw a stake that has no pending proposal and no championship.
    """
    stakes._request(msg.sender)


@external
def cancel_withdrawal():
    """
    @notice Arm the stake again at once.
    """
    stakes._cancel(msg.sender)


@external
def withdraw_stake(to: address):
    """
    @notice Pay the stake out, a response window after its request.
    @param to Who receives it; if it refuses, nothing happens.
    """
    stakes._withdraw(msg.sender)

    raw_call(to, b"", value=stakes.AMOUNT, max_outsize=0)


@external
def step_down(path: DynArray[bytes32, c.MAX_PATH]):
    """
    @notice Move the caller's tip along PENDING children, so that its stake, not free, may follow a
            branch on which others proposed too. 5k gas a step.
    @custom:rule ROLLUP-22
    @param path Ids, a child of the tip first.
    """
    assert len(path) > 0, "rollup: no step"
    tip: bytes32 = stakes.tips[msg.sender]
    assert assertions.records[tip].word & c.M8 == c.STATUS_PENDING, "rollup: tip not pending"
    for id: bytes32 in path:
        assert assertions.records[id].parent == tip, "rollup: not a child of the tip"
        assert assertions.records[id].word & c.M8 == c.STATUS_PENDING, "rollup: step not pending"
        tip = id

    stakes.tips[msg.sender] = tip

    log IRollup.TipMoved(staker=msg.sender, tip=tip)


@external
def propose(
    parent: bytes32,
    attempt: uint256,
    batch_hash: bytes32,
    claim: IRollup.Claim,
    last_record_proof: bytes32[c.OUTER_HEIGHT],
    batch_data: Bytes[c.MAX_BATCH_DATA_BYTES],
) -> bytes32:
    """
    @notice Assert the roots after the batch that follows parent's. Its id binds all but the data.
    @custom:rule ROLLUP-8
    @param parent The final head or a PENDING assertion; on one without a living child the
           sequencer is first, for a time.
    @param attempt 0, or k where the same content's attempt k - 1 was DEFEATED.
    @param batch_hash The batch meant: after a re-org the same bytes must not speak of another.
    @param claim The roots.
    @param last_record_proof Siblings of the trace's last record, from the leaf upwards.
    @param batch_data One row a call; never checked here, readers accept it iff it hashes to the roots.
    @return The assertion's id.
    """
    parent_word: uint256 = assertions.records[parent].word
    parent_status: uint256 = parent_word & c.M8
    n: uint256 = ((parent_word >> 64) & c.M32) + 1
    assert (
        parent_status == c.STATUS_PENDING
        or (parent_status == c.STATUS_FINAL and n == assertions.head + 1)
    ), "rollup: parent past or unknown"
    batch: IInbox.Batch = staticcall assertions.INBOX.batch(n)
    assert batch.batch_hash != empty(bytes32), "rollup: batch not closed"
    assert batch.batch_hash == batch_hash, "rollup: another batch"
    id: bytes32 = codec._assertion_id(parent, attempt, n, batch_hash, claim)
    assert assertions.records[id].word == 0, "rollup: already proposed"
    assert trace._fold_last_record(claim, last_record_proof) == claim.trace_root, "rollup: last record"
    if attempt > 0:
        earlier: bytes32 = codec._assertion_id(parent, attempt - 1, n, batch_hash, claim)
        assert (
            assertions.records[earlier].word & c.M8 == c.STATUS_DEFEATED
        ), "rollup: earlier attempt lives"

    is_due: bool = False
    if forks._count_living(parent) == 0:
        is_due = self._check_first(parent, batch.opened_at)
    flag: uint256 = attestations._flag(id, is_due)

    allowance: uint256 = forks._join(parent)
    stakes._bind(msg.sender, parent, id)
    assertions.records[id] = assertions.Record(
        parent=parent,
        state_root=claim.state_root,
        outbox_root=claim.outbox_root,
        receipts_root=claim.receipts_root,
        word=(convert(msg.sender, uint256) << 96)
        | (n << 64)
        | (block.timestamp << 32)
        | flag
        | (allowance << 8)
        | c.STATUS_PENDING,
    )

    log IRollup.AssertionProposed(
        assertion_id=id,
        parent=parent,
        batch=n,
        proposer=msg.sender,
        attempt=attempt,
        trace_root=claim.trace_root,
        state_root=claim.state_root,
        outbox_root=claim.outbox_root,
        receipts_root=claim.receipts_root,
        batch_data=batch_data,
    )
    return id


# --- SEQUENCER ---


@external
def transfer_sequencer(to: address):
    """
    @notice Hand the sequencer's place over; nobody else can take it.
    @custom:rule ROLLUP-15
    @param to Its next holder.
    """
    assert msg.sender == self.sequencer, "rollup: sequencer only"
    assert to != empty(address), "rollup: sequencer to nobody"

    self.sequencer = to

    log IRollup.SequencerTransferred(previous=msg.sender, next=to)


# --- ANYONE ---


@external
def finalize(id: bytes32):
    """
    @notice Make an assertion final once it alone lives and its fork is closed; pays its proposer,
            slashed or not.
    @custom:rule ROLLUP-10
    @param id A PENDING child of the head.
    """
    word: uint256 = assertions.records[id].word
    parent: bytes32 = assertions.records[id].parent
    n: uint256 = assertions.head + 1
    assert word & c.M8 == c.STATUS_PENDING, "rollup: not pending"
    assert assertions.finals[n - 1] == parent, "rollup: parent not the head"
    forks._check_won(parent, (word >> 32) & c.M32)
    proposer: address = convert(word >> 96, address)

    assertions.head = n
    assertions.finals[n] = id
    flag: uint256 = word & c.ATTESTED
    assertions.records[id].word = (word & ~c.M64) | (block.timestamp << 32) | flag | c.STATUS_FINAL
    stakes._release(proposer)

    log IRollup.AssertionFinalized(assertion_id=id, batch=n)

    extcall assertions.INBOX.settle(n, proposer)


@external
def mark_void(id: bytes32):
    """
    @notice Void a descendant of a DEFEATED assertion, and release its proposer's stake from it.
    @custom:rule ROLLUP-21
    @param id PENDING, its parent DEFEATED or VOID.
    """
    word: uint256 = assertions._void(id)
    stakes._release(convert(word >> 96, address))

    log IRollup.AssertionVoided(assertion_id=id, batch=(word >> 64) & c.M32)


# --- DUEL GAME ---


@external
def defeat(id: bytes32):
    """
    @notice Strike an assertion that lost, and slash its proposer once: a quarter is credited to the
            game for move pay, the rest is left to `burn`. Its descendants can never be final.
    @custom:rule ROLLUP-11
    @param id A PENDING assertion; a moot duel defeats nobody.
    """
    assert msg.sender == credits.GAME, "rollup: game only"
    word: uint256 = assertions.records[id].word
    assert word & c.M8 == c.STATUS_PENDING, "rollup: nothing to defeat"

    assertions._put(id, c.STATUS_DEFEATED)
    forks._leave(assertions.records[id].parent, (word >> 32) & c.M32)

    log IRollup.AssertionDefeated(assertion_id=id, batch=(word >> 64) & c.M32)

    self._slash(convert(word >> 96, address))


@external
def lock(staker: address, id: bytes32):
    """
    @notice Put a stake behind one side of a duel. It may still propose: championships bind nobody.
    @custom:rule ROLLUP-25
    @param staker The champion.
    @param id A PENDING assertion; of a fork a stake champions no other.
    """
    assert msg.sender == credits.GAME, "rollup: only the game locks"
    assert assertions.records[id].word & c.M8 == c.STATUS_PENDING, "rollup: nothing to champion"

    stakes._lock(staker, assertions.records[id].parent, id)


@external
def unlock(staker: address):
    """
    @notice Take a stake back from a duel that is over; never reverts for a slashed one.
    @param staker The champion.
    """
    assert msg.sender == credits.GAME, "rollup: only the game unlocks"

    stakes._unlock(staker)


@external
def slash(staker: address):
    """
    @notice Slash a beaten champion, once; its assertions stay, for duels to judge.
    @custom:rule ROLLUP-7
    @param staker The champion; one slashed before loses nothing more.
    """
    assert msg.sender == credits.GAME, "rollup: only the game slashes"

    self._slash(staker)


# --- VIEWS ---


@view
@reentrant
@external
def sequencer_live() -> bool:
    """
    @notice Whether the sequencer has a stake that was not slashed.
    @return True iff it has.
    """
    return stakes._is_live(self.sequencer)


@view
@reentrant
@external
def live_sequencer() -> address:
    """
    @notice The sequencer, or nobody while it has no stake.
    @return Its address, or zero.
    """
    holder: address = self.sequencer
    return holder if stakes._is_live(holder) else empty(address)


@view
@reentrant
@external
def settings() -> IRollup.Settings:
    """
    @notice What the constructor fixed for ever.
    @return Links, periods in seconds, the stake in wei, and what enclaves are to it.
    """
    return IRollup.Settings(
        inbox=assertions.INBOX.address,
        game=credits.GAME,
        challenge_window=forks.WINDOW,
        response_window=stakes.DELAY,
        sequencer_grace=SEQUENCER_GRACE,
        stake=stakes.AMOUNT,
        enclaves=attestations.ENCLAVES.address,
        needs_enclave=attestations.NEEDS_ENCLAVE,
    )


# --- INTERNAL ---


@internal
@view
def _check_first(parent: bytes32, opened_at: uint256) -> bool:
    """
    @dev Who may be first: the sequencer, and others once its time is over, counted from the batch's
         own opening so that no batch before it can stretch it; or at once while the sequencer could
         not propose here: its stake is gone, or bound elsewhere. Returns whether the sequencer comes
         by that right.
         # rule: ROLLUP-18
    """
    if block.timestamp > opened_at + FIRST_CHILD_SECONDS:
        return False
    if msg.sender == self.sequencer:
        return True
    assert not stakes._may_follow(self.sequencer, parent), "rollup: sequencer proposes first"
    return False


@internal
def _slash(staker: address):
    """
    @dev Slash once: a quarter is credited to the game, which pays the moves of duels from it; the
         rest belongs to nobody from now on.
    """
    taken: uint256 = stakes._slash(staker)
    if taken == 0:
        return
    pay: uint256 = taken // c.MOVE_PAY_SHARE

    credits._add(pay)

    log IRollup.StakeSlashed(staker=staker, amount=taken, burned=taken - pay)
