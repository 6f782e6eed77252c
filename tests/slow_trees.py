"""The five kinds of trees, slow and obviously right: every node is computed from its definition.

Shares no line with the project: hashes come from hashlib and eth_utils, leaves from
`tests/proof_check.py`, shapes from docs/spec/codec.md, state.md and receipt.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from eth_utils.crypto import keccak

Node = Callable[[bytes, bytes], bytes]
NOTHING = bytes(32)


def keccak_node(left: bytes, right: bytes) -> bytes:
    return bytes(keccak(left + right))


def sha256_node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(left + right).digest()


def fixed_root(leaves: Mapping[int, bytes], height: int, empty: bytes, node: Node) -> bytes:
    """The root over 2**height places of which some hold a leaf."""
    if height == 0:
        return leaves.get(0, empty)
    if not leaves:
        below = fixed_root({}, height - 1, empty, node)
        return node(below, below)
    half = 1 << (height - 1)
    left = {place: leaf for place, leaf in leaves.items() if place < half}
    right = {place - half: leaf for place, leaf in leaves.items() if place >= half}
    return node(
        fixed_root(left, height - 1, empty, node), fixed_root(right, height - 1, empty, node)
    )


def fixed_proof(
    leaves: Mapping[int, bytes], height: int, index: int, empty: bytes, node: Node
) -> list[bytes]:
    """The roots of all subtrees that the path from a place to the root passes by, lowest first."""
    siblings = []
    for level in range(height):
        beside = (index >> level) ^ 1
        first = beside << level
        inside = {p - first: x for p, x in leaves.items() if p >> level == beside}
        siblings.append(fixed_root(inside, level, empty, node))
    return siblings


def bits_of(key: bytes) -> str:
    return f"{int.from_bytes(key, 'big'):0256b}"


def sparse_root(cells: Mapping[bytes, bytes], prefix: str = "") -> bytes:
    """The root of the cells whose keys begin with these bits; `cells` is key -> leaf."""
    inside = {key: leaf for key, leaf in cells.items() if bits_of(key).startswith(prefix)}
    if not inside:
        return NOTHING
    if len(inside) == 1:
        return next(iter(inside.values()))
    return keccak_node(sparse_root(inside, prefix + "0"), sparse_root(inside, prefix + "1"))


def sparse_proof(cells: Mapping[bytes, bytes], key: bytes) -> tuple[list[bytes], bytes | None]:
    """The siblings of the place where a key leads, lowest first, and the key found there."""
    path, prefix = list[bytes](), ""
    while True:
        inside = [k for k in cells if bits_of(k).startswith(prefix)]
        if len(inside) <= 1:
            return path[::-1], inside[0] if inside else None
        bit = bits_of(key)[len(prefix)]
        path.append(sparse_root(cells, prefix + ("1" if bit == "0" else "0")))
        prefix += bit


def place_all(leaves: Sequence[bytes]) -> dict[int, bytes]:
    """Leaves from place 0 on."""
    return dict(enumerate(leaves))
