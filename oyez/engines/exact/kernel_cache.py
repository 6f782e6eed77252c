"""One session's keys and values, in the layout that the compiled kernels read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact.weights import Model

#: Positions that share a block of keys, and of values, there.
KEYS, VALUES = 16, 2

#: Positions a cache grows by; the kernels want a multiple of 16.
GROWTH = 128


class KernelCache:
    """Keys and values of one session, in the kernels' layout; grows as it fills."""

    def __init__(self, model: Model) -> None:
        """Start empty."""
        self._layers = len(model.layers)
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
            # One after the other, so that three arrays live at once and not four.
            self.keys = self._grow(self.keys, capacity)
            self.values = self._grow(self.values, capacity)
            self.capacity = capacity

    def fork(self) -> KernelCache:
        """Return an independent copy."""
        copy = object.__new__(KernelCache)
        copy._layers, copy.heads, copy.head_size = self._layers, self.heads, self.head_size
        copy.count, copy.capacity = self.count, self.capacity
        copy.keys, copy.values = self.keys.copy(), self.values.copy()
        return copy

    def fill(self, lanes: NDArray[np.int16]) -> None:
        """Take over lanes [positions, layers, k then v] of positions that ran before.

        They go where `file_keys` of kernels_layer.h puts them: keys in blocks of 16 positions, by
        pairs of lanes; values in pairs of positions.
        """
        count, size = len(lanes), self.head_size
        self.reserve(count)
        padded = np.zeros((self.capacity, *lanes.shape[1:]), np.int16)
        padded[:count] = lanes
        # [positions, layers, k or v, heads, lanes] => [k or v, layers and heads, positions, lanes]
        parts = padded.reshape(self.capacity, self._layers, 2, -1, size).transpose(2, 1, 3, 0, 4)
        keys, values = parts.reshape(2, self.heads, self.capacity, size)
        self.keys = _flatten(keys.reshape(self.heads, -1, KEYS, size // 2, 2).swapaxes(2, 3))
        self.values = _flatten(values.reshape(self.heads, -1, VALUES, size).swapaxes(2, 3))
        self.count = count

    def get_lanes(self) -> NDArray[np.int16]:
        """Return the lanes of all positions, as `fill` takes them."""
        size, capacity = self.head_size, self.capacity
        keys = self.keys.reshape(self.heads, -1, size // 2, KEYS, 2).swapaxes(2, 3)
        values = self.values.reshape(self.heads, -1, size, VALUES).swapaxes(2, 3)
        parts = np.stack([part.reshape(self.heads, capacity, size) for part in (keys, values)])
        lanes = parts.reshape(2, self._layers, -1, capacity, size).transpose(3, 1, 0, 2, 4)
        return np.ascontiguousarray(lanes[: self.count].reshape(self.count, self._layers, -1))

    def _grow(self, part: NDArray[np.int16], capacity: int) -> NDArray[np.int16]:
        # A head's positions are contiguous, so a larger capacity keeps them as a prefix.
        grown = np.zeros((self.heads, capacity * self.head_size), np.int16)
        grown[:, : part.shape[1]] = part
        return grown


def _flatten(part: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.ascontiguousarray(part.reshape(len(part), -1))
