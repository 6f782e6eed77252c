"""Rollup as events in time: assertions, forks, stakes; who may do what when.

Hashes are left out: an assertion is a number. Every refusal has the contract's own words, so that
tests/clocks/mirror.py can compare move for move. `without` names rules to leave out (the audits'
tags): each attack that a rule closed must come back when it is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.clocks import contents

PENDING, FINAL, DEFEATED, VOID = 1, 2, 3, 4
NONE, LIVE, SLASHED = 0, 1, 2
ANYONE = "anyone"


class Refused(Exception):
    """A call that the contracts refuse; `reason` is in their words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Nonsense(Refused):
    """Not a call at all: what it names was never there."""


def need(condition: bool, reason: str) -> None:
    if not condition:
        raise Refused(reason)


@dataclass(slots=True)
class Assertion:
    id: int
    parent: int
    batch: int
    attempt: int
    content: int
    proposer: str
    created_at: int
    allowance: int
    status: int
    is_true: bool


@dataclass(slots=True)
class Stake:
    status: int = NONE
    proposals: int = 0
    championships: int = 0
    requested_at: int | None = None
    tip: int | None = None


def attempt(call: Callable[..., object], *arguments: object) -> bool:
    """Make a call that may be refused; tell whether it was not."""
    try:
        call(*arguments)
    except Refused:
        return False
    return True


