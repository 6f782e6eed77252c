"""Every kind of number of a real call false once, at a place of choice, each played to its lane."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence

from oyez.chain.devnet import Devnet
from oyez.dispute.choosing import Spot, Wish, find_spot
from oyez.dispute.inner_tree import RecordTree
from oyez.dispute.machine import RealMachine
from oyez.dispute.trial import Judged, Trial
from oyez.engines.exact.engine import ExactEngine
from oyez.gas.disputes import DisputeWorld, list_wanted
from oyez.protocol import inner, inner_kinds, trace
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.errors import Fatal, Invalid
from oyez.protocol.inner import Layout
from oyez.protocol.transition import Execution
from oyez.protocol.types import (
    Field,
    FieldType,
    Manifest,
    Role,
    Segment,
    SegmentKind,
    Status,
)
from tests.real_calls import build_short_action

#: Where a kind is broken: layers' at position 1, at the constant prefix's last and at the call's
#: last; samplers' at the first, second and third position at which the kind lives.
PLACES = ("first", "prefix", "last")
WARM = 52_429
#: Of a stake (`oyez.chain.contracts.Stake`).
SLASHED = 2
#: Most bytes of the input, most output tokens.
INPUT, OUTPUT = 40, 70
TEXT = b"the day was long, and it ended well"


def build_choosy(engine: ExactEngine, prefix: int) -> Manifest:
    """Return the real model's action: three choices, a string, a number behind constants."""
    choices = [
        Field(
            name,
            FieldType.ENUM,
            Role.WRITES,
            b"bad",
            options=(b"bad", b"good", b"goodish"),
            biases=(0, 0, 1 << 16),
        )
        for name in (b"mood", b"tone", b"end")
    ]
    fields = (
        *choices,
        Field(b"note", FieldType.STRING, Role.WRITES, b"", limit=12),
        Field(b"score", FieldType.INTEGER, Role.WRITES, 0, low=-9_000, high=9_000, digits=5),
    )
    draw = random.Random(1)
    literals = tuple(draw.randrange(300, 40_000) for _ in range(prefix))
    return build_short_action(
        engine,
        fields=fields,
        segments=(Segment(SegmentKind.LITERAL, literals), Segment(SegmentKind.INPUT)),
        temperature=WARM,
        output_tokens=OUTPUT,
        fixed_positions=prefix + OUTPUT,
        max_input=INPUT,
    )


def count_flips(
    engine: ExactEngine,
    action: Manifest,
    data: bytes,
    prefix: int,
    place: int,
    kinds: Sequence[str] | None = None,
) -> Counter[str]:
    """Break each kind once at a place, on a chain of its own; count what ended at its lane.

    Args:
        engine: of the model.
        action: of the one call.
        data: its input.
        prefix: constant tokens of its prompt.
        place: of PLACES.
        kinds: None: all that the model's records have.

    Raises:
        AssertionError: a duel ended in another lane, or the liar did not lose.
    """
    with Devnet(accounts=100) as devnet, tempfile.TemporaryDirectory(prefix="oyez-flips-") as home:
        world = DisputeWorld(devnet, engine, action, (data,))
        truth = world.derive()
        trial = world.open_trial(truth, home)
        wanted = list_wanted(engine) if kinds is None else kinds
        spots = list(list_spots(trial.machine, truth.executions[0], prefix, place, wanted))
        counts = Counter[str]()
        for one in trial.play([trial.build_lie(spot) for spot in spots]):
            check(trial, one)
            counts[f"{PLACES[place]}: {one.lie.spot.kind}"] += 1
        reader, claim = truth.reader, truth.result.claim
        true_id = reader.compute_id(reader.genesis_id, 0, truth.batch, claim)
        assert trial.rollup.fetch_head() == 1
        assert trial.rollup.fetch_final_id(1) == true_id
        return counts


def check(trial: Trial, one: Judged) -> None:
    """Assert that a lie ended at its lane, and what it cost the liar."""
    spot = one.lie.spot
    (bout,) = one.story.bouts
    assert one.status is Status.DEFEATED, spot
    assert bout.lane is not None, spot
    assert (bout.lane.leaf, bout.lane.lane) == (spot.leaf, spot.lane_in_leaf), spot
    assert bout.lane.transaction is not None, spot
    assert trial.rollup.fetch_stake(one.lie.key.address).status == SLASHED, spot


def list_spots(
    machine: RealMachine,
    execution: Execution,
    prefix: int,
    place: int,
    kinds: Sequence[str],
) -> Iterator[Spot]:
    """Yield where each kind is broken, the layers' first.

    Raises:
        Fatal: a sampler's kind lives in too few positions.
    """
    shape, height = machine.model.shape, machine.model.inner_height
    layer, sampler = inner.layout_layer(shape, height), inner.layout_sampler(shape, height)
    assert 1 < prefix < execution.positions
    position = (1, prefix, execution.positions)[place]
    left = dict.fromkeys(kinds, place)
    for kind in inner_kinds.list_kinds(layer):
        if left.pop(kind, None) is not None:
            yield find_spot(machine, 1, 0, execution, Wish(kind, position))
    for at in range(max(len(execution.prompt or ()), 1), execution.positions + 1):
        tree = machine.open_inner(1, trace.compute_outer_index(0, at, LAST_SLOT))
        for kind in list(left):
            spot = find_living(machine, tree, sampler, execution, Wish(kind, at))
            if spot is None:
                continue
            left[kind] -= 1
            if left[kind] < 0:
                del left[kind]
                yield spot
    if left:
        raise Fatal(f"the call has too few positions with {', '.join(left)}: choose another one")


def find_living(
    machine: RealMachine, tree: RecordTree, layout: Layout, execution: Execution, wish: Wish
) -> Spot | None:
    """Return where a sampler's kind lives at a position, None if it does not."""
    (region,) = [region for region in layout.regions if wish.kind in region.kinds]
    if not tree.leaves.types[region.start : region.start + region.leaves].any():
        return None
    try:
        return find_spot(machine, 1, 0, execution, wish)
    except Invalid:  # INNER-83: none of its lanes has a value
        return None
