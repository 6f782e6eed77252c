"""A state's record on chain: what it takes no proof for, and what a step of it costs."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections.abc import Sequence

import pytest
from eth_abi.abi import decode, encode

from oyez.dispute.step_proof import FRAME_TYPES
from oyez.engines.exact.inner_leaves import LANES
from oyez.protocol import codec, trace
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.step import Address
from oyez.protocol.trace import PAD_CHUNK, PAD_INT32, Chunk
from oyez.protocol.types import Field, FieldType, Role, Value
from tests import machine_fuzz as fuzz
from tests import state_steps
from tests.contracts.harness import reverts
from tests.dear_fields import LONG, stand_behind
from tests.manifest_cases import with_fields
from tests.manifests import BOUND, LIMITS
from tests.state_steps import Case
from tests.state_worlds import LETTERS, Met, build_enum, give, layout, meet

#: Of a whole resolution, and of its proof.
MOST_GAS = {85: 450_000}
USUAL_GAS = 420_000
MOST_BYTES = 16_384
TEXT = "é".encode() * 256


def meet_published(fields: Sequence[Field], values: Sequence[Value] | None) -> Met:
    data = fuzz.publish(encode_manifest(with_fields(fields)))
    given = give(parse_manifest(data, LIMITS), None if values is None else tuple(values))
    return meet(given)


def build_flag(name: bytes, role: Role = Role.KEPT) -> Field:
    return Field(name, FieldType.BOOLEAN, role, True, biases=(0, 0))


def build_array(name: bytes, kind: FieldType, items: int, limit: int = 0) -> Field:
    bound = BOUND if kind is FieldType.INTEGER else 0
    return Field(
        name,
        FieldType.ARRAY,
        Role.KEPT,
        (),
        element=kind,
        limit=limit,
        low=-bound,
        high=bound,
        digits=78 if bound else 0,
        biases=(0, 0) if kind is FieldType.BOOLEAN else (),
        items=items,
    )


WIDE = build_enum(b"wide", [bytes([letter]) * 31 + b"z" for letter in LETTERS])
TEXTS = build_array(b"k" * 32, FieldType.STRING, 6, 512)
NUMBERS = build_array(b"n", FieldType.INTEGER, 40)
FLAGS = build_array(b"b", FieldType.BOOLEAN, 64)


@functools.cache
def list_dear() -> tuple[Met, ...]:
    """States whose last field stands behind 31 others and 1,472 options."""
    flags = [build_flag(b"w", Role.WRITES), *(build_flag(b"f%d" % i) for i in range(7))]
    texts = [bytes([letter]) for letter in LETTERS]
    behind = [*flags, *(build_enum(b"%d" % index, texts) for index in range(23))]
    values: list[Value] = [*(True,) * 8, *(texts[-1],) * 23]
    first = dataclasses.replace(WIDE, role=Role.WRITES)
    last: list[tuple[Field, Value]] = [
        (WIDE, WIDE.options[-1]),
        (TEXTS, (TEXT,) * 6),
        (NUMBERS, (-BOUND,) * 40),
        (FLAGS, (False,) * 64),
    ]
    return (
        *(meet_published([*behind, field], [*values, value]) for field, value in last),
        meet_published([*behind, WIDE], None),
        meet_published([first, *flags[1:], TEXTS], [WIDE.options[0], *values[1:8], (TEXT,) * 6]),
    )


@functools.cache
def list_dearest() -> tuple[Met, ...]:
    """States whose last field stands behind as many others and options as there is room for."""
    found = []
    for size in (63, 64):
        last = build_enum(b"~", LONG[:size])
        first, *fields = stand_behind(last, Role.KEPT)
        fields = [dataclasses.replace(first, role=Role.WRITES), *fields]
        values = [field.options[-1] if field.options else b"" for field in fields]
        found += [meet_published(fields, values), meet_published(fields, None)]
    return tuple(found)


def build_case(met: Met, op: int, leaf: int, lane: int) -> Case:
    """Return a step on a state as it is."""
    region = next(region for region in layout().regions if region.op == op)
    chunk = met.leaves.get_chunk(region.start + leaf)
    address = Address(get_record(255, Frame.STATE), region.start + leaf, lane)
    return state_steps.build_case(random.Random(1), address, chunk.data, met.open_world())


def list_dear_lanes(met: Met, op: int) -> list[tuple[int, int]]:
    """Return lane 0 of each leaf of an op that lives, and two others."""
    region = next(region for region in layout().regions if region.op == op)
    found, draw = [], random.Random(op)
    for leaf in range(region.leaves):
        if met.leaves.types[region.start + leaf]:
            lanes = LANES[region.type]
            found += [(leaf, 0), (leaf, 31), (leaf, draw.randrange(lanes))]
    return found


@pytest.mark.parametrize("op", sorted(state_steps.VERIFIERS))
def test_each_step_is_cheap_to_resolve(op: int) -> None:
    """Rule: FRAME-34"""
    most = longest = 0
    for met in (*list_dear(), *list_dearest()):
        for leaf, lane in list_dear_lanes(met, op):
            case = build_case(met, op, leaf, lane)
            most = max(most, state_steps.find_gas(case)[1])
            longest = max(longest, len(case.proof))
    assert 270_000 < most < MOST_GAS.get(op, USUAL_GAS)
    assert 3_000 < longest < MOST_BYTES


def change(case: Case, place: int, value: object) -> bytes:
    """Return a case's proof with one of its four parts changed."""
    parts = list(decode(FRAME_TYPES, case.proof))
    parts[place] = value
    return encode(FRAME_TYPES, parts)


