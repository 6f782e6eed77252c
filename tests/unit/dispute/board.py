"""A small model of the Rollup, with lists where it has counters: what the honest client plays on.

It refuses by the Rollup's own words; `tests/contracts/test_rollup_machine.py` holds a model like it
against the contract.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from oyez.chain.contracts import Stake
from oyez.dispute.moves import CancelWithdrawal, Finalize, MarkVoid, Move, Propose, StepDown
from oyez.dispute.tree import Node, Tree
from oyez.dispute.view import Own, Periods, View
from oyez.protocol import codec
from oyez.protocol.types import ZERO_HASH, Address, BatchNumber, Claim, Hash32, Status

CHAIN_ID = 31_337
ROLLUP = Address(b"\x0b" * 20)
GENESIS = codec.compute_genesis_id(CHAIN_ID, ROLLUP)
T, D, FIRST = 600, 120, 70
PERIODS = Periods(challenge=T, response=D, first_child=FIRST, stake=10**18)
NO_STAKE = Stake(0, 0, 0, 0, ZERO_HASH)


def who(number: int) -> Address:
    return Address(bytes([number]) * 20)


SEQUENCER = who(1)


class RefusedError(Exception):
    """The Rollup's revert."""


@dataclass
class Staker:
    live: bool = False
    slashed: bool = False
    requested_at: int = 0
    tip: Hash32 = ZERO_HASH


@dataclass
class Assertion:
    """As the Rollup stores it; `content` 0 is the truth, another one a lie."""

    id: Hash32
    parent: Hash32
    batch: int
    proposer: Address
    content: int
    attempt: int
    created_at: int
    status: Status = Status.PENDING


