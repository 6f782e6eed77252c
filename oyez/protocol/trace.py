"""The outer trace: typed chunks, records of 16 chunks, and the tree over all of a batch's records.

An outer index is call ‖ position ‖ slot, 8 + 11 + 5 bits. Position 0 of a call is its prologue,
the last one its epilogue, tokens lie in between in order. Slots 0 to L-1 of a token position are
the model's layers, the last one is the sampler. What is not used is PAD, whose subtrees are
constants. All hashes are SHA-256; the numbers in chunks are integers of fixed width.
"""

from __future__ import annotations

import functools
import operator
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from oyez.protocol import codec, merkle
from oyez.protocol.constants import (
    CALL_BITS,
    CHUNK_BYTES,
    CHUNKS_PER_RECORD,
    LAST_CALL,
    LAST_POSITION,
    LAST_SLOT,
    MAX_POSITIONS,
    OUTER_HEIGHT,
    POSITION_BITS,
    RECORD_HEIGHT,
    SLOT_BITS,
)
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Claim, Hash32

INT32_LANES = CHUNK_BYTES // 4
INT16_LANES = CHUNK_BYTES // 2
WORDS = CHUNK_BYTES // 32

#: The minimum of each lane type says "no value here"; arithmetic never stores it.
PAD_INT32 = -(1 << 31)
PAD_INT16 = -(1 << 15)


class ChunkType(IntEnum):
    """How a chunk's 1,024 bytes are read."""

    PAD = 0
    INT32 = 1
    INT16 = 2
    BYTES32 = 3
    BYTES = 4
    INT16_REVERSED = 5


@dataclass(frozen=True, slots=True)
class Chunk:
    """One typed chunk of a record; `data` has 1,024 bytes."""

    type: ChunkType
    data: bytes


PAD_CHUNK = Chunk(ChunkType.PAD, bytes(CHUNK_BYTES))


def _compute_int32_order() -> tuple[int, ...]:
    """Return which lane stands at each place of a chunk's bytes: words hold lane 0 lowest."""
    return tuple(8 * (place >> 3) + 7 - (place & 7) for place in range(INT32_LANES))


def _compute_int16_order(*, is_reversed: bool) -> tuple[int, ...]:
    """Return which lane stands at each place of a chunk's bytes, in quad order."""
    places = [0] * INT16_LANES
    for lane in range(INT16_LANES):
        group, inner = lane >> 5, lane & 31
        word = 2 * group + (inner >> 1 & 1)
        field = 2 * (inner >> 2) + (inner & 1)
        places[16 * word + (field if is_reversed else 15 - field)] = lane
    return tuple(places)


_pick_int32 = operator.itemgetter(*_compute_int32_order())
_pick_int16 = operator.itemgetter(*_compute_int16_order(is_reversed=False))
_pick_reversed = operator.itemgetter(*_compute_int16_order(is_reversed=True))
_pack_int32 = struct.Struct(f">{INT32_LANES}i").pack
_pack_int16 = struct.Struct(f">{INT16_LANES}h").pack


def encode_int32(lanes: Sequence[int]) -> Chunk:
    """Return a chunk of at most 256 int32 lanes; lanes not given are PAD.

    Lane i stands at bit 32 * (i & 7) of word i >> 3.

    Rule: TRACE-1
    """
    filled = [*lanes, *[PAD_INT32] * (INT32_LANES - len(lanes))]
    return Chunk(ChunkType.INT32, _pack_int32(*_pick_int32(filled)))


def encode_int16(lanes: Sequence[int]) -> Chunk:
    """Return a chunk of at most 512 int16 lanes in quad order; lanes not given are PAD.

    In each group of 32 lanes, two words, lane i stands in word (i >> 1) & 1 and there in field
    2 * (i >> 2) + (i & 1), field 0 being the lowest bits: one MUL is then eight products.

    Rule: TRACE-2
    """
    filled = [*lanes, *[PAD_INT16] * (INT16_LANES - len(lanes))]
    return Chunk(ChunkType.INT16, _pack_int16(*_pick_int16(filled)))


def encode_int16_reversed(lanes: Sequence[int]) -> Chunk:
    """Return a chunk as `encode_int16`, the 16 fields of each word then reversed.

    Rule: TRACE-3
    """
    filled = [*lanes, *[PAD_INT16] * (INT16_LANES - len(lanes))]
    return Chunk(ChunkType.INT16_REVERSED, _pack_int16(*_pick_reversed(filled)))


def encode_words(words: Sequence[codec.Word]) -> Chunk:
    """Return a chunk of at most 32 words; words not given are zero, never PAD.

    Rule: TRACE-4
    """
    data = b"".join(codec.encode_word(word) for word in words)
    return Chunk(ChunkType.BYTES32, data.ljust(CHUNK_BYTES, b"\0"))


