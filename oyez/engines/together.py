"""Many calls on one model at once: gathers what they ask for and has it run together.

Each call is a generator of requests (`oyez.engines.base`), so that none of them knows of the
others. A round brings every call to where it needs the model, runs one block of all that waits,
and answers whoever can go on; calls that end make room for the next. Arithmetic is exact, so how
they are put together changes no bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from oyez.engines import base
from oyez.engines.base import Answer, Engine, Extend, Request, Session, Steps

#: Calls that decode together at most, and positions that they may come to hold together: about
#: 190 MB of keys and values for the 135M model.
MOST_CALLS = 16
MOST_POSITIONS = 8_192


@runtime_checkable
class Joint(Protocol):
    """An engine whose sessions can run together; sessions of others are left to themselves."""

    def advance(self, sessions: Sequence[Session]) -> list[int]:
        """Run one block of what sessions wait for; return how many tokens each still waits for."""
        ...

    def answer(self, asked: Sequence[tuple[Session, Request]]) -> list[Answer]:
        """Answer requests, each on a session that waits for nothing."""
        ...


Key = TypeVar("Key")
Result = TypeVar("Result", covariant=True)
End = TypeVar("End")


class Program(Protocol[Result]):
    """A call for the model to run, as `oyez.protocol.execution.Running`."""

    @property
    def prefix(self) -> tuple[int, ...]:
        """Tokens that its context begins with."""
        ...

    @property
    def most_positions(self) -> int:
        """Positions that it may come to hold."""
        ...

    def steps(self) -> Steps[Any]:  # Any: what `finish` takes
        """Return its requests."""
        ...

    def finish(self, session: Session, found: Any) -> Result:  # Any: what `steps` returns
        """Return its end, from a session and what its steps came to on it."""
        ...


@dataclass(slots=True, eq=False)
class _Flight(Generic[Key, End]):
    """A call under way: what it asked for last, or what its steps came to."""

    key: Key
    program: Program[End]
    session: Session
    steps: Steps[Any] = field(init=False)  # Any: what the program's `finish` takes
    request: Request | None = None
    found: Any = None  # Any: what the program's `finish` takes

    def __post_init__(self) -> None:
        self.steps = self.program.steps()

    def go_on(self, answer: Answer) -> None:
        """Send an answer and go on to the next request that needs scores, or to the end."""
        try:
            while isinstance(request := self.steps.send(answer), Extend):
                self.session.extend(request.tokens)
                answer = None
            self.request = request
        except StopIteration as end:
            self.request, self.found = None, end.value


class Together(Generic[Key, End]):
    """Calls in flight and calls that wait for room.

    Rule: ENGINE-32
    """

    def __init__(
        self, engine: Engine, *, most_calls: int = MOST_CALLS, most_positions: int = MOST_POSITIONS
    ) -> None:
        """Begin with no call; at least one is let in, however long."""
        self._engine = engine
        self._joint = engine if isinstance(engine, Joint) else None
        self._most_calls = most_calls
        self._most_positions = most_positions
        self._waiting: deque[tuple[Key, Program[End]]] = deque()
        self._flights: list[_Flight[Key, End]] = []

    def __len__(self) -> int:
        """Calls that have not ended."""
        return len(self._waiting) + len(self._flights)

    @property
    def has_room(self) -> bool:
        """Whether another call would begin at the next round, if it is not too long."""
        return len(self) < self._most_calls

    def add(self, key: Key, program: Program[End]) -> None:
        """Add a call; it begins when there is room, in the order of adding."""
        self._waiting.append((key, program))

    def run_round(self) -> list[tuple[Key, End]]:
        """Run one block of work and answer whoever can go on; return the calls that ended."""
        self._admit()
        flights = self._flights
        sessions = [flight.session for flight in flights]
        left = self._joint.advance(sessions) if self._joint else [0] * len(sessions)
        ready = [flight for flight, tokens in zip(flights, left, strict=True) if tokens == 0]
        asked = [(each, each.request) for each in ready if each.request is not None]
        pairs = [(each.session, request) for each, request in asked]
        answers = self._joint.answer(pairs) if self._joint else [base.answer(*p) for p in pairs]
        ended = [each for each in ready if each.request is None]
        for (flight, _), answer in zip(asked, answers, strict=True):
            flight.go_on(answer)
        self._flights = [flight for flight in flights if flight not in ended]
        return [(each.key, each.program.finish(each.session, each.found)) for each in ended]

    def _admit(self) -> None:
        held = sum(flight.program.most_positions for flight in self._flights)
        while self._waiting and len(self._flights) < self._most_calls:
            key, program = self._waiting[0]
            held += program.most_positions
            if self._flights and held > self._most_positions:
                return
            self._waiting.popleft()
            flight = _Flight(key, program, self._engine.open(program.prefix))
            flight.go_on(None)
            self._flights.append(flight)
