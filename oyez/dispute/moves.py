"""What an honest client can do, as records: a move is wholly named by its content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from oyez.dispute import duel_moves
from oyez.dispute.duel_moves import DuelMove
from oyez.protocol.types import BatchNumber, Hash32

#: Assertions that the Rollup takes in one `step_down`.
MAX_PATH = 32
#: Moves of one decision: the first that may go together are sent, others stand in for refused ones.
MAX_MOVES = 64


@dataclass(frozen=True, slots=True)
class Propose:
    """Post this node's own result on a true parent.

    Attributes:
        answers: how many false siblings it stands against; 0: it is the first child.
        late_by: seconds past the time by which an answer should stand; 0 when in time.
    """

    kind: ClassVar[str] = "propose"
    batch: BatchNumber
    batch_hash: Hash32
    parent: Hash32
    attempt: int
    assertion_id: Hash32
    answers: int = 0
    late_by: int = 0

    @property
    def key(self) -> str:
        """The id binds parent, attempt, the batch's content and the claim: no other is meant."""
        return f"propose 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class StepDown:
    """Move the stake's tip along PENDING true assertions, `path[0]` a child of the tip."""

    kind: ClassVar[str] = "step_down"
    batch: BatchNumber
    path: tuple[Hash32, ...]

    @property
    def assertion_id(self) -> Hash32:
        """Where the tip comes to stand."""
        return self.path[-1]

    @property
    def key(self) -> str:
        """A tip moves only down: the same step is never made twice."""
        return f"step_down 0x{self.path[0].hex()} 0x{self.path[-1].hex()}"


@dataclass(frozen=True, slots=True)
class Finalize:
    """Make a true assertion final; its fork is won."""

    kind: ClassVar[str] = "finalize"
    batch: BatchNumber
    assertion_id: Hash32

    @property
    def key(self) -> str:
        """An assertion becomes final once."""
        return f"finalize 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class MarkVoid:
    """Void a descendant of a defeated assertion, which releases its proposer's stake."""

    kind: ClassVar[str] = "mark_void"
    batch: BatchNumber
    assertion_id: Hash32

    @property
    def key(self) -> str:
        """An assertion becomes void once."""
        return f"mark_void 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class CancelWithdrawal:
    """Arm the own stake again, since a lie stands: `batch` and `assertion_id` name it."""

    kind: ClassVar[str] = "cancel_withdrawal"
    batch: BatchNumber
    assertion_id: Hash32
    requested_at: int

    @property
    def key(self) -> str:
        """One request is cancelled once; the next has a time of its own."""
        return f"cancel_withdrawal {self.requested_at}"


Move = Propose | StepDown | Finalize | MarkVoid | CancelWithdrawal | DuelMove
#: First words of the intentions that are moves.
KINDS = tuple(
    kind + " "
    for kind in (
        *(kind.kind for kind in (Propose, StepDown, Finalize, MarkVoid, CancelWithdrawal)),
        *duel_moves.KINDS,
    )
)


@dataclass(frozen=True, slots=True)
class Blocked:
    """A move that the chain's state asks for and that this stake cannot make, and why."""

    move: Move
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Moves in the order of their urgency, each possible now; and what is not."""

    moves: tuple[Move, ...]
    blocked: tuple[Blocked, ...]
