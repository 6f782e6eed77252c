"""What a `resolve` about an output's scalars, expressions and record costs at its dearest."""

from __future__ import annotations

import dataclasses
import functools
import random

from oyez.dispute.frame.scalars import list_spellings
from oyez.protocol import trace
from oyez.protocol.constants import MAX_VALUE
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.trace import Chunk, encode_int32, encode_words
from oyez.protocol.types import Field, FieldType, Hash32, Op, Role
from tests.contracts.test_step_compute import (
    FLAG,
    build_case,
    build_enum,
    build_enum_world,
    build_manifest,
    build_world,
    hash_option,
    publish_enums,
)
from tests.output_chunks import bench, publish
from tests.output_steps import Case

#: Of the duel's resolve, a whole transaction.
MOST_GAS = 455_000
#: Of 32 fields the one written, of 63 options, and expressions that run before its.
WRITTEN, OPTIONS, GUARDS = 29, 63, 26
MOST_CALLDATA = 16_384


def fill(draw: random.Random, count: int = 32) -> Chunk:
    """Return a chunk of so many words that are hashes."""
    return encode_words([draw.randbytes(32) for _ in range(count)])


def build_dearest() -> dict[str, Case]:
    """Return the dearest step of each op, all leaves as full as those of true records get."""
    draw = random.Random(9)
    layout = bench().layout
    places = [lane for _ in range(32) for lane in (31, 64)]
    place = encode_int32([*places, 1_000, 1_024, 5, 31])
    counts = encode_int32([draw.randrange(1_024) for _ in range(256)])
    digest = publish_arrays()
    made = {
        "text": trace.encode_bytes(bytes(draw.choice(b"abcdefgh") for _ in range(1_024))),
        "place": place,
        "verdict": encode_int32([-1] * 64),
    }
    arrays = build_world(digest, met=fill(draw), **made)
    for region in layout.regions:
        for leaf in range(region.start, region.start + region.leaves):
            if region.name in ("scalar", "merged", "written", "op"):
                arrays.inner[leaf] = fill(draw)
            elif region.name in ("latest", "chain", "ends"):
                arrays.inner[leaf] = counts
            elif region.name == "parse":
                arrays.inner[leaf] = encode_words(
                    [w for _ in range(16) for w in (1 << 80 | 1 << 64 | 512 << 40, MAX_VALUE // 3)]
                )
    arrays.inner[layout.get("chain").start + 1] = encode_int32([1_000, 1_023] * 128)
    arrays.inner[layout.get("output_head").start] = encode_int32([1, 0, 0, 1_999, 999, 1_024])
    enums = build_enum_world()
    enums.outer[get_record(3, Frame.STATE), 1] = with_words(draw, {22: hash_option(63)})
    enums.inner[layout.get("written").start] = with_words(draw, {22: hash_option(63)})
    first = layout.get("op").start
    enums.inner[first] = fill(draw)
    enums.inner[first + 1] = encode_words([draw.randbytes(32) for _ in range(31)] + [63])
    failures = encode_int32([0] * 256)
    for at in range(8):
        enums.inner[layout.get("fail").start + at] = failures
    entry = [*(draw.randbytes(32) for _ in range(12))]
    for world, named in ((arrays, digest), (enums, publish_enums())):
        entry[7] = named
        world.outer[get_record(3, Frame.ENTRY), 1] = encode_words(entry)
    return {
        "latest": build_case(arrays, "latest", 512, counts),
        "chain": build_case(arrays, "chain", 256, counts),
        "scalar": build_case(arrays, "scalar", 128, fill(draw)),
        "place": build_case(arrays, "place", 67, place),
        "written": build_case(arrays, "written", 0, fill(draw)),
        "op": build_case(enums, "op", 64 * 2, fill(draw)),
        "op late": build_case(enums, "op", 61, fill(draw)),
        "op half": build_case(enums, "op", 64 * 5 + 32, fill(draw)),
        "fail": build_case(enums, "fail", 61, failures),
        "verdict": build_case(enums, "verdict", 0, made["verdict"]),
        "merged": build_case(enums, "merged", 23, fill(draw)),
        "code": build_case(arrays, "output_head", 0, encode_int32([1, 0, 0, 1_999, 999, 1_024])),
        "positions": build_case(arrays, "output_head", 3, encode_int32([1, 0, 0, 1_999])),
        "output_values": build_case(arrays, "output_values", 0, fill(draw)),
        "output_text": build_case(arrays, "output_text", 0, made["text"]),
    }


@functools.cache
def publish_crowd() -> Hash32:
    """Publish a manifest of 32 fields and 32 expressions, the last of which read an enum."""
    enum = build_enum(b"w", Role.WRITES, OPTIONS)
    computed = dataclasses.replace(enum, name=b"c", role=Role.COMPUTE)
    before = [build_enum(b"%d" % at, Role.KEPT, 1) for at in range(WRITTEN)]
    sums = [Op(OpCode.TIME)] * 16 + [Op(OpCode.ADD)] * 15
    reads = [*sums, *[Op(OpCode.TIME), Op(OpCode.ADD)] * 15, Op(OpCode.NEW, WRITTEN)]
    half = [*sums, Op(OpCode.TIME), Op(OpCode.OLD, WRITTEN), *[Op(OpCode.ADD)] * 2]
    programs: list[tuple[int | None, list[Op]]] = [
        *[(None, [Op(OpCode.TIME)])] * GUARDS,
        (WRITTEN + 1, [*reads, Op(OpCode.ADD), Op(OpCode.NEG)]),
        (None, [Op(OpCode.OLD, WRITTEN)]),
        (None, half),
    ]
    fields = [*before, enum, computed, FLAG]
    return publish(bench(), build_manifest(fields, programs))


def build_crowd() -> dict[str, Case]:
    """Return the dearest steps of ops, all leaves full."""
    draw = random.Random(8)
    digest, layout = publish_crowd(), bench().layout
    last = hash_option(OPTIONS - 1)
    values = with_words(draw, {WRITTEN: last, WRITTEN + 1: last})
    spelt = list_spellings(bench().parsed[digest])
    places = encode_int32([*[31, 64] * 32, 1_000, 1_024, 5, 31, *spelt])
    world = build_world(digest, met=values, written=values, place=places)
    for at in range(layout.get("op").leaves):
        world.inner[layout.get("op").start + at] = fill(draw)
    world.outer[get_record(3, Frame.ENTRY), 1] = with_words(draw, {7: int.from_bytes(digest)})
    return {
        "crowded op": build_case(world, "op", 61, fill(draw)),
        "crowded op of old": build_case(world, "op", 64 * (GUARDS + 1), fill(draw)),
        "crowded op half": build_case(world, "op", 64 * (GUARDS + 2) + 32, fill(draw)),
    }


def with_words(draw: random.Random, words: dict[int, int]) -> Chunk:
    """Return a chunk full of hashes, but for some words."""
    return encode_words([words.get(at, draw.randbytes(32)) for at in range(32)])


@functools.cache
def publish_arrays() -> Hash32:
    """Publish a manifest whose first field is an array of 64 strings, and that has 32 fields."""
    array = Field(
        b"a",
        FieldType.ARRAY,
        Role.WRITES,
        (),
        element=FieldType.STRING,
        items=64,
        limit=4,
    )
    flags = [dataclasses.replace(FLAG, name=b"f%d" % at) for at in range(31)]
    return publish(bench(), build_manifest([array, *flags], []))


def test_the_dearest_step_of_each_op_is_cheap_as_a_transaction() -> None:
    """Rule: FRAME-52, FRAME-69"""
    cases = build_dearest() | build_crowd()
    assert all(case.ask() == case.value for case in cases.values())
    assert len(cases["written"].read.chunks) == 5
    assert len(cases["op half"].read.chunks) == 4
    assert cases["op"].value == cases["op late"].value == cases["op half"].value == 63
    assert cases["merged"].value != 0
    assert {case.value for name, case in cases.items() if "crowd" in name} == {OPTIONS - 1}
    measured = {name: case.measure() for name, case in cases.items()}
    assert max(gas for gas, _ in measured.values()) < MOST_GAS, measured
    assert max(size for _, size in measured.values()) < MOST_CALLDATA, measured
    assert min(gas for gas, _ in measured.values()) > 200_000, measured
