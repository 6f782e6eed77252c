"""Products of rows: the contract, plain integers and the engine agree to the last bit."""

from __future__ import annotations

import functools
import random
import struct

import numpy as np
import pytest

from oyez.engines.exact import row_formats
from oyez.engines.exact.gguf import BlockType
from oyez.protocol import row_bytes, trace
from oyez.protocol.row_bytes import ROW_FORMATS
from tests.contracts.harness import Contract, World
from tests.drawn_rows import HALVES, draw_lanes, draw_row

KINDS = sorted(ROW_FORMATS)


@functools.cache
def harness() -> Contract:
    return World().deploy("tests/contracts/RowsHarness.vy")


def multiply_on_chain(kind: int, data: bytes, lanes: list[int]) -> int:
    """A piece between other bytes, zeros behind F16; lanes not there at the type's minimum."""
    x = trace.encode_int16(lanes).data
    piece = (b"\xff" * 32 + data).ljust(1_056, b"\0" if kind == 1 else b"\xff")
    product: int = harness().multiply(kind, x, piece, len(lanes))
    return product


def list_columns(kind: int) -> list[int]:
    block = ROW_FORMATS[kind].weights
    if kind == 1:
        return [1, 4, 15, 16, 17, 31, 40, 500, 512]
    return sorted({block, min(512, 2 * block), min(512, 5 * block) // block * block, 512})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_products_are_exact(kind: int, seed: int) -> None:
    """Rule: INNER-11, ENGINE-2, MODEL-2"""
    draw = random.Random(f"{kind}/{seed}")
    for columns in list_columns(kind):
        data = draw_row(draw, kind, columns, top=(15, 30, 31)[seed % 3])
        lanes = draw_lanes(draw, columns)
        expected = row_bytes.multiply_row(kind, data, lanes)

        assert multiply_on_chain(kind, data, lanes) == expected
        assert len(data) == row_bytes.count_bytes(kind, columns)
        assert harness().row_bytes(kind, columns) == len(data)
        weights = [row_bytes.decode_weight(kind, data, i) for i in range(columns)]
        assert sum(w * lane for w, lane in zip(weights, lanes, strict=True)) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filling", [b"\xff", b"\x00", b"\x7b", b"\x80"])
def test_the_largest_sums_meet_nowhere(kind: int, filling: bytes) -> None:
    """Rule: INNER-11"""
    data = filling * row_bytes.count_bytes(kind, 512)
    for lane in (-32_768, 32_767, -1):
        for sign in (1, -1):
            lanes = [max(-32_768, lane * (sign if i % 2 else 1)) for i in range(512)]
            lanes = [min(lane, 32_767) for lane in lanes]
            assert multiply_on_chain(kind, data, lanes) == row_bytes.multiply_row(kind, data, lanes)


@pytest.mark.parametrize("kind", KINDS)
def test_each_weight_meets_its_own_lane(kind: int) -> None:
    """Rule: INNER-11"""
    draw = random.Random(kind)
    columns = 40 if kind == 1 else ROW_FORMATS[kind].weights
    data = draw_row(draw, kind, columns)
    for i in range(columns):
        lanes = [int(j == i) for j in range(columns)]
        assert multiply_on_chain(kind, data, lanes) == row_bytes.decode_weight(kind, data, i)


@pytest.mark.parametrize("kind", KINDS)
def test_plain_integers_decode_as_the_engine_does(kind: int) -> None:
    """Rule: ENGINE-2, MODEL-2"""
    draw = random.Random(kind)
    rows = [draw_row(draw, kind, 512, top=30) for _ in range(20)]
    stacked = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
    groups = row_formats.decode_rows("row", BlockType(kind), stacked)
    for index, data in enumerate(rows):
        decoded = list(row_bytes.decode_row(kind, data))
        assert [g.scale for g in decoded] == groups.scales[index].tolist()
        assert [g.minimum for g in decoded] == groups.minima[index].tolist()
        assert [list(g.quants) for g in decoded] == groups.quants[index].tolist()


def test_halves_are_binary16() -> None:
    """Rule: ENGINE-2"""
    for bits in HALVES:
        if bits >> 10 & 31 == 31:
            continue
        data = struct.pack("<H", bits)
        (real,) = struct.unpack("<e", data)
        assert row_bytes.decode_half(data, 0) == real * 2**24
    assert row_bytes.decode_half(struct.pack("<H", 0xFC01), 0) == -1025 << 30


def test_what_is_no_row_has_no_bytes() -> None:
    """Rule: INNER-17"""
    for kind in range(300):
        if kind not in ROW_FORMATS:
            assert harness().row_bytes(kind, 512) == 0
    for kind in KINDS[1:]:
        block = ROW_FORMATS[kind].weights
        assert harness().row_bytes(kind, 512 + block // 2) == 0
        assert harness().row_bytes(kind, 8_192) == row_bytes.count_bytes(kind, 8_192)


def test_a_row_of_another_length_is_no_product() -> None:
    with pytest.raises(ValueError, match=r"zip"):
        row_bytes.multiply_row(3, bytes(20), [1] * 31)
    with pytest.raises(ValueError, match="32 weights for 64 lanes"):
        row_bytes.multiply_row(3, bytes(20), [1] * 64)
