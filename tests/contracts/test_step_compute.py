"""What an output computes, on chain: arithmetic, enums, refusals, and what a step costs."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import random
from collections.abc import Sequence

import pytest
from eth_abi.abi import decode, encode

from oyez.dispute import step_proof
from oyez.dispute.frame.scalars import list_spellings
from oyez.protocol import codec, expressions
from oyez.protocol.constants import MAX_VALUE
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.inner_kinds import count_lanes
from oyez.protocol.manifest import build_constants
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.step import Address
from oyez.protocol.trace import Chunk, encode_int32, encode_words
from oyez.protocol.types import Expression, Field, FieldType, Hash32, Manifest, Op, Role
from tests import output_chunks, output_steps
from tests.contracts.harness import Reverted, reverts
from tests.manifests import random_manifest
from tests.output_chunks import bench, publish
from tests.output_steps import Case
from tests.steps import World

RECORD = get_record(3, Frame.OUTPUT)
COMPUTING = [code for code in OpCode if code.operands]
EDGES = sorted({*output_chunks.EDGES, 5, -5, 2**200 + 7})
FLAG = Field(b"flag", FieldType.BOOLEAN, Role.WRITES, False, biases=(0, 0))


def build_manifest(
    fields: Sequence[Field], programs: Sequence[tuple[int | None, Sequence[Op]]]
) -> Manifest:
    """Return a manifest of these fields and expressions."""
    return dataclasses.replace(
        random_manifest(random.Random(1)),
        model=0,
        output_tokens=1,
        fixed_positions=2_046,
        fields=tuple(fields),
        constants=build_constants(fields, [7]),
        expressions=tuple(Expression(target, tuple(ops)) for target, ops in programs),
        segments=(),
        name=b"",
        description=b"",
    )


@functools.cache
def publish_arithmetic() -> Hash32:
    """Publish one guard for each op that takes values: constants, then the op."""
    programs = [(None, [Op(OpCode.CONST)] * code.operands + [Op(code)]) for code in COMPUTING]
    return publish(bench(), build_manifest([FLAG], programs))


def build_world(digest: Hash32, **chunks: Chunk) -> World:
    """Return a world of a manifest and these leaves, the first of their regions."""
    layout = bench().layout
    made = {layout.get(name).start: chunk for name, chunk in chunks.items() if name != "met"}
    words = [*[0] * 7, int.from_bytes(digest, "big")]
    outer = {
        (get_record(3, Frame.ENTRY), 1): encode_words(words),
        (get_record(3, Frame.STATE), 1): chunks.get("met", encode_words([0])),
        (get_record(3, Frame.PROMPT), 0): encode_int32([5, 1]),
    }
    world = World(made.__getitem__, lambda *at: outer[at], lambda *_: b"")
    world.manifests = bench().manifests
    return world


def build_case(world: World, name: str, lane: int, own: Chunk | None = None) -> Case:
    """Build the step of a lane, counted in its region."""
    region = bench().layout.get(name)
    leaf, at = divmod(lane, count_lanes(region.type))
    raw = bytes(1_024) if own is None else own.data
    return output_steps.build_case(
        random.Random(lane), Address(RECORD, region.start + leaf, at), raw, world
    )


def ask(world: World, name: str, lane: int, own: Chunk | None = None) -> int:
    """Return what both sides say of a lane."""
    case = build_case(world, name, lane, own)
    assert case.ask() == case.value
    return case.value


@pytest.mark.parametrize("rank", range(len(COMPUTING)), ids=[code.name for code in COMPUTING])
def test_ops_are_exact_at_the_ends_of_their_range(rank: int) -> None:
    """Invariant 13: as in Python, whatever the operands.

    Rule: FRAME-61, EXPR-2, EXPR-3
    """
    code = COMPUTING[rank]
    world = build_world(publish_arithmetic())
    draw = random.Random(code)
    pairs = list(itertools.product(EDGES, repeat=min(code.operands, 2)))
    for pair in draw.sample(pairs, min(len(pairs), 160)):
        values = [*pair, draw.choice(EDGES)][: code.operands]
        found = ask(world, "op", 64 * rank + code.operands, encode_words(values))
        if -MAX_VALUE - 1 not in values:
            # which no op gives, so that execution never meets it
            assert found == evaluate(code, values)


@pytest.mark.parametrize("size", [15, 16, 17, 31, 32, 33, 48, 49, 63, 64])
def test_ops_are_read_up_to_the_manifests_last_byte(size: int) -> None:
    """Sixteen at once, of the last expression what is left.

    Rule: FRAME-61, EXPR-1
    """
    program = [Op(OpCode.CONST), *[Op(OpCode.NEG)] * (size - 1)]
    world = build_world(publish(bench(), build_manifest([FLAG], [(None, program)])))
    values = encode_words(range(100, 132))
    for number in range(1, 64):
        if number % 32:
            found = ask(world, "op", number, values)
            assert found == (-100 - (number - 1) % 32 if number < size else 0), number


def evaluate(code: OpCode, values: Sequence[int]) -> int:
    """Return what execution makes of an op on these values, 0 if it fails."""
    constants = [Op(OpCode.CONST, at) for at in range(len(values))]
    try:
        return expressions.evaluate([*constants, Op(code)], values, (), (), 0, 0, 0)
    except expressions.ComputeFailure:
        return 0


def test_words_of_the_entry_are_numbers_from_0_on() -> None:
    """What is 2^255 or more is out of range, like any result.

    Rule: FRAME-64, EXPR-2
    """
    codes = (OpCode.TIME, OpCode.CALLER, OpCode.VALUE)
    manifest = build_manifest([FLAG], [(None, [Op(code)]) for code in codes])
    digest = publish(bench(), manifest)
    for rank, place in enumerate((2, 3, 4)):
        for word, expected in (
            *((0, 0), (1, 1), (2**255 - 1, 2**255 - 1)),
            *((2**255, 0), (2**255 + 1, 0), (2**256 - 1, 0)),
        ):
            world = build_world(digest)
            words = [*[9] * 7, int.from_bytes(digest, "big")]
            words[place] = word
            world.outer[get_record(3, Frame.ENTRY), 1] = encode_words(words)
            world.inner[bench().layout.get("written").start] = encode_words([0])
            assert ask(world, "op", 64 * rank) == expected
            failed = int(word > MAX_VALUE)
            assert ask(world, "fail", 64 * rank, encode_int32([0])) == failed


def test_a_failure_is_an_ops_own_or_that_of_one_it_takes_from() -> None:
    """Rule: FRAME-62"""
    rank = COMPUTING.index(OpCode.ADD)
    for values, failures, expected in (
        ([1, 2], [0, 0], 0),
        ([1, 2], [1, 0], 1),
        ([1, 2], [0, 1], 1),
        ([1, 2], [2, -1], 0),
        ([MAX_VALUE, 0], [0, 0], 0),
        ([MAX_VALUE, 1], [0, 0], 1),
        ([-MAX_VALUE, -1], [0, 0], 1),
    ):
        leaf = 2 * rank + bench().layout.get("op").start
        world = build_world(publish_arithmetic())
        world.inner[leaf] = encode_words(values)
        lanes = [0] * (64 * (rank % 4)) + failures
        assert ask(world, "fail", 64 * rank + 2, encode_int32(lanes)) == expected


@pytest.mark.parametrize("number", [0, 1, 30, 31])
def test_a_fields_items_are_counted_by_its_last_one(number: int) -> None:
    """Rule: FRAME-55

    A link of the chain names field and item, the last written first.
    """
    digest = publish_arithmetic()
    for first, item, stated in (
        *((0, 0, 0), (0, 63, 0), (127, 5, 0), (200, 7, 0)),
        *((3, 9, 1), (-1, 4, 0), (2_048, 4, 0)),
    ):
        link = (31 - number + stated) << 8 | item
        links = encode_int32([7, link] * 128)
        world = build_world(digest, chain=links)
        if 128 <= first < 2_048:
            world.inner[bench().layout.get("chain").start + first // 128] = links
        own = [0] * (2 * number) + [first, 0]
        found = ask(world, "place", 2 * number + 1, encode_int32(own))
        assert found == (item + 1 if not stated and 0 <= first < 2_048 else 0)


def list_options(count: int, start: bytes = b"") -> tuple[bytes, ...]:
    """Return so many options, ascending."""
    return tuple(start + b"%02d" % number for number in range(count))


def build_enum(name: bytes, role: Role, count: int = 64) -> Field:
    """Return an enum's field."""
    options = list_options(count)
    return Field(name, FieldType.ENUM, role, options[0], options=options, biases=(0,) * count)


