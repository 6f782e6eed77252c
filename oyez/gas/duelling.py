"""Plays duels over the toy machine on a metered chain: both sides' trees are at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from oyez.chain import contracts, deploy, game_events
from oyez.chain.client import Mined
from oyez.chain.contracts import Transaction
from oyez.chain.duel_states import (
    HEX,
    HEX_BITS,
    NO_CHOICE,
    NO_DESCENT,
    Champion,
    Choice,
    Content,
    Descent,
    Duel,
    Leaf,
    Phase,
    begin_bout,
    compute_champion_key,
)
from oyez.chain.game import Game
from oyez.protocol import codec, trace
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Address, Claim, Hash32
from oyez.testing import toy

TOY = "contracts/mocks/ToyMachine.vy"
LAST_RECORD = (1 << toy.OUTER_HEIGHT) - 1
#: Sends a transaction in somebody's name and counts it under a kind.
Send = Callable[[str, Transaction, int], Mined]


@dataclass(frozen=True)
class Side:
    """One sibling: its machine's run, its outer tree, its content; its accounts are numbers."""

    machine: toy.Machine
    tree: toy.Tree
    claim: Claim
    proposer: int
    champion: int
    content: Content
    assertion_id: Hash32


def build_claim(machine: toy.Machine, salt: bytes) -> tuple[toy.Tree, Claim]:
    """Return the outer tree of a run whose roots are noise, and its claim."""
    noise = codec.keccak(salt)
    record = trace.build_last_record(noise, noise, noise)
    tree = machine.outer(record)
    return tree, Claim(Hash32(tree.root), noise, noise, noise)


def choose(waiting: toy.Tree, moving: toy.Tree, level: int, index: int) -> Choice:
    """Return the first child that differs below a node of both trees, with its paths."""
    first = HEX * index
    for i in range(first, first + HEX):
        nodes = [tree.node(level - HEX_BITS, i) for tree in (waiting, moving)]
        if nodes[0] != nodes[1]:
            paths = [
                _hashes(tree.path(i, level - HEX_BITS, HEX_BITS)) for tree in (waiting, moving)
            ]
            return Choice(i - first, Hash32(nodes[0]), Hash32(nodes[1]), paths[0], paths[1])
    raise Fatal("the measured trees agree where they have to differ")


def _hashes(nodes: tuple[bytes, ...]) -> tuple[Hash32, ...]:
    return tuple(map(Hash32, nodes))


