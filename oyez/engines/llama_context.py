"""llama.cpp through its C interface: tokens in, float scores out. Needs the extra `oyez[llama]`.

Words: a *sequence* is one conversation's positions among those that a context holds.
"""

from __future__ import annotations

import ctypes
import importlib
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from oyez.protocol.errors import Fatal, Invalid

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens to append to a sequence from a position on.

    Attributes:
        every: the scores after each token are wanted, not only those after the last.
    """

    sequence: int
    start: int
    tokens: Sequence[int]
    every: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """How a context is set up.

    Attributes:
        positions: what all sequences hold together.
        sequences: how many there may be.
        threads: for one token and for many.
        block: tokens that pass through the layers together at most.
        flash: attention in one fused operation.
        unified: all sequences share one store, so that a copy is free; else each has its own.
    """

    positions: int
    sequences: int = 1
    threads: int = 1
    block: int = 512
    flash: bool = True
    unified: bool = True


def import_llama() -> ModuleType:
    """Import the bindings and make llama.cpp silent.

    Raises:
        Invalid: the extra is not installed.
    """
    try:
        module = importlib.import_module("llama_cpp")
    except ImportError as error:
        raise Invalid(
            "ENGINE-35", "llama.cpp is not installed: install the extra, oyez[llama]"
        ) from error
    module.llama_log_set(_SILENCE, ctypes.c_void_p())
    return module


def _drop(level: int, text: bytes, data: int) -> None:
    """Drop a line of the log."""


#: Kept: llama.cpp holds no reference to it.
_SILENCE = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(_drop)


class LlamaWeights:
    """A model file as llama.cpp loads it."""

    def __init__(self, path: Path) -> None:
        """Load a file.

        Raises:
            Invalid: the extra is not installed, or llama.cpp refuses the file.
        """
        self.library = import_llama()
        parameters = self.library.llama_model_default_params()
        self.handle = self.library.llama_model_load_from_file(str(path).encode(), parameters)
        if not self.handle:
            raise Invalid("ENGINE-35", f"llama.cpp cannot load {path}: use another model file")
        weakref.finalize(self, self.library.llama_model_free, self.handle).atexit = False
        vocabulary = self.library.llama_model_get_vocab(self.handle)
        self.vocabulary = int(self.library.llama_vocab_n_tokens(vocabulary))


class LlamaContext:
    """Keys and values of some sequences over one model; one thread at a time."""

    def __init__(self, weights: LlamaWeights, settings: Settings) -> None:
        """Reserve the memory.

        Raises:
            Fatal: llama.cpp cannot.
        """
        self.weights, self.settings = weights, settings
        library = self._library = weights.library
        parameters = library.llama_context_default_params()
        parameters.n_ctx = settings.positions
        parameters.n_seq_max = settings.sequences
        parameters.n_batch = max(settings.block, settings.sequences)
        parameters.n_ubatch = parameters.n_batch
        parameters.n_threads = parameters.n_threads_batch = settings.threads
        parameters.flash_attn_type = int(settings.flash)
        parameters.kv_unified = settings.unified
        self._handle = library.llama_init_from_model(weights.handle, parameters)
        if not self._handle:
            raise Fatal(f"llama.cpp cannot set up {settings}")
        weakref.finalize(self, library.llama_free, self._handle).atexit = False
        self._memory = library.llama_get_memory(self._handle)
        self._room = int(parameters.n_batch)
        self._batch = library.llama_batch_init(self._room, 0, 1)
        weakref.finalize(self, library.llama_batch_free, self._batch).atexit = False
        fields = ("token", "pos", "n_seq_id", "logits")
        self._token, self._position, self._count, self._wanted = (
            np.ctypeslib.as_array(getattr(self._batch, name), (self._room,)) for name in fields
        )
        self._count[:] = 1

    def run(self, parts: Sequence[Part]) -> Scores:
        """Append tokens, all in one batch; return the wanted scores [outputs, vocabulary].

        The array is llama.cpp's own and holds until the next run.

        Raises:
            Fatal: more tokens than a batch holds, or llama.cpp has no room left.
        """
        at = outputs = 0
        for part in parts:
            end = at + len(part.tokens)
            if end > self._room or end == at:
                raise Fatal(f"a batch holds 1 to {self._room} tokens, not {end}")
            self._token[at:end] = part.tokens
            self._position[at:end] = np.arange(part.start, part.start + len(part.tokens))
            self._wanted[at:end] = part.every
            self._wanted[end - 1] = 1
            for index in range(at, end):
                self._batch.seq_id[index][0] = part.sequence
            outputs += len(part.tokens) if part.every else 1
            at = end
        self._batch.n_tokens = at
        code = self._library.llama_decode(self._handle, self._batch)
        if code:
            raise Fatal(f"llama.cpp cannot decode (code {code}): its context is full")
        scores = self._library.llama_get_logits(self._handle)
        return np.ctypeslib.as_array(scores, (outputs, self.weights.vocabulary))

    def copy(self, source: int, target: int) -> None:
        """Make an empty sequence a copy of another."""
        self._library.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def clear(self, sequence: int) -> None:
        """Empty a sequence."""
        self._library.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def cut(self, sequence: int, start: int) -> None:
        """Drop a sequence's positions from `start` on."""
        self._library.llama_memory_seq_rm(self._memory, sequence, start, -1)
