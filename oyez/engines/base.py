"""The seam between the transition and whatever runs a model.

An engine is a pure function of its model file: same tokens, same integers, on any machine.

What a call needs of a model is said in *steps*: a generator that yields requests and is sent their
answers. So one call can be driven on one session (`drive`), and many calls together by whoever
gathers their requests; the code of a call is the same.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from oyez.protocol.noise import Noise
from oyez.protocol.types import Hash32, ModelShape
from oyez.protocol.vocabulary import Vocabulary


class Session(Protocol):
    """One call's context: tokens appended so far, and the scores after the last of them."""

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens (at least one) to the context."""
        ...

    def best(self, allowed: Sequence[int], noise: Noise | None = None) -> int:
        """Return the allowed token with the highest score; ties go to the lowest id.

        Without noise the score is the logit. `allowed` is not empty, ascending, without repeats;
        it may be a NumPy array.
        """
        ...

    def logits(self, tokens: Sequence[int]) -> list[int]:
        """Return the Q16 logits of these tokens after the context so far."""
        ...

    def layer_roots(self, index: int) -> Sequence[Hash32]:
        """Return the roots of the layer records of the token at `index`, one per layer."""
        ...

    def position_root(self, index: int, sampler: Hash32) -> Hash32:
        """Return the trace root of the position of the token at `index`.

        `sampler` is the root of the sampler's record there; the layers' are the session's own.
        """
        ...


@dataclass(frozen=True, slots=True)
class Extend:
    """A request to append tokens, at least one: `Session.extend`. Its answer is None."""

    tokens: Sequence[int]


@dataclass(frozen=True, slots=True)
class Best:
    """A request for the best of these tokens: `Session.best`. Its answer is the token."""

    allowed: Sequence[int]
    noise: Noise | None = None


@dataclass(frozen=True, slots=True)
class Logits:
    """A request for the logits of these tokens: `Session.logits`. Its answer is their list."""

    tokens: Sequence[int]


Request = Extend | Best | Logits
Answer = None | int | list[int]
T = TypeVar("T")
#: Yields requests, is sent each one's answer, and returns what it came to.
Steps = Generator[Request, Answer, T]


def extend(tokens: Sequence[int]) -> Steps[None]:
    """Append tokens, at least one, as a step."""
    yield Extend(tokens)


def best(allowed: Sequence[int], noise: Noise | None = None) -> Steps[int]:
    """Return the best of some tokens, as a step; they are as `Session.best` wants them."""
    answer = yield Best(allowed, noise)
    assert isinstance(answer, int)
    return answer


def logits(tokens: Sequence[int]) -> Steps[list[int]]:
    """Return the Q16 logits of some tokens, as a step."""
    answer = yield Logits(tokens)
    assert isinstance(answer, list)
    return answer


def answer(session: Session, request: Request) -> Answer:
    """Do what a request asks, on a session."""
    match request:
        case Extend(tokens):
            session.extend(tokens)
            return None
        case Best(allowed, noise):
            return session.best(allowed, noise)
        case Logits(tokens):
            return session.logits(tokens)


def drive(steps: Steps[T], session: Session) -> T:
    """Run steps on one session, alone, and return what they come to."""
    found: Answer = None
    while True:
        try:
            request = steps.send(found)
        except StopIteration as end:
            result: T = end.value
            return result
        found = answer(session, request)


class Engine(Protocol):
    """A loaded model."""

    @property
    def model_root(self) -> Hash32:
        """Root of the model tree, as registered on chain."""
        ...

    @property
    def shape(self) -> ModelShape:
        """The model's shape, as registered on chain."""
        ...

    @property
    def vocabulary(self) -> Vocabulary:
        """Bytes of every sampleable token."""
        ...

    def open(self, prefix: Sequence[int]) -> Session:
        """Start a context with an action's constant prefix (may be empty), cached or not."""
        ...
