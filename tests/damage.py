"""Ways to damage what a proof opens, drawn by chance: a verifier takes none of them."""

from __future__ import annotations

import random
from typing import Any

#: What `damage_part` may do to one opening.
WAYS = ("bit", "node", "cut", "more", "missing", "extra", "dead", "swap")


def flip(draw: random.Random, data: bytes) -> bytes:
    """Return data with one bit changed."""
    number = int.from_bytes(data, "big") ^ 1 << draw.randrange(8 * len(data))
    return number.to_bytes(len(data), "big")


def damage_part(draw: random.Random, part: list[list[Any]]) -> None:
    """Damage one opening, [data, siblings], of a list of them, in place.

    A way that an opening has nothing for brings it a second time.
    """
    opening = draw.choice(part)
    match draw.choice(WAYS):
        case "bit" if opening[0]:
            opening[0] = flip(draw, opening[0])
        case "node" if opening[1]:
            at = draw.randrange(len(opening[1]))
            opening[1][at] = flip(draw, opening[1][at])
        case "cut" if opening[1]:
            opening[1].pop()
        case "more":
            opening[1].append(draw.randbytes(32))
        case "missing":
            part.remove(opening)
        case "dead":
            opening[0] = bytes(1_024) if not opening[0] else b""
        case "swap" if len(part) > 1 and part[0] != part[1]:
            part[0], part[1] = part[1], part[0]
        case _:
            part.append(opening)
