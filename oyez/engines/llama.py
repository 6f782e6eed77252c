"""llama.cpp behind the engines' seam: same vocabulary, masks and machine, float arithmetic.

To compare with, and for a profile that is attested rather than proven. Floats differ between
machines, builds, threads and batches, so this engine has no model root and no records of layers:
whatever asks for one is refused, and with it every service.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from oyez.engines import llama_context
from oyez.engines.exact import locate
from oyez.engines.exact import noise as noises
from oyez.engines.exact.engine import build_shape
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.masks import Masks
from oyez.engines.exact.tokens import build_vocabulary, parse_tokenizer_metadata
from oyez.engines.exact.weights import load_model
from oyez.engines.llama_context import Part, Scores
from oyez.protocol.errors import Fatal
from oyez.protocol.machine import Machine, MachineState
from oyez.protocol.noise import Noise
from oyez.protocol.types import Hash32, ModelShape
from oyez.protocol.vocabulary import Vocabulary

#: Sessions and kept prefixes at once, and positions of all of them together.
SEQUENCES = 64
POSITIONS = 16_384
#: Prefixes kept at most.
PREFIXES = 16


_MOST = (1 << 31) - 1


class FloatContext(Protocol):
    """What this engine needs of llama.cpp; `llama_context.LlamaContext` is one."""

    def run(self, parts: Sequence[Part]) -> Scores:
        """Append tokens to sequences and return the scores, as `LlamaContext.run`."""
        ...

    def copy(self, source: int, target: int) -> None:
        """Make an empty sequence a copy of another."""
        ...

    def clear(self, sequence: int) -> None:
        """Empty a sequence."""
        ...


class LlamaEngine:
    """A model in llama.cpp; `oyez.engines.base.Engine` for it, to compare with alone."""

    def __init__(
        self,
        context: FloatContext,
        vocabulary: Vocabulary,
        shape: ModelShape,
        *,
        sequences: int = SEQUENCES,
        block: int = 512,
    ) -> None:
        """Put the parts together; `sequences` and `block` are the context's."""
        self._context = context
        self._vocabulary = vocabulary
        self._shape = shape
        self._masks = Masks(vocabulary)
        self._block = block
        self._free = list(range(sequences - 1, -1, -1))
        self._prefixes: OrderedDict[tuple[int, ...], tuple[int, Scores]] = OrderedDict()

    @property
    def model_root(self) -> Hash32:
        """Refuse: there is no root under which this arithmetic could be registered."""
        _refuse("no model root")

    @property
    def shape(self) -> ModelShape:
        """The model's shape, the exact engine's too."""
        return self._shape

    @property
    def vocabulary(self) -> Vocabulary:
        """Bytes of every sampleable token, the exact engine's too."""
        return self._vocabulary

    def allowed(
        self, machine: Machine, state: MachineState, vocabulary: Vocabulary
    ) -> Sequence[int]:
        """Return the allowed tokens, ascending, by the exact engine's own masks."""
        if vocabulary is not self._vocabulary:
            raise ValueError("masks of another vocabulary")
        return cast("Sequence[int]", self._masks.get_allowed(machine, state))

    def open(self, prefix: Sequence[int]) -> LlamaSession:
        """Start a context with a constant prefix, cached or not.

        Raises:
            Fatal: too many contexts are open.
        """
        key = tuple(map(int, prefix))
        if not key:
            return LlamaSession(self, self._take(), 0, None)
        if key not in self._prefixes:
            if len(self._prefixes) == PREFIXES:
                _, (oldest, _) = self._prefixes.popitem(last=False)
                self._release(oldest)
            sequence = self._take()
            self._prefixes[key] = sequence, self.run(sequence, 0, key)
        self._prefixes.move_to_end(key)
        source, scores = self._prefixes[key]
        target = self._take()
        self._context.copy(source, target)
        return LlamaSession(self, target, len(key), scores)

    def run(self, sequence: int, start: int, tokens: Sequence[int]) -> Scores:
        """Append tokens to a sequence; return a copy of the scores after the last of them.

        Raises:
            ValueError: no token, one that the model does not have, or more than the context.
            Fatal: llama.cpp's scores are no numbers, or it has no room.
        """
        if not tokens or not all(0 <= token < self._shape.vocabulary for token in tokens):
            raise ValueError(f"{len(tokens)} tokens, or one that the model does not have")
        if start + len(tokens) > self._shape.context:
            raise ValueError(f"{start + len(tokens)} tokens exceed the context")
        for at in range(0, len(tokens), self._block):
            part = tokens[at : at + self._block]
            scores = self._context.run([Part(sequence, start + at, part)])
        last: Scores = scores[-1].copy()
        if not np.isfinite(last).all():
            raise Fatal("llama.cpp's scores are no numbers: use another model file")
        return last

    def release_with(self, session: LlamaSession, sequence: int) -> None:
        """Empty a sequence and use it again once its session is gone."""
        weakref.finalize(session, self._release, sequence).atexit = False

    def _take(self) -> int:
        if not self._free:
            raise Fatal("too many contexts of llama.cpp are open: let some go")
        return self._free.pop()

    def _release(self, sequence: int) -> None:
        self._context.clear(sequence)
        self._free.append(sequence)