@dataclass
class Board:
    """A rollup whose batches and claims are made of their numbers."""

    now: int = 10_000
    opened: list[int] = field(default_factory=list)
    all: dict[Hash32, Assertion] = field(default_factory=dict)
    starts: dict[Hash32, int] = field(default_factory=dict)
    stakers: dict[Address, Staker] = field(default_factory=dict)
    finals: list[Hash32] = field(default_factory=lambda: [GENESIS])
    tree: Tree = field(default_factory=lambda: Tree(GENESIS))

    # What anyone does

    def deposit(self, staker: Address) -> None:
        self.stakers[staker] = Staker(live=True)

    def close_batch(self) -> None:
        self.opened.append(self.now)

    def own(self, batch: int, content: int = 0) -> Own:
        roots = [codec.keccak(b"%d %d %d" % (batch, content, lane)) for lane in range(4)]
        batch_hash = codec.keccak(b"batch %d %d" % (batch, self.opened[batch - 1]))
        return Own(BatchNumber(batch), batch_hash, self.opened[batch - 1], Claim(*roots))

    def id_of(self, parent: Hash32, content: int = 0, attempt: int = 0) -> Hash32:
        own = self.own(self.batch_of(parent) + 1, content)
        return codec.compute_assertion_id(
            chain_id=CHAIN_ID, rollup=ROLLUP, parent=parent, attempt=attempt, batch=own.batch,
            batch_hash=own.batch_hash, claim=own.claim,
        )  # fmt: skip

    def batch_of(self, assertion_id: Hash32) -> int:
        return 0 if assertion_id == GENESIS else self.all[assertion_id].batch

    def propose(
        self, staker: Address, parent: Hash32, content: int = 0, attempt: int = 0
    ) -> Hash32:
        stake = self.stakers.get(staker, Staker())
        self._need(self._is_parent(parent), "parent past or unknown")
        self._need(self.batch_of(parent) < len(self.opened), "batch not closed")
        made = self.id_of(parent, content, attempt)
        self._need(made not in self.all, "already proposed")
        if attempt:
            earlier = self.all.get(self.id_of(parent, content, attempt - 1))
            ended = earlier is not None and earlier.status is Status.DEFEATED
            self._need(ended, "earlier attempt lives")
        living = self.living(parent)
        if not living:
            self._need(self._may_be_first(staker, parent), "sequencer proposes first")
            self.starts[parent] = self.now
        elif self.now >= self.starts[parent] + T:
            self._need(len(living) == 1, "fork closed, no survivor")
            self._need(self.now < living[0].created_at + T, "too late to join")
        self._need(stake.live, "no live stake")
        self._need(not stake.requested_at, "withdrawal requested")
        self._need(not self.pending_of(staker) or stake.tip == parent, "stake bound to its tip")
        stake.tip = made
        batch = self.batch_of(parent) + 1
        self.all[made] = Assertion(made, parent, batch, staker, content, attempt, self.now)
        claim = self.own(batch, content).claim
        self.tree.propose(Node(made, parent, BatchNumber(batch), staker, self.now, attempt, claim))
        return made

    def step_down(self, staker: Address, path: tuple[Hash32, ...]) -> None:
        self._need(0 < len(path) <= 32, "no step")
        tip = self.stakers[staker].tip
        self._need(self._status(tip) is Status.PENDING, "tip not pending")
        for step in path:
            self._need(step in self.all and self.all[step].parent == tip, "not a child of the tip")
            self._need(self._status(step) is Status.PENDING, "step not pending")
            tip = step
        self.stakers[staker].tip = tip

    def finalize(self, assertion_id: Hash32) -> None:
        self._need(self._status(assertion_id) is Status.PENDING, "not pending")
        found = self.all[assertion_id]
        self._need(found.parent == self.finals[-1], "parent not the head")
        self._need(len(self.living(found.parent)) == 1, "a sibling lives")
        self._need(self.now >= found.created_at + T, "too early")
        found.status = Status.FINAL
        self.finals.append(assertion_id)
        self.tree.finalize(assertion_id)

    def mark_void(self, assertion_id: Hash32) -> None:
        self._need(self._status(assertion_id) is Status.PENDING, "nothing to void")
        found = self.all[assertion_id]
        dead = self._status(found.parent) in (Status.DEFEATED, Status.VOID)
        self._need(dead, "parent not dead")
        found.status = Status.VOID
        self.tree.void(assertion_id)

    def defeat(self, assertion_id: Hash32) -> None:
        found = self.all[assertion_id]
        self._need(found.status is Status.PENDING, "nothing to defeat")
        found.status = Status.DEFEATED
        self.tree.defeat(assertion_id)
        self.slash(found.proposer)

    def slash(self, staker: Address) -> None:
        self.stakers[staker] = replace(self.stakers[staker], live=False, slashed=True)

    def request(self, staker: Address) -> None:
        stake = self.stakers[staker]
        idle = stake.live and not stake.requested_at and not self.pending_of(staker)
        self._need(idle, "stake not idle")
        stake.requested_at = self.now

    def cancel(self, staker: Address) -> None:
        stake = self.stakers[staker]
        self._need(stake.live and stake.requested_at > 0, "no request to cancel")
        stake.requested_at = 0

    def perform(self, staker: Address, move: Move) -> None:
        """Do what the client decided; RefusedError when the Rollup would not."""
        match move:
            case Propose():
                is_closed = move.batch <= len(self.opened)
                self._need(is_closed, "batch not closed")
                same = self.own(move.batch).batch_hash == move.batch_hash
                self._need(same, "another batch")
                made = self.propose(staker, move.parent, 0, move.attempt)
                assert made == move.assertion_id
            case StepDown():
                self.step_down(staker, move.path)
            case Finalize():
                self.finalize(move.assertion_id)
            case MarkVoid():
                self.mark_void(move.assertion_id)
            case CancelWithdrawal():
                self.cancel(staker)

    # What is seen

    def view(self, me: Address, *, built: int | None = None) -> View:
        count = len(self.opened) if built is None else built
        return View(
            chain_id=CHAIN_ID,
            rollup=ROLLUP,
            time=self.now,
            periods=PERIODS,
            tree=self.tree.copy(),
            own={batch: self.own(batch) for batch in range(1, count + 1)},
            head_is_true=all(self.is_true(final) for final in self.finals),
            me=me,
            stake=self.stake(me),
            sequencer=SEQUENCER,
            sequencer_stake=self.stake(SEQUENCER),
        )

    def stake(self, staker: Address) -> Stake:
        found = self.stakers.get(staker)
        if found is None:
            return NO_STAKE
        if found.slashed:
            return Stake(2, 0, 0, 0, found.tip)
        return Stake(1, len(self.pending_of(staker)), 0, found.requested_at, found.tip)

    def living(self, parent: Hash32) -> list[Assertion]:
        alive = (Status.PENDING, Status.FINAL)
        return [a for a in self.all.values() if a.parent == parent and a.status in alive]

    def pending_of(self, staker: Address) -> list[Assertion]:
        return [a for a in self.all.values() if a.proposer == staker and a.status is Status.PENDING]

    def is_true(self, assertion_id: Hash32) -> bool:
        """Whether it and all below it are the truth."""
        while assertion_id != GENESIS:
            if self.all[assertion_id].content != 0:
                return False
            assertion_id = self.all[assertion_id].parent
        return True

    def _status(self, assertion_id: Hash32) -> Status:
        if assertion_id == GENESIS:
            return Status.FINAL
        return self.all[assertion_id].status if assertion_id in self.all else Status.NONE

    def _is_parent(self, parent: Hash32) -> bool:
        return parent == self.finals[-1] or self._status(parent) is Status.PENDING

    def _may_be_first(self, staker: Address, parent: Hash32) -> bool:
        opened_at = self.opened[self.batch_of(parent)]
        holder = self.stakers.get(SEQUENCER, Staker())
        may_follow = holder.live and (not self.pending_of(SEQUENCER) or holder.tip == parent)
        return staker == SEQUENCER or self.now > opened_at + FIRST or not may_follow

    def _need(self, condition: bool, reason: str) -> None:
        if not condition:
            raise RefusedError(reason)
