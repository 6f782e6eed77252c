"""Runs a list of tokens and digests all logits: by prefill, or as copies decoded together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact.backend import Backend, Residuals
from oyez.engines.exact.prefix_cache import PrefixCache
from oyez.engines.exact.session import BLOCK, Context
from oyez.engines.exact.weights import Model
from oyez.protocol.errors import Fatal, Invalid

#: Takes logits int32 [tokens, vocabulary], Q16, and the index of the first of these tokens.
Receiver = Callable[[NDArray[np.int32], int], None]


@dataclass(frozen=True, slots=True)
class LogitRun:
    """What a run was, and its digest.

    Attributes:
        digest: SHA-256 of the logits after each token, int32 little-endian, as hex.
        kernel: what did the arithmetic.
        batch: copies that ran.
        block: most positions that passed through the layers together.
        tokens: number of tokens.
    """

    digest: str
    kernel: str
    threads: int
    batch: int
    block: int
    tokens: int


def run_tokens(
    model: Model,
    backend: Backend,
    tokens: Sequence[int],
    *,
    batch: int = 1,
    prefix_cache: PrefixCache | None = None,
    receive: Receiver = lambda logits, at: None,
) -> LogitRun:
    """Run tokens and digest the logits after each of them.

    Rule: ENGINE-28

    Args:
        model: what the backend runs.
        backend: what does the arithmetic.
        tokens: at least one, at most the context.
        batch: 1 runs them in blocks of 128; more decode as many copies together, token by token.
        prefix_cache: the first half of the tokens goes through it and is forked for each copy;
            None runs everything in every copy.
        receive: gets the logits as they come.

    Raises:
        Invalid: tokens that the model does not have, or too many of them.
        Fatal: copies differ: the machine is broken.
    """
    check_tokens(model, tokens)
    digest = hashlib.sha256()
    prefix = tuple(tokens[: len(tokens) // 2]) if prefix_cache is not None else ()
    contexts = [Context(backend, model, traced=False) for _ in range(batch)]

    def run(contexts: Sequence[Context], begin: int, end: int, step: int) -> None:
        for at in range(begin, end, step):
            part = tokens[at : min(at + step, end)]
            residuals, _ = backend.run_together([(context.cache, part) for context in contexts])
            copies = residuals.reshape(len(contexts), len(part), *residuals.shape[1:])
            if (copies != copies[0]).any():
                raise Fatal("copies of one context differ: this machine computes wrong")
            _digest(backend, copies[0], at, digest.update, receive)

    if prefix_cache is not None and prefix:
        run(contexts[:1], 0, len(prefix), BLOCK)
        prefix_cache.put(prefix, contexts[0])
        contexts = [_fork(prefix_cache, prefix) for _ in range(batch)]
    run(contexts, len(prefix), len(tokens), BLOCK if batch == 1 else 1)
    rest = len(tokens) - len(prefix)
    block = max(min(len(prefix), BLOCK), min(rest, BLOCK) if batch == 1 else min(batch, BLOCK))
    return LogitRun(
        digest=digest.hexdigest(),
        kernel=backend.kernel,
        threads=backend.threads,
        batch=batch,
        block=block,
        tokens=len(tokens),
    )


def check_tokens(model: Model, tokens: Sequence[object]) -> None:
    """Refuse what is no list of the model's tokens within its context.

    Rule: ENGINE-29

    Raises:
        Invalid: naming the first wrong one.
    """
    if not 1 <= len(tokens) <= model.context:
        raise Invalid(
            "ENGINE-29",
            f"{len(tokens)} tokens, the model takes 1 to {model.context}: give another list",
        )
    for index, token in enumerate(tokens):
        if type(token) is not int or not 0 <= token < model.vocabulary:
            raise Invalid(
                "ENGINE-29",
                f"token {index} is {str(token)[:40]}, not an id from 0 to "
                f"{model.vocabulary - 1}: correct the list",
            )


def _fork(cache: PrefixCache, prefix: tuple[int, ...]) -> Context:
    """Return a context that goes on from a cached prefix."""
    context = cache.get(prefix)
    if context is None:
        raise Invalid(
            "ENGINE-29",
            f"a prefix of {len(prefix)} tokens is more than the cache holds: turn it off",
        )
    return context.fork()


def _digest(
    backend: Backend,
    residuals: Residuals,
    at: int,
    update: Callable[[bytes], None],
    receive: Receiver,
) -> None:
    """Compute the logits after some tokens and hand them on."""
    for begin in range(0, len(residuals), BLOCK):
        logits = backend.logits(np.ascontiguousarray(residuals[begin : begin + BLOCK, -1]))
        update(logits.astype("<i4").tobytes())
        receive(logits, at + begin)
