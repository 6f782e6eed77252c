"""Assertions on the chain as a tree, from the Rollup's events: it has no view of a fork."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from oyez.chain import events
from oyez.chain.events import Event
from oyez.chain.game_events import GameEvent
from oyez.derivation.history import SkippedLog
from oyez.protocol.types import Address, BatchNumber, Claim, Hash32, Status


@dataclass(frozen=True, slots=True)
class Node:
    """An assertion; `created_at` is its proposal's time, in seconds; `claim` as it was proposed."""

    assertion_id: Hash32
    parent: Hash32
    batch: BatchNumber
    proposer: Address
    created_at: int
    attempt: int
    claim: Claim
    status: Status = Status.PENDING


@dataclass(frozen=True, slots=True)
class Fork:
    """The children of one parent, as the Rollup counts them.

    Attributes:
        started_at: t0, the time of the first child, in seconds; set anew by the first child of an
            empty fork.
        living: children that were not defeated.
    """

    started_at: int
    living: int


class Tree:
    """Nodes by id, in the order of their proposals, from genesis or from any final assertion."""

    def __init__(self, head_id: Hash32, head: int = 0) -> None:
        """Begin with one final assertion and nothing on it."""
        self.head_id = head_id
        self.head = head
        self._nodes: dict[Hash32, Node] = {}
        self._children: dict[Hash32, tuple[Hash32, ...]] = {}
        self._forks: dict[Hash32, Fork] = {}

    def copy(self) -> Tree:
        """Return a tree that changes apart from this one."""
        made = Tree(self.head_id, self.head)
        made._nodes = dict(self._nodes)
        made._children = dict(self._children)
        made._forks = dict(self._forks)
        return made

    def add(self, event: Event | GameEvent, date: Callable[[events.Place], int]) -> None:
        """Take the chain's next event, if it is about an assertion; `date` gives its time."""
        match event:
            case events.AssertionProposed():
                self.propose(build_node(event, date(event.place)))
            case events.AssertionFinalized():
                self.finalize(event.assertion_id)
            case events.AssertionDefeated():
                self.defeat(event.assertion_id)
            case events.AssertionVoided():
                self.void(event.assertion_id)

    def propose(self, node: Node) -> None:
        """Add an assertion; SkippedLog when its parent is unknown."""
        if node.parent != self.head_id and node.parent not in self._nodes:
            raise SkippedLog(f"the node's logs lack the parent of 0x{node.assertion_id.hex()}")
        fork = self._forks.get(node.parent, Fork(0, 0))
        started_at = fork.started_at if fork.living else node.created_at
        self._forks[node.parent] = Fork(started_at, fork.living + 1)
        self._children[node.parent] = (*self.list_children(node.parent), node.assertion_id)
        self._nodes[node.assertion_id] = node

    def finalize(self, assertion_id: Hash32) -> None:
        """Make a child of the head the head."""
        node = self._change(assertion_id, Status.FINAL)
        self.head_id, self.head = assertion_id, node.batch

    def defeat(self, assertion_id: Hash32) -> None:
        """Take an assertion out of its fork."""
        node = self._change(assertion_id, Status.DEFEATED)
        fork = self._forks[node.parent]
        self._forks[node.parent] = Fork(fork.started_at, fork.living - 1)

    def void(self, assertion_id: Hash32) -> None:
        """Mark a descendant of a defeated assertion."""
        self._change(assertion_id, Status.VOID)

    def _change(self, assertion_id: Hash32, status: Status) -> Node:
        node = self._nodes.get(assertion_id)
        if node is None:
            raise SkippedLog(
                f"the node's logs make 0x{assertion_id.hex()} {status.name} and never proposed it"
            )
        self._nodes[assertion_id] = replace(node, status=status)
        return node

    def get(self, assertion_id: Hash32) -> Node | None:
        """Return an assertion, None where it was never proposed (and for genesis)."""
        return self._nodes.get(assertion_id)

    def get_status(self, assertion_id: Hash32) -> Status:
        """Return an assertion's status; NONE where it was never proposed."""
        node = self._nodes.get(assertion_id)
        if node is None:
            return Status.FINAL if assertion_id == self.head_id else Status.NONE
        return node.status

    def get_fork(self, parent: Hash32) -> Fork | None:
        """Return what the Rollup counts under a parent, None where there never was a child."""
        return self._forks.get(parent)

    def list_children(self, parent: Hash32) -> tuple[Hash32, ...]:
        """Return every child's id, oldest first, the defeated ones too."""
        return self._children.get(parent, ())

    def list_pending(self, parent: Hash32) -> list[Node]:
        """Return the PENDING children, oldest first: the living ones, under a living parent."""
        children = (self._nodes[child] for child in self.list_children(parent))
        return [node for node in children if node.status is Status.PENDING]

    def list_of(self, proposer: Address) -> list[Node]:
        """Return the PENDING assertions of one staker, oldest first."""
        return [
            node
            for node in self._nodes.values()
            if node.proposer == proposer and node.status is Status.PENDING
        ]


def build_node(event: events.AssertionProposed, created_at: int) -> Node:
    """Return an assertion as it stands when it is proposed."""
    return Node(
        event.assertion_id,
        event.parent,
        event.batch,
        event.proposer,
        created_at,
        event.attempt,
        event.claim,
    )
