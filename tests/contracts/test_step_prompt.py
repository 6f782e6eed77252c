"""Prompts on chain: what each token is, what a step takes no proof for, and what one costs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from eth_abi.abi import decode, encode

from oyez.chain import deploy
from oyez.dispute.step_proof import FRAME_TYPES
from oyez.protocol import trace
from oyez.protocol.inner import DEAD
from oyez.protocol.trace import PAD_INT32, Chunk
from oyez.protocol.types import Manifest, Segment, SegmentKind
from tests import prompt_steps
from tests.contracts.harness import reverts
from tests.manifest_cases import SMALLEST
from tests.prompt_steps import DEEPEST, NEXT_DEEPEST, Case

#: Of a whole transaction that asks one step and nothing else, by op, at its dearest.
MOST_GAS = {96: 360_000, 97: 180_000, 98: 150_000}
CALLER = 0x00DE << 144 | 0xA1B2C3
VALUE, TIME = 2**256 - 1, 1_700_000_007
SEGMENTS = (
    Segment(SegmentKind.LITERAL, (7, 8, 9)),
    Segment(SegmentKind.CALLER),
    Segment(SegmentKind.VALUE),
    Segment(SegmentKind.LITERAL, (11,)),
    Segment(SegmentKind.TIME),
    Segment(SegmentKind.INPUT),
    Segment(SegmentKind.STATE),
)


@cache
def action() -> Manifest:
    """An action that shows all there is."""
    return prompt_steps.publish(
        replace(SMALLEST, segments=SEGMENTS, max_input=100, output_tokens=20, fixed_positions=300)
    )


def build_outer(
    text: bytes = b"", state: bytes = b"", bad: int = -1, manifest: Manifest | None = None
) -> dict[tuple[int, int, int], Chunk]:
    """Return the chunks of entry and state."""
    words = [5] * 12
    words[2:5] = [TIME, 0xABC << 160 | CALLER, VALUE]
    words[7] = int.from_bytes((manifest or action()).hash, "big")
    return {
        (0, 0, 0): trace.encode_int32([1, 0, len(text), bad]),
        (0, 0, 1): trace.encode_words(words),
        (0, 0, 3): trace.encode_bytes(text[:1_024]),
        **{
            (0, 1, 2 + at // 1_024): trace.encode_bytes(state[at : at + 1_024])
            for at in range(0, len(state), 1_024)
        },
    }


def ask_after(
    cursor: int, lane: int, outer: dict[tuple[int, int, int], Chunk], token: int = 0
) -> Case:
    """Return the case of a lane behind a cursor; the token's own lane is given too."""
    own = [PAD_INT32] * 256
    own[1], own[2] = cursor, token
    return prompt_steps.ask(96, 0, lane, outer=outer, own=trace.encode_int32(own))


def read_prompt(outer: dict[tuple[int, int, int], Chunk]) -> list[int]:
    """Return a prompt's tokens, each asked on chain."""
    tokens, cursor = [], 0
    while cursor >= 0:
        found = [ask_after(cursor, lane, outer) for lane in (2, 3)]
        assert [case.ask() for case in found] == [case.value for case in found]
        token, cursor = (case.value for case in found)
        tokens += [token] * (cursor >= 0)
    assert (token, cursor) == (PAD_INT32, -2)
    return tokens


@pytest.mark.parametrize("text", [b"", b"the \xe2\x82\xac is 9", DEEPEST])
def test_a_prompt_is_its_segments_tokens(text: bytes) -> None:
    """Rule: FRAME-35, FRAME-37, FRAME-38, FRAME-39, TRANSITION-1, TRANSITION-2"""
    vocabulary = prompt_steps.build_vocabulary()
    state = b'{"b": true}'
    tokens = [7, 8, 9]
    tokens += vocabulary.greedy(b"0x%040x" % CALLER)
    tokens += [*vocabulary.greedy(b"%d" % VALUE), 11, *vocabulary.greedy(b"%d" % TIME)]
    tokens += [*vocabulary.greedy(text), *vocabulary.greedy(state)]

    assert read_prompt(build_outer(text, state)) == tokens


