# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Inbox
@notice Fixes the order of calls and cuts them into batches, so that a batch has exactly one content.
        Anyone submits; the sequencer, or anyone after a while, closes; Rollup settles fees.
        Nothing that arrives here can stop a batch: what cannot run ends REJECTED, and is paid.
@dev Balance >= escrow + credits always; what exceeds them (surge, forced ether) anyone may burn.
     Trusts Rollup to settle each batch once, and ActionRegistry's terms.
"""
from contracts import constants as c
from contracts.interfaces import IActionRegistry
from contracts.interfaces import IInbox
from contracts.interfaces import IRollup
from contracts.modules import bucket
from contracts.modules import codec
from contracts.modules import queue

implements: IInbox
initializes: queue
initializes: bucket
# how far the queue has come
exports: (queue.open_batch, queue.call_count)
# the books
exports: (bucket.escrow, bucket.total_credits)

# [a-z0-9_.-], one bit a byte value
NAME_BYTES: constant(uint256) = (
    (2**26 - 1) * 2**97 + (2**10 - 1) * 2**48 + 2**95 + 2**46 + 2**45
)

ACTIONS: immutable(IActionRegistry)
ROLLUP: immutable(IRollup)
MAX_BATCH_WORK: immutable(uint256)
MAX_BATCH_SECONDS: immutable(uint256)
MIN_BATCH_SECONDS: immutable(uint256)

# batch => hash; written once, at its closing
batch_hashes: HashMap[uint256, bytes32]
# batch => first_call 48 | count 16 | opened_at 40 | closed_at 40 | work 48; written with the hash
headers: HashMap[uint256, uint256]
# owner => wei to withdraw
credit: reentrant(public(HashMap[address, uint256]))


@deploy
def __init__(
    actions: address,
    rollup: address,
    max_batch_work: uint256,
    leak_per_second: uint256,
    max_batch_seconds: uint256,
    min_batch_seconds: uint256,
):
    """
    @param actions ActionRegistry.
    @param rollup Rollup, deployed next: it checks the link back.
    @param max_batch_work Work of a batch and burst of the bucket.
    @param leak_per_second Work per second that the bucket lets out.
    @param max_batch_seconds Age of its first entry at which anyone may close a batch.
    @param min_batch_seconds Age of its first entry at which the sequencer may.
    """
    assert actions.is_contract, "inbox: actions has no code"
    assert max_batch_work >= c.BUCKET_STEPS and max_batch_work < 2**32, "inbox: batch work"
    assert leak_per_second > 0 and leak_per_second < 2**32, "inbox: leak"
    assert min_batch_seconds <= max_batch_seconds, "inbox: min above max seconds"
    ACTIONS = IActionRegistry(actions)
    ROLLUP = IRollup(rollup)
    MAX_BATCH_WORK = max_batch_work
    MAX_BATCH_SECONDS = max_batch_seconds
    MIN_BATCH_SECONDS = min_batch_seconds
    queue.__init__()
    bucket.__init__(max_batch_work, leak_per_second)


# --- ANYONE ---


@external
@payable
@reentrant  # calls a view alone, and withdraw has written all it writes before it pays
def submit(
    action_id: bytes32,
    cell: Bytes[c.MAX_CELL_BYTES],
    input: Bytes[c.MAX_INPUT_BYTES],
    manifest_hash: bytes32,
    amount: uint256,
) -> uint256:
    """
    @notice Queue a call. What is paid above the fee is credited to the caller.
    @custom:rule INBOX-1
    @param action_id The action.
    @param cell Its cell's name for a NAMED action, else empty.
    @param input The call's text, at most what the action takes.
    @param manifest_hash The manifest the caller expects, or zero for the current one.
    @param amount The entry's value in wei: 0, until there is a Treasury.
    @return The call's id.
    """
    terms: IActionRegistry.Terms = staticcall ACTIONS.terms(action_id)
    assert amount == 0, "inbox: amount without treasury"
    assert (
        manifest_hash == empty(bytes32) or manifest_hash == terms.manifest_hash
    ), "inbox: manifest not expected one"
    if terms.cell_kind == c.CELL_NAMED:
        self._check_name(cell)
    else:
        assert len(cell) == 0, "inbox: this action has no names"
    work: uint256 = self._compute_work(terms, len(input))
    books: bucket.Bucket = bucket._load_drained()
    escrowed: uint256 = 0
    surge: uint256 = 0
    escrowed, surge = bucket._price(books.level, work)
    fee: uint256 = unsafe_add(escrowed, surge)  # both below 2**128
    assert msg.value >= fee, "inbox: fee too low"

    open: queue.OpenBatch = queue._load()
    if open.count > 0 and (
        open.count == c.MAX_BATCH_ENTRIES
        or unsafe_add(open.work, work) > MAX_BATCH_WORK
        or unsafe_add(open.output_bytes, terms.output_bytes) > c.MAX_BATCH_OUTPUT_BYTES
        # an old one too: else a call a block would keep it open
        or (block.timestamp - open.opened_at >= MAX_BATCH_SECONDS and block.number > open.last_block)
    ):
        self._close(open)
        open = self._next(open)
    call_id: uint256 = open.first_call + open.count
    entry: bytes32 = codec._entry_hash(
        call_id,
        block.timestamp,
        msg.sender,
        amount,
        fee,
        action_id,
        terms.manifest_hash,
        keccak256(cell),
        keccak256(input),
    )

    # none of these sums overflows 256 bits: fees and all the ether there is are far below
    books.level = unsafe_add(books.level, work)
    books.escrow = unsafe_add(books.escrow, escrowed)
    excess: uint256 = unsafe_sub(msg.value, fee)  # fee <= msg.value, above
    if excess > 0:
        books.credits = unsafe_add(books.credits, excess)
        # a chain with made-up ether must not spill into the word's neighbours; the sum, so that
        # settle, which moves from one to the other, can never fail
        assert unsafe_add(books.escrow, books.credits) <= c.M88, "inbox: more ether than there is"
        self.credit[msg.sender] = unsafe_add(self.credit[msg.sender], excess)
    bucket._store(books)
    queue._append(open.count, entry)
    if open.count == 0:
        open.opened_at = block.timestamp
    # within a batch's bounds: it was just closed otherwise
    open.count = unsafe_add(open.count, 1)
    open.last_block = block.number
    open.output_bytes = unsafe_add(open.output_bytes, terms.output_bytes)
    open.work = unsafe_add(open.work, work)
    queue._store(open)

    log IInbox.CallQueued(
        call_id=call_id,
        batch=open.number,
        action_id=action_id,
        kind=c.ENTRY_CALL,
        caller=msg.sender,
        value=amount,
        fee=fee,
        manifest_hash=terms.manifest_hash,
        timestamp=block.timestamp,
        cell=cell,
        input=input,
    )
    return call_id


@external
@reentrant  # as submit
def close_batch():
    """
    @notice Close the open batch: anyone once it is old, its sequencer earlier while it has a stake.
    @custom:rule INBOX-7
    """
    open: queue.OpenBatch = queue._load()
    assert open.count > 0, "inbox: no entries to close"
    age: uint256 = unsafe_sub(block.timestamp, open.opened_at)  # opened in an earlier block or now
    if age < MAX_BATCH_SECONDS:
        assert msg.sender == staticcall ROLLUP.live_sequencer(), "inbox: too early to close"
        assert age >= MIN_BATCH_SECONDS, "inbox: sequencer too early"

    self._close(open)
    queue._begin(open)


@external
def withdraw(to: address):
    """
    @notice Pay the caller's whole credit to any address.
    @custom:rule INBOX-10
    @param to Who receives it; if it refuses, nothing happens.
    """
    amount: uint256 = self.credit[msg.sender]
    assert amount > 0, "inbox: no credit"

    self.credit[msg.sender] = 0
    books: bucket.Bucket = bucket._load()
    books.credits -= amount
    bucket._store(books)

    log IInbox.CreditWithdrawn(owner=msg.sender, to=to, amount=amount)

    raw_call(to, b"", value=amount, max_outsize=0)


@external
def burn():
    """
    @notice Burn what the balance exceeds escrow and credits by: surge, and ether forced in. Nobody
            earns the surge, else the sequencer could shut the inbox for free.
    @custom:rule INBOX-11
    """
    books: bucket.Bucket = bucket._load()
    amount: uint256 = self.balance - books.escrow - books.credits
    assert amount > 0, "inbox: nothing to burn"

    log IInbox.SurgeBurned(amount=amount)

    raw_call(c.GRAVE, b"", value=amount, max_outsize=0)


# --- ROLLUP ---


@external
def settle(n: uint256, proposer: address):
    """
    @notice Credit a final batch's escrowed fees to whoever proposed it, rejected calls included.
    @custom:rule INBOX-9
    @param n A batch that became final just now.
    @param proposer Of the final assertion, slashed or not.
    """
    assert msg.sender == ROLLUP.address, "inbox: rollup only"
    header: uint256 = self.headers[n]
    assert header != 0, "inbox: batch not closed"
    amount: uint256 = (
        c.BASE_FEE_WEI * ((header >> 128) & c.M16) + c.PRICE_WEI_PER_WORK * (header & c.M48)
    )

    books: bucket.Bucket = bucket._load()
    books.escrow -= amount
    books.credits += amount
    bucket._store(books)
    self.credit[proposer] += amount

    log IInbox.FeesSettled(batch=n, proposer=proposer, amount=amount)


# --- VIEWS ---


@view
@reentrant
@external
def quote(action_id: bytes32, input_bytes: uint256) -> uint256:
    """
    @notice The fee of a call submitted now; reverts as `submit` would while the inbox is busy.
    @param action_id The action.
    @param input_bytes Length of the input.
    @return Wei.
    """
    terms: IActionRegistry.Terms = staticcall ACTIONS.terms(action_id)
    books: bucket.Bucket = bucket._load_drained()
    escrowed: uint256 = 0
    surge: uint256 = 0
    escrowed, surge = bucket._price(books.level, self._compute_work(terms, input_bytes))
    return escrowed + surge


@view
@reentrant
@external
def batch(n: uint256) -> IInbox.Batch:
    """
    @notice A batch: closed ones have a hash, the open one has none yet.
    @param n From 1.
    @return All zero but first_call for a batch that does not exist.
    """
    batch_hash: bytes32 = self.batch_hashes[n]
    if batch_hash == empty(bytes32):
        open: queue.OpenBatch = queue._load()
        if n != open.number:
            return empty(IInbox.Batch)
        return IInbox.Batch(
            batch_hash=batch_hash,
            first_call=open.first_call,
            count=open.count,
            opened_at=open.opened_at,
            work=open.work,
        )
    header: uint256 = self.headers[n]
    return IInbox.Batch(
        batch_hash=batch_hash,
        first_call=header >> 144,
        count=(header >> 128) & c.M16,
        opened_at=(header >> 88) & c.M40,
        work=header & c.M48,
    )


@view
@reentrant
@external
def actions() -> address:
    """
    @notice The ActionRegistry.
    @return Its address.
    """
    return ACTIONS.address


@view
@reentrant
@external
def rollup() -> address:
    """
    @notice The Rollup.
    @return Its address.
    """
    return ROLLUP.address


@view
@reentrant
@external
def messenger() -> address:
    """
    @notice Who may append entries of kinds 2 to 4: nobody, until the attested profile exists.
    @return Zero.
    """
    return empty(address)


@view
@reentrant
@external
def max_batch_work() -> uint256:
    """
    @notice Work of a batch, and burst of the bucket.
    @return Work.
    """
    return MAX_BATCH_WORK


@view
@reentrant
@external
def max_batch_seconds() -> uint256:
    """
    @notice Age of its first entry at which anyone may close a batch.
    @return Seconds.
    """
    return MAX_BATCH_SECONDS


@view
@reentrant
@external
def min_batch_seconds() -> uint256:
    """
    @notice Age of its first entry at which the sequencer may close a batch.
    @return Seconds.
    """
    return MIN_BATCH_SECONDS


# --- INTERNAL ---


@internal
@pure
def _check_name(cell: Bytes[c.MAX_CELL_BYTES]):
    """
    @dev The cell of a NAMED action has 1 to 64 of [a-z0-9_.-]. 220 gas a byte.
         # rule: INBOX-2
    """
    assert len(cell) > 0, "inbox: this action needs a name"
    for i: uint256 in range(len(cell), bound=c.MAX_CELL_BYTES):
        byte: uint256 = convert(slice(cell, i, 1), uint256)
        assert (NAME_BYTES >> byte) & 1 == 1, "inbox: name not of a-z0-9_.-"


@internal
@view
def _compute_work(terms: IActionRegistry.Terms, input_bytes: uint256) -> uint256:
    """
    @dev Positions the call can take, times the model's cost of one.
         # rule: INBOX-3
    """
    assert input_bytes <= terms.max_input, "inbox: input too long"
    work: uint256 = terms.position_cost * min(terms.context, terms.fixed_positions + input_bytes)
    assert work <= MAX_BATCH_WORK, "inbox: call above a batch's work"
    return work


@internal
def _close(open: queue.OpenBatch):
    """
    @dev Close a batch that has entries. A later block than the last entry's: then nobody knew its
         prevrandao, hence the seed, when he submitted.
         # rule: INBOX-6
    """
    assert block.number > open.last_block, "inbox: full until the next block"
    root: bytes32 = queue._root(open.count)
    batch_hash: bytes32 = codec._batch_hash(
        open.number, open.first_call, open.count, open.opened_at, block.prevrandao, root
    )

    self.batch_hashes[open.number] = batch_hash
    self.headers[open.number] = (
        (open.first_call << 144)
        | (open.count << 128)
        | (open.opened_at << 88)
        | (block.timestamp << 48)
        | open.work
    )

    log IInbox.BatchClosed(
        batch=open.number,
        batch_hash=batch_hash,
        first_call=open.first_call,
        count=open.count,
        opened_at=open.opened_at,
        prevrandao=block.prevrandao,
        entries_root=root,
        closed_by=msg.sender,
    )


@internal
@pure
def _next(open: queue.OpenBatch) -> queue.OpenBatch:
    return queue.OpenBatch(
        number=open.number + 1,
        first_call=open.first_call + open.count,
        count=0,
        opened_at=0,
        last_block=0,
        output_bytes=0,
        work=0,
    )
