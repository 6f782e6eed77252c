"""Plays lies against the truth on a local chain: each broken in one number, all by shipped agents.

One account stands by the true result of a batch, each of the others by the same result with one
number false; everybody posts, duels, puts up champions and moves as the honest agent does, each for
what it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from oyez.chain.client import Chain
from oyez.chain.contracts import Inbox, Rollup
from oyez.chain.deployment import Deployment
from oyez.chain.devnet import Devnet
from oyez.chain.keys import Key
from oyez.chain.sender import MemoryJournal, Sender
from oyez.derivation import replay
from oyez.derivation.history import Batch, History
from oyez.dispute.choosing import Spot
from oyez.dispute.falsify import FalseInner, Flip, PatchedTree, falsify_record
from oyez.dispute.machine import RealMachine
from oyez.dispute.outer import OuterTraces
from oyez.dispute.player import Held, Player
from oyez.dispute.responder import Done
from oyez.dispute.story import Story, fetch_chronicle
from oyez.dispute.traces import InnerTree, Machine, NodeTree, TraceSource
from oyez.dispute.view import Own
from oyez.engines.exact.engine import ExactEngine
from oyez.protocol import codec
from oyez.protocol.constants import CHUNKS_PER_RECORD
from oyez.protocol.errors import Fatal, Invalid
from oyez.protocol.inner_frame import LAST_RECORD
from oyez.protocol.state import State
from oyez.protocol.transition import BatchResult, Execution
from oyez.protocol.types import BatchNumber, Claim, Entry, Hash32, Manifest, Status
from oyez.reader import Reader
from oyez.service import Log

#: Rounds after which duels that go on are a bug: each has 12 moves.
MOST_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Truth:
    """A batch's true result: `oyez.dispute.outer.Results` for that batch alone.

    Attributes:
        path: what batches before it came to, batch 1 first.
        before: the state that they left.
    """

    reader: Reader
    path: tuple[Own, ...]
    before: State
    batch: Batch
    executions: tuple[Execution, ...]
    result: BatchResult

    def fetch_claim(self, batch: int) -> Claim:
        """Return the batch's claim."""
        return self.result.claim

    def fetch_executed(self, batch: int) -> tuple[State, Batch, Sequence[Execution]]:
        """Return the state before the batch, the batch and its executions."""
        return self.before, self.batch, self.executions

    def collect(self, entries: Sequence[Entry]) -> dict[Hash32, Manifest]:
        """Return the manifests of these entries."""
        return self.reader.collect(entries)

    def fetch_manifest(self, manifest_hash: Hash32) -> Manifest:
        """Return a manifest."""
        return self.reader.fetch_manifest(manifest_hash)

    def hold(self, claim: Claim, proof: tuple[Hash32, ...]) -> dict[int, Held]:
        """Return what a player holds who stands by a claim about this batch, and by its parents."""
        held: dict[int, Held] = {own.batch: Held(own, (), b"") for own in self.path}
        held[self.batch.number] = Held(describe(self.batch, claim), proof, self.result.batch_data)
        return held


@dataclass(frozen=True, slots=True)
class FalseTraces:
    """The traces of a lie: the true ones, but for one record."""

    outer: PatchedTree
    machine: RealMachine
    record: int
    inner: FalseInner

    def open_outer(self, batch: int) -> NodeTree:
        """Return the false tree over all records."""
        return self.outer

    def open_inner(self, batch: int, record: int) -> InnerTree:
        """Return a record's inner trace, false where the record is."""
        return self.inner if record == self.record else self.machine.open_inner(batch, record)

    def prove_step(self, batch: int, record: int, leaf: int, lane: int, parent: Hash32) -> bytes:
        """Return what the step reads, under the true trees: it is what both sides agree on."""
        return self.machine.prove_step(batch, record, leaf, lane, parent)


#: Lanes of a first chunk that lies may be about; what tells lies about one record apart is behind.
FIRST_MARK = 16


def read_roots(spot: Spot, inner: FalseInner) -> dict[str, Hash32]:
    """Return the roots that a false last record gives its claim (TRACE-15); none of another."""
    if spot.record != LAST_RECORD:
        return {}
    raw = inner.get_leaf((1 << inner.height) - CHUNKS_PER_RECORD).raw
    names = ("state_root", "outbox_root", "receipts_root")
    return {name: Hash32(raw[32 * at : 32 * at + 32]) for at, name in enumerate(names)}


def derive(reader: Reader, history: History, batch: Batch, engine: ExactEngine) -> Truth:
    """Run a batch on the state before it, which the posted rows give and the roots confirm."""
    path = reader.select(history, level="posted", until=None)[: batch.number - 1]
    if len(path) < batch.number - 1:
        raise Invalid("INNER-82", f"batch {batch.number - 1} is not posted yet: wait for it")
    posted = reader.rebuild(history, path)
    before = posted[-1].state if posted else State.empty()
    manifests = reader.collect([entry for each in history.batches for entry in each.entries])
    executions = replay.execute_all(before, batch.entries, manifests, engine, header=batch.header)
    known = {execution.entry.call_id: execution for execution in executions}
    result = replay.derive(before, batch, manifests, engine, known)
    owns = tuple(
        describe(each, event.claim) for each, event in zip(history.batches, path, strict=False)
    )
    return Truth(reader, owns, before, batch, tuple(executions), result)


def describe(batch: Batch, claim: Claim) -> Own:
    """Return a batch with what it came to."""
    return Own(batch.number, batch.batch_hash, batch.header.opened_at, claim)


