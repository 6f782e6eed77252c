"""Numbers around calls' tokens false, each lie played to its lane on a local chain."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence

from oyez.chain.devnet import Devnet
from oyez.dispute.choosing import Spot
from oyez.dispute.machine import RealMachine
from oyez.engines.exact.engine import ExactEngine
from oyez.gas.disputes import DisputeWorld
from oyez.protocol import inner, inner_kinds
from oyez.protocol.inner_frame import Frame, get_record, layout_frame
from oyez.protocol.manifest import build_constants
from oyez.protocol.manifest_layout import GUARD_TARGET, OpCode, compute_json_bytes
from oyez.protocol.types import (
    Code,
    Expression,
    Field,
    FieldType,
    Manifest,
    Op,
    Role,
    Segment,
    SegmentKind,
)
from tests.flips import check
from tests.real_calls import build_short_action

#: Seconds in which all calls of a batch are sent.
HOUR = 3_600
#: What a tiny model's calls of `build_ends` end in, by the inputs that make it so.
ENDS = {
    Code.NONE: b"a day",
    Code.COMPUTE: b"far",
    Code.GUARD: b"worker",
    Code.OUT_OF_TOKENS: b"the end",
    Code.BAD_INPUT: b"\n",
    Code.CONTEXT_OVERFLOW: b"x" * 40,
}
#: Most tokens of an output: enough for a number of three digits.
OUTPUT = 10


def build_ends(engine: ExactEngine) -> Manifest:
    """Return an action on one cell whose calls end in all ways that there are, by their inputs.

    The model writes a number of days: 0 does not pass the guard, three digits are too many weeks,
    and four do not end in time.
    """
    days = Field(b"n", FieldType.INTEGER, Role.WRITES, 7, low=0, high=9_999, digits=4)
    weeks = Field(b"part", FieldType.INTEGER, Role.COMPUTE, 0, low=0, high=99, digits=2)
    fields = days, weeks
    constants = build_constants(fields, [7])
    divide = (Op(OpCode.NEW, 0), Op(OpCode.CONST, constants.index(7)), Op(OpCode.DIV))
    literals = (65, 66, 67)
    return build_short_action(
        engine,
        fields=fields,
        constants=constants,
        expressions=(Expression(1, divide), Expression(GUARD_TARGET, (Op(OpCode.NEW, 0),))),
        segments=(
            Segment(SegmentKind.LITERAL, literals),
            Segment(SegmentKind.STATE),
            Segment(SegmentKind.INPUT),
        ),
        max_input=40,
        output_tokens=OUTPUT,
        fixed_positions=len(literals) + compute_json_bytes(fields) + OUTPUT,
    )


def list_inputs(count: int) -> list[bytes]:
    """Return inputs of calls that end in all ways by turns; the last call is accepted."""
    inputs = tuple(ENDS.values())
    return [inputs[at % len(inputs)] for at in reversed(range(count))]


def list_living(machine: RealMachine, call: int, frame: Frame) -> dict[str, list[Spot]]:
    """Return where each kind of a record's numbers lives, in order."""
    record, height = get_record(call, frame), machine.model.inner_height
    layout = layout_frame(frame, height)
    tree = machine.open_inner(1, record)
    found: dict[str, list[Spot]] = {}
    for region in layout.regions:
        for leaf in range(region.start, region.start + region.leaves):
            if not tree.leaves.types[leaf]:
                continue
            for lane in range(inner_kinds.count_lanes(region.type)):
                kind = inner_kinds.find_kind(None, layout, leaf, lane)
                if kind is None:
                    continue
                counted = (leaf - region.start) * inner_kinds.count_lanes(region.type) + lane
                position = inner.get_position(record)
                found.setdefault(kind, []).append(
                    Spot(record, position, None, region.name, kind, counted, leaf, lane)
                )
    return found


def list_places(machine: RealMachine, call: int, place: int) -> Iterator[Spot]:
    """Yield the first, a middle or the last number of each kind around a call's tokens."""
    for frame in Frame:
        for spots in list_living(machine, call, frame).values():
            yield spots[(0, len(spots) // 2, -1)[place]]


def list_ends(rng: random.Random, machine: RealMachine, calls: int) -> Iterator[Spot]:
    """Yield a number of each kind of record of a batch's first and last call."""
    for call in sorted({0, calls - 1}):
        for frame in Frame:
            if frame is Frame.LAST and call:
                continue
            spots = rng.choice(list(list_living(machine, call, frame).values()))
            yield rng.choice(spots)


def play_around(
    engine: ExactEngine,
    action: Manifest,
    inputs: Sequence[bytes],
    *,
    place: int | None = None,
    rng: random.Random | None = None,
) -> Counter[str]:
    """Play lies about one batch, all in one fork; count what ended at its lane.

    Args:
        engine: of the model.
        action: of all calls.
        inputs: one a call.
        place: of the last call's numbers: 0 the first, 1 a middle, 2 the last one of each kind.
        rng: without a place, draws a number of each record of the first and of the last call.

    Raises:
        AssertionError: a duel ended in another lane, or the liar did not lose.
    """
    with Devnet(accounts=100) as devnet, tempfile.TemporaryDirectory(prefix="oyez-flips-") as home:
        world = DisputeWorld(devnet, engine, action, inputs, HOUR)
        truth = world.derive()
        assert len(truth.executions) == len(inputs)
        trial = world.open_trial(truth, home)
        if place is None:
            assert rng is not None
            spots = list(list_ends(rng, trial.machine, len(inputs)))
        else:
            spots = list(list_places(trial.machine, len(inputs) - 1, place))
        counts = Counter(f"batch of {len(inputs)}: {e.code.name}" for e in truth.executions)
        for one in trial.play([trial.build_lie(spot) for spot in spots]):
            check(trial, one)
            counts[f"{one.lie.spot.kind}"] += 1
        return counts
