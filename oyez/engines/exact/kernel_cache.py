"""One session's keys and values, in the layout that the compiled kernels read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact.weights import Model

#: Positions a cache grows by; the kernels want a multiple of 16.
GROWTH = 128


class KernelCache:
    """Keys and values of one session, in the kernels' layout; grows as it fills."""

    def __init__(self, model: Model) -> None:
        """Start empty."""
        self.heads = len(model.layers) * model.kv_heads
        self.head_size = model.head_size
        self.count = 0
        self.capacity = 0
        self.keys: NDArray[np.int16] = np.zeros((self.heads, 0), np.int16)
        self.values: NDArray[np.int16] = np.zeros((self.heads, 0), np.int16)

    def reserve(self, count: int) -> None:
        """Make room for `count` positions in all."""
        if count > self.capacity:
            capacity = -(-count // GROWTH) * GROWTH
            self.keys, self.values = (
                self._grow(part, capacity) for part in (self.keys, self.values)
            )
            self.capacity = capacity

    def fork(self) -> KernelCache:
        """Return an independent copy."""
        copy = object.__new__(KernelCache)
        copy.heads, copy.head_size = self.heads, self.head_size
        copy.count, copy.capacity = self.count, self.capacity
        copy.keys, copy.values = self.keys.copy(), self.values.copy()
        return copy

    def _grow(self, part: NDArray[np.int16], capacity: int) -> NDArray[np.int16]:
        # A head's positions are contiguous, so a larger capacity keeps them as a prefix.
        grown = np.zeros((self.heads, capacity * self.head_size), np.int16)
        grown[:, : part.shape[1]] = part
        return grown
