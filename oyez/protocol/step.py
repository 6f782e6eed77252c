"""One step: the value of one lane, from what comes before it, in plain integers.

`recompute` is the function that the game's verifiers compute on chain. It is total: whatever the
inputs hold, it answers. It reads through `Reads`, and only what this lane needs, in an order that
is part of the rule: the openings of a proof stand in that order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from oyez.protocol import inner, inner_frame
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.errors import Invalid
from oyez.protocol.inner import DEAD, Layout, Region
from oyez.protocol.trace import PAD_INT16, PAD_INT32, Chunk, ChunkType
from oyez.protocol.types import Hash32, ModelShape

#: What a lane without a value holds, by the type of its chunk.
FILLER = {
    ChunkType.INT32: PAD_INT32,
    ChunkType.INT16: PAD_INT16,
    ChunkType.INT16_REVERSED: PAD_INT16,
    ChunkType.BYTES32: 0,
    ChunkType.BYTES: 0,
}


class Address(NamedTuple):
    """Where a lane stands: record in the outer trace, leaf in its inner one, lane in the leaf."""

    record: int
    leaf: int
    lane: int

    @property
    def slot(self) -> int:
        """The record's slot."""
        return inner.get_slot(self.record)

    @property
    def position(self) -> int:
        """The record's position."""
        return inner.get_position(self.record)

    @property
    def call(self) -> int:
        """The record's call, an index in its batch."""
        return inner.get_call(self.record)


@dataclass(frozen=True, slots=True)
class LayerFormats:
    """A layer's config row: Q of q, k and v, exponents of its norms, row types of its matrices.

    `types` are of attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up, ffn_down.
    """

    q: int
    k: int
    v: int
    attn_norm: int
    ffn_norm: int
    types: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StepModel:
    """What a deployment's verifiers know of its model without opening it (MODEL-11)."""

    root: Hash32
    shape: ModelShape
    records: int
    tied: bool
    embedding_type: int
    head_type: int
    epsilon: int
    score_scale: int
    output_exponent: int
    layers: tuple[LayerFormats, ...]
    inner_height: int

    def get_layout(self, record: int) -> Layout | None:
        """Return the layout of a record's inner trace; None where every leaf is PAD.

        Rule: INNER-1
        """
        frame = inner_frame.find_frame(record)
        if frame is not None:
            return inner_frame.layout_frame(frame, self.inner_height)
        slot, position = inner.get_slot(record), inner.get_position(record)
        if slot == LAST_SLOT and position < inner.POSITIONS - 1:
            return inner.layout_sampler(self.shape, self.inner_height)
        if slot < self.shape.layers and 0 < position < inner.POSITIONS - 1:
            return inner.layout_layer(self.shape, self.inner_height)
        return None


class Context(NamedTuple):
    """What a step knows of its batch without opening anything: two digests.

    Attributes:
        parent: id of the assertion before.
        batch_hash: of the batch.
    """

    parent: Hash32
    batch_hash: Hash32


class Lanes(Protocol):
    """A chunk's lanes."""

    def __getitem__(self, lane: int, /) -> int:
        """Return a lane's value: filler where there is none."""
        ...


class Reads(Protocol):
    """What a step may read."""

    def read_inner(self, leaf: int, kind: ChunkType) -> Lanes | None:
        """Return a leaf of the same inner trace; None if it is PAD."""
        ...

    def read_outer(self, record: int, chunk: int, kind: ChunkType) -> Lanes | None:
        """Return a chunk of an earlier record; None if it is PAD."""
        ...

    def read_row(self, tensor: int, row: int) -> bytes:
        """Return a row of the model, without its header."""
        ...

    def read_part(self, tensor: int, row: int, part: int, size: int) -> bytes:
        """Return a part of a row that is hashed in parts of `size` bytes."""
        ...

    def read_manifest(self, manifest_hash: Hash32) -> bytes:
        """Return a published manifest, empty if there is none: nothing is opened for it."""
        ...

    def find_vocabulary(self, rest: bytes) -> int:
        """Return the last record of the sorted vocabulary that is not after these bytes.

        -1 if all are after them. It only says where to look: the step checks it.
        """
        ...

    def read_preimage(self, digest: Hash32) -> bytes:
        """Return the bytes whose Keccak-256 is a digest: a proof brings them, in order."""
        ...

    def get_context(self) -> Context:
        """Return what the game says of the batch: nothing is opened for it."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One lane to recompute: its region, its place in it, the lanes before it in its own leaf."""

    model: StepModel
    layout: Layout
    region: Region
    address: Address
    own: Lanes
    reads: Reads

    @property
    def leaf(self) -> int:
        """The leaf's place in its region."""
        return self.address.leaf - self.region.start

    @property
    def lane(self) -> int:
        """The lane's place in its leaf."""
        return self.address.lane

    @property
    def filler(self) -> int:
        """What this lane holds if it has no value; of a leaf that begins so nothing lives."""
        return FILLER[self.region.type] if self.lane else DEAD

    def read(self, name: str, leaf: int = 0) -> Lanes | None:
        """Read a leaf of another region of this inner trace."""
        region = self.layout.get(name)
        return self.reads.read_inner(region.start + leaf, region.type)


#: One op.
Op = Callable[[Step], int]


def recompute(
    ops: Mapping[int, Op], model: StepModel, address: Address, own: Lanes, reads: Reads
) -> int:
    """Return the value of a lane; DEAD where its leaf is the PAD chunk.

    Args:
        ops: by number.
        model: the deployment's.
        address: of the lane.
        own: the lane's leaf, of which only lanes before it may be read.
        reads: everything else.

    Raises:
        Invalid: INNER-1 this kind of record has no inner trace yet.

    Rule: INNER-2
    """
    layout = model.get_layout(address.record)
    if layout is None:
        raise Invalid("INNER-1", f"record {address.record} has no inner trace")
    region = layout.find(address.leaf)
    if region is None:
        return DEAD
    return ops[region.op](Step(model, layout, region, address, own, reads))


class ChunkLanes:
    """The lanes of an encoded chunk."""

    def __init__(self, chunk: Chunk) -> None:
        """Take a chunk that is not PAD."""
        self._data = chunk.data
        self._type = chunk.type

    def __getitem__(self, lane: int) -> int:
        """Return a lane."""
        return read_lane(self._type, self._data, lane)


def read_lane(kind: ChunkType, data: bytes, lane: int) -> int:
    """Return a lane of a chunk's bytes; a word as a signed integer. Twin of lanes.vy.

    Raises:
        ValueError: a PAD chunk has no lanes.
    """
    match kind:
        case ChunkType.INT32:
            place = 8 * (lane >> 3) + 7 - (lane & 7)
            return int.from_bytes(data[4 * place : 4 * place + 4], "big", signed=True)
        case ChunkType.BYTES32:
            return int.from_bytes(data[32 * lane : 32 * lane + 32], "big", signed=True)
        case ChunkType.BYTES:
            return data[lane]
        case ChunkType.INT16 | ChunkType.INT16_REVERSED:
            field = 2 * ((lane & 31) >> 2) + (lane & 1)
            place = field if kind is ChunkType.INT16_REVERSED else 15 - field
            place += 16 * (2 * (lane >> 5) + (lane >> 1 & 1))
            return int.from_bytes(data[2 * place : 2 * place + 2], "big", signed=True)
        case _:
            raise ValueError("a PAD chunk has no lanes")