def test_a_preimage_is_given_where_one_is_asked_for_and_nowhere_else() -> None:
    """Invariant 3: no text stands for another.

    Rule: FRAME-3
    """
    met = list_dear()[1]
    asking, silent = build_case(met, 88, 7, 192), build_case(met, 92, 0, 5)
    (known,) = decode(FRAME_TYPES, asking.proof)[3]
    assert codec.keccak(known) in met.preimages
    assert asking.ask() == asking.value == 514
    for given, reason in (
        ([], "step: a preimage of the state"),
        ([known[:-1]], "step: another preimage"),
        ([known + b"\0"], "step: another preimage"),
        ([b""], "step: another preimage"),
    ):
        with reverts(reason):
            asking.ask(proof=change(asking, 3, given))
    with reverts("step: no preimage of the state"):
        silent.ask(proof=change(silent, 3, [known]))
    with reverts("step: no preimage of the state"):
        silent.ask(proof=change(silent, 3, [b""]))


def test_a_state_reads_no_row() -> None:
    """Rule: FRAME-3"""
    case = build_case(list_dear()[1], 92, 0, 5)
    with reverts("step: no row of the state"):
        case.ask(proof=change(case, 1, [(b"row", ())]))


@pytest.mark.parametrize(("op", "leaf", "lane"), [(85, 0, 0), (88, 7, 0), (89, 7, 0), (93, 2, 0)])
def test_leaves_are_opened_all_and_in_order(op: int, leaf: int, lane: int) -> None:
    """Rule: FRAME-20, FRAME-24, FRAME-27, FRAME-28, FRAME-32"""
    case = build_case(list_dear()[1], op, leaf, lane)
    leaves = list(decode(FRAME_TYPES, case.proof)[0])
    assert len(leaves) >= 3
    for at in range(1, len(leaves)):
        swapped = [*leaves[: at - 1], leaves[at], leaves[at - 1], *leaves[at + 1 :]]
        assert refuses(case, swapped) in UNFOUNDED
        assert refuses(case, leaves[:at] + leaves[at + 1 :]) in UNFOUNDED
    with reverts("step: wrong openings"):
        case.ask(proof=change(case, 0, leaves[:-1]))
    if len(leaves) < 6:
        with reverts("step: wrong openings"):
            case.ask(proof=change(case, 0, [*leaves, leaves[-1]]))
    data, siblings = leaves[-1]
    with reverts("step: not beside the first"):
        case.ask(proof=change(case, 0, [*leaves[:-1], (data[:-1] + b"\1", siblings)]))
    with reverts("step: hook at another level"):
        case.ask(proof=change(case, 0, [*leaves[:-1], (data, siblings[:-1])]))