def encode_bytes(data: bytes) -> Chunk:
    """Return a chunk of at most 1,024 bytes; bytes not given are zero, never PAD.

    Rule: TRACE-5
    """
    return Chunk(ChunkType.BYTES, data.ljust(CHUNK_BYTES, b"\0"))


def compute_chunk_leaf(chunk: Chunk) -> Hash32:
    """Return sha256(0x00 ‖ type ‖ data): 1,026 bytes, so never mistaken for an inner node.

    Raises:
        Invalid: TRACE-6, another length than 1,024, or a PAD chunk that is not all zeros.

    Rule: TRACE-6
    """
    if len(chunk.data) != CHUNK_BYTES:
        raise Invalid("TRACE-6", f"a chunk has {CHUNK_BYTES} bytes, not {len(chunk.data)}")
    if chunk.type is ChunkType.PAD and chunk.data != PAD_CHUNK.data:
        raise Invalid("TRACE-6", "a PAD chunk is all zeros")
    return codec.sha256(bytes((0, chunk.type)) + chunk.data)


@functools.cache
def pad_tree() -> merkle.Tree:
    """Return the kind of tree over chunks; `empty[h]` is the root of 2**h PAD chunks.

    Rule: TRACE-7
    """
    return merkle.build_tree(merkle.compute_sha256_node, compute_chunk_leaf(PAD_CHUNK))


@functools.cache
def record_tree() -> merkle.Tree:
    """Return the kind of tree over records; `empty[h]` is the root of 2**h PAD records."""
    return merkle.Tree(merkle.compute_sha256_node, pad_tree().empty[RECORD_HEIGHT:])


@functools.cache
def _position_tree() -> merkle.Tree:
    return merkle.Tree(merkle.compute_sha256_node, record_tree().empty[SLOT_BITS:])


@functools.cache
def _call_tree() -> merkle.Tree:
    return merkle.Tree(merkle.compute_sha256_node, _position_tree().empty[POSITION_BITS:])


def compute_outer_index(call: int, position: int, slot: int) -> int:
    """Return a record's leaf index in the outer trace: call ‖ position ‖ slot.

    Raises:
        ValueError: a part outside its bits.

    Rule: TRACE-8
    """
    if not (0 <= call <= LAST_CALL and 0 <= position <= LAST_POSITION and 0 <= slot <= LAST_SLOT):
        raise ValueError(f"no record at call {call}, position {position}, slot {slot}")
    return call << (POSITION_BITS + SLOT_BITS) | position << SLOT_BITS | slot


def compute_record_root(chunks: Sequence[Chunk]) -> Hash32:
    """Return a record's root: 16 chunks, those not given being PAD.

    Raises:
        Invalid: TRACE-9, more than 16 chunks.

    Rule: TRACE-9
    """
    if len(chunks) > CHUNKS_PER_RECORD:
        raise Invalid("TRACE-9", f"a record has {CHUNKS_PER_RECORD} chunks, not {len(chunks)}")
    leaves = [compute_chunk_leaf(chunk) for chunk in chunks]
    return merkle.compute_root(leaves, RECORD_HEIGHT, pad_tree())


def build_layer_record(x: Sequence[int], k: Sequence[int], v: Sequence[int]) -> tuple[Chunk, ...]:
    """Return a layer's chunks: x as int32, then k ‖ v as one run of int16, from chunk 0 on.

    Raises:
        Invalid: TRACE-10, the layer does not fit 16 chunks.

    Rule: TRACE-10
    """
    kv = [*k, *v]
    chunks = (
        *(encode_int32(x[at : at + INT32_LANES]) for at in range(0, len(x), INT32_LANES)),
        *(
            encode_int16_reversed(kv[at : at + INT16_LANES])
            for at in range(0, len(kv), INT16_LANES)
        ),
    )
    if len(chunks) > CHUNKS_PER_RECORD:
        raise Invalid("TRACE-10", f"a layer of {len(x)} and {len(kv)} lanes exceeds 16 chunks")
    return chunks


def compute_position_root(layers: Sequence[Hash32], sampler: Hash32) -> Hash32:
    """Return a token position's root: layers from slot 0, the sampler in the last slot.

    Rule: TRACE-11
    """
    return merkle.fold_with_last(layers, sampler, SLOT_BITS, record_tree())[0]


def fold_sampler(siblings: Sequence[Hash32], sampler: Hash32) -> Hash32:
    """Return a token position's root from the siblings of the last slot, the sampler's."""
    return merkle.fold_proof(sampler, LAST_SLOT, siblings, record_tree())