@cache
def emptied(first: SegmentKind = SegmentKind.INPUT) -> Manifest:
    """An action whose input and state, or state and input, stand between a literal and a number."""
    kinds = (SegmentKind.INPUT, SegmentKind.STATE, SegmentKind.TIME)
    kinds = kinds if first is SegmentKind.INPUT else (kinds[1], kinds[0], kinds[2])
    segments = (SEGMENTS[0], *map(Segment, kinds), SEGMENTS[0])
    return prompt_steps.publish(
        replace(SMALLEST, segments=segments, output_tokens=20, fixed_positions=300)
    )


@pytest.mark.parametrize("state", [b"", b"{}"])
def test_what_has_no_token_is_passed_over(state: bytes) -> None:
    """Rule: FRAME-37, FRAME-38"""
    vocabulary = prompt_steps.build_vocabulary()
    outer = build_outer(b"", state, manifest=emptied())
    outer[0, 1, 2] = trace.encode_bytes(state)
    inner = {("cursor", 3): trace.encode_int32([PAD_INT32] * 255 + [3])}
    text, segment = (state, 2) if state else (b"%d" % TIME, 3)
    first = vocabulary.greedy(text)[0]
    length = len(vocabulary.bytes_of(first))
    after = segment << 16 | length if length < len(text) else (segment + 1) << 16
    for lane, expected in ((0, first), (1, after)):
        own = trace.encode_int32([first] + [PAD_INT32] * 255)
        case = prompt_steps.ask(96, 4, lane, inner=inner, outer=outer, own=own)
        assert case.ask() == case.value == expected
        assert len(case.read.chunks) == 4


@pytest.mark.parametrize(
    ("first", "chunks"), [(SegmentKind.INPUT, 1), (SegmentKind.STATE, 4)], ids=["input", "state"]
)
@pytest.mark.parametrize("beyond", [0, 1, 1_023, 1_024, 50_000])
def test_a_place_behind_a_text_s_last_chunk_reads_none(
    first: SegmentKind, chunks: int, beyond: int
) -> None:
    """What comes next is read in its stead.

    Rule: FRAME-38
    """
    outer = build_outer(b"{}", b"{}", manifest=emptied(first))
    token = prompt_steps.build_vocabulary().greedy(b"{}")[0]
    case = ask_after(1 << 16 | 1_024 * chunks + beyond, 2, outer)
    assert case.ask() == case.value == token
    assert len(case.read.chunks) == 2


def test_a_literal_s_tokens_stand_behind_those_that_are_passed_over() -> None:
    """Rule: FRAME-37"""
    segments = (SEGMENTS[0], Segment(SegmentKind.INPUT), SEGMENTS[3], SEGMENTS[4], SEGMENTS[0])
    manifest = prompt_steps.publish(
        replace(SMALLEST, segments=segments, output_tokens=20, fixed_positions=300)
    )
    outer = build_outer(manifest=manifest)
    for cursor, token in ((3, 11), (1 << 16, 11), (2 << 16, 11), (4 << 16 | 1, 8)):
        case = ask_after(cursor, 2, outer)
        assert case.ask() == case.value == token


@pytest.mark.parametrize("size", [895, 896, 1_023, 1_024, 1_025, 2_048, 4_096])
def test_a_text_ends_where_its_bytes_do(size: int) -> None:
    """Invariant 44: the longest state, too.

    Rule: FRAME-38, FRAME-39
    """
    vocabulary = prompt_steps.build_vocabulary()
    state = (b"~" * 60 + DEEPEST * 33)[: size - 3] + b"..."
    outer, cursor, ends = build_outer(b"", state), 6 << 16, [0]
    while cursor >> 16 == 6:
        found = [ask_after(cursor, lane, outer) for lane in (2, 3)]
        assert [case.ask() for case in found] == [case.value for case in found]
        cursor = found[1].value
        ends.append(ends[-1] + len(vocabulary.bytes_of(found[0].value)))
    assert ends[-1] == size
    assert cursor == 7 << 16
    beyond = ask_after(6 << 16 | size, 3, outer)
    assert beyond.ask() == beyond.value == -2


