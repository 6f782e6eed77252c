"""Forks, stakes and the log beside a small model: any actor does anything, at any time.

The model keeps plain lists and counts them anew at each question; Rollup keeps packed counters. The
model names the reason of every refusal, so that a call which fails must fail for that rule.
"""

from __future__ import annotations

import copy
import os

from hypothesis import settings as budget
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.contracts.conftest import publish
from tests.contracts.fork_model import (
    ACTORS,
    DEFEATED,
    FINAL,
    PENDING,
    VOID,
    WALLET,
    D,
    Model,
    Node,
    Staker,
    T,
)
from tests.contracts.harness import (
    CALLER,
    ETHER,
    GAME,
    GRAVE,
    STRANGER,
    Reverted,
    World,
    settings,
)
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import ZERO, close_batch_of, id_of, make_proposal
from tests.contracts.test_money import ACCEPT, BURN_GAS, CALL_BACK, REFUSE, call_of

CONTENTS = [make_proposal(salt=i) for i in range(3)]
BOMB = 4
LOCKED = ["withdraw_stake", "withdraw", "deposit_stake", "cancel_withdrawal", "request_withdrawal"]
MOVES = st.lists(st.tuples(st.sampled_from(ACTORS), st.integers(0, 2)), min_size=2, max_size=4)


