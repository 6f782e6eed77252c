"""Plays duels over toy machines: a world with a game, both sides' trees, one method a move."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode

from oyez.chain.deploy import compute_create_address
from oyez.protocol.types import Claim, Hash32
from oyez.testing import toy
from tests.contracts.conftest import publish
from tests.contracts.harness import (
    DEPLOYER,
    SEQUENCER,
    STRANGER,
    Contract,
    World,
    actor,
    reverts,
    settings,
)
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import (
    ZERO,
    Proposal,
    close_batch_of,
    noise,
    propose,
    sha,
    stake,
)

NO_MOVE = (0, ZERO, ZERO, (ZERO,) * 4, (ZERO,) * 4)
NO_STATE = (ZERO, ZERO, 0, ZERO, ZERO)
HONEST, LIAR = actor("honest"), actor("liar")
LAST_RECORD = (1 << toy.OUTER_HEIGHT) - 1


def words(value: Any) -> Any:
    """A decoded struct as the tuple that encodes it again."""
    if isinstance(value, dict):
        return tuple(words(part) for part in value.values())
    if isinstance(value, (list, tuple)):
        return tuple(words(part) for part in value)
    return value


class Arena(World):
    """A world with a game over the toy machine, and one closed batch; `wait` changes its hash."""

    inner_height = toy.INNER_HEIGHT

    def __init__(self, wait: int = 0, **changes: Any) -> None:
        game = compute_create_address(DEPLOYER, 6)
        super().__init__(settings(game=game, **changes))
        self.toy = steps = self.deploy("contracts/mocks/ToyMachine.vy")
        if self.inner_height != toy.INNER_HEIGHT:
            given = steps.address, self.inner_height
            steps = self.deploy("tests/contracts/ToyOfHeight.vy", *given, sender=STRANGER)
        self.game: Contract = self.deploy(
            "contracts/DuelGame.vy",
            self.rollup.address,
            steps.address,
            compute_create_address(DEPLOYER, 7),
            self.inner_height,
        )
        assert self.game.address == game
        self.pay = self.deploy("contracts/MovePay.vy", game)
        self.action = publish(self, BALLOT)
        self.pass_time(wait)
        close_batch_of(self, self.action)
        self.genesis = bytes(self.rollup.final_id(0))

    @property
    def batch_hash(self) -> bytes:
        return bytes(self.inbox.batch(1).batch_hash)

    def staked(self, *who: bytes) -> None:
        for staker in who:
            self.fund(staker, 10 * self.settings.stake)  # type: ignore[arg-type]  # an address
            stake(self, staker)

    def check_solvent(self) -> None:
        """Every ledger can pay all it owes, MovePay also out of what the rollup owes the game."""
        self.solvent()
        held = self.balance(self.pay.address) + self.rollup.credit(self.game.address)
        assert held >= self.pay.total_credits()


@dataclass
class Side:
    """One sibling: its run, its tree, its id."""

    machine: toy.Machine
    tree: toy.Tree
    proposal: Proposal
    assertion_id: bytes = b""
    content: tuple[Any, ...] = ()


def make_side(machine: toy.Machine, salt: object = 0) -> Side:
    """The claim of a run; `salt` is its state root."""
    claim = Claim(Hash32(ZERO), noise("state", salt), noise("outbox"), noise("receipts"))
    chunk = claim.state_root + claim.outbox_root + claim.receipts_root
    node = toy.hash_leaf(3, chunk.ljust(1_024, b"\0"))
    for level in range(toy.RECORD_HEIGHT):
        node = sha(node + toy.pad_root(level))
    tree = machine.outer(node)
    claim = Claim(Hash32(tree.root), claim.state_root, claim.outbox_root, claim.receipts_root)
    return Side(machine, tree, Proposal(claim, tree.path(LAST_RECORD)))


def post(arena: Arena, side: Side, sender: bytes, parent: bytes | None = None) -> Side:
    """Propose a side on genesis, or on a parent."""
    on = arena.genesis if parent is None else parent
    side.assertion_id = propose(arena, on, side.proposal, sender=sender)
    batch = int(arena.rollup.assertion(side.assertion_id).batch)
    side.content = (on, 0, batch, arena.inbox.batch(batch).batch_hash, side.proposal.words)
    return side


@dataclass
class Champion:
    """A staker behind an inner tree of one side."""

    staker: bytes
    side: int
    inner: toy.Inner
    key: bytes
    committed_at: int

    @property
    def words(self) -> tuple[bytes, bytes, int]:
        return self.staker, self.inner.tree.root, self.committed_at


@dataclass
class Bout:
    """Two champions of a duel and the bout's last state."""

    champions: tuple[Champion, Champion]
    state: tuple[Any, ...] = NO_STATE
    path: list[int] = field(default_factory=list)
    movers: list[bytes] = field(default_factory=list)
    leaves: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def keys(self) -> tuple[bytes, bytes]:
        return self.champions[0].key, self.champions[1].key