@pytest.mark.parametrize("start", [895, 896, 1_000, 1_023])
def test_the_longest_token_is_the_last_one_if_no_byte_follows(start: int) -> None:
    """Rule: FRAME-38"""
    for rest, after in ((b"~", 6 << 16 | start + 128), (b"", 7 << 16)):
        outer = build_outer(b"", b"~" * start + DEEPEST + rest)
        case = ask_after(6 << 16 | start, 3, outer)
        assert case.ask() == case.value == after
        assert len(case.read.chunks) == 2 + (start > 895)


def test_a_bad_input_has_no_prompt() -> None:
    """Audit 1 H7: nothing runs on what has no tokens.

    Rule: FRAME-36
    """
    for bad, expected in ((-1, 7), (0, DEAD), (-2, DEAD)):
        first = prompt_steps.ask(96, 0, 0, outer=build_outer(b"a", bad=bad))
        assert first.ask() == first.value == expected
    nothing = prompt_steps.ask(96, 0, 0)
    assert nothing.ask() == nothing.value == DEAD


def test_a_prompt_goes_on_from_the_leaf_before() -> None:
    """Rule: FRAME-36"""
    own = trace.encode_int32([PAD_INT32] * 256)
    for before, expected in ((1, [8, 2]), (-9, [PAD_INT32, -9]), (None, [DEAD, PAD_INT32])):
        inner = {}
        if before is not None:
            inner = {("cursor", 1): trace.encode_int32([PAD_INT32] * 255 + [before])}
        cases = [
            prompt_steps.ask(96, 2, lane, inner=inner, outer=build_outer(), own=own)
            for lane in (0, 1)
        ]
        assert [case.ask() for case in cases] == [case.value for case in cases] == expected


def test_the_prompt_s_tokens_are_counted_where_it_ends() -> None:
    """Rule: FRAME-35"""
    end = 7 << 16
    own = trace.encode_int32([*[3] * 253, end, 4, 5])
    case = prompt_steps.ask(96, 3, 255, outer=build_outer(), own=own)
    assert case.ask() == case.value == -1 - (3 * 128 + 127)


@pytest.mark.parametrize(("count", "fits"), [(0, True), (680, True), (681, False), (2_000, False)])
def test_a_prompt_runs_if_the_output_fits_behind_it(count: int, fits: bool) -> None:
    """Invariant 13: the model has 700 positions, the output takes 20.

    Rule: FRAME-40
    """
    last = trace.encode_int32([PAD_INT32] * 255 + [-1 - count])
    case = prompt_steps.ask(97, 0, 0, inner={("cursor", 15): last}, outer=build_outer())
    assert case.ask() == case.value == (count if fits else PAD_INT32)
    own = trace.encode_int32([case.value])
    ran = prompt_steps.ask(97, 0, 1, outer=build_outer(), own=own)
    assert ran.ask() == ran.value == fits


def test_a_chunk_of_the_record_lives_while_it_has_tokens() -> None:
    """Rule: FRAME-41"""
    cursor = {("cursor", 2): trace.encode_int32([4, 5, 6, 7] + [PAD_INT32] * 252)}
    for ran, lane, expected in ((1, 0, 4), (1, 1, 6), (1, 2, PAD_INT32), (0, 0, DEAD)):
        head = trace.encode_int32([258, ran])
        case = prompt_steps.ask(98, 1, lane, inner={**cursor, ("prompt_head", 0): head})
        assert case.ask() == case.value == expected
    head = trace.encode_int32([256, 1])
    for inner in ({("prompt_head", 0): head}, {}):
        case = prompt_steps.ask(98, 1, 0, inner=inner)
        assert case.ask() == case.value == DEAD


