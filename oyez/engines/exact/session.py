"""One call's context: tokens appended, scores after the last of them, trace roots.

A *context* is the state behind a session: keys and values, the last layer's lanes of the last
token, and the record roots of every position, in *blocks* of tokens that ran together. Blocks
never change, so contexts share them. A session is lazy: tokens wait until somebody needs what
follows from them, so that whoever drives many sessions can run them together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import noise as noises
from oyez.engines.exact.backend import Backend, Roots, Siblings
from oyez.engines.exact.weights import Model
from oyez.protocol import trace
from oyez.protocol.noise import Noise
from oyez.protocol.types import Hash32

if TYPE_CHECKING:
    from oyez.engines.exact.prefix_cache import PrefixCache

#: Up to this many tokens, reading their rows alone is cheaper than the whole head.
FEW_TOKENS = 256
#: Positions that pass through the layers together at most.
BLOCK = 128


class Block:
    """The record roots of tokens that ran together."""

    def __init__(self, start: int, roots: Roots, siblings: Siblings) -> None:
        """Keep the roots of the positions from `start` on."""
        self.start = start
        self.roots = roots
        self._siblings = siblings
        #: By index, a sampler's record and the position's root that it made last.
        self._made: dict[int, tuple[Hash32, Hash32]] = {}

    def get_layers(self, index: int) -> tuple[Hash32, ...]:
        """Return the record roots of the token at `index` of the context, one per layer."""
        return tuple(Hash32(root.tobytes()) for root in self.roots[index - self.start])

    def compute_position(self, index: int, sampler: Hash32) -> Hash32:
        """Return the root of the position of the token at `index`.

        It is kept: prefix positions, whose blocks calls share, all have the same sampler.
        """
        # Two threads may do this at once: both find the same root.
        made = self._made.get(index)
        if made is None or made[0] != sampler:
            siblings = [Hash32(part.tobytes()) for part in self._siblings[index - self.start]]
            made = self._made[index] = sampler, trace.fold_sampler(siblings, sampler)
        return made[1]


def _get_start(block: Block) -> int:
    return block.start


class Context:
    """The state behind a session."""

    def __init__(self, backend: Backend, model: Model, *, traced: bool = True) -> None:
        """Start empty; an untraced context keeps no record roots."""
        self.backend = backend
        self.model = model
        self.traced = traced
        self.cache = backend.new_cache()
        self.blocks: list[Block] = []
        self.last: NDArray[np.int32] | None = None

    def extend(self, tokens: Sequence[int]) -> None:
        """Run tokens, at least one, after those so far, a block at a time."""
        for at in range(0, len(tokens), BLOCK):
            run_together([(self, tokens[at : at + BLOCK])])

    def fork(self, *, traced: bool = True) -> Context:
        """Return a context that goes on from here by itself, traced if this one is and it shall."""
        fork = object.__new__(Context)
        fork.backend, fork.model, fork.traced = self.backend, self.model, self.traced and traced
        fork.cache = self.cache.fork()
        fork.blocks = list(self.blocks)
        fork.last = self.last
        return fork


def run_together(parts: Sequence[tuple[Context, Sequence[int]]]) -> None:
    """Run tokens, at least one for each, after those of several contexts, as one block of work.

    Of each block the traced contexts' records are hashed at once, so no lanes are kept.
    """
    backend = parts[0][0].backend
    starts = [context.cache.count for context, _ in parts]
    residuals, lanes = backend.run_together([(context.cache, tokens) for context, tokens in parts])
    ends = np.cumsum([len(tokens) for _, tokens in parts]).tolist()
    is_traced = any(context.traced for context, _ in parts)
    roots = backend.compute_roots(residuals, lanes) if is_traced else None
    siblings = None if roots is None else backend.compute_siblings(roots)
    for (context, tokens), start, end in zip(parts, starts, ends, strict=True):
        context.last = residuals[end - 1, -1].copy()
        if context.traced and roots is not None and siblings is not None:
            own = slice(end - len(tokens), end)
            context.blocks.append(Block(start, roots[own].copy(), siblings[own].copy()))


class ExactSession:
    """`oyez.engines.base.Session` over a context of its own.

    Rule: ENGINE-26

    How tokens are cut into calls of `extend`, and what else runs beside them, changes no bit.
    """

    def __init__(
        self, context: Context, prefix: tuple[int, ...] = (), prefixes: PrefixCache | None = None
    ) -> None:
        """Take over a context, and a prefix that is still to run in it.

        With `prefixes` the prefix is kept there once it ran, or taken from there if another
        session is faster.
        """
        self.context = context
        self.waiting = list(prefix)
        self._prefixes = prefixes
        #: What the context lacks of a prefix that is shared; () once it is whole.
        self.prefix = () if prefixes is None else prefix

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens (at least one) to the context; they run when they are needed.

        Raises:
            ValueError: no token, one that the model does not have, or more than the context.
        """
        count, model = len(tokens), self.context.model
        if not count or not all(0 <= token < model.vocabulary for token in tokens):
            raise ValueError(f"{count} tokens, or one outside 0 to {model.vocabulary - 1}")
        if self.count + count > model.context:
            raise ValueError(f"{self.count + count} tokens exceed the context of {model.context}")
        self.waiting.extend(map(int, tokens))

    @property
    def count(self) -> int:
        """Tokens appended, those that wait included."""
        return self.context.cache.count + len(self.waiting)

    def best(self, allowed: Sequence[int], noise: Noise | None = None) -> int:
        """Return the allowed token with the highest score; ties go to the lowest id."""
        ids = np.ascontiguousarray(allowed, np.int32)
        last = self.get_last()
        if len(ids) <= FEW_TOKENS:
            return choose(ids, self.context.backend.logits_of(last, ids), noise)
        return choose(ids, self.context.backend.logits(last)[ids], noise)

    def logits(self, tokens: Sequence[int]) -> list[int]:
        """Return the Q16 logits of these tokens after the context so far."""
        ids = np.ascontiguousarray(tokens, np.int32)
        found: list[int] = self.context.backend.logits_of(self.get_last(), ids).tolist()
        return found

    def layer_roots(self, index: int) -> tuple[Hash32, ...]:
        """Return the roots of the layer records of the token at `index`, one per layer.

        Raises:
            IndexError: no such token.
        """
        return self._find_block(index).get_layers(index)

    def position_root(self, index: int, sampler: Hash32) -> Hash32:
        """Return the root of the position of the token at `index`, with a sampler's record.

        Raises:
            IndexError: no such token.
        """
        return self._find_block(index).compute_position(index, sampler)

    def get_last(self) -> NDArray[np.int32]:
        """Return the last layer's lanes of the last token.

        Raises:
            ValueError: the context is empty.
        """
        self.settle()
        if self.context.last is None:
            raise ValueError("an empty context has no scores: append a token first")
        return self.context.last

    def settle(self) -> None:
        """Run all that waits."""
        while self.waiting:
            advance([self])

    def adopt_prefix(self) -> None:
        """Take over the prefix if another session finished it."""
        if self._prefixes is None or not self.prefix:
            return
        found = self._prefixes.get(self.prefix, traced=self.context.traced)
        if found is not None:
            del self.waiting[: len(self.prefix) - self.context.cache.count]
            self.context, self.prefix = found.fork(traced=self.context.traced), ()

    def keep_prefix(self) -> None:
        """Hand the prefix on, once it is whole."""
        if self._prefixes is None or not self.prefix:
            return
        if self.context.cache.count == len(self.prefix):
            self._prefixes.put(self.prefix, self.context.fork())
            self.prefix = ()

    @property
    def wanted(self) -> int:
        """Tokens that may run now: up to the end of the prefix, where the context is kept."""
        if self.prefix:
            return len(self.prefix) - self.context.cache.count
        return len(self.waiting)

    def _find_block(self, index: int) -> Block:
        if not self.context.traced:
            raise ValueError("this engine keeps no trace: load it with one")
        if not 0 <= index < self.count:
            raise IndexError(f"no token at {index}")
        self.settle()
        blocks = self.context.blocks
        return blocks[bisect_right(blocks, index, key=_get_start) - 1]


