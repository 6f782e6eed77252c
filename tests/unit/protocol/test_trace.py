"""Chunks lane by lane, the outer tree against a plain one, and the very last record."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.protocol import codec, merkle, trace
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Claim, Hash32

int16 = st.integers(-(2**15) + 1, 2**15 - 1)


def word_at(chunk: trace.Chunk, word: int) -> int:
    return int.from_bytes(chunk.data[32 * word : 32 * word + 32], "big")


def signed(bits: int, width: int) -> int:
    return bits - (1 << width) if bits >> (width - 1) else bits


@given(st.lists(st.integers(-(2**31) + 1, 2**31 - 1), max_size=256))
def test_int32_lane_stands_where_the_contract_reads_it(lanes: list[int]) -> None:
    # Rule: TRACE-1
    chunk = trace.encode_int32(lanes)

    read = [signed(word_at(chunk, i >> 3) >> (32 * (i & 7)) & 0xFFFFFFFF, 32) for i in range(256)]
    assert read == [*lanes, *[-(2**31)] * (256 - len(lanes))]


@given(st.lists(int16, max_size=512))
def test_int16_lane_stands_in_quad_order(lanes: list[int]) -> None:
    # Rule: TRACE-2
    chunk = trace.encode_int16(lanes)
    # Rule: TRACE-3
    mirrored = trace.encode_int16_reversed(lanes)

    expected = [*lanes, *[-(2**15)] * (512 - len(lanes))]
    for i in range(512):
        word = (i >> 5) << 1 | (i >> 1) & 1
        field = (i & 31) >> 2 << 1 | i & 1
        assert signed(word_at(chunk, word) >> (16 * field) & 0xFFFF, 16) == expected[i]
        assert signed(word_at(mirrored, word) >> (16 * (15 - field)) & 0xFFFF, 16) == expected[i]
    assert (chunk.type, mirrored.type) == (2, 5)


def test_words_and_bytes_are_filled_with_zeros_not_pad() -> None:
    """Audit 1 H6: only lanes have a PAD value."""
    # Rule: TRACE-4
    chunk = trace.encode_words([1, b"\x80" * 32])
    assert chunk.data == bytes(31) + b"\x01" + b"\x80" * 32 + bytes(960)
    # Rule: TRACE-5
    assert trace.encode_bytes(b"abc").data == b"abc" + bytes(1021)


def test_leaf_hash_binds_the_type() -> None:
    # Rule: TRACE-6
    data = bytes(range(256)) * 4
    for kind in (1, 2, 3, 4, 5):
        expected = hashlib.sha256(bytes([0, kind]) + data).digest()
        assert trace.compute_chunk_leaf(trace.Chunk(trace.ChunkType(kind), data)) == expected


@pytest.mark.parametrize(
    "chunk",
    [
        trace.Chunk(trace.ChunkType.BYTES, bytes(1023)),
        trace.Chunk(trace.ChunkType.PAD, b"\x01" + bytes(1023)),
    ],
)
def test_damaged_chunk_is_invalid(chunk: trace.Chunk) -> None:
    # Rule: TRACE-6
    with pytest.raises(Invalid, match="TRACE-6"):
        trace.compute_chunk_leaf(chunk)


def test_pad_subtrees_are_constants() -> None:
    """Audit 1 H6: what is dead is one constant."""
    # Rule: TRACE-7
    leaf = hashlib.sha256(bytes(2 + 1024)).digest()
    assert trace.pad_tree().empty[0] == leaf
    assert trace.pad_tree().empty[1] == hashlib.sha256(leaf * 2).digest()
    assert trace.compute_record_root([]) == trace.record_tree().empty[0]


@given(st.integers(0, 255), st.integers(0, 2047), st.integers(0, 31))
def test_outer_index_packs_its_parts(call: int, position: int, slot: int) -> None:
    # Rule: TRACE-8
    index = trace.compute_outer_index(call, position, slot)
    assert (index >> 16, index >> 5 & 2047, index & 31) == (call, position, slot)


@pytest.mark.parametrize("parts", [(256, 0, 0), (0, 2048, 0), (0, 0, 32), (-1, 0, 0)])
def test_address_outside_the_trace_is_refused(parts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no record"):
        trace.compute_outer_index(*parts)


def test_record_has_sixteen_chunks() -> None:
    # Rule: TRACE-9
    chunks = [trace.encode_bytes(bytes([n])) for n in range(16)]
    plain = merkle.compute_root([trace.compute_chunk_leaf(c) for c in chunks], 4, trace.pad_tree())
    assert trace.compute_record_root(chunks) == plain
    with pytest.raises(Invalid, match="TRACE-9"):
        trace.compute_record_root([*chunks, trace.PAD_CHUNK])


def test_layer_record_of_the_small_model_has_four_chunks() -> None:
    # Rule: TRACE-10
    x, k, v = list(range(576)), list(range(192)), list(range(1000, 1192))

    chunks = trace.build_layer_record(x, k, v)

    assert [chunk.type for chunk in chunks] == [1, 1, 1, 5]
    assert chunks[2] == trace.encode_int32(x[512:])
    assert chunks[3] == trace.encode_int16_reversed(k + v)
    with pytest.raises(Invalid, match="TRACE-10"):
        trace.build_layer_record(list(range(16 * 256)), k, v)


def record(name: str) -> Hash32:
    return codec.sha256(name.encode())


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256])
def test_last_record_is_proven_under_the_trace_root(count: int) -> None:
    # Rule: TRACE-13
    claim = Claim(
        trace_root=Hash32(bytes(32)),
        state_root=record("state"),
        outbox_root=record("outbox"),
        receipts_root=record("receipts"),
    )
    last = trace.build_last_record(claim.state_root, claim.outbox_root, claim.receipts_root)
    call = trace.CallTrace(record("prologue"), (record("token"),) * 3, (record("a"), record("b")))

    # Rule: TRACE-14
    built = trace.build_trace([call] * count, last)

    assert len(built.call_roots) == count
    assert len(built.last_record_proof) == 24
    # Rule: TRACE-15
    claim = dataclasses.replace(claim, trace_root=built.root)
    trace.verify_last_record(claim, built.last_record_proof)
    for damaged in (
        dataclasses.replace(claim, receipts_root=claim.state_root),
        dataclasses.replace(claim, trace_root=claim.state_root),
    ):
        with pytest.raises(Invalid, match="TRACE-15"):
            trace.verify_last_record(damaged, built.last_record_proof)
    with pytest.raises(Invalid, match="TRACE-15"):
        trace.verify_last_record(claim, built.last_record_proof[:-1])


def test_last_call_of_a_full_batch_holds_the_last_record_beside_its_epilogue() -> None:
    # Rule: TRACE-14
    call = trace.CallTrace(record("prologue"), (record("token"),), (record("a"), record("b")))
    pad, pad_position = trace.record_tree().empty[0], trace.record_tree().empty[5]
    level = merkle.Tree(merkle.compute_sha256_node, trace.record_tree().empty[5:])

    built = trace.build_trace([call] * 256, record("last"))

    slots = [*call.epilogue, *[pad] * 29, record("last")]
    epilogue = merkle.compute_root(slots, 5, trace.record_tree())
    positions = [call.prologue, *call.positions, *[pad_position] * 2045, epilogue]
    last_call = merkle.compute_root(positions, 11, level)
    assert built.call_roots == (*[call.compute_root()] * 255, last_call)
    assert built.root == merkle.compute_root(built.call_roots, 8, level)
    assert trace.compute_trace_root(built.call_roots, record("last")) == built.root


def test_trace_of_257_calls_is_refused() -> None:
    call = trace.CallTrace(record("prologue"), (), (record("a"),))
    with pytest.raises(ValueError, match="at most 256"):
        trace.build_trace([call] * 257, record("last"))


def test_small_trace_equals_a_tree_of_every_record() -> None:
    # Rule: TRACE-11
    layers, sampler = [record(f"layer {n}") for n in range(30)], record("sampler")
    slots = [*layers, trace.record_tree().empty[0], sampler]
    position = trace.compute_position_root(layers, sampler)
    assert position == merkle.compute_root(slots, 5, trace.record_tree())

    # Rule: TRACE-12
    call = trace.CallTrace(record("prologue"), (position, position), (record("epilogue"),))
    epilogue = merkle.compute_root(call.epilogue, 5, trace.record_tree())
    pad_position = trace.record_tree().empty[5]
    positions = [call.prologue, position, position, *[pad_position] * 2044, epilogue]
    level = merkle.Tree(merkle.compute_sha256_node, trace.record_tree().empty[5:])
    assert call.compute_root() == merkle.compute_root(positions, 11, level)

    # Rule: TRACE-14
    last = record("last")
    last_position = merkle.compute_root([*[slots[30]] * 31, last], 5, trace.record_tree())
    last_call = merkle.compute_root([*[pad_position] * 2047, last_position], 11, level)
    calls = [call.compute_root(), *[trace.record_tree().empty[16]] * 254, last_call]
    outer = merkle.Tree(merkle.compute_sha256_node, trace.record_tree().empty[16:])
    assert trace.build_trace([call], last).root == merkle.compute_root(calls, 8, outer)


def test_positions_beyond_the_address_are_refused() -> None:
    with pytest.raises(ValueError, match="exceed 2046"):
        trace.compute_call_root(record("p"), [record("t")] * 2047, record("e"))
