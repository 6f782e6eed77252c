"""What Rollup must do, told plainly: lists that are counted anew at each question."""

from __future__ import annotations

from dataclasses import dataclass, field

from oyez.chain.deploy import compute_create_address
from tests.contracts.harness import CALLER, DEPLOYER, SEQUENCER, STRANGER, actor

T, D, FIRST = 600, 120, 70
#: a contract that stakes and proposes: the first that a world's deployer creates afterwards
WALLET = compute_create_address(DEPLOYER, 5)
ACTORS = [SEQUENCER, STRANGER, CALLER, *(actor(f"staker {i}") for i in range(3)), WALLET]
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
