"""Parties on a chain in memory, block by block: all decide from the board, then it is done."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.actors.duels import records as rec
from tests.actors.duels import trees
from tests.actors.duels.board import Board
from tests.actors.duels.meddlers import ContractWallet, Reorger
from tests.actors.duels.moves import Act
from tests.actors.duels.party import Adversary, Party
from tests.contracts.duelling import Arena, words
from tests.contracts.harness import Contract, Event, Reverted, actor, encode_call
from tests.contracts.proposals import close_batch_of

#: Seconds of a block; no party needs longer than one for a move.
BLOCK = 5
HONEST = actor("honest")
T, D = 600, 120
#: Clocked moves of a duel, and two more.
LATENCIES = 14


class Recorder(Arena):
    """An arena that keeps every event."""

    def __init__(self, *args: Any, **changes: Any) -> None:
        self.history: list[rec.Seen] = []
        super().__init__(*args, **changes)

    def call(self, to: bytes, data: bytes, **how: Any) -> bytes:
        answer = super().call(to, data, **how)  # type: ignore[arg-type]  # an address
        if not how["view"]:
            self.history += [read_event(event, self.now) for event in self.logs]
        return answer


def read_event(event: Event, time: int) -> rec.Seen:
    return rec.Seen(event.name, {name: words(value) for name, value in event.args.items()}, time)


def find_arena(sequencer: bytes, lies: Sequence[trees.Change] = (), **changes: Any) -> Recorder:
    """An arena whose first batch's machine halts in time; changed, it is a lie."""
    for wait in range(1, 400):
        arena = Recorder(wait, sequencer=sequencer, **changes)
        if trees.is_short(arena.batch_hash) and trees.are_false(arena.batch_hash, lies):
            return arena
    raise AssertionError("no run halts in time")


#: What brings an honest party more than it costs.
PAID = ("pay_duel", "pay_bout")


@dataclass
class Report:
    """What was done: acts by party, and what the chain refused."""

    done: Counter[tuple[bytes, str]] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    starved: Counter[bool] = field(default_factory=Counter)
    gas: Counter[bytes] = field(default_factory=Counter)
    undone: int = 0

    def count(self, who: bytes) -> int:
        """How many transactions an address has sent with success, but for claiming its pay."""
        return sum(n for (by, name), n in self.done.items() if by == who and name not in PAID)


@dataclass
class Mark:
    """The chain before a block, and what was done in it."""

    snapshot: Any
    events: int
    acts: list[Act] = field(default_factory=list)


