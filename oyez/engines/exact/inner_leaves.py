"""All leaves of one record's inner trace, written region by region as NumPy lanes.

The vectorised twin of the encoders in `oyez.protocol.trace`. A leaf that nobody writes is PAD.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oyez.protocol.constants import CHUNK_BYTES, CHUNKS_PER_RECORD
from oyez.protocol.inner import Layout, Region
from oyez.protocol.trace import (
    INT16_LANES,
    INT32_LANES,
    PAD_INT16,
    PAD_INT32,
    WORDS,
    Chunk,
    ChunkType,
)

Int64 = NDArray[np.int64]
Bytes = NDArray[np.uint8]

#: Lanes of a chunk, and what those without a value hold, by type.
LANES = {
    ChunkType.INT32: INT32_LANES,
    ChunkType.INT16: INT16_LANES,
    ChunkType.INT16_REVERSED: INT16_LANES,
    ChunkType.BYTES32: WORDS,
    ChunkType.BYTES: CHUNK_BYTES,
}
FILLERS = {
    ChunkType.INT32: PAD_INT32,
    ChunkType.INT16: PAD_INT16,
    ChunkType.INT16_REVERSED: PAD_INT16,
    ChunkType.BYTES32: 0,
    ChunkType.BYTES: 0,
}
_WORD = 32


class InnerLeaves:
    """The leaves of one inner trace.

    Attributes:
        layout: which region stands where.
        types: uint8 [leaves], chunk types; 0 is PAD.
        data: uint8 [leaves, 1,024].
    """

    def __init__(self, layout: Layout) -> None:
        """Begin with PAD alone."""
        self.layout = layout
        self.types = np.zeros(1 << layout.height, np.uint8)
        self.data = np.zeros((1 << layout.height, CHUNK_BYTES), np.uint8)

    def put_record(self, chunks: Sequence[Chunk]) -> None:
        """Write the record's own chunks, the last 16 leaves; those not given are PAD."""
        first = len(self.types) - CHUNKS_PER_RECORD
        for at, chunk in enumerate(chunks):
            self.types[first + at] = chunk.type
            self.data[first + at] = np.frombuffer(chunk.data, np.uint8)

    def put(self, name: str, lanes: Int64, first: int = 0) -> None:
        """Write a region's lanes [count] from its leaf `first` on; the last leaf is filled up.

        Words are int64 too, sign and all; larger ones go through `put_words`.
        """
        region = self.layout.get(name)
        self._store(region, first, encode(region.type, lanes[None])[0])

    def put_blocks(self, name: str, lanes: Int64, blocks: int) -> None:
        """Write lanes [runs, count]: a run takes `blocks` leaves, those after its lanes PAD."""
        region = self.layout.get(name)
        chunks = encode(region.type, lanes)
        for run, data in enumerate(chunks):
            self._store(region, run * blocks, data)

    def put_words(self, name: str, words: Sequence[int], first: int = 0) -> None:
        """Write signed words from a region's leaf `first` on."""
        data = b"".join(word.to_bytes(_WORD, "big", signed=True) for word in words)
        data += bytes(-len(data) % CHUNK_BYTES)
        chunks = np.frombuffer(data, np.uint8).reshape(-1, CHUNK_BYTES)
        self._store(self.layout.get(name), first, chunks)

    def put_bytes(self, name: str, data: bytes) -> None:
        """Write a region of one chunk of bytes."""
        filled = np.frombuffer(data.ljust(CHUNK_BYTES, b"\0"), np.uint8)
        self._store(self.layout.get(name), 0, filled[None])

    def get_chunk(self, leaf: int) -> Chunk:
        """Return a leaf."""
        return Chunk(ChunkType(int(self.types[leaf])), self.data[leaf].tobytes())

    def _store(self, region: Region, first: int, chunks: Bytes) -> None:
        if first + len(chunks) > region.leaves:
            raise ValueError(f"{region.name} has {region.leaves} leaves")
        at = region.start + first
        self.data[at : at + len(chunks)] = chunks
        self.types[at : at + len(chunks)] = region.type


def encode(kind: ChunkType, lanes: Int64) -> Bytes:
    """Return the chunks of several runs of lanes [runs, count]: uint8 [runs, chunks, 1,024].

    A run's last chunk is filled up with lanes of no value.
    """
    missing = -lanes.shape[1] % LANES[kind]
    padded = np.pad(lanes, ((0, 0), (0, missing)), constant_values=FILLERS[kind])
    match kind:
        case ChunkType.INT32:
            # Rule: TRACE-1: the lowest lane of a word stands last in its bytes
            data: Bytes = padded.reshape(-1, 8)[:, ::-1].astype(">i4").view(np.uint8)
        case ChunkType.INT16 | ChunkType.INT16_REVERSED:
            # Rule: TRACE-2, TRACE-3: lane 4a + 2w + b of a group is field 2a + b of word w
            words = padded.reshape(-1, 8, 2, 2).transpose(0, 2, 1, 3).reshape(-1, 16)
            if kind is ChunkType.INT16:
                words = words[:, ::-1]
            data = np.ascontiguousarray(words).astype(">i2").view(np.uint8)
        case ChunkType.BYTES32:
            wide = np.broadcast_to((padded < 0)[..., None], (*padded.shape, 4)).astype(np.int64)
            wide = -wide
            wide[..., 3] = padded
            data = wide.astype(">i8").view(np.uint8)
        case _:
            data = padded.astype(np.uint8)
    return data.reshape(len(lanes), -1, CHUNK_BYTES)