def hash_option(number: int) -> int:
    """Return the word of an option of `build_enum`."""
    return int.from_bytes(codec.keccak(b"%02d" % number), "big")


@functools.cache
def publish_enums() -> Hash32:
    """Publish a manifest whose last fields are enums behind as many options as it has room for."""
    before = [build_enum(b"%d" % at, Role.KEPT) for at in range(22)]
    fields = [
        *before,
        build_enum(b"w", Role.WRITES),
        dataclasses.replace(build_enum(b"c", Role.COMPUTE), initial=b"00"),
        FLAG,
    ]
    reads = [Op(OpCode.TIME)] * 16 + [Op(OpCode.ADD)] * 15
    reads += [Op(OpCode.TIME), Op(OpCode.ADD)] * 15
    reads += [Op(OpCode.NEW, 22), Op(OpCode.ADD), Op(OpCode.NEG)]
    programs = [
        (None, [Op(OpCode.NEW, 23)]),
        (None, [Op(OpCode.NEW, 22)]),
        (None, [Op(OpCode.OLD, 22)]),
        (23, reads),
        (None, [Op(OpCode.OLD, 23)]),
        (None, [*reads[:31], Op(OpCode.TIME), Op(OpCode.OLD, 22), *[Op(OpCode.ADD)] * 2]),
    ]
    return publish(bench(), build_manifest(fields, programs))