class Stage:
    """An arena, one honest party and its adversaries."""

    def __init__(
        self,
        honest: Party,
        adversaries: Sequence[Adversary],
        arena: Recorder,
        *,
        seed: int = 0,
    ) -> None:
        self.rng = random.Random(f"stage {seed}")
        self.arena = arena
        self.honest = honest
        self.adversaries = list(adversaries)
        self.wallets: dict[bytes, tuple[Contract, bytes]] = {}
        self.report = Report()
        self.marks: list[Mark] = []
        for adversary in adversaries:
            if isinstance(adversary, ContractWallet):
                wallet = self.arena.deploy("contracts/mocks/Wallet.vy", adversary.owner)
                self.wallets[wallet.address] = (wallet, adversary.owner)
                adversary.move_in(wallet.address)
        for who in sorted({who for party in (honest, *adversaries) for who in party.stakes}):
            self.stake(who)
        self.board = Board(self.arena.genesis)
        self.read = 0
        self.censored: set[int] = set()
        #: honest moves that are mined a block, and blocks that all of them may take at the end
        self.pace: int | None = None
        self.latencies = LATENCIES
        self.began = self.arena.now
        self.arena.pass_time(BLOCK)
        self.look()

    # --- the chain ---

    def stake(self, who: bytes) -> None:
        """Fund an address and have it deposit a stake."""
        amount = self.arena.settings.stake
        _, payer = self.wallets.get(who, (None, who))
        self.arena.fund(payer, 10 * amount)  # type: ignore[arg-type]  # an address
        assert self.perform(Act(who, "rollup", "deposit_stake", value=amount))

    def look(self) -> Board:
        """Bring the board up to now."""
        for seen in self.arena.history[self.read :]:
            self.board.apply(seen)
        self.read = len(self.arena.history)
        self.board.now = self.arena.now
        return self.board

    def perform(self, act: Act) -> bool:
        """Do one thing; a refusal is counted, and is nobody's failure."""
        try:
            if act.gas is None:
                self.send(act)
            else:
                self.starve(act)
        except Reverted as refusal:
            self.report.refused[refusal.reason] += 1
            return False
        self.report.done[act.sender, act.name] += 1
        self.report.gas[act.sender] += self.arena.gas
        if self.marks:
            self.marks[-1].acts.append(act)
        return True

    def send(self, act: Act) -> None:
        contract: Contract = getattr(self.arena, act.contract)
        if act.sender not in self.wallets:
            call = getattr(contract, act.name)
            call(*act.args, sender=act.sender, value=act.value, gas=act.gas)
            return
        wallet, owner = self.wallets[act.sender]
        abi = self.arena.abis[contract.address]
        (entry,) = [e for e in abi if e["type"] == "function" and e["name"] == act.name]
        data = encode_call(entry, *act.args)
        wallet.execute(contract.address, data, sender=owner, value=act.value)

    def starve(self, act: Act) -> None:
        """Do it with the gas given: it does nothing, or all that it does with enough."""
        arena = self.arena
        kept, length = arena.evm.snapshot(), len(arena.history)
        self.send(replace(act, gas=None))
        wanted = [(event.name, event.args) for event in arena.logs]
        arena.evm.revert(kept)
        del arena.history[length:]
        try:
            self.send(act)
        except Reverted:
            self.report.starved[False] += 1
            raise
        self.report.starved[True] += 1
        assert [(event.name, event.args) for event in arena.logs] == wanted

    def act_all(self, acts: Iterable[Act], most: int | None = None) -> int:
        """Do all, or the first so many that are not refused; return how many were done."""
        done = 0
        for act in list(acts):
            if done == most:
                break
            done += self.perform(act)
        return done

    def close_batch(self) -> None:
        """Queue a call and close its batch, so that the machine it starts halts in time."""
        arena = self.arena
        for _ in range(400):
            kept, length = arena.evm.snapshot(), len(arena.history)
            number = close_batch_of(arena, arena.action)
            if trees.is_short(arena.inbox.batch(number).batch_hash):
                return
            arena.evm.revert(kept)
            del arena.history[length:]
            arena.pass_time(1)
        raise AssertionError("no run halts in time")

    def undo(self, blocks: int) -> None:
        """Undo the newest blocks; half of their acts come again, in any order, as they were."""
        lost = self.marks[-blocks:]
        del self.marks[-blocks:]
        self.arena.evm.revert(lost[0].snapshot)
        del self.arena.history[lost[0].events :]
        self.board, self.read = Board(self.arena.genesis), 0
        self.report.undone += len(lost)
        acts = [act for mark in lost for act in mark.acts]
        acts = self.rng.sample(acts, (len(acts) + 1) // 2)
        self.begin_block()
        self.act_all(acts)

    # --- the play ---

    def begin_block(self) -> None:
        self.marks.append(Mark(self.arena.evm.snapshot(), len(self.arena.history)))

    def step(self) -> int:
        """One block: the adversaries see what the honest party is about to do."""
        for adversary in self.adversaries:
            blocks = adversary.reorg() if isinstance(adversary, Reorger) else 0
            if blocks and len(self.marks) >= blocks:
                self.undo(blocks)
        self.begin_block()
        pending = [] if self.is_censored() else list(self.honest.decide(self.look()))
        self.rng.shuffle(self.adversaries)
        done = 0
        for adversary in self.adversaries:
            done += self.act_all(adversary.foresee(self.look(), pending))
            for _ in range(adversary.passes):
                if adversary.passes > 1 or self.rng.random() < 0.5:
                    done += self.act_all(adversary.decide(self.look()))
        done += self.act_all(pending, self.pace)
        for adversary in self.adversaries:
            done += self.act_all(adversary.decide(self.look()))
        self.arena.pass_time(BLOCK)
        self.look()
        return done

    def is_censored(self) -> bool:
        return (self.arena.now - self.began) // BLOCK in self.censored

    def play(self, batches: int = 1, limit: int = 8 * T) -> None:
        """Until the last batch is final and nothing is left to do, or for `limit` seconds."""
        end = self.arena.now + limit
        while self.arena.now < end:
            is_free = not self.is_censored()
            done = self.step()
            if is_free and not done and len(self.board.finals) >= batches:
                return
        raise AssertionError(f"not over after {limit} s: {self.report}")
