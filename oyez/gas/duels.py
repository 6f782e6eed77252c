"""Measures what `oyez bench duel` prints: every move of a duel over full heights, from receipts.

One fork of a truth and three lies over the toy machine: one lie is older than the truth and one
newer, both beaten by a lane; a third's champion falls silent. Slots exist already unless a move
creates one; whoever moves has sent before. The dearest of a kind counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from oyez.chain import contracts, deploy, game
from oyez.chain.client import Mined
from oyez.chain.contracts import Transaction
from oyez.chain.devnet import Devnet
from oyez.chain.duel_states import Content
from oyez.gas import duelling, manifests
from oyez.gas.duelling import Match, Side
from oyez.gas.metered import MeteredChain
from oyez.gas.world import ETHER, SHAPE
from oyez.protocol import codec
from oyez.protocol.errors import Fatal
from oyez.protocol.types import ZERO_HASH, BatchNumber, Hash32
from oyez.testing import toy

#: What each may cost at most; the step's own work is not in `resolve` here, a toy's is.
BUDGETS = {
    "open_duel": 95_000,
    "start": 65_000,
    "advance": 75_000,
    "last": 75_000,
    "commit": 125_000,
    "inner": 105_000,
    "advance_bout": 80_000,
    "leaf, first": 95_000,
    "leaf": 85_000,
    "resolve": 480_000,
    "timeout_bout": 110_000,
    "defeat": 90_000,
    "release": 60_000,
    "mark_void": 45_000,
    "moves_max": 12,
}
#: Kinds against a clock. INNER 1 is sent with the second commit, and the two count as one move.
CLOCKED = ("start", "advance", "last", "commit", "inner", "advance_bout", "leaf, first", "leaf")
WINDOW_SECONDS = 600
#: After these anyone closes a batch.
BATCH_SECONDS = 10
LIAR, HONEST, SECOND, THIRD, ANYONE = range(5)
#: Champions of the lies.
KNIGHTS = {LIAR: 5, SECOND: 6, THIRD: 7}
#: A lie in the last lane but one of the record's own chunk: the dearest leaves to show.
RECORD, LEAF, LANE = 5, 4_081, 510


@dataclass(frozen=True, slots=True)
class Measured:
    """What a duel takes.

    Attributes:
        moves_max: clocked moves of the longest duel.
        gas_moves: by kind, the dearest.
        gas_move_max: of the dearest clocked move.
        gas_resolve_overhead: of `resolve` without the step's own verification.
        honest_gas_per_rival: all that the honest party sends for one lie with one champion.
    """

    moves_max: int
    gas_moves: dict[str, int]
    gas_move_max: int
    gas_resolve_overhead: int
    honest_gas_per_rival: int

    def find_over(self) -> dict[str, int]:
        """Return what is above its budget."""
        measured = self.gas_moves | {"moves_max": self.moves_max}
        return {name: value for name, value in measured.items() if value > BUDGETS.get(name, value)}


class DuelWorld(MeteredChain):
    """A rollup with a game over the toy machine; nothing else was done."""

    def __init__(self, devnet: Devnet, *, window: int = 600, response: int = 120) -> None:
        """Deploy on a running chain; `window` and `response` are T and D in seconds."""
        super().__init__(devnet)
        me = self.address(0)
        self.toy = self.create(deploy.compile_contract(duelling.TOY).bytecode)
        settings = deploy.DeploySettings(
            sequencer=me,
            models=(deploy.ListedModel(codec.keccak(b"weights"), SHAPE),),
            steps=self.toy,
            max_batch_seconds=BATCH_SECONDS,
            challenge_window=window,
            response_window=response,
        )
        self.deployment = deployment = deploy.deploy(self.chain, self.key(0), settings)
        self.create_meter()
        self.inbox = contracts.Inbox(self.chain, deployment)
        self.rollup = contracts.Rollup(self.chain, deployment)
        self.game = game.Game(self.chain, deployment)
        self.pay = game.MovePay(self.chain, deployment)
        self.gas: dict[str, int] = {}
        #: By the lie's proposer: gas of the honest party, and clocked moves.
        self.honest: Counter[int] = Counter()
        self.clocked: Counter[int] = Counter()
        self.rival = LIAR
        actions = contracts.ActionRegistry(self.chain, deployment)
        manifest = manifests.build_called()
        self.send(actions.build_publish(manifest), 0)
        self._action = codec.compute_action_id(me, codec.keccak(manifest))

    def close_batch(self) -> None:
        """Queue a call and close its batch once anyone may."""
        fee = self.inbox.fetch_quote(self._action, 5)
        call = self.inbox.build_submit(
            action_id=self._action, cell=b"", data=b"hello", manifest_hash=ZERO_HASH, fee=fee
        )
        self.send(call, ANYONE)
        self.pass_time(BATCH_SECONDS)
        self.send(self.inbox.build_close(), ANYONE)

    def count(self, kind: str, transaction: Transaction, who: int) -> Mined:
        """Send, and keep what it cost."""
        mined = self.send_mined(transaction, who)
        self.gas[kind] = max(self.gas.get(kind, 0), mined.gas_used)
        self.clocked[self.rival] += kind in CLOCKED
        if who == HONEST:
            self.honest[self.rival] += mined.gas_used
        return mined

    def fetch_time(self) -> int:
        """Return the newest block's time."""
        return self.chain.fetch_block("latest").timestamp

    def post(self, change: int | None, proposer: int, champion: int, parent: Hash32) -> Side:
        """Propose the truth, or the lie that a lane has another value."""
        records = [toy.run_record(7)] * RECORD
        false = None if change is None else (LEAF, LANE, change)
        machine = toy.Machine([*records, toy.run_record(1, false)])
        tree, claim = duelling.build_claim(machine, b"%d %d" % (proposer, change or 0))
        number = BatchNumber(self.rollup.fetch_assertion(parent).batch + 1)
        content = Content(parent, 0, number, self.inbox.fetch_batch(number).batch_hash, claim)
        build = self.rollup.build_propose(
            parent=parent,
            attempt=0,
            batch_hash=content.batch_hash,
            claim=claim,
            last_record_proof=[Hash32(node) for node in tree.path(duelling.LAST_RECORD)],
            batch_data=b"",
        )
        mined = self.send_mined(build, proposer)
        found = Hash32(mined.logs[0].topics[1])
        return Side(machine, tree, claim, proposer, champion, content, found)

    def match(self, older: Side, newer: Side) -> Match:
        """Begin to count for the duel of two siblings."""
        self.rival = newer.proposer if older.proposer == HONEST else older.proposer
        return Match(self.game, self.count, (older, newer), self.address)


