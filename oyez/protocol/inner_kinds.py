"""Which kind of number a lane of an inner trace is: names for people, tests and benchmarks."""

from __future__ import annotations

from oyez.protocol import inner
from oyez.protocol.constants import KEY_BITS, MAX_CELL_BYTES, MAX_EXPRESSIONS, MAX_FIELDS
from oyez.protocol.inner import Layout, Region
from oyez.protocol.inner_frame import Frame
from oyez.protocol.trace import INT16_LANES, INT32_LANES, WORDS, ChunkType
from oyez.protocol.types import ModelShape

_LANES = {
    ChunkType.INT32: INT32_LANES,
    ChunkType.INT16: INT16_LANES,
    ChunkType.INT16_REVERSED: INT16_LANES,
    ChunkType.BYTES32: WORDS,
    ChunkType.BYTES: 32 * WORDS,
}


#: Lanes around the tokens that may have a value, counted from a region's first; of others all.
_FRAME_COUNTS = {
    "alive": 1,
    "words": 13,
    "entry_head": 4,
    "entry_words": 12,
    "entry_cell": MAX_CELL_BYTES,
    "place": 3 * MAX_FIELDS + 4,
    "verdict": 2 * MAX_EXPRESSIONS,
    "output_head": 6,
    "field": 2 * MAX_FIELDS - 1,
    "cell_after": 4,
    "path_end": 2,
    "depth": KEY_BITS // WORDS + 1,
    "new_path": KEY_BITS + 1,
    "roots_head": 1,
    "roots_words": 14,
    "last_words": 3,
    "cell": 3,
    "count": MAX_FIELDS,
    "state_head": 2,
    "prompt_head": 2,
}


def count_lanes(kind: ChunkType) -> int:
    """Return the lanes of a chunk of a type."""
    return _LANES[kind]


def list_kinds(layout: Layout) -> list[str]:
    """Return the kinds of a record's lanes, in the order of their ops.

    Rule: INNER-80
    """
    return [kind for region in layout.regions if region.leaves for kind in region.kinds]


def find_kind(shape: ModelShape | None, layout: Layout, leaf: int, lane: int) -> str | None:
    """Return the kind of a lane; None in a leaf that is always PAD, and of lanes without a value.

    Without a shape the layout is of a record around the tokens.

    Rule: INNER-80
    """
    region = layout.find(leaf)
    if region is None:
        return None
    at = (leaf - region.start) * _LANES[region.type] + lane
    if shape is None or region.op >= Frame.ENTRY:
        return _find_frame_kind(region, at)
    if at >= _count(shape, region):
        return None
    return region.kinds[_choose(shape, region, at)]


def _find_frame_kind(region: Region, at: int) -> str | None:
    """Return the kind of a lane around the tokens; regions of two kinds have them in turn."""
    if at >= _FRAME_COUNTS.get(region.name, region.leaves * _LANES[region.type]):
        return None
    if region.name == "place" and at >= 2 * MAX_FIELDS:
        return region.kinds[2 + (at >= 2 * MAX_FIELDS + 4)]
    return region.kinds[at % min(2, len(region.kinds))]


def _choose(shape: ModelShape, region: Region, at: int) -> int:
    """Return which of a region's kinds stands at a lane, counted from the region's first."""
    match region.name:
        case "norm" | "ffn_norm":
            blocks = -(-shape.width // INT32_LANES)
            return min(at // blocks, 2) if at <= 2 * blocks else 3
        case "heads":
            return int(at >= inner.queries(shape))
        case "key_value":
            return int(at >= inner.keys(shape))
        case "before":
            return min(at, 1)
        case "run" | "walk" | "candidates":
            return at & 1
        case _:
            return 0


def _count(shape: ModelShape, region: Region) -> int:
    """Return the lanes of a region that may have a value, counted from its first."""
    wide = -(-shape.width // INT32_LANES)
    counts = {
        "token": 1,
        "embedding": shape.width,
        "norm": 2 * wide + 2,
        "ffn_norm": 2 * wide + 2,
        "normed": shape.width,
        "ffn_normed": shape.width,
        "heads": inner.queries(shape) + inner.keys(shape),
        "query": inner.queries(shape),
        "key_value": 2 * inner.keys(shape),
        "record_key_value": 2 * inner.keys(shape),
        "maximum": shape.heads * inner.POSITIONS // INT32_LANES,
        "total": shape.heads * inner.POSITIONS // INT32_LANES,
        "part": inner.queries(shape) * inner.POSITIONS // INT16_LANES,
        "mixed": inner.queries(shape),
        "mixed_bits": -(-inner.queries(shape) // INT32_LANES),
        "attention": inner.queries(shape),
        "attention_part": shape.width * inner.count_attention_parts(shape),
        "middle": shape.width,
        "gate": shape.feed_forward,
        "up": shape.feed_forward,
        "swish": shape.feed_forward,
        "gated_bits": -(-shape.feed_forward // INT32_LANES),
        "gated": shape.feed_forward,
        "down_part": shape.width * inner.count_down_parts(shape),
        "output": shape.width,
        "before": 3,
        "context": 4,
        "mode": 1,
        "options": inner.MAX_CHOICES * inner.OPTION_LANES,
        "candidates": 2 * inner.MAX_CHOICES,
        "logits": shape.vocabulary,
        "mask": -(-shape.vocabulary // inner.MASK_TOKENS),
        "noise": shape.vocabulary,
        "best": -(-shape.vocabulary // INT32_LANES),
        "choice": inner.MAX_CHOICES,
        "next": 2,
        "ending": 4,
        "state": 2,
    }
    return counts.get(region.name, region.leaves * _LANES[region.type])
