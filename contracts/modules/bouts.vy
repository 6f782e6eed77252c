# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Bouts: two opposed champions, their inner trees, one clock, one lane
@notice Part of DuelGame, which exports the externals.
"""
from contracts import constants as c
from contracts.interfaces import IDuelGame
from contracts.interfaces import IStepTable
from contracts.interfaces import IStepVerifier
from contracts.modules import champions
from contracts.modules import descent
from contracts.modules import duels
from contracts.modules import lanes

uses: duels
uses: champions

STEPS: immutable(IStepTable)

# key of a bout => hash of its state; empty while nobody has moved
bouts: HashMap[bytes32, bytes32]


@deploy
def __init__(steps: address, height: uint256):
    """
    @param steps Says which op stands at an address, and which verifier recomputes it.
    @param height Levels of an inner tree, which are the table's.
    """
    assert steps.is_contract, "duel: no step table"
    STEPS = IStepTable(steps)
    assert staticcall STEPS.inner_height() == height, "duel: steps of another height"


@external
def inner(
    duel: IDuelGame.Duel,
    a: IDuelGame.Champion,
    b: IDuelGame.Champion,
    move: IDuelGame.Move,
    children: bytes32[c.HEX],
):
    """
    @notice First move of a bout. A bout exists for every pair of opposed champions from the later
            one's commit on, without being opened.
    @custom:rule DUEL-10
    @param duel Its state, in COMMIT.
    @param a Champion of side 0.
    @param b Champion of side 1.
    @param move The two children and their paths.
    @param children Nodes that fold to the mover's child.
    """
    ka: bytes32 = empty(bytes32)
    kb: bytes32 = empty(bytes32)
    ka, kb = champions._load_champions(duels._load(duel), a, b)
    key: bytes32 = duels._pair(ka, kb)
    assert self.bouts[key] == empty(bytes32), "duel: bout begun"
    self._store_bout(key, descent._advance(self._first_state(duel, a, b), move, children), children)


@external
def advance_bout(
    ka: bytes32,
    kb: bytes32,
    state: IDuelGame.Descent,
    move: IDuelGame.Move,
    children: bytes32[c.HEX],
):
    """
    @notice A later move of a bout, as `advance`.
    @param ka Key of side 0's champion.
    @param kb Key of side 1's champion.
    @param state The bout's.
    @param move The two children and their paths.
    @param children Nodes that fold to the mover's child.
    """
    key: bytes32 = self._load_bout(ka, kb, state)
    self._store_bout(key, descent._advance(state, move, children), children)


@external
def leaf(
    ka: bytes32,
    kb: bytes32,
    state: IDuelGame.Descent,
    move: IDuelGame.Move,
    revealed: IDuelGame.Leaf,
):
    """
    @notice Choose the first leaf that differs and show the own one's 1,024 bytes; or, as the other
            side, show one's own.
    @custom:rule DUEL-11
    @param ka Key of side 0's champion.
    @param kb Key of side 1's champion.
    @param state The bout's.
    @param move The two leaves and their paths; not read in the other side's answer.
    @param revealed The mover's leaf: of the type that stands at its address, or PAD.
    """
    key: bytes32 = self._load_bout(ka, kb, state)
    assert len(revealed.raw) == c.CHUNK_BYTES, "duel: a leaf is 1,024 bytes"
    changed: IDuelGame.Descent = state
    mine: bytes32 = state.moving
    if descent._phase(state.word) == descent.LEAF:
        changed.word = descent._enter(descent._tick(state.word), descent.RESOLVABLE)
        changed.movers = descent._append_mover(state.movers)
    else:
        changed = descent._reach(state, move)
        changed.word = descent._enter(changed.word, descent.LEAF)
        mine = move.moving
    verifier: address = empty(address)
    op: uint256 = 0
    chunk_type: uint256 = 0
    verifier, op, chunk_type = staticcall STEPS.step_at(state.word >> 192, descent._index(changed.word))
    assert (
        revealed.type == chunk_type or revealed.type == c.CHUNK_PAD
    ), "duel: wrong type of leaf"
    assert lanes._hash(revealed.type, revealed.raw) == mine, "duel: not the leaf"
    # else two PAD leaves could differ, and the honest one be read as lanes
    assert revealed.type != c.CHUNK_PAD or mine == lanes.PAD_LEAF, "duel: PAD is all zeros"
    changed.leaves = keccak256(
        abi_encode(state.leaves, revealed.type, keccak256(revealed.raw))
    )

    self.bouts[key] = keccak256(abi_encode(changed))

    log IDuelGame.LeafRevealed(
        bout=key, mover=msg.sender, type=revealed.type, state=changed, raw=revealed.raw
    )


@external
def resolve(
    duel: IDuelGame.Duel,
    content: IDuelGame.Content,
    a: IDuelGame.Champion,
    b: IDuelGame.Champion,
    state: IDuelGame.Descent,
    first: IDuelGame.Leaf,
    second: IDuelGame.Leaf,
    lane: uint256,
    proof: Bytes[c.MAX_STEP_PROOF_BYTES],
):
    """
    @notice Recompute the first lane that differs; every champion that holds another value is out.
            All that comes before it is common to both, so either side's trees serve as openings: a
            party needs none but its own.
    @custom:rule DUEL-13
    @param duel Its state.
    @param content Of the sibling under whose trees `proof` opens.
    @param a Champion of side 0.
    @param b Champion of side 1.
    @param state The bout's, RESOLVABLE.
    @param first The leaf that was shown first.
    @param second The other.
    @param lane The first lane in which they differ.
    @param proof What the step reads of the trace and of the model, for the verifier.
    """
    key: bytes32 = duels._load(duel)
    duels._check_pending(duel)
    inner_root: bytes32 = a.inner_root
    opened: bytes32 = duels._id(content)
    if opened != duel.a:
        assert opened == duel.b, "duel: neither sibling"
        inner_root = b.inner_root
    ka: bytes32 = empty(bytes32)
    kb: bytes32 = empty(bytes32)
    ka, kb = champions._load_champions(key, a, b)
    assert self._load_bout(ka, kb, state) != empty(bytes32)
    assert descent._phase(state.word) == descent.RESOLVABLE, "duel: not resolvable"
    shown: bytes32 = keccak256(abi_encode(empty(bytes32), first.type, keccak256(first.raw)))
    assert (
        keccak256(abi_encode(shown, second.type, keccak256(second.raw))) == state.leaves
    ), "duel: other leaves"
    verifier: address = empty(address)
    op: uint256 = 0
    chunk_type: uint256 = 0
    verifier, op, chunk_type = staticcall STEPS.step_at(state.word >> 192, descent._index(state.word))
    held: int256[2] = self._lanes(first, second, chunk_type, lane)
    true_value: int256 = staticcall IStepVerifier(verifier).recompute(
        IStepVerifier.Step(
            outer_root=content.claim.trace_root,
            inner_root=inner_root,
            record=state.word >> 192,
            leaf=descent._index(state.word),
            lane=lane,
            op=op,
            parent=content.parent,
            batch=content.batch,
            batch_hash=content.batch_hash,
        ),
        first.raw,
        proof,
    )
    is_right: bool[2] = [held[0] == true_value, held[1] == true_value]
    if first.type != second.type and true_value == lanes.PAD:
        # the step is dead; a leaf of words is not, though it begins with 2**255
        is_right = [first.type == c.CHUNK_PAD, second.type == c.CHUNK_PAD]
    changed: IDuelGame.Descent = state
    changed.word = descent._enter(state.word, descent.RESOLVED)
    changed.movers = descent._append_mover(state.movers)
    bout: bytes32 = duels._pair(ka, kb)
    self.bouts[bout] = keccak256(abi_encode(changed))

    log IDuelGame.Resolved(
        bout=bout, resolver=msg.sender, lane=lane, lane_value=true_value, state=changed
    )

    # the leaf shown first belongs to the side on turn
    turn: uint256 = descent._turn(state.word)
    if not is_right[turn]:
        champions._put_out(key, ka, 0, a.staker, champions.BY_LANE)
    if not is_right[1 - turn]:
        champions._put_out(key, kb, 1, b.staker, champions.BY_LANE)


@external
def timeout_bout(
    duel: IDuelGame.Duel,
    a: IDuelGame.Champion,
    b: IDuelGame.Champion,
    state: IDuelGame.Descent,
):
    """
    @notice Put out the champion whose time in a bout is up, however long ago.
    @custom:rule DUEL-14
    @param duel Its state.
    @param a Champion of side 0.
    @param b Champion of side 1.
    @param state The bout's; not read while nobody has moved in it.
    """
    key: bytes32 = duels._load(duel)
    duels._check_pending(duel)
    ka: bytes32 = empty(bytes32)
    kb: bytes32 = empty(bytes32)
    ka, kb = champions._load_champions(key, a, b)
    word: uint256 = state.word
    stored: bytes32 = self.bouts[duels._pair(ka, kb)]
    if stored == empty(bytes32):
        word = self._first_state(duel, a, b).word
    else:
        assert stored == keccak256(abi_encode(state)), "duel: another state of the bout"
    assert descent._phase(word) < descent.RESOLVABLE, "duel: no clock runs"
    assert descent._is_late(word), "duel: bout not late"
    if descent._turn(word) == 0:
        champions._put_out(key, ka, 0, a.staker, champions.BY_TIME)
    else:
        champions._put_out(key, kb, 1, b.staker, champions.BY_TIME)


# --- VIEWS ---


@view
@reentrant
@external
def bout(ka: bytes32, kb: bytes32) -> bytes32:
    """
    @notice Hash of a bout's state.
    @param ka Key of side 0's champion.
    @param kb Key of side 1's champion.
    @return Zero while nobody has moved.
    """
    return self.bouts[duels._pair(ka, kb)]


# --- INTERNAL ---


@internal
@view
def _first_state(
    duel: IDuelGame.Duel, a: IDuelGame.Champion, b: IDuelGame.Champion
) -> IDuelGame.Descent:
    """
    @dev A bout before its first move: the later champion is on turn since its commit (of equals the
         greater address), each with what its side had left when it committed.
    """
    word: uint256 = duel.descent.word
    found_at: uint256 = descent._last(word)
    turn: uint256 = 0
    if b.committed_at > a.committed_at or (
        b.committed_at == a.committed_at
        and convert(b.staker, uint256) > convert(a.staker, uint256)
    ):
        turn = 1
    state: IDuelGame.Descent = IDuelGame.Descent(
        waiting=a.inner_root,
        moving=b.inner_root,
        word=descent._pack(
            descent._index(word),
            descent.DESCENT,
            turn,
            champions.LEVELS,
            max(a.committed_at, b.committed_at),
            descent._rem(word, 0) - (a.committed_at - found_at),
            descent._rem(word, 1) - (b.committed_at - found_at),
        ),
        movers=empty(bytes32),
        leaves=empty(bytes32),
    )
    if turn == 0:
        state.waiting = b.inner_root
        state.moving = a.inner_root
    return state


@internal
@view
def _load_bout(ka: bytes32, kb: bytes32, state: IDuelGame.Descent) -> bytes32:
    """
    @dev Check a bout's state and that both champions are alive; return its key.
    """
    key: bytes32 = duels._pair(ka, kb)
    assert self.bouts[key] == keccak256(abi_encode(state)), "duel: another state of a bout"
    assert champions._is_alive(ka), "duel: side 0's champion is out"
    assert champions._is_alive(kb), "duel: side 1's champion is out"
    return key


@internal
def _store_bout(key: bytes32, state: IDuelGame.Descent, children: bytes32[c.HEX]):
    self.bouts[key] = keccak256(abi_encode(state))

    log IDuelGame.Revealed(game=key, mover=msg.sender, state=state, children=children)


@internal
@pure
def _lanes(
    first: IDuelGame.Leaf, second: IDuelGame.Leaf, chunk_type: uint256, lane: uint256
) -> int256[2]:
    """
    @dev What each leaf holds in the first lane that differs. A leaf that is PAD beside one that is
         not differs from lane 0 on.
    """
    if first.type != second.type:
        assert lane == 0, "duel: they differ from lane 0 on"
        if first.type == c.CHUNK_PAD:
            return [lanes.PAD, lanes._read(second.raw, chunk_type, 0)]
        return [lanes._read(first.raw, chunk_type, 0), lanes.PAD]
    assert lane < lanes._count(chunk_type), "duel: no such lane"
    lanes._check_first(first.raw, second.raw, chunk_type, lane)
    held: int256[2] = [
        lanes._read(first.raw, chunk_type, lane), lanes._read(second.raw, chunk_type, lane)
    ]
    assert held[0] != held[1], "duel: the lane agrees"
    return held