#: Why a leaf is not the one that stands at an address.
UNFOUNDED = {
    "step: inner height",
    "step: outer height",
    "step: not under the inner root",
    "step: not under the outer root",
    "step: hook at another level",
    "step: not beside the first",
    # a lane of another leaf may ask for other leaves, or for no preimage
    "step: wrong openings",
    "step: no preimage of the state",
    "step: a preimage of the state",
}


def refuses(case: Case, leaves: list[tuple[bytes, tuple[bytes, ...]]]) -> str:
    return state_steps.refuse(case, change(case, 0, leaves))


def ask(op: int, lane: int, leaf: int = 0, **changed: Chunk) -> int:
    """Return what both sides say of a lane where these regions' first leaves are others."""
    met = list_dear()[3]
    world = met.open_world()
    for name, chunk in changed.items():
        world.inner[layout().get(name).start] = chunk
    region = next(region for region in layout().regions if region.op == op)
    own = world.get_inner(region.start + leaf)
    address = Address(get_record(0, Frame.STATE), region.start + leaf, lane)
    world = dataclasses.replace(world, preimages=world.preimages | state_steps.TEXTS)
    case = state_steps.build_case(random.Random(lane), address, own.data, world)
    assert case.ask() == case.value
    return case.value


@pytest.mark.parametrize(
    ("before", "after"),
    [(-1, PAD_INT32), (-2, -1), (-3, PAD_INT32), (2_048, PAD_INT32), (PAD_INT32, PAD_INT32)],
)
def test_what_is_no_place_is_followed_by_a_closing_byte_or_by_nothing(
    before: int, after: int
) -> None:
    """Rule: FRAME-29"""
    assert ask(90, 1, owner=trace.encode_int32([before])) == after


def test_a_place_beyond_all_others_is_one() -> None:
    """Rule: FRAME-29"""
    assert ask(90, 1, owner=trace.encode_int32([2_047])) == 2_047
    assert ask(93, 1, owner=trace.encode_int32([0, 2_047])) == 0


def test_negative_and_huge_numbers_make_no_end_overflow() -> None:
    """Invariant 13: no prefix makes a step fail.

    Rule: FRAME-28
    """
    huge = trace.encode_int32([2**31 - 1] * 256)
    assert ask(89, 0, length=huge) == 2**31 - 1
    assert ask(89, 64, end=huge) == 2**31 - 1
    assert ask(89, 64, end=trace.encode_int32([-9] * 256)) == len(', "f0": true')
    assert ask(89, 64, length=trace.encode_int32([-9] * 256)) > 0
    assert ask(91, 1) > 0


def test_of_dead_values_no_preimage_is_asked() -> None:
    """Rule: FRAME-25, FRAME-26

    Field 31 is an array; its first items stand in leaf 62.
    """
    for lane in (0, 1, 31):
        assert ask(86, lane, leaf=62, value=PAD_CHUNK) == (0 if lane else DEAD)
    assert ask(87, 31, value=PAD_CHUNK) == PAD_INT32


LARGEST = 2**31 - 1


@pytest.mark.parametrize(
    ("ends", "length"),
    [
        (trace.encode_int32([9] * 255 + [5]), 7),
        (trace.encode_int32([9] * 255 + [-7]), 2),
        (trace.encode_int32([9] * 255 + [LARGEST - 3]), LARGEST - 1),
        (trace.encode_int32([9] * 255 + [LARGEST - 2]), LARGEST),
        (trace.encode_int32([9] * 255 + [LARGEST]), LARGEST),
        (PAD_CHUNK, PAD_INT32),
    ],
)
def test_a_json_ends_behind_its_last_value(ends: Chunk, length: int) -> None:
    """Rule: FRAME-30

    By the last lane of the leaf that says where values end, dead or not. Here it is an array.
    """
    region = next(region for region in layout().regions if region.op == 91)
    address = Address(get_record(0, Frame.STATE), region.start, 1)
    world = list_dear()[3].open_world()
    own = world.get_inner(region.start)
    world.inner[layout().get("owner").start - 1] = ends
    case = state_steps.build_case(random.Random(1), address, own.data, world)
    assert case.ask() == case.value == length


