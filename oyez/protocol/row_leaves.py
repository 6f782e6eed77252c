"""The leaf of a row in the model's tree: over its bytes, or over the hashes of its parts.

A row of a file's matrix with more than 2,048 weights is hashed in parts of 1,024, so that a step
which multiplies one of them opens the others as hashes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from oyez.protocol.row_bytes import ROW_FORMATS, count_bytes

#: Weights of the longest row that is hashed whole; weights of a part of a longer one.
WHOLE_WEIGHTS = 2_048
PART_WEIGHTS = 1_024
HASH_BYTES = 32


def count_part_bytes(kind: int, size: int) -> int:
    """Return the bytes of a full part of a row of `size` bytes; 0: its leaf is over the row.

    Args:
        kind: row type; those that are not the file's have no parts.
        size: of the row.

    Rule: MODEL-24
    """
    made = ROW_FORMATS.get(kind)
    if made is None or size // made.size * made.weights <= WHOLE_WEIGHTS:
        return 0
    return count_bytes(kind, PART_WEIGHTS)


def compute_row_leaf(tensor: int, row: int, kind: int, data: bytes | memoryview) -> bytes:
    """Return a row's leaf, 32 bytes.

    Rule: MODEL-10, MODEL-24
    """
    size = count_part_bytes(kind, len(data))
    if size:
        hashes = [hashlib.sha256(part).digest() for part in iterate_parts(data, size)]
        return hash_row(tensor, row, kind, b"".join(hashes), len(hashes))
    return hash_row(tensor, row, kind, data)


def hash_row(
    tensor: int, row: int, kind: int, content: bytes | memoryview, parts: int = 0
) -> bytes:
    """Return sha256(header ‖ content): the header is tensor, row, type and parts, 8 bytes each."""
    header = struct.pack(">4Q", tensor, row, kind, parts)
    return hashlib.sha256(header + content).digest()


def iterate_parts(data: bytes | memoryview, size: int) -> Iterator[bytes | memoryview]:
    """Yield a row's parts of so many bytes; the last may be shorter."""
    return (data[at : at + size] for at in range(0, len(data), size))


def open_part(data: bytes, size: int, part: int) -> bytes:
    """Return what a proof brings of a row in parts: the other parts' hashes, then the part.

    Rule: INNER-9
    """
    parts = list(iterate_parts(data, size))
    beside = (hashlib.sha256(other).digest() for at, other in enumerate(parts) if at != part)
    return b"".join(beside) + bytes(parts[part])