def build_enum_world() -> World:
    """Return a world where enum 22 was option 63 and is written as option 62."""
    met, written = [0] * 32, [0] * 32
    met[22], written[22], met[23] = hash_option(63), hash_option(62), hash_option(5)
    world = build_world(
        publish_enums(), met=encode_words(met), written=encode_words(written), op=encode_words([9])
    )
    last = bench().layout.get("op").start + 1
    world.inner[last] = encode_words([*range(100, 131), 41])
    spelt = list_spellings(bench().parsed[publish_enums()])
    world.inner[bench().layout.get("place").start] = encode_int32([0] * 68 + spelt)
    world.inner[bench().layout.get("fail").start] = encode_int32([0] * 256)
    return world


def test_a_field_is_read_as_it_was_and_as_merged_so_far() -> None:
    """The computed field's expression runs first, though it stands last but one.

    Rule: FRAME-63, FRAME-64, EXPR-5
    """
    world = build_enum_world()
    # 64 ops of the computed field
    assert ask(world, "op", 64 * 1) == 41
    assert ask(world, "op", 64 * 2) == 62
    assert ask(world, "op", 64 * 3) == 63
    assert ask(world, "op", 64 * 4) == 5
    assert ask(world, "op", 61) == 62
    unknown = build_enum_world()
    unknown.inner[bench().layout.get("written").start] = encode_words([17] * 32)
    assert ask(unknown, "op", 64 * 2) == 0


def test_options_are_spelt_within_the_manifest() -> None:
    """Audit 1 C7: an offset beyond the manifest is none.

    Rule: FRAME-64
    """
    size = len(bench().manifests[publish_enums()])
    for at in (-1, 0, 63, size - 128, size - 127, size, 2**31 - 1):
        world = build_enum_world()
        world.inner[bench().layout.get("place").start] = encode_int32([0] * 68 + [at] * 32)
        assert ask(world, "op", 64 * 3) == 0
    # there the names and options of other fields begin, two bytes of which are option 63's
    world.inner[bench().layout.get("place").start] = encode_int32([0] * 68 + [64] * 32)
    assert ask(world, "op", 64 * 3) == 53


def test_a_computed_field_is_merged_where_it_is_in_range() -> None:
    """Rule: FRAME-66, FRAME-65, EXPR-4"""
    for number, word, failed in ((63, hash_option(63), -1), (0, hash_option(0), -1), (64, 0, 3)):
        world = build_enum_world()
        last = bench().layout.get("op").start + 1
        world.inner[last] = encode_words([*[0] * 31, number])
        signed = word - (1 << 256) if word >> 255 else word
        assert ask(world, "merged", 23) == signed
        assert ask(world, "verdict", 0) == failed
    assert ask(build_enum_world(), "verdict", 1) == -1


def find_case(op: int, chunks: int) -> Case:
    """Return the first case of an op that opens so many leaves."""
    draw = random.Random(op)
    while True:
        case = output_steps.draw_case(draw, op)
        if len(case.read.chunks) == chunks:
            return case


#: Ops below it are of the output's scalars.
FIRST_COMPUTED = 121


@pytest.mark.parametrize("op", [116, 121])
def test_a_proof_brings_what_the_step_reads_and_nothing_else(op: int) -> None:
    """Rule: FRAME-3, FRAME-52, FRAME-60"""
    case = find_case(op, 3)
    leaves, rows, hint, preimages = decode(step_proof.FRAME_TYPES, case.proof)

    def give(leaves: Sequence[object], rows: object, preimages: object) -> None:
        case.ask(proof=encode(step_proof.FRAME_TYPES, (leaves, rows, hint, preimages)))

    assert case.ask() == case.value
    assert not rows
    assert not preimages
    with reverts("step: wrong openings"):
        give(leaves[:-1], (), ())
    with reverts("step: wrong openings"):
        give((*leaves, leaves[0]), (), ())
    row, preimage = (
        ("step: no row of a scalar", "step: no preimage of a scalar")
        if op < FIRST_COMPUTED
        else ("step: no row of an output", "step: no preimage of an output")
    )
    with reverts(row):
        give(leaves, leaves[:1], ())
    with reverts(preimage):
        give(leaves, (), (b"x",))
    swapped = (leaves[1], leaves[0], *leaves[2:])
    with pytest.raises(Reverted) as refusal:
        give(swapped, (), ())
    assert refusal.value.reason in output_steps.REFUSALS


def test_each_verifier_takes_its_own_ops_alone() -> None:
    """Rule: INNER-2"""
    case = output_steps.draw_case(random.Random(1), 121)
    step = (*case.step[:5], 121, *case.step[6:])
    with reverts("step: no scalar"):
        bench().scalars.recompute(step, case.raw, case.proof)
    case = output_steps.draw_case(random.Random(1), 116)
    with reverts("step: no computing"):
        bench().compute.recompute(case.step, case.raw, case.proof)
