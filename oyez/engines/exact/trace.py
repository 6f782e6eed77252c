"""Builds the roots of layer records from a block's lanes, many positions at once.

The vectorised twin of `oyez.protocol.trace`: chunks of x (int32), then of k and v as one run
(int16, quad order, fields reversed), filler lanes at the type's minimum, the rest PAD. The
compiled kernels have a faster one (kernels_sha.h), equal to this.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oyez.protocol import merkle, trace
from oyez.protocol.constants import CHUNK_BYTES, RECORD_HEIGHT, SLOT_BITS
from oyez.protocol.trace import INT16_LANES, INT32_LANES, PAD_INT16, PAD_INT32, ChunkType
from oyez.protocol.types import Hash32

if TYPE_CHECKING:
    from oyez.engines.exact.backend import Lanes, Residuals, Roots, Siblings

_LEAF_BYTES = CHUNK_BYTES + 2
#: Positions whose chunks are built at once: a long prompt costs time, not memory.
_POSITIONS = 128


def compute_roots(residuals: Residuals, lanes: Lanes) -> Roots:
    """Return the record roots of every position of a block.

    Rule: ENGINE-22
    """
    steps = range(0, len(residuals), _POSITIONS)
    return np.concatenate(
        [
            _compute_some(residuals[at : at + _POSITIONS], lanes[at : at + _POSITIONS])
            for at in steps
        ]
    )


def compute_siblings(roots: Roots) -> Siblings:
    """Return the siblings of every position's last slot, the sampler's, from the leaf upwards.

    They do not depend on what stands in that slot (TRACE-11).
    """
    tree = trace.record_tree()
    found = [
        merkle.fold_with_last([Hash32(root.tobytes()) for root in layers], _ANY, SLOT_BITS, tree)[1]
        for layers in roots
    ]
    return np.frombuffer(b"".join(map(b"".join, found)), np.uint8).reshape(-1, SLOT_BITS, 32)


_ANY = Hash32(bytes(32))


def _compute_some(residuals: Residuals, lanes: Lanes) -> Roots:
    positions, layers, _ = residuals.shape
    records = positions * layers
    chunks = np.concatenate(
        [
            _encode_int32(residuals.reshape(records, -1)),
            _encode_reversed(lanes.reshape(records, -1)),
        ],
        axis=1,
    )
    live = chunks.shape[1]
    data = chunks.data.cast("B")
    sha256 = hashlib.sha256
    leaves = [
        sha256(data[at : at + _LEAF_BYTES]).digest()
        for at in range(0, records * live * _LEAF_BYTES, _LEAF_BYTES)
    ]
    empty = trace.pad_tree().empty
    roots = []
    for begin in range(0, len(leaves), live):
        level = leaves[begin : begin + live]
        for height in range(RECORD_HEIGHT):
            if len(level) % 2:
                level.append(empty[height])
            level = [sha256(level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
        roots.append(level[0])
    return np.frombuffer(b"".join(roots), np.uint8).reshape(positions, layers, 32)


def _encode_int32(lanes: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return leaf preimages [records, chunks, 1,026] of int32 lanes [records, width]."""
    padded = _pad(lanes, INT32_LANES, PAD_INT32)
    words = padded.reshape(-1, 8)[:, ::-1].astype(">i4")
    return _frame(words.view(np.uint8).reshape(len(lanes), -1, CHUNK_BYTES), ChunkType.INT32)


def _encode_reversed(lanes: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Return leaf preimages [records, chunks, 1,026] of int16 lanes [records, lanes]."""
    padded = _pad(lanes, INT16_LANES, PAD_INT16)
    # Lane 4a + 2w + b of a group is field 2a + b of word w; reversed, field 0 comes first.
    words = padded.reshape(-1, 8, 2, 2).transpose(0, 2, 1, 3).astype(">i2")
    data = np.ascontiguousarray(words).view(np.uint8).reshape(len(lanes), -1, CHUNK_BYTES)
    return _frame(data, ChunkType.INT16_REVERSED)


def _pad(lanes: NDArray[np.generic], size: int, filler: int) -> NDArray[np.generic]:
    """Fill the last chunk up."""
    missing = -lanes.shape[1] % size
    return np.pad(lanes, ((0, 0), (0, missing)), constant_values=filler)


def _frame(data: NDArray[np.uint8], kind: ChunkType) -> NDArray[np.uint8]:
    """Put a leaf's two first bytes before each chunk."""
    framed = np.empty((*data.shape[:2], _LEAF_BYTES), np.uint8)
    framed[:, :, 0] = 0
    framed[:, :, 1] = kind
    framed[:, :, 2:] = data
    return framed
