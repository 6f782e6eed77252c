"""The inner trace of a record: which op makes which leaf, one table for generator, step and chain.

A *region* is a run of leaves made by one *op*; within a region the *kinds* name what its lanes are,
so that every lane has one kind. Leaves stand in topological order: an op reads lower leaves, lower
lanes of its own leaf, earlier records, and rows of the model. The last 16 leaves are the record's
own chunks. Everything follows from the model's shape; a deployment runs one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from oyez.protocol.constants import (
    CHUNKS_PER_RECORD,
    INNER_HEIGHT,
    LAST_SLOT,
    MAX_OPTIONS,
    MAX_OUTPUT_BYTES,
    POSITION_BITS,
    SLOT_BITS,
)
from oyez.protocol.errors import Invalid
from oyez.protocol.trace import INT16_LANES, INT32_LANES, WORDS, ChunkType
from oyez.protocol.types import ModelShape

#: What a lane of a dead leaf is worth: no arithmetic gives it. Its leaf is the PAD chunk.
DEAD = -(1 << 255)
#: Positions that scores of one head have room for.
POSITIONS = 1 << POSITION_BITS
#: Columns of a row that one lane multiplies at most; of one that multiplies the attention, where
#: more is opened beside it. Wider products are cut into parts.
MAX_DIRECT = 2_048
MAX_ATTENDED = 1_024
PART_COLUMNS = 1_024
#: Tokens whose bits stand in one lane of the mask.
MASK_TOKENS = 8
#: Options of a choice, an array's closing bracket included; lanes that each has for its tokens.
MAX_CHOICES = MAX_OPTIONS + 1
OPTION_LANES = 128
#: Words that one byte of a walk takes: the packed state after it, and the magnitude.
WALK_WORDS = 2
#: First op number of sampler records.
SAMPLER_OPS = 32


class Region(NamedTuple):
    """A run of leaves.

    Attributes:
        op: number of its op, the same in every deployment.
        type: of its chunks where they live.
        leaves: how many.
        start: its first leaf.
        kinds: names of what its lanes are, in the order in which they first stand there.
    """

    name: str
    op: int
    type: ChunkType
    leaves: int
    start: int
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A region before it has a place."""

    name: str
    type: ChunkType
    leaves: Callable[[ModelShape], int]
    kinds: tuple[str, ...]


