"""Rows of every format and int16 lanes, ordinary and wild, for tests of products."""

from __future__ import annotations

import random

from oyez.protocol.row_bytes import ROW_FORMATS, count_bytes

#: binary16 numbers worth meeting: zeros, subnormals, the largest, and what no listed model has.
HALVES = (0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x8400, 0x7BFF, 0xFBFF, 0x7C00, 0xFFFF)
#: places of binary16 numbers in a block, by row type
PLACES = {
    1: (0,),
    2: (0,),
    3: (0, 2),
    6: (0,),
    7: (0, 2),
    8: (0,),
    12: (0, 2),
    13: (0, 2),
    14: (208,),
}


def draw_row(draw: random.Random, kind: int, columns: int, top: int = 15) -> bytes:
    """Return random blocks whose binary16 numbers have exponents up to `top`.

    Above 30 are those that no listed model has; then the numbers worth meeting are frequent too.
    """
    data = bytearray(draw.randbytes(count_bytes(kind, columns)))
    size = ROW_FORMATS[kind].size
    for at in range(0, len(data), size):
        for place in PLACES[kind]:
            if top > 30 and draw.random() < 0.3:
                data[at + place : at + place + 2] = draw.choice(HALVES).to_bytes(2, "little")
            high = data[at + place + 1]
            data[at + place + 1] = high & 0x83 | (high >> 2 & 31) % (top + 1) << 2
    return bytes(data)


def draw_lanes(draw: random.Random, count: int) -> list[int]:
    """Return any int16 numbers, extremes often, the filler among them."""
    edges = (-32_768, 32_767, 0, 1, -1, 1 << 14)
    return [
        draw.choice(edges) if draw.random() < 0.2 else draw.randint(-32_768, 32_767)
        for _ in range(count)
    ]