@pytest.mark.parametrize(("offset", "byte"), [(-1, b" "), (-2, b","), (-3, b"\0")])
def test_items_stand_apart_by_a_comma_and_a_space(offset: int, byte: bytes) -> None:
    """Rule: FRAME-32"""
    begin = trace.encode_int32([40 + 10 - offset] * 256)
    json = {"owner": trace.encode_int32([1] * 256), "length": trace.encode_int32([10] * 256)}
    assert ask(93, 40, end=begin, **json) == byte[0]


@pytest.mark.parametrize(("size", "items"), [(2_048, 64), (2_016, 63), (32, 1), (0, 0), (2_047, 0)])
def test_an_array_is_a_run_of_words(size: int, items: int) -> None:
    """Rule: FRAME-25, FRAME-26"""
    digest = next(d for d, text in state_steps.TEXTS.items() if len(text) == size)
    values = trace.encode_words([0] * 31 + [digest])
    assert ask(87, 31, value=values) == items
    word = ask(86, 0, leaf=62, value=values)
    assert word == (
        int.from_bytes(state_steps.TEXTS[digest][:32], "big", signed=True) if items else DEAD
    )


@pytest.mark.parametrize(
    ("place", "count", "after"),
    [
        *((0, 2, 1), (5, 64, 6), (62, 64, 63), (64, 3, 65), (31 * 64, 2, 31 * 64 + 1)),
        *((0, 1, 64), (63, 64, 64), (63, 200, 64), (5, 6, 64), (3, 0, 64), (9, -5, -1)),
        # behind the last field, whatever stands where a further one had its count
        *((31 * 64 + 63, 64, -2), (31 * 64, 1, -2)),
    ],
)
def test_an_item_is_followed_by_the_next_or_by_the_next_field(
    place: int, count: int, after: int
) -> None:
    """Rule: FRAME-29"""
    region, index = layout().get("end"), place // 64
    counts = [7] * 256
    counts[index] = count
    if count < 0:
        counts[index + 1] = -1
    met = list_dear()[3]
    world = met.open_world()
    world.inner[layout().get("count").start] = trace.encode_int32(counts)
    world.inner[region.start + place // 256] = trace.encode_int32([9] * 256)
    owner = layout().get("owner").start
    raw = trace.encode_int32([place] * 256)
    for lane, expected in ((5, place), (9, after), (200, after)):
        address = Address(get_record(0, Frame.STATE), owner, lane)
        case = state_steps.build_case(random.Random(1), address, raw.data, world)
        assert case.ask() == case.value == expected


def test_a_scalar_that_is_dead_is_not_spelt() -> None:
    """Rule: FRAME-32"""
    at = {"end": trace.encode_int32([50] * 256), "length": trace.encode_int32([10] * 256)}
    at["owner"] = trace.encode_int32([0] * 256)
    one = trace.encode_words([1] * 32)
    assert [ask(93, lane, item=one, **at) for lane in range(40, 45)] == [*b"true\0"]
    assert [ask(93, lane, item=PAD_CHUNK, **at) for lane in range(40, 45)] == [0] * 5


def test_what_is_no_leaf_of_a_cell_or_field_gives_nothing() -> None:
    """Rule: FRAME-21, FRAME-22, FRAME-23"""
    for digest, text in state_steps.TEXTS.items():
        nodes = trace.encode_words([digest] * 32)
        is_field = text[:32] == codec.tag("FIELD") and len(text) == 160
        expected = int.from_bytes(text[96:128], "big", signed=True) if is_field else 0
        world_leaf = layout().get("node").start + 1
        met = list_dear()[3]
        world = dataclasses.replace(met.open_world(), preimages=state_steps.TEXTS)
        world.inner[world_leaf] = nodes
        address = Address(get_record(0, Frame.STATE), layout().get("stored_type").start, 3)
        case = state_steps.build_case(random.Random(1), address, bytes(1_024), world)
        assert case.ask() == case.value == expected