def _ceil(lanes: int, size: int) -> int:
    return -(-lanes // size)


def _int32(lanes: Callable[[ModelShape], int]) -> Callable[[ModelShape], int]:
    return lambda shape: _ceil(lanes(shape), INT32_LANES)


def _int16(lanes: Callable[[ModelShape], int]) -> Callable[[ModelShape], int]:
    return lambda shape: _ceil(lanes(shape), INT16_LANES)


def _words(lanes: Callable[[ModelShape], int]) -> Callable[[ModelShape], int]:
    return lambda shape: _ceil(lanes(shape), WORDS)


def queries(shape: ModelShape) -> int:
    """Return the lanes of all query heads."""
    return shape.heads * shape.head_size


def keys(shape: ModelShape) -> int:
    """Return the lanes of all key heads."""
    return shape.kv_heads * shape.head_size


def count_parts(columns: int, most: int = MAX_DIRECT) -> int:
    """Return the parts into which a product over so many columns is cut, a power of two.

    0 if it is not cut: `most` columns are multiplied in one step.

    Rule: INNER-4
    """
    if columns <= most:
        return 0
    return 1 << (_ceil(columns, PART_COLUMNS) - 1).bit_length()


def count_attention_parts(shape: ModelShape) -> int:
    """Return the parts of a product with the attention; 0: it is not cut."""
    return count_parts(queries(shape), MAX_ATTENDED)


def count_down_parts(shape: ModelShape) -> int:
    """Return the parts of a product with the gated lanes; 0: it is not cut."""
    return count_parts(shape.feed_forward)


_SCORE_BLOCKS = POSITIONS // INT32_LANES
_VALUE_BLOCKS = POSITIONS // INT16_LANES
_WALK_LEAVES = MAX_OUTPUT_BYTES * WALK_WORDS // WORDS
_NORM = ("square", "peak", "root", "shift")

#: A layer's record.
_LAYER: tuple[_Plan, ...] = (
    _Plan("token", ChunkType.INT32, lambda _: 1, ("token",)),
    _Plan("embedding", ChunkType.INT32, _int32(lambda s: s.width), ("embedding",)),
    _Plan("norm", ChunkType.BYTES32, lambda _: 1, _NORM),
    _Plan("normed", ChunkType.INT16, _int16(lambda s: s.width), ("normed",)),
    _Plan(
        "heads",
        ChunkType.INT32,
        _int32(lambda s: queries(s) + keys(s)),
        ("query row", "key row"),
    ),
    _Plan("query", ChunkType.INT16, _int16(queries), ("query rotation",)),
    _Plan(
        "key_value",
        ChunkType.INT16_REVERSED,
        _int16(lambda s: 2 * keys(s)),
        ("key rotation", "value row"),
    ),
    _Plan("score", ChunkType.INT32, lambda s: s.heads * _SCORE_BLOCKS, ("score",)),
    _Plan("maximum", ChunkType.INT32, _int32(lambda s: s.heads * _SCORE_BLOCKS), ("maximum",)),
    _Plan("weight", ChunkType.INT32, lambda s: s.heads * _SCORE_BLOCKS, ("exponential",)),
    _Plan("total", ChunkType.INT32, _int32(lambda s: s.heads * _SCORE_BLOCKS), ("block sum",)),
    _Plan("value", ChunkType.INT16, lambda s: keys(s) * _VALUE_BLOCKS, ("value copy",)),
    _Plan(
        "part", ChunkType.BYTES32, _words(lambda s: queries(s) * _VALUE_BLOCKS), ("partial sum",)
    ),
    _Plan("mixed", ChunkType.INT32, _int32(queries), ("quotient",)),
    _Plan("mixed_bits", ChunkType.INT32, lambda _: 1, ("attention bits",)),
    _Plan("attention", ChunkType.INT16, _int16(queries), ("attention",)),
    _Plan(
        "attention_part",
        ChunkType.BYTES32,
        _words(lambda s: s.width * count_attention_parts(s)),
        ("attention part",),
    ),
    _Plan("middle", ChunkType.INT32, _int32(lambda s: s.width), ("attention row",)),
    _Plan("ffn_norm", ChunkType.BYTES32, lambda _: 1, tuple(f"ffn {kind}" for kind in _NORM)),
    _Plan("ffn_normed", ChunkType.INT16, _int16(lambda s: s.width), ("ffn normed",)),
    _Plan("gate", ChunkType.INT32, _int32(lambda s: s.feed_forward), ("gate row",)),
    _Plan("up", ChunkType.INT32, _int32(lambda s: s.feed_forward), ("up row",)),
    _Plan("swish", ChunkType.INT32, _int32(lambda s: s.feed_forward), ("swish",)),
    _Plan("gated_bits", ChunkType.INT32, lambda _: 1, ("gated bits",)),
    _Plan("gated", ChunkType.INT16, _int16(lambda s: s.feed_forward), ("gated",)),
    _Plan(
        "down_part",
        ChunkType.BYTES32,
        _words(lambda s: s.width * count_down_parts(s)),
        ("down part",),
    ),
)
_LAYER_RECORD: tuple[_Plan, ...] = (
    _Plan("output", ChunkType.INT32, _int32(lambda s: s.width), ("down row",)),
    _Plan(
        "record_key_value", ChunkType.INT16_REVERSED, _int16(lambda s: 2 * keys(s)), ("kv copy",)
    ),
)

#: A sampler's record.
_SAMPLER: tuple[_Plan, ...] = (
    _Plan("before", ChunkType.INT32, lambda _: 1, ("source", "counts")),
    _Plan("context", ChunkType.BYTES32, lambda _: 1, ("context",)),
    _Plan("mode", ChunkType.INT32, lambda _: 1, ("mode",)),
    _Plan("run", ChunkType.BYTES32, lambda _: _WALK_LEAVES, ("forced byte", "forced magnitude")),
    _Plan("run_text", ChunkType.BYTES, lambda _: 1, ("forced text",)),
    _Plan(
        "run_tokens",
        ChunkType.INT32,
        lambda _: _ceil(2 * MAX_OUTPUT_BYTES, INT32_LANES),
        ("forced token",),
    ),
    _Plan(
        "options",
        ChunkType.INT32,
        lambda _: _ceil(MAX_CHOICES * OPTION_LANES, INT32_LANES),
        ("option token",),
    ),
    _Plan("candidates", ChunkType.INT32, lambda _: 1, ("candidate", "candidate bias")),
    _Plan("norm", ChunkType.BYTES32, lambda _: 1, tuple(f"final {kind}" for kind in _NORM)),
    _Plan("normed", ChunkType.INT16, _int16(lambda s: s.width), ("final normed",)),
    _Plan("logits", ChunkType.INT32, _int32(lambda s: s.vocabulary), ("logit row",)),
    _Plan("mask", ChunkType.INT32, _int32(lambda s: _ceil(s.vocabulary, MASK_TOKENS)), ("mask",)),
    _Plan("noise", ChunkType.INT32, _int32(lambda s: s.vocabulary), ("noise",)),
    _Plan(
        "best",
        ChunkType.BYTES32,
        _words(lambda s: _ceil(s.vocabulary, INT32_LANES)),
        ("block best",),
    ),
    _Plan("choice", ChunkType.BYTES32, lambda _: _ceil(MAX_CHOICES, WORDS), ("choice score",)),
    _Plan("top", ChunkType.BYTES32, lambda _: 1, ("top",)),
    _Plan("next", ChunkType.INT32, lambda _: 1, ("next",)),
    _Plan("walk", ChunkType.BYTES32, lambda _: _WALK_LEAVES, ("token byte", "token magnitude")),
)
_SAMPLER_RECORD: tuple[_Plan, ...] = (
    _Plan("ending", ChunkType.INT32, lambda _: 1, ("ending",)),
    _Plan("state", ChunkType.BYTES32, lambda _: 1, ("machine state",)),
    _Plan("queue", ChunkType.INT32, lambda _: _ceil(MAX_OUTPUT_BYTES, INT32_LANES), ("queue",)),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the regions of one kind of record stand."""

    regions: tuple[Region, ...]
    height: int

    def find(self, leaf: int) -> Region | None:
        """Return the region that a leaf lies in; None where every leaf is PAD."""
        for region in self.regions:
            if region.start <= leaf < region.start + region.leaves:
                return region
        return None

    def get(self, name: str) -> Region:
        """Return a region by its name."""
        return next(region for region in self.regions if region.name == name)


def _place(
    plans: tuple[_Plan, ...],
    record: tuple[_Plan, ...],
    first_op: int,
    shape: ModelShape,
    height: int,
) -> Layout:
    regions, at, op = [], 0, first_op
    end = (1 << height) - CHUNKS_PER_RECORD
    for plan in (*plans, *record):
        if plan is record[0]:
            if at > end:
                raise Invalid("INNER-4", f"an inner trace takes {at} of {end} leaves")
            at = end
        count = plan.leaves(shape)
        regions.append(Region(plan.name, op, plan.type, count, at, plan.kinds))
        at, op = at + count, op + 1
    if at > end + CHUNKS_PER_RECORD:
        raise Invalid("INNER-4", "a record has 16 chunks")
    return Layout(tuple(regions), height)


@functools.cache
def layout_layer(shape: ModelShape, height: int = INNER_HEIGHT) -> Layout:
    """Return where a layer's lanes stand.

    Raises:
        Invalid: INNER-3 the shape is wider than a step can open; INNER-4 it takes more leaves.

    Rule: INNER-5
    """
    verify_shape(shape)
    return _place(_LAYER, _LAYER_RECORD, 0, shape, height)


@functools.cache
def layout_sampler(shape: ModelShape, height: int = INNER_HEIGHT) -> Layout:
    """Return where a sampler's lanes stand.

    Raises:
        Invalid: INNER-3, INNER-4 as for a layer.

    Rule: INNER-6
    """
    verify_shape(shape)
    return _place(_SAMPLER, _SAMPLER_RECORD, SAMPLER_OPS, shape, height)


def verify_shape(shape: ModelShape) -> None:
    """Check that each step's openings are few enough.

    Raises:
        Invalid: INNER-3, with the size that is too large.

    Rule: INNER-3
    """
    for name, size, most in (
        ("width", shape.width, MAX_DIRECT),
        ("query lanes", queries(shape), MAX_DIRECT),
        ("feed forward", shape.feed_forward, WORDS * PART_COLUMNS),
        ("layers", shape.layers, LAST_SLOT),
        ("vocabulary", shape.vocabulary, WORDS * WORDS * INT32_LANES),
        ("heads", shape.heads, WORDS),
    ):
        if size > most:
            raise Invalid("INNER-3", f"{name} {size}: steps are provable up to {most}")


def get_slot(record: int) -> int:
    """Return the slot of a record's index in the outer trace."""
    return record & LAST_SLOT


def get_position(record: int) -> int:
    """Return the position of a record's index in the outer trace."""
    return record >> SLOT_BITS & (POSITIONS - 1)


def get_call(record: int) -> int:
    """Return the call of a record's index in the outer trace."""
    return record >> (SLOT_BITS + POSITION_BITS)