class Rollup:
    """One chain. Times in seconds since the first batch closed; batch n closes at (n - 1) * gap."""

    def __init__(
        self,
        *,
        window: int,
        response: int,
        grace: int = 3,
        batches: int = 5,
        gap: int = 0,
        sequencer: str = "z0",
        without: Iterable[str] = (),
    ) -> None:
        self.T, self.D, self.G = window, response, grace
        self.sequencer = sequencer
        self.without = frozenset(without)
        self.now = 0
        self.closed_at = {n: (n - 1) * gap for n in range(1, batches + 1)}
        genesis = Assertion(0, -1, 0, 0, contents.TRUTH, "", 0, 0, FINAL, True)
        self.assertions = {0: genesis}
        self.children: dict[int, list[int]] = {0: []}
        self.made: dict[tuple[int, int, int], int] = {}
        self.started_at: dict[int, int] = {}
        self.stakes: dict[str, Stake] = {}
        self.championed: dict[tuple[str, int], int] = {}
        self.finals, self.final_at = [0], [0]
        self.slashed: list[str] = []
        self.joined_again = 0
        self.log: list[tuple[object, ...]] = []

    def say(self, *words: object) -> None:
        self.log.append((self.now, *words))

    def wait_until(self, now: int) -> None:
        self.now = now

    def precedes(self, one: int, other: int) -> bool:
        """Order of siblings of one second; by their ids on chain."""
        return one < other

    # --- stakes ---

    def stake_of(self, who: str) -> Stake:
        return self.stakes.setdefault(who, Stake())

    def is_live(self, who: str) -> bool:
        return self.stake_of(who).status == LIVE

    def may_follow(self, who: str, parent: int) -> bool:
        """Whether a live stake is free, or bound to this parent."""
        stake = self.stake_of(who)
        bound = stake.proposals + (stake.championships if "S1" in self.without else 0)
        if "K2" in self.without:
            bound = 0
        return stake.status == LIVE and (bound == 0 or stake.tip == parent)

    def check_armed(self, who: str) -> None:
        need(self.is_live(who), "rollup: no live stake")
        need(self.stake_of(who).requested_at is None, "rollup: withdrawal requested")

    def deposit_stake(self, who: str) -> None:
        stake = self.stake_of(who)
        need(stake.status != SLASHED, "rollup: slashed for ever")
        need(stake.status == NONE, "rollup: already staked")
        stake.status = LIVE

    def request_withdrawal(self, who: str) -> None:
        stake = self.stake_of(who)
        idle = stake.status == LIVE and stake.requested_at is None
        if "M2" not in self.without:
            idle = idle and stake.proposals == stake.championships == 0
        need(idle, "rollup: stake not idle")
        stake.requested_at = self.now

    def cancel_withdrawal(self, who: str) -> None:
        stake = self.stake_of(who)
        asked = stake.status == LIVE and stake.requested_at is not None
        need(asked and "S7" not in self.without, "rollup: no request to cancel")
        stake.requested_at = None

    def withdraw_stake(self, who: str) -> None:
        stake = self.stake_of(who)
        idle = stake.status == LIVE and (
            stake.proposals == stake.championships == 0 or "M2" in self.without
        )
        need(idle, "rollup: no idle stake")
        need(stake.requested_at is not None, "rollup: withdrawal not requested")
        assert stake.requested_at is not None
        need(self.now >= stake.requested_at + self.D, "rollup: withdrawal too early")
        self.stakes[who] = Stake()

    def slash(self, who: str) -> None:
        if self.is_live(who):
            self.stakes[who] = Stake(SLASHED, tip=self.stakes[who].tip)
            self.slashed.append(who)
            self.say("SLASHED", who)

    def release_proposal(self, who: str) -> None:
        stake = self.stake_of(who)
        if stake.status == LIVE:
            stake.proposals -= 1

    def step_down(self, who: str, path: list[int]) -> None:
        need(bool(path), "rollup: no step")
        stake = self.stake_of(who)
        tip = stake.tip
        pending = tip is not None and self.assertions[tip].status == PENDING
        need(pending and "C6" not in self.without, "rollup: tip not pending")
        for child in path:
            need(self.assertions[child].parent == tip, "rollup: not a child of the tip")
            need(self.assertions[child].status == PENDING, "rollup: step not pending")
            tip = child
        stake.tip = tip

    # --- assertions ---

    def living(self, parent: int) -> list[int]:
        """Children that count: PENDING or FINAL; of a dead parent nobody asks."""
        children = self.children.get(parent, ())
        return [c for c in children if self.assertions[c].status in (PENDING, FINAL)]

    def compute_allowance(self, parent: int) -> int:
        living = self.living(parent)
        if not living:
            return self.T
        start = self.started_at[parent]
        if self.now >= start + self.T and "H1" not in self.without:
            need(len(living) == 1, "rollup: fork closed, no survivor")
            start = self.assertions[living[0]].created_at
            need(self.now < start + self.T, "rollup: too late to join")
        return self.T - (self.now - start)

    def check_first(self, who: str, parent: int, n: int) -> None:
        late = self.now > self.closed_at[n] + self.G
        first = who == self.sequencer or late or not self.may_follow(self.sequencer, parent)
        need(first, "rollup: sequencer proposes first")

    def propose(self, who: str, parent: int, attempt: int, content: int) -> int:
        above = self.assertions[parent]
        n = above.batch + 1
        stands = above.status == PENDING or (above.status == FINAL and n == len(self.finals))
        need(stands, "rollup: parent past or unknown")
        need(n in self.closed_at and self.closed_at[n] <= self.now, "rollup: batch not closed")
        need((parent, attempt, content) not in self.made, "rollup: already proposed")
        bound = content != contents.SAME_TRACE or "C5" in self.without
        need(bound, "rollup: last record")
        if attempt > 0:
            earlier = self.made.get((parent, attempt - 1, content))
            dead = earlier is not None and self.assertions[earlier].status == DEFEATED
            need(dead, "rollup: earlier attempt lives")
        living = self.living(parent)
        if not living:
            self.check_first(who, parent, n)
        allowance = self.compute_allowance(parent)
        self.check_armed(who)
        need(self.may_follow(who, parent), "rollup: stake bound to its tip")

        if not living:
            self.started_at[parent] = self.now
        self.joined_again += bool(living) and self.now >= self.started_at[parent] + self.T
        truth = above.is_true and content == contents.TRUTH
        made = Assertion(
            *(len(self.assertions), parent, n, attempt, content, who),
            *(self.now, allowance, PENDING, truth),
        )
        self.assertions[made.id] = made
        self.children[parent].append(made.id)
        self.children[made.id] = []
        self.made[parent, attempt, content] = made.id
        self.stakes[who].proposals += 1
        self.stakes[who].tip = made.id
        kind = "true" if truth else "a lie"
        self.say("PROPOSED", made.id, "on", parent, "by", who, kind, "with", allowance)
        return made.id

    def finalize(self, id: int) -> None:
        node = self.assertions[id]
        need(node.status == PENDING, "rollup: not pending")
        need(self.finals[-1] == node.parent, "rollup: parent not the head")
        need(len(self.living(node.parent)) == 1, "rollup: a sibling lives")
        need(self.now >= node.created_at + self.T, "rollup: too early")
        node.status = FINAL
        self.finals.append(id)
        self.final_at.append(self.now)
        self.release_proposal(node.proposer)
        self.say("FINAL", id, "true" if node.is_true else "A LIE")

    def mark_void(self, id: int) -> None:
        node = self.assertions[id]
        need(node.status == PENDING, "rollup: nothing to void")
        above = self.assertions[node.parent].status
        need(above in (DEFEATED, VOID), "rollup: parent not dead")
        node.status = VOID
        self.release_proposal(node.proposer)

    def strike(self, id: int) -> None:
        """`Rollup.defeat`: the game alone calls it."""
        node = self.assertions[id]
        need(node.status == PENDING, "rollup: nothing to defeat")
        node.status = DEFEATED
        self.say("DEFEATED", id, "TRUE" if node.is_true else "a lie")
        self.slash(node.proposer)