class Play:
    """A duel in an arena; `sides` are the older and the newer."""

    def __init__(self, arena: Arena, older: Side, newer: Side) -> None:
        self.arena = arena
        self.game = arena.game
        self.sides = (older, newer)
        self.state: tuple[Any, ...] = ()
        self.key = b""
        self.path: list[int] = []
        self.movers: list[bytes] = []

    @property
    def word(self) -> int:
        return int(self.state[2][2])

    @property
    def turn(self) -> int:
        return (self.word >> 176) & 1

    @property
    def record(self) -> int:
        return self.word & (2**64 - 1)

    def open(self, sender: bytes = STRANGER) -> bytes:
        contents = [side.content for side in self.sides]
        self.key = self.game.open_duel(*contents, sender=sender)
        self.state = words(self.arena.event("DuelOpened")["state"])
        self.path, self.movers = [], [sender]
        return self.key

    def _moved(self, name: str, sender: bytes) -> None:
        descent = words(self.arena.event(name)["state"])
        self.state = (*self.state[:2], descent)
        self.movers.append(sender)

    def start(self, sender: bytes = STRANGER) -> None:
        children = self.sides[1].tree.children(toy.OUTER_HEIGHT, 0)
        self.game.start(self.state, children, sender=sender)
        self._moved("Revealed", sender)

    def make_move(self, index: int | None = None) -> tuple[Any, ...]:
        mine, theirs = self.sides[self.turn].tree, self.sides[1 - self.turn].tree
        return make_move(theirs, mine, toy.OUTER_HEIGHT, self.path, index)

    def advance(self, sender: bytes = STRANGER) -> None:
        move = self.make_move()
        at = [*self.path, move[0]]
        tree = self.sides[self.turn].tree
        children = tree.children(toy.OUTER_HEIGHT - 4 * len(at), read_digits(at))
        self.game.advance(self.state, move, children, sender=sender)
        self.path.append(move[0])
        self._moved("Revealed", sender)

    def last(self, sender: bytes = STRANGER) -> None:
        move = self.make_move()
        self.game.last(self.state, move, sender=sender)
        self.path.append(move[0])
        self._moved("RecordFound", sender)

    def descend(self, sender: bytes = STRANGER) -> int:
        """From the opening to the first record that differs."""
        self.open(sender)
        self.start(sender)
        while len(self.path) < 5:
            self.advance(sender)
        self.last(sender)
        return self.record

    def commit(self, side: int, staker: bytes, inner: toy.Inner | None = None) -> Champion:
        """Commit an inner tree, that side's own by default."""
        shown = self.sides[side].machine.inner(self.record) if inner is None else inner
        tree = shown.tree
        binding = tree.path((1 << toy.INNER_HEIGHT >> 4) - 1, level=4)
        children = tree.children(toy.INNER_HEIGHT, 0)
        self.game.commit(self.state, side, binding, children, sender=staker)
        key, _ = self.game.champion(self.key, side, staker)
        return Champion(staker, side, shown, key, self.arena.now)

    # --- bouts ---

    def bout_turn(self, bout: Bout) -> int:
        if bout.path:
            return (int(bout.state[2]) >> 176) & 1
        a, b = bout.champions
        return int((b.committed_at, b.staker) > (a.committed_at, a.staker))

    def inner(self, bout: Bout, sender: bytes = STRANGER) -> None:
        """The next move down the inner trees."""
        turn = self.bout_turn(bout)
        mine, theirs = bout.champions[turn].inner.tree, bout.champions[1 - turn].inner.tree
        move = make_move(theirs, mine, toy.INNER_HEIGHT, bout.path)
        at = [*bout.path, move[0]]
        children = mine.children(toy.INNER_HEIGHT - 4 * len(at), read_digits(at))
        if bout.path:
            self.game.advance_bout(*bout.keys, bout.state, move, children, sender=sender)
        else:
            a, b = bout.champions
            self.game.inner(self.state, a.words, b.words, move, children, sender=sender)
        bout.path.append(move[0])
        bout.state = words(self.arena.event("Revealed")["state"])
        bout.movers.append(sender)

    def leaf(self, bout: Bout, sender: bytes = STRANGER) -> None:
        """Show the own leaf."""
        turn = self.bout_turn(bout)
        mine, theirs = bout.champions[turn].inner, bout.champions[1 - turn].inner
        move, path = NO_MOVE, bout.path
        if len(path) < 3:
            move = make_move(theirs.tree, mine.tree, toy.INNER_HEIGHT, path)
            path = [*path, move[0]]
        shown = mine.leaf(read_digits(path))
        self.game.leaf(*bout.keys, bout.state, move, shown, sender=sender)
        bout.path = path
        bout.state = words(self.arena.event("LeafRevealed")["state"])
        bout.leaves.append(shown)
        bout.movers.append(sender)

    def fight(self, bout: Bout, sender: bytes = STRANGER) -> None:
        """From the commits to RESOLVABLE."""
        self.inner(bout, sender)
        self.inner(bout, sender)
        self.leaf(bout, sender)
        self.leaf(bout, sender)

    def find_lane(self, bout: Bout) -> int:
        return toy.find_lane(*bout.leaves)

    def resolve(
        self, bout: Bout, sender: bytes = STRANGER, lane: int | None = None, under: int = 0
    ) -> None:
        """Resolve the first lane that differs, its inputs opened under one side's trees."""
        chosen = self.find_lane(bout) if lane is None else lane
        a, b = bout.champions
        self.game.resolve(
            self.state,
            self.sides[under].content,
            a.words,
            b.words,
            bout.state,
            *bout.leaves,
            chosen,
            self.open_inputs(bout, chosen, under),
            sender=sender,
        )
        resolved = [event for event in self.arena.logs if event.name == "Resolved"]
        bout.state = words(resolved[0].args["state"])
        bout.movers.append(sender)

    def open_inputs(self, bout: Bout, lane: int, under: int = 0) -> bytes:
        """What the toy's step reads, opened under one side's trees."""
        leaf = read_digits(bout.path)
        if lane or leaf not in toy.LIVING:
            return b""
        if leaf:
            source = 7 if leaf == 4_080 else leaf - 1
            inner = bout.champions[under].inner
            return encode_opening(inner.leaf(source)[1], inner.tree.path(source))
        if self.record == 0:
            return b""
        side = self.sides[under]
        before = side.machine.inner(self.record - 1)
        record = before.tree.path(4_080, up=4)
        path = record + side.tree.path(self.record - 1)
        return encode_opening(before.leaf(4_080)[1], path)