class LlamaSession:
    """`oyez.engines.base.Session` over a sequence of llama.cpp's.

    Rule: ENGINE-35
    """

    def __init__(
        self, engine: LlamaEngine, sequence: int, count: int, scores: Scores | None
    ) -> None:
        """Take over a sequence that holds `count` tokens, with the scores after the last."""
        self._engine, self._sequence = engine, sequence
        self._count, self._scores = count, scores
        engine.release_with(self, sequence)

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens (at least one) to the context."""
        self._scores = self._engine.run(self._sequence, self._count, tokens)
        self._count += len(tokens)

    def best(self, allowed: Sequence[int], noise: Noise | None = None) -> int:
        """Return the allowed token with the highest score; ties go to the lowest id."""
        ids = np.ascontiguousarray(allowed, np.int32)
        logits = self._round(ids)
        if noise is not None:
            return noises.find_best(noise, ids, logits)
        return int(ids[logits.argmax()])

    def logits(self, tokens: Sequence[int]) -> list[int]:
        """Return the logits of these tokens, rounded to Q16."""
        rounded: list[int] = self._round(np.ascontiguousarray(tokens, np.int32)).tolist()
        return rounded

    def layer_roots(self, index: int) -> NoReturn:
        """Refuse: no other machine would find the same."""
        _refuse("no records of layers")

    def position_root(self, index: int, sampler: Hash32) -> NoReturn:
        """Refuse: no other machine would find the same."""
        _refuse("no records of layers")

    def _round(self, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return scores in Q16, half to even, within 32 bits."""
        if self._scores is None:
            raise ValueError("an empty context has no scores: append a token first")
        real = self._scores[ids].astype(np.float64)
        rounded: NDArray[np.int32] = np.rint(real * 65_536).clip(-_MOST, _MOST).astype(np.int32)
        return rounded


def load_engine(path: Path | None = None, *, threads: int = 1, flash: bool = True) -> LlamaEngine:
    """Load a model file into llama.cpp; the file is one that the exact engine can run too.

    Args:
        path: the GGUF file; None finds it as the exact engine does.
        threads: that share a call's work.
        flash: attention in one fused operation.

    Raises:
        Fatal: there is no model file.
        Invalid: the extra is not installed, or one of the engines cannot run the file.
    """
    path = path or locate.find_model()
    file = open_gguf(path)
    vocabulary = build_vocabulary(parse_tokenizer_metadata(file))
    settings = llama_context.Settings(POSITIONS, SEQUENCES, threads, flash=flash)
    context = llama_context.LlamaContext(llama_context.LlamaWeights(path), settings)
    return LlamaEngine(
        context, vocabulary, build_shape(load_model(file), vocabulary), block=settings.block
    )


def _refuse(what: str) -> NoReturn:
    raise Fatal(
        f"llama.cpp computes in floats, which differ between machines, so it has {what}: nothing "
        "can be proposed, replayed or proven with it; use the exact engine"
    )
