"""The first lane in which two leaves of one type differ: twin of contracts/modules/lanes.vy."""

from __future__ import annotations

from collections.abc import Iterator

from oyez.chain.duel_states import Leaf
from oyez.protocol.trace import ChunkType

#: Bytes of a lane by the type of its chunk.
WIDTHS = {
    ChunkType.INT32: 4,
    ChunkType.INT16: 2,
    ChunkType.BYTES32: 32,
    ChunkType.BYTES: 1,
    ChunkType.INT16_REVERSED: 2,
}


def find_first_lane(first: Leaf, second: Leaf) -> int:
    """Return the lowest lane in which two leaves differ; 0 where one is PAD and one is not.

    Raises:
        ValueError: they are equal, or of two types neither of which is PAD.
    """
    if first.type != second.type:
        if ChunkType.PAD not in (first.type, second.type):
            raise ValueError("leaves of two types stand at no one address")
        return 0
    kind = ChunkType(first.type)
    if kind is ChunkType.PAD or first.raw == second.raw:
        raise ValueError("the leaves are equal")
    width = WIDTHS[kind]
    return next(
        lane
        for lane, place in enumerate(list_places(kind, len(first.raw) // width))
        if first.raw[place * width :][:width] != second.raw[place * width :][:width]
    )


def list_places(kind: ChunkType, count: int) -> Iterator[int]:
    """Yield where each lane stands in the chunk's bytes, as a multiple of its width."""
    for lane in range(count):
        group, i = lane >> 5, lane & 31
        match kind:
            case ChunkType.INT32:  # word i >> 3, its lowest bits first
                yield 8 * (lane >> 3) + 7 - (lane & 7)
            case ChunkType.INT16 | ChunkType.INT16_REVERSED:  # quad order, two words a group
                field = 2 * (i >> 2) + (i & 1)
                word = 2 * group + (i >> 1 & 1)
                yield 16 * word + (field if kind is ChunkType.INT16_REVERSED else 15 - field)
            case _:
                yield lane