@dataclass
class Match:
    """A duel with one champion a side, `sides` the older and the newer."""

    game: Game
    send: Send
    sides: tuple[Side, Side]
    #: Address of an account by its number.
    address: Callable[[int], Address]
    duel: Duel = field(init=False)
    movers: list[Address] = field(default_factory=list)
    champions: dict[int, Champion] = field(default_factory=dict)
    bout: Descent = NO_DESCENT
    bout_movers: list[Address] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)

    def _move(self, kind: str, transaction: Transaction, who: int) -> game_events.GameEvent:
        mined = self.send(kind, transaction, who)
        for log in mined.logs:
            event = game_events.decode(log)
            if event is not None:
                return event
        raise Fatal(f"{kind} logged nothing")

    def open(self, who: int) -> None:
        """Begin."""
        older, newer = (side.content for side in self.sides)
        event = self._move("open_duel", self.game.build_open(older, newer), who)
        assert isinstance(event, game_events.DuelOpened)
        self.duel, self.movers = event.duel, [self.address(who)]

    def descend(self) -> None:
        """Go down to the first record that differs; each side's proposer makes its moves."""
        while self.duel.descent.phase is not Phase.COMMIT:
            state = self.duel.descent
            mine, theirs = self.sides[state.turn], self.sides[1 - state.turn]
            who, level = mine.proposer, HEX_BITS * state.level
            if state.phase is Phase.START:
                root = _hashes(mine.tree.children(toy.OUTER_HEIGHT, 0))
                event = self._move("start", self.game.build_start(self.duel, root), who)
            else:
                choice = choose(theirs.tree, mine.tree, level, state.index)
                child = HEX * state.index + choice.index
                if state.level == 1:
                    event = self._move("last", self.game.build_last(self.duel, choice), who)
                else:
                    below = _hashes(mine.tree.children(level - HEX_BITS, child))
                    build = self.game.build_advance(self.duel, choice, below)
                    event = self._move("advance", build, who)
            assert isinstance(event, game_events.Revealed | game_events.RecordFound)
            self.duel = self.duel.with_descent(event.state)
            self.movers.append(self.address(who))

    def commit(self, side: int, time: Callable[[], int]) -> None:
        """Put a side's champion up."""
        inner, who = self._inner(side), self.sides[side].champion
        binding, children = inner.binding, inner.tree.children(toy.INNER_HEIGHT, 0)
        build = self.game.build_commit(self.duel, side, _hashes(binding), _hashes(children))
        self._move("commit", build, who)
        self.champions[side] = Champion(self.address(who), Hash32(inner.tree.root), time())

    def begin(self) -> Descent:
        """Return the bout before its first move."""
        a, b = self.champions[0], self.champions[1]
        return begin_bout(self.duel, a, b, toy.INNER_HEIGHT // HEX_BITS)

    def fight(self) -> None:
        """Go down to the first leaf that differs and show both; champions move for themselves."""
        self.bout = self.begin()
        while self.bout.phase is not Phase.RESOLVABLE:
            state = self.bout
            who = self.sides[state.turn].champion
            event = self._move(*self._build_bout_move(state), who)
            assert isinstance(event, game_events.Revealed | game_events.LeafRevealed)
            if isinstance(event, game_events.LeafRevealed):
                self.leaves.append(event.leaf)
            self.bout = event.state
            self.bout_movers.append(self.address(who))

    def _build_bout_move(self, state: Descent) -> tuple[str, Transaction]:
        mine, theirs = self._inner(state.turn), self._inner(1 - state.turn)
        level = HEX_BITS * state.level
        if state.phase is Phase.LEAF:
            leaf = Leaf(*mine.leaf(state.index))
            return "leaf", self.game.build_leaf(*self.keys, state, NO_CHOICE, leaf)
        choice = choose(theirs.tree, mine.tree, level, state.index)
        child = HEX * state.index + choice.index
        if state.level == 1:
            leaf = Leaf(*mine.leaf(child))
            return "leaf, first", self.game.build_leaf(*self.keys, state, choice, leaf)
        below = _hashes(mine.tree.children(level - HEX_BITS, child))
        if self.bout_movers:
            build = self.game.build_advance_bout(*self.keys, state, choice, below)
            return "advance_bout", build
        a, b = self.champions[0], self.champions[1]
        return "inner", self.game.build_inner(self.duel, a, b, choice, below)

    def resolve(self, side: int) -> int:
        """Have the lane recomputed, with a side's own trees; return the lane."""
        shown = [(leaf.type, leaf.raw) for leaf in self.leaves]
        lane = toy.find_lane(shown[0], shown[1])
        build = self.game.build_resolve(
            self.duel,
            self.sides[side].content,
            self.champions[0],
            self.champions[1],
            self.bout,
            (self.leaves[0], self.leaves[1]),
            lane,
            self.open_inputs(lane),
        )
        who = self.sides[side].champion
        event = self._move("resolve", build, who)
        assert isinstance(event, game_events.Resolved)
        self.bout = event.state
        self.bout_movers.append(self.address(who))
        return lane

    def open_inputs(self, lane: int) -> bytes:
        """Return what the step reads of other leaves: nothing, but for a leaf's first lane."""
        if lane == 0:
            raise Fatal("the measured lane has to follow from its own leaf")
        return b""

    def time_out(self, who: int) -> None:
        """Put out the champion who never moved in the bout."""
        a, b = self.champions[0], self.champions[1]
        build = self.game.build_timeout_bout(self.duel, a, b, NO_DESCENT)
        self.send("timeout_bout", build, who)

    @property
    def keys(self) -> tuple[Hash32, Hash32]:
        """Both champions' keys."""
        a, b = (
            compute_champion_key(self.duel.key, side, self.champions[side].staker)
            for side in (0, 1)
        )
        return a, b

    def _inner(self, side: int) -> toy.Inner:
        return self.sides[side].machine.inner(self.duel.descent.index)


def build_check(verifier: Address, match: Match, side: int, lane: int) -> Transaction:
    """Return the call of the toy's verifier that `resolve` makes, to be measured alone."""
    content = match.sides[side].content
    step = (
        content.claim.trace_root,
        match.champions[side].inner_root,
        match.duel.descent.index,
        match.bout.index,
        lane,
        0,
        content.parent,
        content.batch,
        content.batch_hash,
    )
    abi = deploy.compile_contract(TOY).abi
    element = next(entry for entry in abi if entry.get("name") == "recompute")
    arguments = (step, match.leaves[0].raw, match.open_inputs(lane))
    return Transaction(verifier, contracts.encode_call(element, arguments))