@dataclass(frozen=True, slots=True)
class Lie:
    """The truth with one number false, and the account that defends it."""

    spot: Spot
    flip: Flip
    claim: Claim
    key: Key
    player: Player


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a lie.

    Attributes:
        status: of its assertion.
        story: of its duel with the truth.
    """

    lie: Lie
    assertion_id: Hash32
    status: Status
    story: Story


class Trial:
    """A chain on which a closed batch waits for its assertion, and who will post it."""

    def __init__(
        self,
        devnet: Devnet,
        chain: Chain,
        deployment: Deployment,
        engine: ExactEngine,
        truth: Truth,
        home: Path,
        log: Log,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take a running chain; `home` keeps what the players sign."""
        self.truth = truth
        self.traces = OuterTraces(engine, truth)
        self.machine = RealMachine(engine, truth, self.traces, truth.reader.fetch_id_preimage)
        self.rollup = Rollup(chain, deployment)
        #: What the honest account sent, in order.
        self.done: list[Done] = []
        self._devnet, self._chain, self._deployment = devnet, chain, deployment
        self._home, self._log, self._report = home, log, report
        self._lies = 0
        self._free = [Key(bytes.fromhex(account.key[2:])) for account in devnet.accounts]

    def build_lie(self, spot: Spot) -> Lie:
        """Break a number and seat who will defend it."""
        number = self.truth.batch.number
        inner, flip = falsify_record(
            self.machine.open_inner(number, spot.record),
            spot.leaf,
            spot.lane_in_leaf,
            mark=FIRST_MARK + self._lies,
        )
        self._lies += 1
        tree = PatchedTree(self.traces.open_outer(number), {spot.record: inner.record_root})
        claim = replace(self.truth.result.claim, trace_root=tree.root, **read_roots(spot, inner))
        last = (1 << tree.height) - 1
        proof = tuple(tree.get_node(level, last >> level ^ 1) for level in range(tree.height))
        traces = FalseTraces(tree, self.machine, spot.record, inner)
        key = self._fund()
        held = self.truth.hold(claim, proof)
        truth = self.truth.result.claim
        return Lie(spot, flip, claim, key, self._seat("liar", key, held, traces, traces, truth))

    def play(self, lies: Sequence[Lie], *, together: int = 4) -> list[Judged]:
        """Post all, the lies first, and play every duel to its end.

        `together` lies are played at a time: a node keeps the inner traces of few records.

        Raises:
            Fatal: a duel does not end.
        """
        settings, result = self.rollup.fetch_settings(), self.truth.result
        inbox = Inbox(self._chain, self._deployment)
        grace = settings.sequencer_grace + inbox.fetch_period("max_batch_seconds")
        self._pass_time(grace + 1)
        held = self.truth.hold(result.claim, result.last_record_proof)
        honest = self._seat("honest", self._fund(), held, self.traces, self.machine)
        for at in range(0, len(lies), together):
            self._fight([lie.player for lie in lies[at : at + together]], honest)
        self._pass_time(settings.challenge_window)
        self._fight([], honest)
        return [self._judge(lie) for lie in lies]

    def _fund(self) -> Key:
        """Return an account of the chain that had no stake and now has one."""
        while self._free:
            key = self._free.pop()
            if self.rollup.fetch_stake(key.address).status == 0:
                address = "0x" + key.address.hex()
                self._devnet.request("anvil_setBalance", address, hex(10**21))
                stake = self.rollup.fetch_settings().stake
                sender = Sender(self._chain, key, MemoryJournal())
                sender.send("deposit", self.rollup.build_deposit(stake))
                return key
        raise Fatal("every account of the local chain has a stake on this rollup already")

    def _seat(
        self,
        name: str,
        key: Key,
        held: dict[int, Held],
        traces: TraceSource,
        machine: Machine,
        rival: Claim | None = None,
    ) -> Player:
        def log(event: str, /, **facts: object) -> None:
            self._log(f"{name} {event}", **facts)

        home = self._home / f"{name}-{key.address.hex()}"
        return Player(self._chain, self._deployment, key, home, held, traces, machine, log, rival)

    def _fight(self, liars: Sequence[Player], honest: Player) -> None:
        """Have all act in turn until nobody does anything."""
        for _ in range(MOST_ROUNDS):
            moved = [done for liar in liars for done in liar.step()]
            truths = honest.step()
            self.done += truths
            if not moved and not truths:
                return
            self._report(", ".join(_list_kinds(truths or moved)))
            # no two of one second: of equals the greater address is on turn
            self._pass_time(1)
        raise Fatal(f"the duels did not end within {MOST_ROUNDS} rounds: report this")

    def _pass_time(self, seconds: int) -> None:
        """Mine a block that many seconds after the last, whatever the chain's clock says."""
        now = self._chain.fetch_block("latest").timestamp
        self._devnet.request("evm_setNextBlockTimestamp", now + seconds)
        self._devnet.mine()

    def _judge(self, lie: Lie) -> Judged:
        batch = self.truth.batch
        parent = self._find_parent()
        found = codec.compute_assertion_id(
            chain_id=self._chain.chain_id,
            rollup=self.rollup.address,
            parent=parent,
            attempt=0,
            batch=BatchNumber(batch.number),
            batch_hash=batch.batch_hash,
            claim=lie.claim,
        )
        chronicle = fetch_chronicle(self._chain, self._deployment)
        stories = [s for s in chronicle.list_stories(found) if s.bouts]
        if not stories:
            raise Fatal(f"the duel about {lie.spot.kind} came to no bout: report this")
        return Judged(lie, found, self.rollup.fetch_status(found), stories[0])

    def _find_parent(self) -> Hash32:
        reader = Reader(self._chain, self._deployment)
        history = reader.fetch_history()
        claims = {e.claim: e.parent for e in history.proposed}
        return claims[self.truth.result.claim]


def _list_kinds(done: Sequence[Done]) -> list[str]:
    return sorted({item.move.kind for item in done})