class Forks(RuleBasedStateMachine):
    """Who lies, stalls, joins late, kills and withdraws, against the model."""

    @initialize()
    def begin(self) -> None:
        self.world = World(settings(game=GAME))
        for who in ACTORS:
            self.world.fund(who, 1_000 * ETHER)
        self.ballot = publish(self.world, BALLOT)
        self.rollup = self.world.rollup
        self.wallet = self.world.deploy("tests/contracts/Attacker.vy")
        assert self.wallet.address == WALLET
        self.forced = self.drawn = self.burned = 0
        genesis = Node(self.rollup.final_id(0), None, 0, bytes(20), 0, 0, 0, 0, FINAL)
        self.model = Model([genesis], finals=[genesis])
        self.grave = self.world.balance(GRAVE)
        for who in (*ACTORS[:3], WALLET):
            self.deposit(who)
        for _ in range(2):
            self.close()

    def send(self, name: str, *arguments: object, sender: bytes, value: int = 0) -> None:
        """Call Rollup, through the wallet if it is the sender."""
        if sender == WALLET:
            data = call_of(self.rollup, name, *arguments)
            self.wallet.do(self.rollup.address, data, sender=CALLER, value=value)
        else:
            getattr(self.rollup, name)(*arguments, sender=sender, value=value)

    def attempt(self, reason: str | None, name: str, *arguments: object, **sent: object) -> bool:
        """Call; it must fail with exactly this reason, or succeed if there is none."""
        try:
            self.send(name, *arguments, **sent)  # type: ignore[arg-type]  # as they came
        except Reverted as refusal:
            assert refusal.reason == reason, (name, reason)  # noqa: PT017 - the model may expect no refusal
            return False
        assert reason is None, (name, reason)
        return True

    @rule(seconds=st.sampled_from([0, 1, 30, 70, 119, 120, 250, 599, 600]))
    def wait(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule()
    def close(self) -> None:
        if len(self.model.opened) < 6:
            n = close_batch_of(self.world, self.ballot)
            self.model.opened[n] = self.world.now - 10

    @rule(who=st.sampled_from(ACTORS))
    def deposit(self, who: bytes) -> None:
        reason = self.model.why_not_deposit(who)
        if self.attempt(reason, "deposit_stake", sender=who, value=ETHER):
            self.model.stakers[who] = Staker(
                live=True, championed=self.model.stakers[who].championed
            )

    @rule(who=st.sampled_from(ACTORS))
    def request(self, who: bytes) -> None:
        if self.attempt(self.model.why_not_request(who), "request_withdrawal", sender=who):
            self.model.stakers[who].requested_at = self.world.now

    @rule(who=st.sampled_from(ACTORS))
    def cancel(self, who: bytes) -> None:
        asked = self.model.stakers[who].requested_at is not None
        reason = None if asked else "rollup: no request to cancel"
        if self.attempt(reason, "cancel_withdrawal", sender=who):
            self.model.stakers[who].requested_at = None

    @rule(who=st.sampled_from(ACTORS))
    def withdraw(self, who: bytes) -> None:
        reason = self.model.why_not_withdraw(who, self.world.now)
        if self.attempt(reason, "withdraw_stake", who, sender=who):
            self.model.stakers[who] = Staker(championed=self.model.stakers[who].championed)

    @rule(
        who=st.sampled_from(ACTORS),
        place=st.integers(0, 5),
        content=st.sampled_from([0, 1, 2]),
        attempt=st.sampled_from([0, 0, 0, 1, 2]),
    )
    def propose(self, who: bytes, place: int, content: int, attempt: int) -> None:
        self.do_propose(who, self.pick(place), content, attempt)

    @rule(who=st.sampled_from(ACTORS), content=st.sampled_from([0, 1, 2]))
    def extend(self, who: bytes, content: int) -> None:
        """Propose where the stake may, and the next attempt that may be made."""
        tip = self.model.stakers[who].tip
        parent = self.model.finals[-1] if tip is None or self.model.is_free(who) else tip
        made = [n for n in self.model.nodes if n.parent is parent and n.content == content]
        self.do_propose(who, parent, content, len(made))

    def do_propose(self, who: bytes, parent: Node, content: int, attempt: int) -> None:
        now, model, proposal = self.world.now, self.model, CONTENTS[content]
        reason = model.why_not_propose(who, parent, content, attempt, now)
        n = parent.batch + 1
        batch_hash = self.world.inbox.batch(n).batch_hash
        words = parent.id, attempt, batch_hash, proposal.words, proposal.proof, b""
        if not self.attempt(reason, "propose", *words, sender=who):
            return
        found = id_of(self.world, parent.id, n, proposal, attempt)
        assert self.world.event("AssertionProposed")["assertion_id"] == found
        assert self.world.event("AssertionProposed")["proposer"] == who
        allowed = model.allowance(parent, now)
        assert isinstance(allowed, int)
        if not model.living(parent):
            model.starts[parent.id] = now
        node = Node(found, parent, n, who, content, attempt, now, allowed)
        model.nodes.append(node)
        model.stakers[who].tip = node

    @rule(who=st.sampled_from(ACTORS), steps=st.integers(0, 3), stray=st.booleans())
    def step_down(self, who: bytes, steps: int, stray: bool) -> None:
        tip = self.model.stakers[who].tip
        path: list[Node] = []
        for _ in range(steps):
            below = [n for n in self.model.nodes if n.parent is tip and tip is not None]
            if below:
                path.append(tip := below[-1])
        if stray:
            path.append(self.model.nodes[-1])
        reason = self.model.why_not_step(who, path)
        if self.attempt(reason, "step_down", [node.id for node in path], sender=who):
            self.model.stakers[who].tip = path[-1]

    @rule(place=st.integers(0, 5))
    def finalize(self, place: int) -> None:
        self.do_finalize(self.pick(place))

    @rule()
    def finalize_next(self) -> None:
        """Wait for what can be final, if one alone lives."""
        living = self.model.living(self.model.finals[-1])
        if len(living) == 1:
            self.world.pass_time(T)
            self.do_finalize(living[0])

    def do_finalize(self, node: Node) -> None:
        reason = self.model.why_not_finalize(node, self.world.now)
        if self.attempt(reason, "finalize", node.id, sender=STRANGER):
            node.status = FINAL
            self.model.finals.append(node)

    @rule(place=st.integers(0, 5))
    def mark_void(self, place: int) -> None:
        node = self.pick(place)
        if self.attempt(self.model.why_not_void(node), "mark_void", node.id, sender=STRANGER):
            node.status = VOID

    @rule(place=st.integers(0, 5))
    def defeat(self, place: int) -> None:
        node = self.pick(place)
        reason = None if node.status == PENDING else "rollup: nothing to defeat"
        if self.attempt(reason, "defeat", node.id, sender=GAME):
            node.status = DEFEATED
            self.model.slash(node.proposer)

    @rule(who=st.sampled_from(ACTORS), place=st.integers(0, 5))
    def lock(self, who: bytes, place: int) -> None:
        node = self.pick(place)
        if self.attempt(self.model.why_not_lock(who, node), "lock", who, node.id, sender=GAME):
            staker = self.model.stakers[who]
            staker.championships += 1
            assert node.parent is not None
            staker.championed[node.parent.id] = node.id

    @rule(who=st.sampled_from(ACTORS))
    def unlock(self, who: bytes) -> None:
        """The game unlocks what it locked; a slashed staker's too."""
        staker = self.model.stakers[who]
        if staker.championships or staker.slashed:
            assert self.attempt(None, "unlock", who, sender=GAME)
            staker.championships = max(0, staker.championships - 1)

    @rule(who=st.sampled_from(ACTORS[3:]))
    def slash(self, who: bytes) -> None:
        assert self.attempt(None, "slash", who, sender=GAME)
        self.model.slash(who)

    @rule(who=st.sampled_from(ACTORS), mode=st.sampled_from([REFUSE, BURN_GAS, BOMB]))
    def withdraw_to_one_who_spoils_it(self, who: bytes, mode: int) -> None:
        """Nothing has happened; the stake's own owner alone is kept waiting."""
        reason = self.model.why_not_withdraw(who, self.world.now)
        self.wallet.set(mode, bytes(20), b"")
        mark = self.world.evm.snapshot()
        try:
            self.send("withdraw_stake", WALLET, sender=who)
            raise AssertionError("a receiver that refuses was paid")
        except Reverted as refusal:
            assert reason in (None, refusal.reason)  # noqa: PT017 - the model may expect no refusal
        self.world.evm.revert(mark)
        self.wallet.set(ACCEPT, bytes(20), b"")

    @rule(
        name=st.sampled_from(
            [
                "withdraw_stake",
                "withdraw",
                "burn",
                "deposit_stake",
                "cancel_withdrawal",
                "request_withdrawal",
            ]
        )
    )
    def reenter(self, name: str) -> None:
        """While its stake is paid the wallet calls back: all that writes is locked."""
        reason = self.model.why_not_withdraw(WALLET, self.world.now)
        arguments = (WALLET,) if name.startswith("withdraw") else ()
        self.wallet.set(CALL_BACK, self.rollup.address, call_of(self.rollup, name, *arguments))
        self.wallet.set_price(ETHER if name == "deposit_stake" else 0)
        if self.attempt(reason, "withdraw_stake", WALLET, sender=WALLET):
            assert not self.wallet.answered()
            self.model.stakers[WALLET] = Staker(championed=self.model.stakers[WALLET].championed)
        self.wallet.set(ACCEPT, bytes(20), b"")

    @rule(wei=st.integers(1, ETHER))
    def force(self, wei: int) -> None:
        """A contract destroys itself into Rollup: no decision changes."""
        self.wallet.force(self.rollup.address, value=wei)
        self.forced += wei

    @rule()
    def draw(self) -> None:
        """The game draws its credit."""
        owed = self.model.slashes * ETHER // 4 - self.drawn
        reason = None if owed else "rollup: no credit"
        if self.attempt(reason, "withdraw", STRANGER, sender=GAME):
            self.drawn += owed

    @rule()
    def burn(self) -> None:
        """Anyone burns what slashes left, and what was forced in."""
        rest = self.rest()
        reason = None if rest else "rollup: nothing to burn"
        if self.attempt(reason, "burn", sender=STRANGER):
            assert self.world.event("SlashedBurned") == {"amount": rest}
            self.burned += rest

    def rest(self) -> int:
        return self.model.slashes * ETHER * 3 // 4 + self.forced - self.burned

    @rule(who=st.sampled_from(ACTORS), rest=st.sampled_from([0, D - 1]))
    def withdraw_before_the_slash(self, who: bytes, rest: int) -> None:
        """A liar asks for his stake in the very block of a lie, or before: he is held or idle."""
        self.request(who)
        self.extend(who, 1)
        self.world.pass_time(rest)
        self.withdraw(who)

    @rule(
        moves=st.lists(
            st.tuples(st.sampled_from(ACTORS), st.integers(0, 2)), min_size=2, max_size=4
        ),
        seconds=st.sampled_from([0, 1, T]),
    )
    def reorg(self, moves: list[tuple[bytes, int]], seconds: int) -> None:
        """What was proposed, slashed and final is undone; the same moves come in another order."""
        mark = self.world.evm.snapshot()
        kept = copy.deepcopy(self.model), self.forced, self.drawn, self.burned
        clock = self.world.now, self.world.block, self.world.prevrandao
        for who, content in moves:
            self.extend(who, content)
        self.defeat(0)
        self.finalize_next()
        self.assertions_and_log_agree()
        self.world.evm.revert(mark)
        self.model, self.forced, self.drawn, self.burned = kept
        self.world.now, self.world.block, self.world.prevrandao = clock
        self.world.pass_time(seconds)
        for who, content in moves[::-1]:
            self.extend(who, content)

    def pick(self, place: int) -> Node:
        """One of the latest assertions, or genesis."""
        return self.model.nodes[max(0, len(self.model.nodes) - 1 - place)]

    @invariant()
    def stakes_agree(self) -> None:
        """Invariant 26, Invariant 27: stakes go only to slashes and withdrawals, once."""
        for who, staker in self.model.stakers.items():
            assert self.rollup.stake(who) == {
                "status": 1 if staker.live else 2 if staker.slashed else 0,
                "proposals": len(self.model.pending_of(who)) if staker.live else 0,
                "championships": staker.championships,
                "requested_at": staker.requested_at or 0,
                "tip": staker.tip.id if staker.tip else ZERO,
            }

    @invariant()
    def one_stake_stands_on_one_branch(self) -> None:
        """Invariant 28: also for a wallet, and after re-orgs."""
        for who, staker in self.model.stakers.items():
            line, node = [], staker.tip
            while node is not None:
                line.append(node.id)
                node = node.parent
            if staker.live:
                assert {n.id for n in self.model.pending_of(who)} <= set(line)

    @invariant()
    def assertions_and_log_agree(self) -> None:
        """Invariant 2: at most one final child, and the log only grows."""
        for node in self.model.nodes[1:]:
            stored = self.rollup.assertion(node.id)
            assert (stored.status, stored.batch) == (node.status, node.batch)
            assert stored.proposer == node.proposer
            if node.status != FINAL:
                assert stored.created_at == node.created_at
                assert stored.allowance == node.allowance
        finals = self.model.finals
        assert self.rollup.head() == len(finals) - 1
        assert [self.rollup.final_id(n) for n in range(len(finals) + 1)] == [
            *(node.id for node in finals),
            ZERO,
        ]
        for parent in self.model.nodes:
            children = [n for n in self.model.nodes if n.parent is parent]
            assert sum(n.status == FINAL for n in children) <= 1

    @invariant()
    def money_agrees(self) -> None:
        """Invariant 25, Invariant 33: forced ether changes nothing."""
        live = sum(staker.live for staker in self.model.stakers.values())
        assert self.rollup.total_stakes() == live * ETHER
        assert self.rollup.credit(GAME) == self.model.slashes * ETHER // 4 - self.drawn
        owed = self.rollup.total_stakes() + self.rollup.total_credits()
        assert self.world.balance(self.rollup.address) == owed + self.rest()
        assert self.world.balance(GRAVE) - self.grave == self.burned
        self.world.solvent()


TestForks = Forks.TestCase
TestForks.settings = budget(
    max_examples=int(os.environ.get("OYEZ_EXAMPLES", "60")),
    stateful_step_count=40,
    deadline=None,
)
