"""The two sides of a comparison: the same work, done by the exact engine and by llama.cpp.

Every run begins with something that is not timed and wakes the party's threads: what the other
side's idle threads do for a moment longer is not charged. Decoding is greedy over all tokens.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from oyez.engines.exact.backend import Backend, Cache
from oyez.engines.llama_context import LlamaContext, Part

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
    """The exact engine."""

    def __init__(self, backend: Backend) -> None:
        """Take a loaded one."""
        self._backend = backend

    def prefill(self, tokens: Tokens) -> float:
        """See `Party.prefill`."""
        self._append([self._backend.new_cache()], [FIRST])
        cache = self._backend.new_cache()
        start = time.perf_counter()
        residuals, _ = self._backend.run(cache, tokens)
        self._backend.logits(np.ascontiguousarray(residuals[-1, -1]))
        return time.perf_counter() - start

    def decode(self, prompt: Tokens, count: int) -> float:
        """See `Party.decode`."""
        return self.decode_together([prompt], count)

    def decode_together(self, prompts: Sequence[Tokens], count: int) -> float:
        """See `Party.decode_together`."""
        self._append([self._backend.new_cache()], [FIRST])
        caches = [self._backend.new_cache() for _ in prompts]
        for cache, prompt in zip(caches, prompts, strict=True):
            if prompt:
                self._backend.run(cache, prompt)
        best = [FIRST] * len(prompts)
        start = time.perf_counter()
        for _ in range(count):
            best = self._append(caches, best)
        return time.perf_counter() - start

    def _append(self, caches: Sequence[Cache], tokens: Tokens) -> list[int]:
        """Append one token to each cache and return the best ones after them."""
        parts = [(cache, [token]) for cache, token in zip(caches, tokens, strict=True)]
        residuals, _ = self._backend.run_together(parts)
        logits = self._backend.logits(np.ascontiguousarray(residuals[:, -1]))
        best: list[int] = logits.argmax(axis=1).tolist()
        return best


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
