"""The seam between sessions and whatever does the arithmetic: C kernels or plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import spec, trace
from oyez.engines.exact.weights import Model

#: int32 [tokens, layers, width]: every layer's output x, Q14.
Residuals = NDArray[np.int32]
#: int16 [tokens, layers, 2 * kv_heads * head_size]: every layer's k, then v.
Lanes = NDArray[np.int16]
#: uint8 [tokens, layers, 32]: roots of the layers' records.
Roots = NDArray[np.uint8]
#: uint8 [tokens, 5, 32]: siblings of the sampler's record in the tree of its position.
Siblings = NDArray[np.uint8]


class Cache(Protocol):
    """A session's keys and values."""

    @property
    def count(self) -> int:
        """Positions held."""
        ...

    def fork(self) -> Cache:
        """Return an independent copy."""
        ...

    def fill(self, lanes: Lanes) -> None:
        """Take over the lanes of positions that ran before; the cache is empty."""
        ...

    def get_lanes(self) -> Lanes:
        """Return the lanes of all positions, as `fill` takes them."""
        ...


class Backend(Protocol):
    """Runs one model; same inputs, same bits, whatever the backend."""

    @property
    def kernel(self) -> str:
        """What does the arithmetic: "spec", or the name of a path of the kernels."""
        ...

    @property
    def threads(self) -> int:
        """Threads that share a call's work."""
        ...

    def new_cache(self) -> Cache:
        """Return an empty cache."""
        ...

    def run(self, cache: Cache, tokens: Sequence[int]) -> tuple[Residuals, Lanes]:
        """Append tokens (at least one, valid ids, within the context) to a cache."""
        ...

    def run_together(self, parts: Sequence[tuple[Cache, Sequence[int]]]) -> tuple[Residuals, Lanes]:
        """Append tokens to each of several caches, none of them twice, as one block of work.

        The results hold the parts' tokens one part after another.
        """
        ...

    def logits(self, x: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the logits of all tokens after the last layer's lanes x [width]; Q16.

        Several rows of lanes [tokens, width] give as many rows of logits.
        """
        ...

    def logits_of(self, x: NDArray[np.int32], tokens: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the logits of some tokens after x; Q16."""
        ...

    def compute_roots(self, residuals: Residuals, lanes: Lanes) -> Roots:
        """Return the roots of the layers' records of what ran; the model is traceable."""
        ...

    def compute_siblings(self, roots: Roots) -> Siblings:
        """Return what each position's sampler folds with, from its layers' roots."""
        ...


class ReferenceCache:
    """Keys and values as plain lanes, int64 [positions, layers, k then v]."""

    def __init__(self, lanes: spec.Int64) -> None:
        """Hold these lanes."""
        self.lanes = lanes

    @property
    def count(self) -> int:
        """Positions held."""
        return len(self.lanes)

    def fork(self) -> ReferenceCache:
        """Return an independent copy; lanes are never written in place."""
        return ReferenceCache(self.lanes)

    def fill(self, lanes: Lanes) -> None:
        """Take over lanes; see `Cache.fill`."""
        self.lanes = lanes.astype(np.int64)

    def get_lanes(self) -> Lanes:
        """Return all lanes; see `Cache.get_lanes`."""
        return self.lanes.astype(np.int16)


class Reference:
    """The plain NumPy backend: obviously right, about a second a block."""

    kernel = "spec"
    threads = 1

    def __init__(self, model: Model) -> None:
        """Keep the model."""
        self.model = model

    def new_cache(self) -> ReferenceCache:
        """Return an empty cache."""
        shape = 0, len(self.model.layers), 2 * self.model.kv_heads * self.model.head_size
        return ReferenceCache(np.zeros(shape, np.int64))

    def run(self, cache: Cache, tokens: Sequence[int]) -> tuple[Residuals, Lanes]:
        """Append tokens to a cache; see `Backend.run`."""
        assert isinstance(cache, ReferenceCache)
        residuals, fresh = spec.run(self.model, tokens, cache.lanes)
        cache.lanes = np.concatenate([cache.lanes, fresh])
        return residuals.astype(np.int32), fresh.astype(np.int16)

    def run_together(self, parts: Sequence[tuple[Cache, Sequence[int]]]) -> tuple[Residuals, Lanes]:
        """Append tokens to several caches, one after another; see `Backend.run_together`."""
        done = [self.run(cache, tokens) for cache, tokens in parts]
        return np.concatenate([x for x, _ in done]), np.concatenate([kv for _, kv in done])

    def logits(self, x: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return all logits; see `Backend.logits`."""
        return spec.compute_logits(self.model, x.astype(np.int64)).astype(np.int32)

    def logits_of(self, x: NDArray[np.int32], tokens: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return some logits; see `Backend.logits_of`."""
        return spec.compute_logits(self.model, x.astype(np.int64), tokens.tolist()).astype(np.int32)

    def compute_roots(self, residuals: Residuals, lanes: Lanes) -> Roots:
        """Return record roots; see `Backend.compute_roots`."""
        return trace.compute_roots(residuals, lanes)

    def compute_siblings(self, roots: Roots) -> Siblings:
        """Return siblings; see `Backend.compute_siblings`."""
        return trace.compute_siblings(roots)
