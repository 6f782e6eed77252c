"""Forks, stakes and the log beside a small model: any actor does anything, at any time.

The model keeps plain lists and counts them anew at each question; Rollup keeps packed counters. The
model names the reason of every refusal, so that a call which fails must fail for that rule.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from hypothesis import settings as budget
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.contracts.conftest import publish
from tests.contracts.harness import (
    CALLER,
    ETHER,
    GAME,
    GRAVE,
    SEQUENCER,
    STRANGER,
    Reverted,
    World,
    actor,
    settings,
)
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import ZERO, close_batch_of, id_of, make_proposal, propose

T, D, FIRST = 600, 120, 70
ACTORS = [SEQUENCER, STRANGER, CALLER, *(actor(f"staker {i}") for i in range(4))]
CONTENTS = [make_proposal(salt=i) for i in range(3)]
PENDING, FINAL, DEFEATED, VOID = 1, 2, 3, 4


@dataclass
class Node:
    """An assertion; `parent` is None for genesis alone."""

    id: bytes
    parent: Node | None
    batch: int
    proposer: bytes
    content: int
    attempt: int
    created_at: int
    allowance: int = T
    status: int = PENDING


@dataclass
class Staker:
    live: bool = False
    slashed: bool = False
    requested_at: int | None = None
    tip: Node | None = None
    championships: int = 0
    championed: dict[bytes, bytes] = field(default_factory=dict)


@dataclass
class Model:
    """What Rollup must do, told plainly."""

    nodes: list[Node]
    opened: dict[int, int] = field(default_factory=dict)
    starts: dict[bytes, int] = field(default_factory=dict)
    stakers: dict[bytes, Staker] = field(default_factory=lambda: {a: Staker() for a in ACTORS})
    finals: list[Node] = field(default_factory=list)
    slashes: int = 0

    def pending_of(self, who: bytes) -> list[Node]:
        return [n for n in self.nodes if n.status == PENDING and n.proposer == who]

    def living(self, parent: Node) -> list[Node]:
        """Children that were not defeated: of a dead parent nobody asks."""
        return [n for n in self.nodes if n.parent is parent and n.status in (PENDING, FINAL)]

    def is_free(self, who: bytes) -> bool:
        return not self.pending_of(who)

    def why_not_armed(self, who: bytes) -> str | None:
        staker = self.stakers[who]
        if not staker.live:
            return "rollup: no live stake"
        return None if staker.requested_at is None else "rollup: withdrawal requested"

    def why_not_first(self, who: bytes, parent: Node, now: int) -> str | None:
        sequencer = self.stakers[SEQUENCER]
        if who == SEQUENCER or now > self.opened[parent.batch + 1] + FIRST or not sequencer.live:
            return None
        if not self.is_free(SEQUENCER) and sequencer.tip is not parent:
            return None
        return "rollup: sequencer proposes first"

    def allowance(self, parent: Node, now: int) -> int | str:
        living = self.living(parent)
        if not living:
            return T
        start = self.starts[parent.id]
        if now < start + T:
            return T - (now - start)
        if len(living) > 1:
            return "rollup: fork closed, no survivor"
        if now < living[0].created_at + T:
            return T - (now - living[0].created_at)
        return "rollup: too late to join"

    def why_not_propose(
        self, who: bytes, parent: Node, content: int, attempt: int, now: int
    ) -> str | None:
        if parent.status != PENDING and parent is not self.finals[-1]:
            return "rollup: parent past or unknown"
        if parent.batch + 1 not in self.opened:
            return "rollup: batch not closed"
        same = {
            n.attempt: n.status for n in self.nodes if n.parent is parent and n.content == content
        }
        if attempt in same:
            return "rollup: already proposed"
        if attempt > 0 and same.get(attempt - 1) != DEFEATED:
            return "rollup: earlier attempt lives"
        if not self.living(parent):
            reason = self.why_not_first(who, parent, now)
            if reason is not None:
                return reason
        allowed = self.allowance(parent, now)
        if isinstance(allowed, str):
            return allowed
        reason = self.why_not_armed(who)
        if reason is None and not self.is_free(who) and self.stakers[who].tip is not parent:
            reason = "rollup: stake bound to its tip"
        return reason

    def why_not_finalize(self, node: Node, now: int) -> str | None:
        if node.status != PENDING:
            return "rollup: not pending"
        if node.parent is not self.finals[-1]:
            return "rollup: parent not the head"
        if len(self.living(node.parent)) > 1:
            return "rollup: a sibling lives"
        if now < max(self.starts[node.parent.id], node.created_at) + T:
            return "rollup: too early"
        return None

    def why_not_void(self, node: Node) -> str | None:
        if node.status != PENDING:
            return "rollup: nothing to void"
        assert node.parent is not None
        return None if node.parent.status in (DEFEATED, VOID) else "rollup: parent not dead"

    def why_not_step(self, who: bytes, path: list[Node]) -> str | None:
        if not path:
            return "rollup: no step"
        tip = self.stakers[who].tip
        if tip is None or tip.status != PENDING:
            return "rollup: tip not pending"
        for node in path:
            if node.parent is not tip:
                return "rollup: not a child of the tip"
            if node.status != PENDING:
                return "rollup: step not pending"
            tip = node
        return None

    def why_not_request(self, who: bytes) -> str | None:
        staker = self.stakers[who]
        idle = staker.live and staker.requested_at is None and staker.championships == 0
        return None if idle and self.is_free(who) else "rollup: stake not idle"

    def why_not_withdraw(self, who: bytes, now: int) -> str | None:
        staker = self.stakers[who]
        if not staker.live or staker.championships or not self.is_free(who):
            return "rollup: no idle stake"
        if staker.requested_at is None:
            return "rollup: withdrawal not requested"
        return None if now >= staker.requested_at + D else "rollup: withdrawal too early"

    def why_not_deposit(self, who: bytes) -> str | None:
        if self.stakers[who].slashed:
            return "rollup: slashed for ever"
        return "rollup: already staked" if self.stakers[who].live else None

    def why_not_lock(self, who: bytes, node: Node) -> str | None:
        if node.status != PENDING:
            return "rollup: nothing to champion"
        assert node.parent is not None
        first = self.stakers[who].championed.get(node.parent.id, node.id)
        return self.why_not_armed(who) or (
            None if first == node.id else "rollup: champions a sibling"
        )

    def slash(self, who: bytes) -> None:
        staker = self.stakers[who]
        if staker.live:
            self.slashes += 1
            self.stakers[who] = Staker(slashed=True, tip=staker.tip)


class Forks(RuleBasedStateMachine):
    """Who lies, stalls, joins late, kills and withdraws, against the model."""

    @initialize()
    def begin(self) -> None:
        self.world = World(settings(game=GAME))
        for who in ACTORS:
            self.world.fund(who, 1_000 * ETHER)
        self.ballot = publish(self.world, BALLOT)
        self.rollup = self.world.rollup
        genesis = Node(self.rollup.final_id(0), None, 0, bytes(20), 0, 0, 0, 0, FINAL)
        self.model = Model([genesis], finals=[genesis])
        self.grave = self.world.balance(GRAVE)
        for who in ACTORS[:4]:
            self.deposit(who)
        for _ in range(2):
            self.close()

    def attempt(self, reason: str | None, name: str, *arguments: object, **sent: object) -> bool:
        """Call; it must fail with exactly this reason, or succeed if there is none."""
        try:
            getattr(self.rollup, name)(*arguments, **sent)
        except Reverted as refusal:
            assert refusal.reason == reason, (name, reason)  # noqa: PT017
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
        try:
            found = propose(self.world, parent.id, proposal, attempt, who)
        except Reverted as refusal:
            assert refusal.reason == reason  # noqa: PT017
            return
        assert reason is None
        n = parent.batch + 1
        assert found == id_of(self.world, parent.id, n, proposal, attempt)
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

    def pick(self, place: int) -> Node:
        """One of the latest assertions, or genesis."""
        return self.model.nodes[max(0, len(self.model.nodes) - 1 - place)]

    @invariant()
    def stakes_agree(self) -> None:
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
        for who, staker in self.model.stakers.items():
            line, node = [], staker.tip
            while node is not None:
                line.append(node.id)
                node = node.parent
            if staker.live:
                assert {n.id for n in self.model.pending_of(who)} <= set(line)

    @invariant()
    def assertions_and_log_agree(self) -> None:
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
        live = sum(staker.live for staker in self.model.stakers.values())
        assert self.rollup.total_stakes() == live * ETHER
        assert self.rollup.credit(GAME) == self.model.slashes * ETHER // 4
        owed = self.rollup.total_stakes() + self.rollup.total_credits()
        assert self.world.balance(self.rollup.address) == owed
        burned = self.world.balance(GRAVE) - self.grave
        assert burned == self.model.slashes * ETHER * 3 // 4
        self.world.solvent()


TestForks = Forks.TestCase
TestForks.settings = budget(
    max_examples=int(os.environ.get("OYEZ_EXAMPLES", "60")),
    stateful_step_count=40,
    deadline=None,
)
