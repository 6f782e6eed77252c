"""Leaves of rows in the model's tree: whole, and of long rows in parts."""

from __future__ import annotations

import hashlib
import random
import struct

import pytest

from oyez.protocol import row_leaves
from oyez.protocol.row_bytes import ROW_FORMATS, count_bytes
from tests.steps import PART_BYTES


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def header(kind: int, parts: int) -> bytes:
    return struct.pack(">4Q", 7, 9, kind, parts)


@pytest.mark.parametrize("kind", ROW_FORMATS)
def test_a_row_of_2048_weights_is_hashed_whole_and_a_longer_one_in_parts(kind: int) -> None:
    """Rule: MODEL-10, MODEL-24"""
    draw, block = random.Random(kind), ROW_FORMATS[kind].weights
    part = PART_BYTES[kind]
    assert part == count_bytes(kind, 1_024)
    whole = draw.randbytes(count_bytes(kind, 2_048))
    assert row_leaves.count_part_bytes(kind, len(whole)) == 0
    assert row_leaves.compute_row_leaf(7, 9, kind, whole) == sha(header(kind, 0) + whole)

    for columns, parts in ((2_048 + block, 3), (3_072, 3), (3_072 + block, 4), (32_768, 32)):
        row = draw.randbytes(count_bytes(kind, columns))
        assert row_leaves.count_part_bytes(kind, len(row)) == part
        hashes = [sha(row[at : at + part]) for at in range(0, len(row), part)]
        assert len(hashes) == parts
        leaf = sha(header(kind, parts) + b"".join(hashes))
        assert row_leaves.compute_row_leaf(7, 9, kind, row) == leaf
        # a byte of any part, and its place, count
        for at in (0, part - 1, len(row) - 1):
            damaged = bytearray(row)
            damaged[at] ^= 1
            assert row_leaves.compute_row_leaf(7, 9, kind, damaged) != leaf
        turned = row[part : 2 * part] + row[:part] + row[2 * part :]
        assert row_leaves.compute_row_leaf(7, 9, kind, turned) != leaf


@pytest.mark.parametrize("kind", [0, 256, 257, 258, 259, 260, 261])
def test_rows_that_nothing_multiplies_have_no_parts(kind: int) -> None:
    """Rule: MODEL-24"""
    row = random.Random(kind).randbytes(70_000)
    assert row_leaves.count_part_bytes(kind, len(row)) == 0
    assert row_leaves.compute_row_leaf(7, 9, kind, row) == sha(header(kind, 0) + row)


def test_a_part_is_opened_behind_the_hashes_of_the_others() -> None:
    """Rule: INNER-9"""
    row = random.Random(1).randbytes(2_500)
    a, b, c = row[:1_000], row[1_000:2_000], row[2_000:]
    assert row_leaves.open_part(row, 1_000, 0) == sha(b) + sha(c) + a
    assert row_leaves.open_part(row, 1_000, 1) == sha(a) + sha(c) + b
    assert row_leaves.open_part(row, 1_000, 2) == sha(a) + sha(b) + c
