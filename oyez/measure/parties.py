"""The two sides of a comparison: the same work, done by the exact engine and by llama.cpp.

Every run begins with something that is not timed and wakes the party's threads: what the other
side's idle threads do for a moment longer is not charged. Decoding is greedy over all tokens.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from oyez.engines import base
from oyez.engines.base import Session, Steps
from oyez.engines.exact.backend import Backend
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.session import Context, run_together
from oyez.engines.exact.weights import Model
from oyez.engines.llama_context import LlamaContext, Part
from oyez.engines.together import Together

#: Any token: what stands before everything when a decode begins at position 0.
FIRST = 1

Tokens = Sequence[int]


class Party(Protocol):
    """Does work and returns the seconds it took."""

    def prefill(self, tokens: Tokens) -> float:
        """Run tokens from position 0 on, up to the scores after the last."""
        ...

    def decode(self, prompt: Tokens, count: int) -> float:
        """Append `count` tokens to a prompt (which may be empty), each the best after the last."""
        ...

    def decode_together(self, prompts: Sequence[Tokens], count: int) -> float:
        """Append `count` tokens to each of several prompts, one to each at a time."""
        ...


class Exact:
    """The exact engine, without its trace."""

    def __init__(self, backend: Backend, model: Model) -> None:
        """Take a loaded one."""
        self._backend, self._model = backend, model

    def prefill(self, tokens: Tokens) -> float:
        """See `Party.prefill`."""
        self._append([self._open()], [FIRST])
        context = self._open()
        start = time.perf_counter()
        context.extend(tokens)
        self._choose([context])
        return time.perf_counter() - start

    def decode(self, prompt: Tokens, count: int) -> float:
        """See `Party.decode`."""
        return self.decode_together([prompt], count)

    def decode_together(self, prompts: Sequence[Tokens], count: int) -> float:
        """See `Party.decode_together`."""
        self._append([self._open()], [FIRST])
        contexts = [self._open() for _ in prompts]
        for context, prompt in zip(contexts, prompts, strict=True):
            context.extend(prompt)
        best = [FIRST] * len(prompts)
        start = time.perf_counter()
        for _ in range(count):
            best = self._append(contexts, best)
        return time.perf_counter() - start

    def _open(self) -> Context:
        return Context(self._backend, self._model, traced=False)

    def _append(self, contexts: Sequence[Context], tokens: Tokens) -> list[int]:
        """Append one token to each context and return the best ones after them."""
        run_together([(each, [t]) for each, t in zip(contexts, tokens, strict=True)])
        return self._choose(contexts)

    def _choose(self, contexts: Sequence[Context]) -> list[int]:
        """Return the best token after each context."""
        rows = np.stack([each.last for each in contexts if each.last is not None])
        best: list[int] = self._backend.logits(rows).argmax(axis=1).tolist()
        return best


@dataclass(frozen=True, slots=True)
class Continuation:
    """A program for the engine's scheduler: tokens after a prompt, each the best of all."""

    prefix: tuple[int, ...]
    count: int
    everything: NDArray[np.int32]

    @property
    def most_positions(self) -> int:
        """Positions that it comes to hold."""
        return len(self.prefix) + self.count

    def steps(self) -> Steps[int]:
        """Choose a token, then append and choose `count` times; return the last one."""
        allowed = cast("Sequence[int]", self.everything)
        token = yield from base.best(allowed)
        for _ in range(self.count):
            yield from base.extend([token])
            token = yield from base.best(allowed)
        return token

    def finish(self, session: Session, found: int) -> int:
        """Return the last token."""
        return found


def decode_scheduled(engine: ExactEngine, prompts: Sequence[Tokens], count: int) -> float:
    """Return the seconds in which the services' scheduler appends `count` tokens to each prompt.

    Prompts are cached prefixes; the first round, which opens the contexts, is not timed.
    """
    everything = np.arange(engine.shape.vocabulary, dtype=np.int32)
    traced, engine.traced = engine.traced, False
    try:
        for prompt in prompts:
            engine.open(prompt).settle()
        calls: Together[int, int] = Together(engine, most_calls=len(prompts))
        for key, prompt in enumerate(prompts):
            calls.add(key, Continuation(tuple(prompt), count, everything))
        calls.run_round()
        start = time.perf_counter()
        while len(calls):
            calls.run_round()
        return time.perf_counter() - start
    finally:
        engine.traced = traced


class Llama:
    """llama.cpp; its context holds as many sequences as are decoded together."""

    def __init__(self, context: LlamaContext) -> None:
        """Take one that nobody else uses."""
        self._context = context

    def prefill(self, tokens: Tokens) -> float:
        """See `Party.prefill`."""
        self._begin(0, [FIRST])
        self._context.clear(0)
        start = time.perf_counter()
        self._append(0, 0, tokens)
        return time.perf_counter() - start

    def decode(self, prompt: Tokens, count: int) -> float:
        """See `Party.decode`."""
        return self.decode_together([prompt], count)

    def decode_together(self, prompts: Sequence[Tokens], count: int) -> float:
        """See `Party.decode_together`."""
        for sequence, prompt in enumerate(prompts):
            self._begin(sequence, prompt)
        if not any(prompts):
            # something to wake up with
            self._begin(0, [FIRST])
            self._begin(0, [])
        best = [FIRST] * len(prompts)
        start = time.perf_counter()
        for step in range(count):
            parts = [
                Part(sequence, len(prompt) + step, [token])
                for sequence, (prompt, token) in enumerate(zip(prompts, best, strict=True))
            ]
            best = self._context.run(parts).argmax(axis=1).tolist()
        return time.perf_counter() - start

    def _begin(self, sequence: int, prompt: Tokens) -> None:
        self._context.clear(sequence)
        if prompt:
            self._append(sequence, 0, prompt)

    def _append(self, sequence: int, start: int, tokens: Tokens) -> None:
        block = self._context.settings.block
        for at in range(0, len(tokens), block):
            self._context.run([Part(sequence, start + at, tokens[at : at + block])])


def decode_in_turn(party: Party, prompts: Sequence[Tokens], count: int) -> float:
    """Decode several prompts one after the other and return the seconds of their decoding."""
    return sum(party.decode(prompt, count) for prompt in prompts)


def repeat(tokens: Tokens, count: int) -> list[int]:
    """Return the first `count` of endlessly repeated tokens."""
    return list(itertools.islice(itertools.cycle(tokens), count))
