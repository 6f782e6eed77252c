"""One call's context: tokens appended, scores after the last of them, layer records.

A *context* is the state behind a session: keys and values, and what each layer put out, in
*blocks* of tokens that ran together. Blocks never change, so contexts share them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import noise as noises
from oyez.engines.exact import trace
from oyez.engines.exact.backend import Backend, Lanes, Residuals
from oyez.engines.exact.weights import Model
from oyez.protocol.noise import Noise
from oyez.protocol.types import Hash32

#: Up to this many tokens, reading their rows alone is cheaper than the whole head.
FEW_TOKENS = 256


class Block:
    """Tokens that ran together: their layers' lanes, until the record roots are wanted."""

    def __init__(self, start: int, residuals: Residuals, lanes: Lanes) -> None:
        """Keep the lanes of the positions from `start` on."""
        self.start = start
        self._lanes: tuple[Residuals, Lanes] | None = (residuals, lanes)
        self._roots: list[tuple[Hash32, ...]] = []

    @property
    def residuals(self) -> Residuals:
        """The layers' output lanes, until the record roots were wanted."""
        if self._lanes is None:
            raise ValueError("the lanes of this block are gone: their roots were computed")
        return self._lanes[0]

    def get_roots(self, index: int) -> tuple[Hash32, ...]:
        """Return the record roots of the token at `index` of the context, one per layer."""
        lanes = self._lanes
        if lanes is not None:
            # Two threads may do this at once: both find the same roots.
            self._roots = trace.compute_layer_roots(*lanes)
            self._lanes = None
        return self._roots[index - self.start]


def _get_start(block: Block) -> int:
    return block.start


class Context:
    """The state behind a session."""

    def __init__(self, backend: Backend, model: Model) -> None:
        """Start empty."""
        self.backend = backend
        self.model = model
        self.cache = backend.new_cache()
        self.blocks: list[Block] = []
        self.last: NDArray[np.int32] | None = None

    def extend(self, tokens: Sequence[int]) -> None:
        """Run tokens after those so far.

        Raises:
            ValueError: no token, one that the model does not have, or more than the context.
        """
        count = len(tokens)
        if not count or not all(0 <= token < self.model.vocabulary for token in tokens):
            raise ValueError(f"{count} tokens, or one outside 0 to {self.model.vocabulary - 1}")
        start = self.cache.count
        if start + count > self.model.context:
            raise ValueError(f"{start + count} tokens exceed the context of {self.model.context}")
        residuals, lanes = self.backend.run(self.cache, tokens)
        self.blocks.append(Block(start, residuals, lanes))
        self.last = residuals[-1, -1].copy()

    def settle(self) -> None:
        """Compute all record roots now and let the lanes go."""
        for block in self.blocks:
            block.get_roots(block.start)

    def fork(self) -> Context:
        """Return a context that goes on from here by itself."""
        fork = object.__new__(Context)
        fork.backend, fork.model = self.backend, self.model
        fork.cache = self.cache.fork()
        fork.blocks = list(self.blocks)
        fork.last = self.last
        return fork


class ExactSession:
    """`oyez.engines.base.Session` over a context of its own.

    Rule: ENGINE-26

    How tokens are cut into calls of `extend` changes no bit of any answer.
    """

    def __init__(self, context: Context) -> None:
        """Take over a context."""
        self._context = context

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens (at least one) to the context."""
        self._context.extend(tokens)

    def best(self, allowed: Sequence[int], noise: Noise | None = None) -> int:
        """Return the allowed token with the highest score; ties go to the lowest id."""
        ids = np.ascontiguousarray(allowed, np.int32)
        last = self._last()
        if len(ids) <= FEW_TOKENS:
            logits = self._context.backend.logits_of(last, ids)
        else:
            logits = self._context.backend.logits(last)[ids]
        if noise is not None:
            return noises.find_best(noise, ids, logits)
        # argmax takes the first of equals, and `allowed` is ascending.
        return int(ids[logits.argmax()])

    def logits(self, tokens: Sequence[int]) -> list[int]:
        """Return the Q16 logits of these tokens after the context so far."""
        ids = np.ascontiguousarray(tokens, np.int32)
        found: list[int] = self._context.backend.logits_of(self._last(), ids).tolist()
        return found

    def layer_roots(self, index: int) -> tuple[Hash32, ...]:
        """Return the roots of the layer records of the token at `index`, one per layer.

        Raises:
            IndexError: no such token.
        """
        if not 0 <= index < self._context.cache.count:
            raise IndexError(f"no token at {index}")
        blocks = self._context.blocks
        return blocks[bisect_right(blocks, index, key=_get_start) - 1].get_roots(index)

    def _last(self) -> NDArray[np.int32]:
        """Return the last layer's lanes of the last token."""
        if self._context.last is None:
            raise ValueError("an empty context has no scores: append a token first")
        return self._context.last
