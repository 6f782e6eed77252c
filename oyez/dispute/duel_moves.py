"""What an honest client can do in duels, as records; a key names the state that a move goes from.

`assertion_id` is the true assertion that a move stands up for, or the one it is about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from oyez.chain.duel_states import Content, Phase
from oyez.dispute.duels import Bout, Contest, Fighter
from oyez.protocol.types import Address, BatchNumber, Hash32

#: A deadline of what no clock waits for.
NEVER = 1 << 40


@dataclass(frozen=True, slots=True)
class OpenDuel:
    """Begin a duel of the true assertion with a false sibling; contents by side."""

    kind: ClassVar[str] = "open_duel"
    batch: BatchNumber
    assertion_id: Hash32
    ids: tuple[Hash32, Hash32]
    contents: tuple[Content, Content]
    deadline: int = NEVER

    @property
    def key(self) -> str:
        """A duel is opened once; its siblings' ids name it."""
        older, newer = self.ids
        rival = newer if older == self.assertion_id else older
        return f"{self.kind} 0x{rival.hex()} 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class Reveal:
    """The one reveal of the true side in an outer tree."""

    batch: BatchNumber
    assertion_id: Hash32
    contest: Contest
    deadline: int

    @property
    def kind(self) -> str:
        """The game's name of the move."""
        state = self.contest.state
        if state.phase is Phase.START:
            return "start"
        return "advance" if state.level > 1 else "last"

    @property
    def key(self) -> str:
        """The state binds both ids, every move before, and its time."""
        return f"{self.kind} 0x{self.contest.duel.hash.hex()} 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class Commit:
    """Put the own stake behind the true side's inner tree."""

    kind: ClassVar[str] = "commit"
    batch: BatchNumber
    assertion_id: Hash32
    contest: Contest
    side: int
    deadline: int

    @property
    def key(self) -> str:
        """A stake commits once to a record of a duel."""
        return f"{self.kind} 0x{self.contest.duel.hash.hex()} 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class Fight:
    """The one reveal of the own champion in a bout; `side` is its own."""

    batch: BatchNumber
    assertion_id: Hash32
    contest: Contest
    bout: Bout
    side: int
    deadline: int

    @property
    def kind(self) -> str:
        """The game's name of the move."""
        state = self.bout.state
        if not self.bout.is_begun:
            return "inner"
        return "advance_bout" if state.phase is Phase.DESCENT and state.level > 1 else "leaf"

    @property
    def key(self) -> str:
        """Both champions and the bout's state."""
        bout = self.bout
        names = f"0x{bout.key.hex()} 0x{bout.state.hash.hex()}"
        return f"{self.kind} {names} 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class Resolve:
    """Have the first lane that differs recomputed; the own trees, of `side`, open its inputs."""

    kind: ClassVar[str] = "resolve"
    batch: BatchNumber
    assertion_id: Hash32
    contest: Contest
    bout: Bout
    side: int
    content: Content
    deadline: int = NEVER

    @property
    def key(self) -> str:
        """A bout is resolved once."""
        names = f"0x{self.bout.key.hex()} 0x{self.bout.state.hash.hex()}"
        return f"{self.kind} {names} 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class TimeoutBout:
    """Put out the champion that is late in a bout with the own one."""

    kind: ClassVar[str] = "timeout_bout"
    batch: BatchNumber
    assertion_id: Hash32
    contest: Contest
    bout: Bout
    deadline: int = NEVER

    @property
    def key(self) -> str:
        """Both champions and the bout's state."""
        names = f"0x{self.bout.key.hex()} 0x{self.bout.state.hash.hex()}"
        return f"{self.kind} {names} 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class Expel:
    """Put out a false side's champion behind which nothing stands any more."""

    kind: ClassVar[str] = "expel"
    batch: BatchNumber
    assertion_id: Hash32
    contest: Contest
    fighter: Fighter
    deadline: int = NEVER

    @property
    def key(self) -> str:
        """A champion goes out once."""
        return f"{self.kind} 0x{self.fighter.key.hex()} 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class Defeat:
    """Strike a false assertion: `assertion_id`."""

    kind: ClassVar[str] = "defeat"
    batch: BatchNumber
    assertion_id: Hash32
    contest: Contest
    side: int
    deadline: int = NEVER

    @property
    def key(self) -> str:
        """An assertion dies once; the state says in which duel."""
        return f"{self.kind} 0x{self.contest.duel.hash.hex()} 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class Release:
    """Take the own champion's lock back from a moot duel."""

    kind: ClassVar[str] = "release"
    batch: BatchNumber
    assertion_id: Hash32
    contest: Contest
    fighter: Fighter
    deadline: int = NEVER

    @property
    def key(self) -> str:
        """A champion is released once."""
        return f"{self.kind} 0x{self.fighter.key.hex()} 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class PayDuel:
    """Credit who moved against a defeated side."""

    kind: ClassVar[str] = "pay_duel"
    batch: BatchNumber
    assertion_id: Hash32
    contest: Contest
    loser: int
    deadline: int = NEVER

    @property
    def key(self) -> str:
        """A duel is paid once."""
        return f"{self.kind} 0x{self.contest.duel.hash.hex()} 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class PayBout:
    """Credit who moved against a champion that is out."""

    kind: ClassVar[str] = "pay_bout"
    batch: BatchNumber
    assertion_id: Hash32
    contest: Contest
    bout: Bout
    loser: int
    deadline: int = NEVER

    @property
    def key(self) -> str:
        """A bout is paid once."""
        names = f"0x{self.bout.key.hex()} 0x{self.bout.state.hash.hex()}"
        return f"{self.kind} {names} 0x{self.assertion_id.hex()}"


@dataclass(frozen=True, slots=True)
class WithdrawPay:
    """Take the own credit for moves.

    Attributes:
        paid: games that were paid so far: what is credited after the next is another credit.
    """

    kind: ClassVar[str] = "withdraw_pay"
    batch: BatchNumber
    assertion_id: Hash32
    credit: int
    paid: int
    owner: Address
    deadline: int = field(default=NEVER)

    @property
    def key(self) -> str:
        """No two credits have the same number of games before."""
        return f"{self.kind} {self.paid} {self.credit}"


DuelMove = (
    OpenDuel
    | Reveal
    | Commit
    | Fight
    | Resolve
    | TimeoutBout
    | Expel
    | Defeat
    | Release
    | PayDuel
    | PayBout
    | WithdrawPay
)
#: First words of the keys above.
KINDS = (
    "open_duel",
    "start",
    "advance",
    "last",
    "commit",
    "inner",
    "advance_bout",
    "leaf",
    "resolve",
    "timeout_bout",
    "expel",
    "defeat",
    "release",
    "pay_duel",
    "pay_bout",
    "withdraw_pay",
)