def encode_opening(data: bytes, siblings: tuple[bytes, ...]) -> bytes:
    """A leaf and its path as the toy decodes them."""
    return encode(["(bytes,bytes32[])"], [(data, siblings)])


def read_digits(path: list[int]) -> int:
    """The index that a path of children leads to."""
    index = 0
    for digit in path:
        index = 16 * index + digit
    return index


def make_move(
    waiting: toy.Tree, moving: toy.Tree, height: int, path: list[int], index: int | None = None
) -> tuple[Any, ...]:
    """The first child that differs below a path, with both paths in the lists of 16."""
    level = height - 4 * len(path) - 4
    base = 16 * read_digits(path)
    first = next(
        (i for i in range(16) if waiting.node(level, base + i) != moving.node(level, base + i)), 0
    )
    j = first if index is None else index
    return (
        j,
        waiting.node(level, base + j),
        moving.node(level, base + j),
        waiting.path(base + j, level, 4),
        moving.path(base + j, level, 4),
    )


def make_arena(*stakers: bytes, wait: int = 0, **changes: Any) -> Arena:
    """An arena in which the sequencer and these have a stake."""
    arena = Arena(wait, **changes)
    arena.staked(SEQUENCER, *stakers)
    return arena


def meet(
    arena: Arena,
    truth: Side,
    lie: Side,
    *,
    liar_first: bool,
    liars: toy.Inner | None = None,
) -> tuple[Play, Bout]:
    """Post both sides, descend to the record, commit one champion each: HONEST and LIAR.

    The older side is the sequencer's, the newer HONEST's or LIAR's; `liars` is LIAR's inner tree.
    """
    assert lie.proposal != truth.proposal, "the lie says what is true of this batch"
    older, newer = (lie, truth) if liar_first else (truth, lie)
    arena.pass_time(100)
    post(arena, older, SEQUENCER)
    arena.pass_time(7)
    post(arena, newer, HONEST if liar_first else LIAR)
    arena.pass_time(7)
    play = Play(arena, older, newer)
    play.descend()
    names = ((LIAR, liars), (HONEST, None)) if liar_first else ((HONEST, None), (LIAR, liars))
    a = play.commit(0, *names[0])
    arena.pass_time(3)
    b = play.commit(1, *names[1])
    return play, Bout((a, b))


def check_truth_wins(arena: Arena, play: Play, truth: Side, lie: Side) -> None:
    """The liar's champion is out; its assertion dies, the true one is final, all is paid back."""
    true_side = play.sides.index(truth)
    assert arena.game.alive(play.key) == ((1, 0) if true_side == 0 else (0, 1))
    assert arena.rollup.stake(LIAR).status == 2
    arena.pass_time(arena.settings.challenge_window)
    with reverts("duel: a champion lives"):
        play.game.defeat(play.state, true_side)
    play.game.defeat(play.state, 1 - true_side)
    assert arena.rollup.status(lie.assertion_id) == 3
    play.game.release(play.state, true_side, HONEST)
    arena.rollup.finalize(truth.assertion_id)
    assert arena.rollup.final_id(1) == truth.assertion_id
    stake = arena.rollup.stake(HONEST)
    assert (stake.status, stake.proposals, stake.championships) == (1, 0, 0)
    arena.check_solvent()
