"""Row formats against fractions and the gguf package, and the bound of their sums."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oyez.engines.exact import blocks, row_formats
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.gguf import BLOCK_LAYOUT, BlockType
from oyez.protocol.errors import Invalid
from tests.unit.engine import ggml_layout

KINDS = sorted(row_formats.GROUP_LAYOUT)
#: Where each block holds binary16 numbers.
HALVES = {
    BlockType.F16: (0,),
    BlockType.Q4_0: (0,),
    BlockType.Q4_1: (0, 2),
    BlockType.Q5_0: (0,),
    BlockType.Q5_1: (0, 2),
    BlockType.Q8_0: (0,),
    BlockType.Q4_K: (0, 2),
    BlockType.Q5_K: (0, 2),
    BlockType.Q6_K: (208,),
}
#: Subnormal and normal, the smallest and the largest, both signs; no infinity.
halves = st.one_of(
    st.sampled_from([0, 1, 0x3FF, 0x400, 0x7BFF, 0x8000, 0x8001, 0xFBFF, 0x3C00]),
    st.integers(0, 0xFFFF).filter(lambda bits: bits & 0x7C00 != 0x7C00),
)


@st.composite
def rows(draw: st.DrawFn, kind: BlockType, most_blocks: int = 3) -> bytes:
    """Random bytes whose binary16 numbers are finite."""
    row = b""
    for _ in range(draw(st.integers(1, most_blocks))):
        block = bytearray(draw(st.binary(min_size=BLOCK_LAYOUT[kind][1], max_size=210)))
        del block[BLOCK_LAYOUT[kind][1] :]
        for at in HALVES[kind]:
            block[at : at + 2] = draw(halves).to_bytes(2, "little")
        row += bytes(block)
    return row


def as_array(row: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(row, np.uint8)[None, :]


def decode(kind: BlockType, row: bytes) -> list[int]:
    columns = len(row) // BLOCK_LAYOUT[kind][1] * BLOCK_LAYOUT[kind][0]
    matrix = Matrix("w", kind, 1, columns, as_array(row), 0)
    weights: list[int] = blocks.decode_weights(matrix, matrix.data)[0].tolist()
    return weights


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_weights_are_exact_integers(kind: BlockType, data: st.DataObject) -> None:
    # Rule: ENGINE-2
    row = data.draw(rows(kind))
    expected = ggml_layout.decode(kind.name, row)
    assert decode(kind, row) == [weight * 2**24 for weight in expected]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_weights_are_the_gguf_packages(kind: BlockType, data: st.DataObject) -> None:
    """The package rounds to float32 at each step, so it agrees to that precision alone."""
    row = data.draw(rows(kind))
    theirs = gguf.dequantize(as_array(row).copy(), gguf.GGMLQuantizationType(kind))[0]
    ours = np.array(decode(kind, row)) / 2.0**24
    largest = np.abs(theirs.astype(np.float64)).max()
    assert np.abs(ours - theirs).max() <= max(largest, 2.0**10) * 2**-16
    groups = row_formats.decode_rows("w", kind, as_array(row))
    scale = (np.abs(groups.scales) * row_formats.GROUP_LAYOUT[kind][1]).max()
    scale = max(scale, np.abs(groups.minima).max()) / 2.0**24
    assert np.abs(ours - theirs).max() <= scale * 2**-21


@pytest.mark.parametrize("kind", [k for k in KINDS if not k.name.endswith("_K")])
def test_rows_that_the_gguf_package_quantised_are_near_the_original(kind: BlockType) -> None:
    # Rule: MODEL-2
    real = np.random.default_rng(kind).normal(0, 0.05, (4, 96)).astype(np.float32)
    data = gguf.quantize(real, gguf.GGMLQuantizationType(kind))
    matrix = Matrix("w", kind, 4, 96, np.ascontiguousarray(data).view(np.uint8), 0)
    assert matrix.data.shape[1] == 96 // BLOCK_LAYOUT[kind][0] * BLOCK_LAYOUT[kind][1]
    error = blocks.decode_weights(matrix, matrix.data) / 2.0**24 - real
    assert np.abs(error).max() < 0.05 * 4 / row_formats.GROUP_LAYOUT[kind][1] if kind > 1 else 1e-4


def test_pinned_codes_and_sizes_are_ggmls() -> None:
    # Rule: MODEL-2
    for kind in BlockType:
        theirs = gguf.GGMLQuantizationType[kind.name]
        assert (kind, BLOCK_LAYOUT[kind]) == (theirs, gguf.GGML_QUANT_SIZES[theirs])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("bits", [0x7C00, 0xFC00, 0x7E01])
def test_infinite_or_undefined_numbers_are_refused(kind: BlockType, bits: int) -> None:
    # Rule: MODEL-3
    for at in HALVES[kind]:
        row = bytearray(3 * BLOCK_LAYOUT[kind][1])
        begin = 2 * BLOCK_LAYOUT[kind][1] + at
        row[begin : begin + 2] = bits.to_bytes(2, "little")
        with pytest.raises(Invalid, match="infinite or undefined scale"):
            blocks.compute_row_bound("w", kind, as_array(bytes(row)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_no_order_of_summands_passes_the_bound(kind: BlockType, data: st.DataObject) -> None:
    """All positive summands for the worst inputs: the largest partial sum there is."""
    # Rule: ENGINE-3
    row = data.draw(rows(kind))
    groups = row_formats.decode_rows("w", kind, as_array(row))
    total = 0
    for scale, minimum, quants in zip(
        groups.scales[0], groups.minima[0], groups.quants[0], strict=True
    ):
        size, most = row_formats.GROUP_LAYOUT[kind]
        assert int(quants.max()) <= most
        assert len(quants) == size
        total += (abs(int(scale)) * int(quants.sum()) + abs(int(minimum)) * size) * (1 << 14)
    try:
        bound = blocks.compute_row_bound("w", kind, as_array(row))
    except Invalid:
        scales, minima = row_formats.decode_scales("w", kind, as_array(row))
        size, most = row_formats.GROUP_LAYOUT[kind]
        exact = sum(
            (abs(int(a)) * most + abs(int(b))) * size << 14
            for a, b in zip(scales[0], minima[0], strict=True)
        )
        assert exact >= 2**62
    else:
        assert total <= bound < 2**62


def test_one_huge_group_is_refused_and_does_not_wrap() -> None:
    """The largest scales of a K format times 4,096 groups pass 2**64."""
    # Rule: ENGINE-3
    block = bytearray(b"\xff" * 210)
    block[192:208] = b"\x80" * 16
    block[208:210] = (0x7BFF).to_bytes(2, "little")
    for count in (1, 256):
        with pytest.raises(Invalid, match="62 bits"):
            blocks.compute_row_bound("w", BlockType.Q6_K, as_array(bytes(block) * count))