def advance(sessions: Sequence[ExactSession]) -> None:
    """Run one block of what waits in sessions, 128 tokens at most, shared out fairly.

    Of sessions that lack the same prefix one runs it and the others wait for it.
    """
    running: list[ExactSession] = []
    prefixes = set()
    for session in sessions:
        session.adopt_prefix()
        if session.waiting and session.prefix not in prefixes:
            running.append(session)
            prefixes |= {session.prefix} - {()}
    shares = share_out([session.wanted for session in running], BLOCK)
    parts = [
        (session, session.waiting[:share])
        for session, share in zip(running, shares, strict=True)
        if share
    ]
    if parts:
        run_together([(session.context, tokens) for session, tokens in parts])
    for session, tokens in parts:
        del session.waiting[: len(tokens)]
        session.keep_prefix()


def share_out(wanted: Sequence[int], limit: int) -> list[int]:
    """Return what each gets of a limit: all it wants, or as much as others that get less.

    Rule: ENGINE-31
    """
    given = [0] * len(wanted)
    for done, index in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        given[index] = min(wanted[index], limit // (len(wanted) - done))
        limit -= given[index]
    return given


def choose(ids: NDArray[np.int32], logits: NDArray[np.int32], noise: Noise | None = None) -> int:
    """Return the id with the highest score; `ids` ascend, so ties go to the lowest."""
    if noise is not None:
        return noises.find_best(noise, ids, logits)
    # argmax takes the first of equals
    return int(ids[logits.argmax()])