def measure(devnet: Devnet) -> Measured:
    """Measure everything on a running chain on which nothing was done; about 10 seconds."""
    world = DuelWorld(devnet)
    for who in (LIAR, HONEST, SECOND, THIRD, ANYONE, *KNIGHTS.values()):
        world.send(world.rollup.build_deposit(ETHER), who)
    for _ in range(2):
        world.close_batch()
    genesis = world.rollup.fetch_final_id(0)
    first = world.post(-1, LIAR, KNIGHTS[LIAR], genesis)
    above = world.post(-4, LIAR, LIAR, first.assertion_id)
    truth = world.post(None, HONEST, HONEST, genesis)
    second = world.post(-2, SECOND, KNIGHTS[SECOND], genesis)
    third = world.post(-3, THIRD, KNIGHTS[THIRD], genesis)
    beaten = [(world.match(first, truth), 1), (world.match(truth, second), 0)]
    for match, mine in beaten:
        world.rival = match.sides[1 - mine].proposer
        check = beat(world, match, mine)
    silent = world.match(truth, third)
    silence(world, silent)
    world.pass_time(WINDOW_SECONDS)
    silent.time_out(HONEST)
    for match, mine in (*beaten, (silent, 0)):
        world.rival = match.sides[1 - mine].proposer
        world.count("defeat", world.game.build_defeat(match.duel, 1 - mine), HONEST)
        build = world.game.build_release(match.duel, mine, world.address(HONEST))
        world.count("release", build, HONEST)
        world.count(
            "pay_duel", world.pay.build_pay_duel(match.duel, 1 - mine, match.movers), ANYONE
        )
    for match, mine in beaten:
        stakers = (match.champions[0].staker, match.champions[1].staker)
        build = world.pay.build_pay_bout(
            match.duel.key, stakers, match.bout, 1 - mine, match.bout_movers
        )
        world.count("pay_bout", build, ANYONE)
    world.rival = ANYONE  # of no lie
    world.count("withdraw", world.pay.build_withdraw(world.address(HONEST)), HONEST)
    world.count("mark_void", world.rollup.build_mark_void(above.assertion_id), ANYONE)
    world.count("finalize", world.rollup.build_finalize(truth.assertion_id), ANYONE)
    return Measured(
        moves_max=max(world.clocked.values()) - 1,
        gas_moves=world.gas,
        gas_move_max=max(world.gas[kind] for kind in CLOCKED),
        gas_resolve_overhead=world.gas["resolve"] - check,
        honest_gas_per_rival=max(world.honest.values()),
    )


def beat(world: DuelWorld, match: Match, mine: int) -> int:
    """Play until the lie's champion is out; return what the step's own check costs."""
    match.open(HONEST)
    match.descend()
    match.commit(0, world.fetch_time)
    match.commit(1, world.fetch_time)
    match.fight()
    check, _ = world.measure_call(duelling.build_check(world.toy, match, mine, LANE), ANYONE)
    if match.resolve(mine) != LANE:
        raise Fatal("the measured lie is in another lane than was meant")
    return check


def silence(world: DuelWorld, match: Match) -> None:
    """Play until the lie's champion, on turn in the bout, would have to move."""
    match.open(HONEST)
    match.descend()
    match.commit(0, world.fetch_time)
    match.commit(1, world.fetch_time)
    if match.begin().turn != 1:
        raise Fatal("the later champion is on turn")