def test_each_wrong_proof_has_its_reason() -> None:
    """Audit 1 H8: two records show that a token is the longest.

    Rule: FRAME-3, FRAME-39, INNER-56
    """
    text = b"the end of all that"
    case = ask_after(5 << 16, 2, build_outer(text))
    plain = ask_after(0, 2, build_outer(text))
    leaves, rows, hint, _ = decode(FRAME_TYPES, case.proof)

    def refuse(reason: str, *parts: object, of: Case = case) -> None:
        with reverts(reason):
            of.ask(proof=encode(FRAME_TYPES, parts))

    refuse("step: wrong openings", leaves[:-1], rows, hint, ())
    refuse("step: wrong openings", (*leaves, leaves[-1]), rows, hint, ())
    refuse("step: wrong openings", leaves[::-1], rows, hint, ())
    wide = find_dearest(96)
    (*first, one, two), both, at, _ = decode(FRAME_TYPES, wide.proof)
    refuse("step: not beside the first", (*first, two, one), both, at, (), of=wide)
    refuse(
        "step: hook at another level", (*first, one, (two[0], two[1][:-1])), both, at, (), of=wide
    )
    refuse("step: a preimage of nothing", leaves, rows, hint, (b"",))
    refuse("step: no record", leaves, (), hint, ())
    refuse("step: the next record too", leaves, rows[:1], hint, ())
    refuse("step: model height", leaves, rows[::-1], hint, ())
    refuse("step: not under the model root", leaves, rows, hint + 1, ())
    shown, _, _, _ = decode(FRAME_TYPES, plain.proof)
    refuse("step: a row for no prompt text", shown, rows, hint, (), of=plain)
    refuse("step: a preimage of nothing", shown, (), 0, (b"\0" * 32,), of=plain)
    with reverts("step: none of the prompt's"):
        case.ask(step=(*case.step[:5], 99, *case.step[6:]))


def test_the_code_is_below_24_000_bytes() -> None:
    assert len(deploy.compile_contract("contracts/StepVerifierPrompt.vy").runtime) < 24_000


def find_dearest(op: int) -> Case:
    """Return the step that reads the most and looks at the longest records."""
    filled = trace.encode_int32([0x7F_FF_FF - lane for lane in range(255)] + [6 << 16 | 1_020])
    assert DEEPEST < NEXT_DEEPEST
    outer = build_outer(b"a" * 90, (b"~" * 1_020 + DEEPEST * 26)[:4_096])
    words = [(1 << 256) - 7 - at for at in range(12)]
    words[7] = int.from_bytes(action().hash, "big")
    outer[0, 0, 1] = trace.encode_words(words)
    inner = {("cursor", at): filled for at in (0, 14)}
    if op == 96:
        return prompt_steps.ask(op, 15, 1, inner=inner, outer=outer, own=filled)
    if op == 97:
        last = trace.encode_int32([0x7F_FF_FF - lane for lane in range(255)] + [-600])
        return prompt_steps.ask(op, 0, 0, inner={("cursor", 15): last}, outer=outer)
    head = trace.encode_int32([600, 1])
    return prompt_steps.ask(op, 7, 0, inner={("prompt_head", 0): head, ("cursor", 14): filled})


@pytest.mark.parametrize("op", sorted(MOST_GAS))
def test_each_step_is_cheap_as_a_transaction(op: int) -> None:
    """Rule: FRAME-35"""
    case = find_dearest(op)
    assert len(case.read.chunks) == {96: 4, 97: 3, 98: 2}[op]
    assert len(case.read.rows) == 2 * (op == 96)
    gas = case.find_gas()
    print(f"op {op}: {gas} gas, {len(case.proof)} bytes of proof")
    assert case.ask() == case.value
    assert 0.85 * MOST_GAS[op] < gas < MOST_GAS[op]
    assert len(case.proof) < 16_384
