"""An honest node over the toy machine: the real agent, sender and journal, a toy's results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from challenger.deriver import Deriver
from oyez.chain.client import Chain
from oyez.chain.contracts import Inbox, Rollup
from oyez.chain.delivery import PATIENCE_SECONDS
from oyez.chain.deployment import Deployment
from oyez.chain.duel_states import Leaf
from oyez.chain.game import Game, MovePay
from oyez.chain.journal import SqlJournal, open_database
from oyez.chain.keys import Key
from oyez.chain.sender import Sender
from oyez.derivation import follow
from oyez.derivation.history import SkippedLog
from oyez.dispute.agent import Agent, Facts, fetch_periods
from oyez.dispute.duels import Duels
from oyez.dispute.responder import Done
from oyez.dispute.view import Own
from oyez.dispute.witness import Witness
from oyez.protocol import codec
from oyez.protocol.errors import Rewind, Temporary
from oyez.protocol.types import Address, BatchNumber, Claim, Hash32
from oyez.testing import toy
from tests.contracts.duelling import Arena, Side, encode_opening
from tests.services import Lines


class ToyTree:
    """A toy's tree as the client sees it."""

    def __init__(self, tree: toy.Tree, inner: toy.Inner | None = None) -> None:
        self.height = tree.height
        self._tree = tree
        self._inner = inner

    def get_node(self, level: int, index: int) -> Hash32:
        return Hash32(self._tree.node(level, index))

    def get_leaf(self, index: int) -> Leaf:
        assert self._inner is not None
        return Leaf(*self._inner.leaf(index))


class ToyTraces:
    """Own traces, and the machine that makes inner ones, of one side a batch."""

    def __init__(self, sides: dict[int, Side]) -> None:
        self.sides = sides

    def open_outer(self, batch: int) -> ToyTree:
        return ToyTree(self.sides[batch].tree)

    def open_inner(self, batch: int, record: int) -> ToyTree:
        inner = self.sides[batch].machine.inner(record)
        return ToyTree(inner.tree, inner)

    def prove_step(self, batch: int, record: int, leaf: int, lane: int, parent: Hash32) -> bytes:
        side = self.sides[batch]
        if lane or leaf not in toy.LIVING:
            return b""
        inner = side.machine.inner(record)
        if leaf:
            source = 7 if leaf == 4_080 else leaf - 1
            return encode_opening(inner.leaf(source)[1], inner.tree.path(source))
        if record == 0:
            return b""
        before = side.machine.inner(record - 1)
        path = before.tree.path(4_080, up=4) + side.tree.path(record - 1)
        return encode_opening(before.leaf(4_080)[1], path)


class DuelNode:
    """Reads, decides, sends, step by step; `restart` is what a kill and a new process come to."""

    def __init__(
        self,
        chain: Chain,
        arena: Arena,
        key: Key,
        truths: dict[int, Side],
        home: Path,
        *,
        machine: bool = True,
        pause: Callable[[float], object] = lambda _: None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.pause, self.patience = pause, patience
        self.chain = chain
        self.arena = arena
        self.key = key
        self.truths = truths
        self.home = home
        self.machine = machine
        self.log = Lines()
        self.moves: list[str] = []
        names = ("Inbox", "Rollup", "DuelGame", "MovePay")
        parts = (arena.inbox, arena.rollup, arena.game, arena.pay)
        addresses = {name: Address(part.address) for name, part in zip(names, parts, strict=True)}
        self.deployment = Deployment("embedded", chain.chain_id, 0, addresses)
        self.restart()

    @property
    def address(self) -> Address:
        return self.key.address

    def restart(self) -> None:
        chain, place = self.chain, self.deployment
        self.rollup, self.inbox = Rollup(chain, place), Inbox(chain, place)
        self.journal = self.open_journal()
        self.sender = Sender(
            chain, self.key, self.journal, pause=self.pause, patience=self.patience
        )
        traces = ToyTraces(self.truths)
        game = Game(chain, place)
        self.levels = game.fetch_settings().inner_levels
        self.agent = Agent(
            self.rollup,
            fetch_periods(self.rollup, self.inbox),
            self.sender,
            self.journal,
            self._propose,
            self.log,
            Witness(game, MovePay(chain, place), traces, traces if self.machine else None),
        )
        self.rewind()

    def open_journal(self) -> SqlJournal:
        """What a new process finds on its disk."""
        return SqlJournal(open_database(self.home / "journal.db"))

    def rewind(self) -> None:
        self.deriver = Deriver(
            codec.compute_genesis_id(self.chain.chain_id, self.rollup.address), Duels(self.levels)
        )
        self.seen: follow.Window | None = None
        self.agent.reset()

    def step(self) -> tuple[Done, ...]:
        """Read what is new, and make what moves may go together; return what was mined."""
        window = self._read()
        if window is not None:
            self.seen = window
        if self.seen is None:
            return ()
        try:
            done = self.agent.act(self.facts())
        except SkippedLog:
            self.rewind()
            raise
        self.moves += [item.move.kind for item in done]
        return done

    def run(self) -> int:
        """Step until there is nothing to do; return how many moves were made."""
        made = 0
        for _ in range(400):
            try:
                done = self.step()
            except Rewind:
                self.rewind()
                continue
            except Temporary:
                continue
            if not done:
                return made
            made += len(done)
        raise AssertionError("the node never comes to rest")

    def facts(self) -> Facts:
        assert self.seen is not None
        deriver = self.deriver
        return Facts(
            block=self.seen.last,
            time=self.seen.time,
            tree=deriver.tree,
            own={batch: self._own(batch) for batch in self.truths},
            head_is_true=True,
            is_complete=True,
            duels=deriver.duels,
        )

    def _own(self, batch: int) -> Own:
        record = self.inbox.fetch_batch(batch)
        side = self.truths[batch]
        return Own(BatchNumber(batch), record.batch_hash, record.opened_at, side.proposal.claim)

    def _read(self) -> follow.Window | None:
        after = None if self.seen is None else self.seen.last
        window = follow.fetch_window(self.chain, self.deployment, after)
        if window is not None:
            try:
                self.deriver.add(
                    window,
                    lambda batch: None,
                    lambda place: follow.fetch_time(self.chain, place),
                )
            except SkippedLog:
                self.rewind()
                raise
        return window

    def _propose(self, batch: int) -> Any:
        return Proposed(self.truths[batch])


class Proposed:
    """What `propose` takes of a toy's side."""

    batch_data = b""

    def __init__(self, side: Side) -> None:
        self.claim: Claim = side.proposal.claim
        self.last_record_proof = side.proposal.proof
