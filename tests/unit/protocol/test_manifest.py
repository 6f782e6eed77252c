"""The manifest's parser: every bound from both sides, and nothing but Invalid for any bytes."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oyez.protocol import codec
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest import build_constants, encode_manifest, parse_manifest
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.types import (
    CellKind,
    Expression,
    Field,
    FieldType,
    Manifest,
    Op,
    Role,
    Segment,
    SegmentKind,
)
from scripts import make_vectors
from tests.manifest_cases import BALLOT, SMALLEST, array, string, with_fields, with_ops
from tests.manifests import (
    LIMITS,
    Part,
    change_one_part,
    changed,
    damage,
    get_part,
    list_parts,
    random_manifest,
    refusal,
    set_part,
)

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "manifests.json"
SEED = int(os.environ.get("OYEZ_SEED", "1"))
LITERAL = Segment(SegmentKind.LITERAL, (1,))
STATE = Segment(SegmentKind.STATE)


def test_vectors_are_current() -> None:
    assert VECTORS.read_text() == make_vectors.render("manifests.json")


def test_twenty_four_vectors_half_of_them_refused() -> None:
    vectors = json.loads(VECTORS.read_text())
    assert [len(vectors), sum("refused" in vector for vector in vectors)] == [24, 12]
    for vector in vectors:
        data = bytes.fromhex(vector["bytes"])
        assert codec.keccak(data).hex() == vector["hash"]
        assert refusal(data) == vector.get("refused")


def test_parsing_gives_back_what_was_encoded() -> None:
    """Rules: MANIFEST-1, MANIFEST-27."""
    data = encode_manifest(BALLOT)
    manifest = parse_manifest(data, LIMITS)
    assert manifest == replace(
        BALLOT,
        hash=codec.keccak(data),
        state_bytes=len(b'{"mood": "negative", "up": 1000000000}'),
        output_bytes=len(b'{"mood": "negative"}'),
    )
    assert [manifest.prefix, manifest.written] == [(504, 216, 49_151), (0,)]


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_random_valid_manifests_survive_encoding(seed: int) -> None:
    """Rules: MANIFEST-1, MANIFEST-27."""
    manifest = random_manifest(random.Random(seed))
    data = encode_manifest(manifest)
    assert parse_manifest(data, LIMITS) == manifest
    assert manifest.hash == codec.keccak(data)


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_random_bytes_are_refused_politely(data: bytes) -> None:
    """Rule: MANIFEST-1."""
    refusal(data)
    refusal(encode_manifest(BALLOT)[:64] + data)
    refusal(bytes([1, 0, 0, 1]) + data)


def test_damaged_manifests_are_parsed_or_refused_and_nothing_else() -> None:
    """Rule: MANIFEST-1: a parsed one encodes to bytes that parse to it again."""
    rng = random.Random(SEED)
    accepted = 0
    refused: Counter[str] = Counter()
    for _ in range(1_500):
        manifest = random_manifest(rng)
        data = encode_manifest(manifest)
        hostile = damage(rng, data)
        if rng.random() < 0.6:
            _, hostile = change_one_part(rng, manifest, data)
        try:
            parsed = parse_manifest(hostile, LIMITS)
        except Invalid as error:
            refused[error.rule] += 1
            continue
        accepted += 1
        again = parse_manifest(encode_manifest(parsed), LIMITS)
        assert replace(again, hash=parsed.hash) == parsed
    assert accepted > 150
    assert refused.total() > 600
    assert all(rule.startswith("MANIFEST-") for rule in refused)
    assert len(refused) >= 20


def test_length_bounds() -> None:
    """Rule: MANIFEST-1."""
    data = encode_manifest(BALLOT)
    assert refusal(data) is None
    for length in range(len(data)):
        assert refusal(data[:length]) is not None
    assert [refusal(data[:-1]), refusal(data + b"\0")] == ["MANIFEST-1", "MANIFEST-1"]
    room = 12_288 - len(encode_manifest(SMALLEST))
    assert refusal(encode_manifest(replace(SMALLEST, description=b"d" * room))) is None
    too_long = encode_manifest(replace(SMALLEST, description=b"d" * (room + 1)))
    assert refusal(too_long) == "MANIFEST-1"


@pytest.mark.parametrize(
    ("part", "good", "bad", "rule"),
    [
        ("version", [], [0, 2, 255], "MANIFEST-2"),
        ("cell_kind", [2, 3], [0, 4, 255], "MANIFEST-3"),
        ("seed_rule", [1], [2, 255], "MANIFEST-4"),
        ("seed", [], [1, 2**255], "MANIFEST-4"),
        ("temperature", [1, 65_536, 2**32 - 1], [], "MANIFEST-5"),
        ("effects", [], [1, 255], "MANIFEST-6"),
        ("max_input", [0, 1_024], [1_025, 65_535], "MANIFEST-7"),
        ("output_tokens", [1], [0], "MANIFEST-7"),
        ("fields", [], [0, 33, 255], "MANIFEST-8"),
        ("segments", [], [17, 255], "MANIFEST-8"),
        ("literal_tokens", [], [1_537, 65_535], "MANIFEST-8"),
        ("expressions", [], [33, 255], "MANIFEST-8"),
        ("literal_tokens", [], [3, 5], "MANIFEST-19"),
        ("ops", [], [5, 7], "MANIFEST-21"),
        ("name_length", [0, 5, 7, 40], [41, 255], "MANIFEST-10"),
        ("fixed_positions", [20, 2_046], [19, 2_047, 65_535], "MANIFEST-26"),
        ("model", [1, 65_535], [], ""),
        ("upgrade_delay", [0, 1], [], ""),
    ],
)
def test_header_bounds(part: str, good: list[int], bad: list[int], rule: str) -> None:
    """Rules: MANIFEST-2, MANIFEST-3, MANIFEST-4, MANIFEST-5, MANIFEST-6, MANIFEST-7, MANIFEST-8."""
    assert [refusal(changed(BALLOT, "HEADER", part, value)) for value in good] == [None] * len(good)
    assert [refusal(changed(BALLOT, "HEADER", part, value)) for value in bad] == [rule] * len(bad)


def test_a_constant_seed_may_be_anything() -> None:
    """Rule: MANIFEST-4."""
    data = changed(BALLOT, "HEADER", "seed_rule", 1)
    part = next(part for part in list_parts(BALLOT) if part.name == "seed")
    assert [refusal(set_part(data, part, seed)) for seed in (0, 1, 2**256 - 1)] == [None] * 3


def test_counts_of_sections_must_match_the_bytes() -> None:
    """Rule: MANIFEST-1: a count that moves the sections is refused somewhere."""
    for part in ("fields", "segments", "constants", "expressions", "text_bytes"):
        value = get_part(
            encode_manifest(BALLOT), next(p for p in list_parts(BALLOT) if p.name == part)
        )
        for other in (value - 1, value + 1):
            assert refusal(changed(BALLOT, "HEADER", part, other)) is not None


def test_each_computed_field_has_one_expression() -> None:
    """Rule: MANIFEST-18."""
    compute, guard = BALLOT.expressions
    assert refusal(encode_manifest(replace(BALLOT, expressions=(compute,)))) is None
    for expressions in (
        (guard,),
        (compute, compute),
        (replace(compute, target=0),),
        (compute, replace(guard, target=0)),
        (compute, replace(guard, target=2)),
        (compute, replace(guard, target=254)),
    ):
        data = encode_manifest(replace(BALLOT, expressions=expressions))
        assert refusal(data) == "MANIFEST-18"


@pytest.mark.parametrize(
    ("segments", "rule"),
    [
        ((), None),
        ((STATE, LITERAL, Segment(SegmentKind.TIME)), None),
        ((LITERAL, LITERAL), "MANIFEST-19"),
        ((Segment(SegmentKind.LITERAL),), "MANIFEST-19"),
        ((STATE, STATE), "MANIFEST-19"),
        ((STATE, LITERAL, STATE), "MANIFEST-19"),
        ((Segment(SegmentKind.INPUT, (1,)),), "MANIFEST-19"),
        ((LITERAL, STATE) * 8, "MANIFEST-19"),
    ],
)
def test_segments(segments: tuple[Segment, ...], rule: str | None) -> None:
    """Rule: MANIFEST-19."""
    manifest = replace(SMALLEST, segments=segments, fixed_positions=200)
    assert refusal(encode_manifest(manifest)) == rule


def test_unknown_slots_are_refused() -> None:
    """Rule: MANIFEST-19."""
    assert refusal(changed(BALLOT, "SEGMENTS", "kind", 5, 1)) is None
    assert refusal(changed(BALLOT, "SEGMENTS", "kind", 6, 1)) == "MANIFEST-19"


def test_literal_tokens_lie_below_the_vocabulary() -> None:
    """Rule: MANIFEST-20."""
    for token, rule in ((49_151, None), (49_152, "MANIFEST-20"), (2**24 - 1, "MANIFEST-20")):
        assert refusal(changed(BALLOT, "LITERALS", "token", token)) == rule


def test_an_expression_has_1_to_64_ops() -> None:
    """Rule: MANIFEST-21."""
    negations = [Op(OpCode.NEG)]
    assert refusal(encode_manifest(with_ops(Op(OpCode.TIME), *negations * 63))) is None
    assert refusal(encode_manifest(with_ops(Op(OpCode.TIME), *negations * 64))) == "MANIFEST-21"
    assert refusal(encode_manifest(with_ops())) == "MANIFEST-21"


def test_ops_are_known_and_name_what_they_can_read() -> None:
    """Rule: MANIFEST-22."""
    known = {op.value for op in OpCode}
    assert known == {1, 2, 3, 4, 5, 6, 8, 9, *range(16, 31)}
    for code in range(256):
        refused = refusal(encode_manifest(with_ops(Op(OpCode.TIME), Op(code), Op(OpCode.ADD))))
        assert (refused == "MANIFEST-22") == (code not in known or code == OpCode.CONST)
        operand = refusal(encode_manifest(with_ops(Op(code, 1))))
        assert operand == "MANIFEST-22"
    mood = BALLOT.fields[0]
    listed = array(replace(mood, name=b"moods"), 3)
    manifest = with_fields([string(b"s", 3), mood, listed, SMALLEST.fields[0]])
    for code in (OpCode.OLD, OpCode.NEW):
        guards = [(Expression(None, (Op(code, operand),)),) for operand in range(5)]
        assert [refusal(encode_manifest(replace(manifest, expressions=g))) for g in guards] == [
            "MANIFEST-22",
            None,
            "MANIFEST-22",
            None,
            "MANIFEST-22",
        ]
    for index, rule in ((3, None), (4, "MANIFEST-22")):
        reading = Expression(None, (Op(OpCode.CONST, index),))
        constant = replace(BALLOT, expressions=(*BALLOT.expressions, reading))
        assert refusal(encode_manifest(constant)) == rule


def test_stacks_stay_between_1_and_16_and_end_at_1() -> None:
    """Rule: MANIFEST-23."""
    push, add = Op(OpCode.TIME), Op(OpCode.ADD)
    assert refusal(encode_manifest(with_ops(*[push] * 16, *[add] * 15))) is None
    for ops in (
        [push] * 17 + [add] * 16,
        [push, push],
        [add],
        [push, add],
        [Op(OpCode.NEG)],
        [push, push, Op(OpCode.SELECT)],
        [push] * 3,
    ):
        assert refusal(encode_manifest(with_ops(*ops))) == "MANIFEST-23"
    assert refusal(encode_manifest(with_ops(push, push, push, Op(OpCode.SELECT)))) is None


@pytest.mark.parametrize(
    ("kind", "positions"),
    [
        (SegmentKind.STATE, len(b'{"b": false}')),
        (SegmentKind.INPUT, 0),
        (SegmentKind.CALLER, 42),
        (SegmentKind.VALUE, 78),
        (SegmentKind.TIME, 20),
    ],
)
def test_fixed_positions_hold_every_part(kind: SegmentKind, positions: int) -> None:
    """Rule: MANIFEST-26."""
    need = 2 + positions + 7
    manifest = replace(
        SMALLEST,
        segments=(Segment(SegmentKind.LITERAL, (5, 6)), Segment(kind)),
        output_tokens=7,
        fixed_positions=need,
    )
    assert refusal(encode_manifest(manifest)) is None
    less = replace(manifest, fixed_positions=need - 1)
    assert refusal(encode_manifest(less)) == "MANIFEST-26"
    assert refusal(encode_manifest(manifest), replace(LIMITS, context=need)) is None
    assert refusal(encode_manifest(manifest), replace(LIMITS, context=need - 1)) == "MANIFEST-26"


@pytest.mark.parametrize(
    ("manifest", "rule"),
    [
        (replace(BALLOT, constants=(0, 1)), "MANIFEST-27"),
        (replace(BALLOT, model=65_536), "MANIFEST-27"),
        (replace(BALLOT, constants=(*BALLOT.constants, 2**255)), "MANIFEST-27"),
        (replace(BALLOT, name=b"n" * 256), "MANIFEST-27"),
        (with_fields([replace(BALLOT.fields[0], initial=b"maybe")]), "MANIFEST-27"),
        (with_fields([replace(BALLOT.fields[0], biases=(1,))]), "MANIFEST-27"),
        (with_fields([replace(BALLOT.fields[0], biases=(0, 2**31))]), "MANIFEST-27"),
        (replace(SMALLEST, fields=(replace(string(b"s", 1), initial=1),)), "MANIFEST-27"),
        (
            replace(
                SMALLEST,
                fields=(
                    Field(
                        b"a", FieldType.ARRAY, Role.WRITES, (), element=FieldType.INTEGER, items=1
                    ),
                ),
            ),
            "MANIFEST-27",
        ),
    ],
)
def test_what_has_no_bytes_is_not_encoded(manifest: Manifest, rule: str) -> None:
    """Rule: MANIFEST-27."""
    with pytest.raises(Invalid) as caught:
        encode_manifest(manifest)
    assert caught.value.rule == rule


def test_biases_not_given_are_zeros() -> None:
    """Rule: MANIFEST-27."""
    fields = [replace(field, biases=()) for field in (BALLOT.fields[0], SMALLEST.fields[0])]
    parsed = parse_manifest(encode_manifest(with_fields(fields)), LIMITS)
    assert [field.biases for field in parsed.fields] == [(0, 0), (0, 0)]


def test_a_prompt_may_be_empty_or_begin_with_a_slot() -> None:
    """Rule: MANIFEST-19."""
    assert parse_manifest(encode_manifest(SMALLEST), LIMITS).prefix == ()
    slot_first = replace(SMALLEST, segments=(Segment(SegmentKind.INPUT), LITERAL))
    fixed = replace(slot_first, fixed_positions=2)
    assert parse_manifest(encode_manifest(fixed), LIMITS).prefix == ()


def test_constants_are_shared() -> None:
    """Rule: MANIFEST-27."""
    count = BALLOT.fields[1]
    other = replace(count, name=b"down")
    assert build_constants([count, other], [1, 0, 1]) == (0, 10**9, 0, 1)
    with pytest.raises(Invalid, match="begins with a number"):
        build_constants([replace(count, initial=b"0")])
    # an array reads no initial number: any row of its range serves it
    started = replace(count, name=b"on", initial=7)
    many = array(replace(count, role=Role.WRITES), 3)
    assert build_constants([started, many]) == (0, 10**9, 7)
    assert build_constants([many]) == (0, 10**9, 0)
    assert build_constants([many], [10**9, 0, 10**9 + 1]) == (0, 10**9, 0, 10**9 + 1)


def test_parts_cover_every_bit() -> None:
    manifest = parse_manifest(encode_manifest(BALLOT), LIMITS)
    parts = list_parts(manifest)
    assert sum(part.bits for part in parts) == 8 * len(encode_manifest(BALLOT))
    assert parts[0] == Part("HEADER", "version", 0, 8)
    assert manifest.cell_kind is CellKind.SHARED
