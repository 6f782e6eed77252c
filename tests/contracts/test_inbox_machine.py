"""The Inbox beside a plain model of it: anyone floods, races, re-enters, re-orders, forces ether.

The model (scripts/economics/inbox.py) keeps lists and sums them anew at each question; the contract
keeps packed words and a tree. Each refusal must be the one that the model names.
"""

from __future__ import annotations

import copy
import os

from hypothesis import settings as budget
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from scripts.economics.inbox import Batch, Refused
from tests.contracts.harness import SEQUENCER, STRANGER, Reverted, reverts
from tests.contracts.proposals import ZERO, make_proposal, propose, stake
from tests.contracts.queue_steps import (
    CONTRACTS,
    DRAFTS,
    OLD,
    PEOPLE,
    PEOPLE_END,
    RULES,
    YOUNG,
    QueueSteps,
    fixed,
)
from tests.contracts.test_money import ACCEPT, BURN_GAS, REFUSE, call_of

BOMB = 4
T, D = 600, 120
KINDS = st.sampled_from(sorted(DRAFTS))
WHO = st.integers(0, PEOPLE_END + CONTRACTS - 1)


class Queue(QueueSteps):
    """Callers with and without code, a sequencer with and without a stake, and the model."""

    @initialize()
    def begin(self) -> None:
        self.start()
        self.pending: list[bytes] = []
        self.stake()

    @rule(seconds=st.sampled_from([0, 1, YOUNG, 5, OLD - 1, OLD, 41]), blocks=st.integers(0, 2))
    def wait(self, seconds: int, blocks: int) -> None:
        """Blocks pass, or a re-ordering builder makes several transactions one block."""
        self.world.pass_time(seconds, max(blocks, seconds > 0))

    @rule(who=WHO, offset=st.sampled_from([-1, 0, 1]), age=st.sampled_from([OLD, YOUNG]))
    def race_to_close(self, who: int, offset: int, age: int) -> None:
        """At a boundary's second and on both sides of it; a loser comes a moment later."""
        due = self.model.batches[-1].opened_at + age + offset
        if due > self.world.now:
            self.world.pass_time(due - self.world.now)
        self.do_close(who)
        self.do_close((who + 1) % len(self.names))

    @rule(who=WHO, kind=KINDS, size=st.integers(0, 512), extra=st.sampled_from([0, 0, 1, 10**12]))
    def submit(self, who: int, kind: str, size: int, extra: int) -> None:
        """Exactly the quote is enough; a wei less is not."""
        size = 0 if kind == "wide" and size > 64 else size
        work = fixed(DRAFTS[kind]) + size
        try:
            fee = self.inbox.quote(self.ids[kind], size)
        except Reverted:
            fee = 0
        if fee:
            assert fee == self.model.quote(work, self.world.now)
            with reverts("inbox: fee too low"):
                self.inbox.submit(self.ids[kind], b"", b"x" * size, ZERO, 0, value=fee - 1)
        self.do_submit(who, kind, size, extra)

    @rule(who=WHO, kind=st.sampled_from(["cheap", "wide"]), count=st.sampled_from([30, 97, 260]))
    def flood(self, who: int, kind: str, count: int) -> None:
        """Until the batch is full for this block, or the bucket."""
        for _ in range(count):
            if not self.do_submit(who, kind, 0, 0):
                break

    @rule(who=WHO)
    def delay(self, who: int) -> None:
        """One cheap call in every block, to keep others from closing."""
        for _ in range(4):
            self.world.pass_time(OLD // 2)
            self.do_submit(who, "cheap", 0, 0)
            self.do_close(1)

    @rule(who=WHO, size=st.integers(0, 512))
    def drown(self, who: int, size: int) -> None:
        """Heavy calls in block after block, past the bucket's burst: who waits is told how long."""
        for _ in range(4):
            self.world.pass_time(0)
            self.do_submit(who, "heavy", size, 0)

    @rule(who=WHO, over=st.integers(0, 1))
    def fill_to_the_brim(self, who: int, over: int) -> None:
        """Work of exactly a batch fits, one more does not."""
        spare = fixed(DRAFTS["cheap"])
        while (room := self.room - spare - fixed(DRAFTS["heavy"])) >= 0:
            if not self.do_submit(who, "heavy", min(room, 512), 0):
                return
        if 0 <= self.room - spare <= 511:
            self.do_submit(who, "cheap", self.room - spare + over, 0)

    @property
    def room(self) -> int:
        """Work that the open batch may still take."""
        return RULES.burst - self.model.batches[-1].work

    @rule(who=WHO)
    def close(self, who: int) -> None:
        self.do_close(who)

    @rule(who=WHO, to=WHO)
    def withdraw(self, who: int, to: int) -> None:
        self.do_withdraw(who, self.names[to])

    @rule(who=WHO)
    def withdraw_to_a_bomb(self, who: int) -> None:
        """It answers with 128 KB of zeros, and nobody copies them."""
        self.do_withdraw(who, self.bomb, gas=400_000)

    @rule(who=WHO, to=st.integers(0, CONTRACTS - 1), mode=st.sampled_from([REFUSE, BURN_GAS, BOMB]))
    def withdraw_to_one_who_spoils_it(self, who: int, to: int, mode: int) -> None:
        """Nothing has happened, and the next address may be paid."""
        owed = self.model.credits.get(self.names[who], 0)
        receiver = self.contracts[to]
        receiver.set(mode, bytes(20), b"")
        try:
            self.send(who, "withdraw", receiver.address, gas=3_000_000)
            raise AssertionError("a receiver that refuses was paid")
        except Reverted as refusal:
            if owed == 0:
                assert refusal.reason == "inbox: no credit"  # noqa: PT017 - one of two
        receiver.set(ACCEPT, bytes(20), b"")
        self.do_withdraw(who, receiver.address)

    @rule(at=st.integers(0, CONTRACTS - 1), name=st.sampled_from(["withdraw", "burn"]))
    def reenter_what_pays(self, at: int, name: str) -> None:
        """Locked: nobody is paid twice."""
        attacker = self.contracts[at]
        arguments = (attacker.address,) if name == "withdraw" else ()
        self.do_reenter(attacker, call_of(self.inbox, name, *arguments), 0)
        assert not attacker.answered()

    @rule(at=st.integers(0, CONTRACTS - 1), kind=KINDS, close=st.booleans())
    def reenter_what_is_open(self, at: int, kind: str, close: bool) -> None:
        """A payment's receiver closes a batch or submits, as anyone might a moment later."""
        attacker = self.contracts[at]
        if self.model.credits.get(attacker.address, 0) == 0:
            return
        data, price = call_of(self.inbox, "close_batch"), 0
        if not close:
            data = call_of(self.inbox, "submit", self.ids[kind], b"", b"", ZERO, 0)
            try:
                price = self.model.quote(fixed(DRAFTS[kind]), self.world.now)
            except Refused:
                price = 0
        self.do_reenter(attacker, data, price)
        opened = len(self.model.batches)
        draft, now, block = DRAFTS[kind], self.world.now, self.world.block
        try:
            if close:
                self.model.close_batch(now, block)
            else:
                self.model.submit(
                    attacker.address, fixed(draft), draft.output_bytes(), price, now, block
                )
        except Refused:
            assert not attacker.answered()
            return
        assert attacker.answered()
        self.note_closing(opened)
        if not close:
            self.note_call(price)

    @rule(wei=st.integers(1, 10**15))
    def force(self, wei: int) -> None:
        """A contract destroys itself into the inbox: no decision changes, anyone burns it."""
        self.contracts[0].force(self.inbox.address, value=wei)
        self.model.surplus += wei

    @rule(who=WHO)
    def burn(self, who: int) -> None:
        self.do_burn(who)

    @rule(who=WHO, what=st.integers(0, 3), gas=st.integers(20_000, 170_000))
    def starve_of_gas(self, who: int, what: int, gas: int) -> None:
        """Whole or not at all, whatever the caller left: an inner call has 63/64 of it."""
        if what == 0:
            self.do_submit(who, "heavy", 100, 7, gas)
        elif what == 1:
            self.do_close(who, gas)
        elif what == 2:
            self.do_withdraw(who, STRANGER, gas)
        else:
            self.do_burn(who, gas)

    @rule(
        calls=st.lists(st.tuples(WHO, KINDS, st.integers(0, 64)), min_size=2, max_size=5),
        close=st.booleans(),
    )
    def reorg(self, calls: list[tuple[int, str, int]], close: bool) -> None:
        """The same transactions in another order: another queue, the same rules."""
        mark = self.world.evm.snapshot()
        kept = copy.deepcopy(
            (self.model, self.leaves, self.hashes, self.world.now, self.world.block)
        )
        prevrandao = self.world.prevrandao
        for order in (calls, calls[::-1]):
            for who, kind, size in order:
                self.do_submit(who, kind, size, 3)
            if close:
                self.world.pass_time(OLD)
                self.do_close(0)
            if order is calls:
                self.world.evm.revert(mark)
                self.model, self.leaves, self.hashes, now, block = kept
                self.world.now, self.world.block, self.world.prevrandao = now, block, prevrandao
                self.world.pass_time(0, 0)

    @rule()
    def stake(self) -> None:
        if not self.staked:
            stake(self.world)
            self.staked = True

    @rule()
    def unstake(self) -> None:
        """A sequencer without a stake closes like anyone."""
        if self.staked and not self.pending:
            rollup = self.world.rollup
            rollup.request_withdrawal(sender=SEQUENCER)
            self.world.pass_time(D)
            rollup.withdraw_stake(SEQUENCER, sender=SEQUENCER)
            self.staked = False

    @rule()
    def propose(self) -> None:
        n = self.model.settled + len(self.pending)
        if self.staked and self.model.batches[n].closed_at is not None:
            parent = self.pending[-1] if self.pending else self.world.rollup.final_id(n)
            self.pending.append(propose(self.world, parent, make_proposal(salt=n)))

    @rule()
    def finalize(self) -> None:
        """A batch is consumed whole, once, in order; its proposer is credited."""
        if self.pending:
            self.world.pass_time(T)
            self.world.rollup.finalize(self.pending.pop(0), sender=STRANGER)
            amount = self.model.settle(SEQUENCER)
            assert self.world.event("FeesSettled")["amount"] == amount

    @rule(who=st.sampled_from(PEOPLE), n=st.integers(0, 3))
    def settle_alone(self, who: bytes, n: int) -> None:
        with reverts("inbox: rollup only"):
            self.inbox.settle(n, who, sender=who)

    # --- after every step ---

    @invariant()
    def books_agree(self) -> None:
        """Invariant 25, Invariant 33: what exceeds the books is surge or was forced in."""
        model, inbox = self.model, self.inbox
        credits = sum(model.credits.values())
        assert (inbox.escrow(), inbox.total_credits()) == (model.escrow, credits)
        for name in self.names:
            assert inbox.credit(name) == model.credits.get(name, 0)
        assert self.world.balance(inbox.address) == model.escrow + credits + model.surplus

    @invariant()
    def order_is_append_only(self) -> None:
        """Invariant 42: ids run through all batches without a gap, and nothing closed changes."""
        batches = self.model.batches
        assert [entry.call_id for batch in batches for entry in batch.entries] == list(
            range(self.inbox.call_count())
        )
        assert self.inbox.open_batch() == len(batches)
        for batch in batches:
            assert self.inbox.batch(batch.number) == {
                "batch_hash": ZERO if batch.closed_at is None else self.hashes[batch.number - 1],
                "first_call": batch.first_call,
                "count": len(batch.entries),
                "opened_at": batch.opened_at,
                "work": batch.work,
            }
        assert within_bounds(batches)

    @invariant()
    def quotes_agree(self) -> None:
        for kind, draft in DRAFTS.items():
            try:
                told: object = self.model.quote(fixed(draft), self.world.now)
            except Refused as refusal:
                told = refusal.reason
            try:
                found: object = self.inbox.quote(self.ids[kind], 0)
            except Reverted as refusal:
                found = refusal.reason
            assert found == told


def within_bounds(batches: list[Batch]) -> bool:
    """Whether each batch keeps the three bounds that make it replayable and postable."""
    return all(
        len(batch.entries) <= 256 and batch.work <= RULES.burst and batch.output_bytes <= 98_304
        for batch in batches
    )


TestQueue = Queue.TestCase
TestQueue.settings = budget(
    max_examples=int(os.environ.get("OYEZ_EXAMPLES", "30")),
    stateful_step_count=30,
    deadline=None,
)
