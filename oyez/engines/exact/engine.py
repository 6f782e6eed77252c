"""The exact engine: a loaded model, and contexts over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from oyez.engines.base import Answer, Best, Request, Session, answer
from oyez.engines.exact import model_tree
from oyez.engines.exact.backend import Backend
from oyez.engines.exact.gguf import GgufFile
from oyez.engines.exact.masks import Masks
from oyez.engines.exact.packed_layout import Loaded
from oyez.engines.exact.prefix_cache import PrefixCache
from oyez.engines.exact.session import FEW_TOKENS, Context, ExactSession, advance, choose
from oyez.engines.exact.tokens import (
    TokenizerMetadata,
    build_vocabulary,
    parse_tokenizer_metadata,
)
from oyez.engines.exact.traceable import verify_file_traceable, verify_traceable
from oyez.engines.exact.weights import Model, load_model
from oyez.protocol import masks
from oyez.protocol.errors import Invalid
from oyez.protocol.machine import Machine, MachineState
from oyez.protocol.types import Hash32, ModelShape
from oyez.protocol.vocabulary import Vocabulary


class ExactEngine:
    """A loaded model; `oyez.engines.base.Engine` for it.

    Attributes:
        model: the weights and tables.
        backend: what runs it.
        prefix_cache: contexts of constant prefixes, shared by all sessions.
        traced: whether sessions that are opened keep record roots; without, none can be asked for.
        tokenizer: what an author's tokenizer is built from.
    """

    def __init__(
        self,
        model: Model,
        tokenizer: TokenizerMetadata,
        backend: Backend,
        root: Hash32 | None = None,
        *,
        prefix_cache: PrefixCache | None = None,
        traced: bool = True,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        """Put the parts together; without a root it is computed at first use.

        No `prefix_cache` means a usual one; PrefixCache(0) turns it off. `vocabulary` is the
        tokenizer's, if it is made already.
        """
        self.tokenizer = tokenizer
        self.prefix_cache = PrefixCache() if prefix_cache is None else prefix_cache
        self.traced = traced
        self.model = model
        self.backend = backend
        self._root = root
        self._vocabulary = build_vocabulary(tokenizer) if vocabulary is None else vocabulary
        self._masks = Masks(self._vocabulary)
        self._shape = build_shape(model, self._vocabulary)

    @property
    def model_root(self) -> Hash32:
        """Root of the model tree, as registered on chain."""
        if self._root is None:
            self._root = model_tree.compute_model_root(
                self.model, self._vocabulary, self.tokenizer.types
            )
        return self._root

    @property
    def shape(self) -> ModelShape:
        """The model's shape, as registered on chain."""
        return self._shape

    @property
    def vocabulary(self) -> Vocabulary:
        """Bytes of every sampleable token."""
        return self._vocabulary

    def open(self, prefix: Sequence[int]) -> ExactSession:
        """Start a context with a constant prefix, cached or not."""
        key = tuple(map(int, prefix))
        context = self.prefix_cache.find(key, traced=self.traced) if key else None
        if context is not None:
            return ExactSession(context.fork(traced=self.traced))
        context = Context(self.backend, self.model, traced=self.traced)
        keeper = self.prefix_cache if self.prefix_cache.takes(key) else None
        return ExactSession(context, key, keeper)

    def advance(self, sessions: Sequence[Session]) -> list[int]:
        """Run one block of what sessions wait for; see `oyez.engines.together.Joint`."""
        own = [session for session in sessions if isinstance(session, ExactSession)]
        advance(own)
        return [len(s.waiting) if isinstance(s, ExactSession) else 0 for s in sessions]

    def answer(self, asked: Sequence[tuple[Session, Request]]) -> list[Answer]:
        """Answer requests at once; see `oyez.engines.together.Joint`."""
        whole: list[tuple[int, ExactSession, Best]] = []
        for index, pair in enumerate(asked):
            match pair:
                case ExactSession() as session, Best() as best if len(best.allowed) > FEW_TOKENS:
                    whole.append((index, session, best))
        found: dict[int, Answer] = {}
        if whole:
            rows = np.stack([session.get_last() for _, session, _ in whole])
            for (index, _, best), logits in zip(whole, self.backend.logits(rows), strict=True):
                ids = np.ascontiguousarray(best.allowed, np.int32)
                found[index] = choose(ids, logits[ids], best.noise)
        return [
            found[index] if index in found else answer(*pair) for index, pair in enumerate(asked)
        ]

    def allowed(
        self, machine: Machine, state: MachineState, vocabulary: Vocabulary
    ) -> Sequence[int]:
        """Return the allowed tokens, ascending; the mask to hand to `execute_call`."""
        if vocabulary is not self._vocabulary:
            return masks.allowed_tokens(machine, state, vocabulary)
        # An array of integers serves as a sequence of them; base.Session says so.
        return cast("Sequence[int]", self._masks.get_allowed(machine, state))


#: What the shape's one packed word holds.
MOST_MISSING = 32


def load_file(file: GgufFile) -> Loaded:
    """Check everything in a parsed file and load it.

    Raises:
        Invalid: a file this engine cannot run; the message names the fix.
    """
    verify_file_traceable(file)
    tokenizer = parse_tokenizer_metadata(file)
    model = load_model(file)
    vocabulary = build_vocabulary(tokenizer)
    verify_vocabulary(vocabulary, model.vocabulary)
    return Loaded(model, tokenizer, vocabulary)


def verify_vocabulary(vocabulary: Vocabulary, rows: int) -> None:
    """Check that a token table serves every call: whatever the schema demands has a token.

    Rule: MODEL-18

    Args:
        vocabulary: the token table.
        rows: rows of the embedding.

    Raises:
        Invalid: MODEL-18, naming what is missing.
    """
    if vocabulary.size != rows:
        raise Invalid(
            "MODEL-18",
            f"{vocabulary.size} tokens for {rows} rows of the embedding: use another model file",
        )
    needed = (*range(0x20, 0x7F), *range(0x80, 0xC0))
    absent = [byte for byte in needed if vocabulary.single(byte) is None]
    if absent:
        raise Invalid(
            "MODEL-18",
            f"no token of the model is the byte 0x{absent[0]:02x} alone, so it cannot write "
            "every text: use another model",
        )
    if len(vocabulary.missing) > MOST_MISSING:
        raise Invalid(
            "MODEL-18",
            f"{len(vocabulary.missing)} bytes above 0x7f have no token of their own, at most "
            f"{MOST_MISSING} may: use another model",
        )


def build_shape(model: Model, vocabulary: Vocabulary) -> ModelShape:
    """Return the shape that is registered beside the root.

    Rule: MODEL-17

    Raises:
        Invalid: MODEL-23, the trace cannot hold the model.
    """
    verify_traceable(len(model.layers), model.width, model.kv_heads, model.head_size)
    return ModelShape(
        layers=len(model.layers),
        width=model.width,
        feed_forward=model.feed_forward,
        heads=model.heads,
        kv_heads=model.kv_heads,
        head_size=model.head_size,
        vocabulary=model.vocabulary,
        context=model.context,
        position_cost=model_tree.compute_position_cost(model),
        model_height=model_tree.compute_height(model_tree.count_leaves(model, vocabulary)),
        formats=model_tree.FORMATS,
        missing=vocabulary.missing,
    )
