"""Finds a number in the inner traces of a call: by its kind, and where it is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from oyez import decimals
from oyez.dispute.traces import InnerTree
from oyez.protocol import inner, inner_kinds, trace
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.errors import Invalid
from oyez.protocol.inner import Layout, Region
from oyez.protocol.inner_frame import Frame, get_record, layout_frame
from oyez.protocol.step import FILLER, StepModel, read_lane
from oyez.protocol.trace import ChunkType
from oyez.protocol.transition import Execution


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: a kind or an op, a trace position, a lane counted in the op's region."""

    kind: str
    position: int | None = None
    lane: int | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """A lane that lives.

    Attributes:
        layer: None in a record that is no layer's.
        lane: counted in the op's region; `lane_in_leaf` in the leaf.
    """

    record: int
    position: int
    layer: int | None
    op: str
    kind: str
    lane: int
    leaf: int
    lane_in_leaf: int


class Traces(Protocol):
    """What makes the inner traces of a batch's own result."""

    model: StepModel

    def open_inner(self, batch: int, record: int) -> InnerTree:
        """Return the inner trace of a record."""
        ...


#: Characters of a text that is no wish which are told.
SHOWN = 80
#: Kinds of records that a number may stand in.
What = Literal["layer", "sampler"] | Frame


def parse_wish(text: str) -> Wish:
    """Read OP[:POSITION[:LANE]]; words of a kind's name may be joined by - or _.

    Raises:
        Invalid: INNER-83 it is none.

    Rule: INNER-83
    """
    kind, *parts = text.split(":")
    numbers = [decimals.decode_decimal(part) for part in parts]
    if len(numbers) > 2 or None in numbers:
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
        raise Invalid("INNER-83", f"{shown!r} is not OP[:POSITION[:LANE]]: such as query-row:12:0")
    position, lane, *_ = (*numbers, None, None)
    return Wish(kind.lower().replace("-", " ").replace("_", " "), position, lane)


def find_spot(traces: Traces, batch: int, index: int, execution: Execution, wish: Wish) -> Spot:
    """Return the first living lane that a wish names.

    Without a position: a layer's at the last prompt position, a sampler's at the first position
    where its op lives. Of a layer's kinds the middle layer's, but for those of the first alone.
    Around the tokens there is one record of each kind, at position 0 or the last one.

    Args:
        traces: of the own result.
        batch: number of the batch.
        index: of the call in it.
        execution: the call's.
        wish: what is asked for.

    Raises:
        Invalid: INNER-83 there is no such kind, or nothing of it lives there.

    Rule: INNER-83
    """
    shape, height = traces.model.shape, traces.model.inner_height
    layouts: dict[What, Layout] = {
        "layer": inner.layout_layer(shape, height),
        "sampler": inner.layout_sampler(shape, height),
        **{frame: layout_frame(frame, height) for frame in Frame},
    }
    found = [(what, r) for what, layout in layouts.items() for r in _match(layout, wish.kind)]
    if not found:
        names = sorted(k for layout in layouts.values() for k in inner_kinds.list_kinds(layout))
        raise Invalid("INNER-83", f"no op is called {wish.kind!r}: there are {', '.join(names)}")
    for what, region in found:
        for record in _list_records(index, execution, what, region, wish, shape.layers):
            tree = traces.open_inner(batch, record)
            for leaf, lane in _list_lanes(region, wish):
                kind = inner_kinds.find_kind(shape, layouts[what], leaf, lane)
                if kind is None or wish.kind not in (kind, region.name.replace("_", " ")):
                    continue
                if not _lives(tree, region, leaf, lane):
                    continue
                counted = (leaf - region.start) * inner_kinds.count_lanes(region.type) + lane
                position = inner.get_position(record)
                layer = inner.get_slot(record) if what == "layer" else None
                return Spot(record, position, layer, region.name, kind, counted, leaf, lane)
    where = "" if wish.position is None else f" at position {wish.position}"
    raise Invalid(
        "INNER-83",
        f"nothing of {wish.kind!r} lives{where} in this call: choose another one",
    )


def _match(layout: Layout, kind: str) -> list[Region]:
    return [
        region
        for region in layout.regions
        if region.leaves and (kind in region.kinds or kind == region.name.replace("_", " "))
    ]


def _list_records(
    index: int, execution: Execution, what: What, region: Region, wish: Wish, layers: int
) -> list[int]:
    """Return where to look, in order."""
    if isinstance(what, Frame):
        record = get_record(index, what)
        there = wish.position in (None, inner.get_position(record))
        return [record] if there else []
    slot = LAST_SLOT if what == "sampler" else _choose_layer(region, layers)
    positions = _list_positions(execution, what, wish)
    return [trace.compute_outer_index(index, position, slot) for position in positions]


def _list_positions(execution: Execution, what: What, wish: Wish) -> list[int]:
    """Return where to look, in order."""
    prompt, count = len(execution.prompt or ()), execution.positions
    if not count:
        raise Invalid("INNER-83", "the model never ran in this call: choose another")
    if wish.position is not None:
        if not 1 <= wish.position <= count:
            raise Invalid("INNER-83", f"the call has token positions 1 to {count}")
        return [wish.position]
    if what == "sampler":
        return list(range(max(prompt, 1), count + 1))
    return [max(prompt, 1)]


def _choose_layer(region: Region, layers: int) -> int:
    return 0 if region.name in ("token", "embedding") else layers // 2


def _list_lanes(region: Region, wish: Wish) -> Iterator[tuple[int, int]]:
    """Yield leaves and lanes to try."""
    size = inner_kinds.count_lanes(region.type)
    if wish.lane is not None:
        if wish.lane < region.leaves * size:
            yield region.start + wish.lane // size, wish.lane % size
        return
    for leaf in range(region.start, region.start + region.leaves):
        for lane in range(size):
            yield leaf, lane


def _lives(tree: InnerTree, region: Region, leaf: int, lane: int) -> bool:
    """Tell whether a lane holds a value: its leaf is not PAD, and it is no filler."""
    shown = tree.get_leaf(leaf)
    if ChunkType(shown.type) is ChunkType.PAD:
        return False
    value = read_lane(region.type, shown.raw, lane)
    if region.type in (ChunkType.BYTES32, ChunkType.BYTES):
        return True
    return value != FILLER[region.type]