def compute_call_root(prologue: Hash32, positions: Sequence[Hash32], epilogue: Hash32) -> Hash32:
    """Return a call's root: prologue, token positions from 1 on, epilogue in the last position.

    All arguments are position roots.

    Raises:
        ValueError: more than 2,046 token positions.

    Rule: TRACE-12
    """
    if len(positions) > MAX_POSITIONS:
        raise ValueError(f"{len(positions)} positions exceed {MAX_POSITIONS}")
    first = [prologue, *positions]
    return merkle.fold_with_last(first, epilogue, POSITION_BITS, _position_tree())[0]


def build_last_record(state_root: Hash32, outbox_root: Hash32, receipts_root: Hash32) -> Hash32:
    """Return the root of the very last record, which `propose` rebuilds from a claim.

    Rule: TRACE-13
    """
    return compute_record_root([encode_words([state_root, outbox_root, receipts_root])])


@dataclass(frozen=True, slots=True)
class CallTrace:
    """The parts of one call's trace, not yet folded.

    Attributes:
        prologue: root of position 0.
        positions: roots of positions 1 on.
        epilogue: record roots of the last position, from slot 0.
    """

    prologue: Hash32
    positions: tuple[Hash32, ...]
    epilogue: tuple[Hash32, ...]

    def compute_root(self) -> Hash32:
        """Return the call's root, were it not the last call of a full batch."""
        epilogue = merkle.compute_root(self.epilogue, SLOT_BITS, record_tree())
        return compute_call_root(self.prologue, self.positions, epilogue)


@dataclass(frozen=True, slots=True)
class Trace:
    """A batch's trace root, its calls' roots, and the proof of the very last record.

    Attributes:
        last_record_proof: 24 siblings from the leaf upwards, all on the left.
    """

    root: Hash32
    call_roots: tuple[Hash32, ...]
    last_record_proof: tuple[Hash32, ...]


def build_trace(calls: Sequence[CallTrace], last_record: Hash32) -> Trace:
    """Return the trace of a batch; every call past the count is PAD but for the last record.

    In a full batch the last record lies in the last call's own tree, beside its epilogue.

    Raises:
        ValueError: more calls than a batch holds.

    Rule: TRACE-14
    """
    if len(calls) > 1 << CALL_BITS:
        raise ValueError(f"a batch has at most {1 << CALL_BITS} calls, not {len(calls)}")
    is_full = len(calls) == 1 << CALL_BITS
    roots = [call.compute_root() for call in (calls[:-1] if is_full else calls)]
    slots = calls[-1].epilogue if is_full else ()
    positions = [calls[-1].prologue, *calls[-1].positions] if is_full else []
    epilogue, slot_siblings = merkle.fold_with_last(slots, last_record, SLOT_BITS, record_tree())
    last_call, position_siblings = merkle.fold_with_last(
        positions, epilogue, POSITION_BITS, _position_tree()
    )
    root, call_siblings = merkle.fold_with_last(roots, last_call, CALL_BITS, _call_tree())
    return Trace(
        root=root,
        call_roots=(*roots, last_call) if is_full else tuple(roots),
        last_record_proof=(*slot_siblings, *position_siblings, *call_siblings),
    )


def compute_trace_root(call_roots: Sequence[Hash32], last_record: Hash32) -> Hash32:
    """Return the trace root from the calls' roots alone, as readers of batch data have them.

    Raises:
        ValueError: more calls than a batch holds.
    """
    if len(call_roots) == 1 << CALL_BITS:
        return merkle.compute_root(call_roots, CALL_BITS, _call_tree())
    epilogue, _ = merkle.fold_with_last((), last_record, SLOT_BITS, record_tree())
    last_call, _ = merkle.fold_with_last((), epilogue, POSITION_BITS, _position_tree())
    return merkle.fold_with_last(call_roots, last_call, CALL_BITS, _call_tree())[0]


def verify_last_record(claim: Claim, last_record_proof: Sequence[bytes]) -> None:
    """Check that the claim's three roots are the last record under its trace root.

    The twin of the check in `Rollup.propose`.

    Raises:
        Invalid: TRACE-15.

    Rule: TRACE-15
    """
    if len(last_record_proof) != OUTER_HEIGHT:
        raise Invalid("TRACE-15", f"the last record has {OUTER_HEIGHT} siblings")
    record = build_last_record(claim.state_root, claim.outbox_root, claim.receipts_root)
    index = compute_outer_index(LAST_CALL, LAST_POSITION, LAST_SLOT)
    if merkle.fold_proof(record, index, last_record_proof, record_tree()) != claim.trace_root:
        raise Invalid("TRACE-15", "the last record does not lie under the trace root")
