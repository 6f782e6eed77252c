"""Prompts' and outputs' inner traces: each lane a node makes is the one its step gives."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

from oyez.protocol import schema
from oyez.protocol.inner_frame import Frame, layout_frame
from oyez.protocol.inner_kinds import find_kind
from oyez.protocol.manifest import ModelLimits, encode_manifest, parse_manifest
from oyez.protocol.types import Code, Field, FieldType, Manifest, Role, Segment, SegmentKind
from oyez.testing.scripted import ScriptedEngine
from tests import call_fuzz, prompt_calls
from tests.manifest_cases import SMALLEST, with_fields
from tests.prompt_calls import Call

#: What random calls must be examples of.
EXAMPLES = (
    *(code.name for code in call_fuzz.REACHABLE),
    *("absent cell", "stored cell", "migrated cell"),
    *(f"slot {kind.name}" for kind in SegmentKind),
    *("empty prompt", "empty input shown", "other than ASCII shown"),
    *("other than ASCII put out", "an array put out", "a negative number put out"),
)


def run_one(manifest: Manifest, data: bytes, context: int = 2_046) -> Call:
    """Run one call with this input."""
    rng = random.Random(5)
    engine = ScriptedEngine(context=context)
    shape = engine.shape
    limits = ModelLimits(shape.vocabulary, shape.context, shape.missing)
    parsed = parse_manifest(encode_manifest(manifest), limits)
    entry = dataclasses.replace(call_fuzz.random_entry(rng, 0, parsed), input=data)
    (call,) = prompt_calls.run_calls(rng, engine, {parsed.hash: parsed}, [entry])
    return call


def show(*segments: Segment, size: int = 0, output: int = 1) -> Manifest:
    """Return an action that shows these segments, with a text of so many bytes in its state."""
    boolean = SMALLEST.fields[0]
    texts = [
        Field(b"%03d" % at, FieldType.STRING, Role.KEPT, b"\xc3\xa4" * 200, limit=400)
        for at in range(size // 400)
    ]
    fields = (boolean, *texts)
    return with_fields(
        fields,
        segments=segments,
        max_input=1_024,
        output_tokens=output,
        fixed_positions=2_046,
    )


def literal(*tokens: int) -> Segment:
    return Segment(SegmentKind.LITERAL, tokens)


def test_every_lane_of_a_call_is_its_step_s() -> None:
    """Rule: FRAME-42, FRAME-51"""
    held: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for seed in (2, 5, 9):
        for call in prompt_calls.draw_calls(seed, 6):
            held += prompt_calls.check_call(call)
            seen.update(prompt_calls.describe(call))
    assert min(held[name] for name in prompt_calls.REGIONS) > 1_000
    assert len([code for code in call_fuzz.REACHABLE if seen[code.name]]) > 3


def test_calls_of_all_kinds_obey_their_steps() -> None:
    """Rule: FRAME-42, FRAME-51"""
    seen: Counter[str] = Counter()
    for seed in range(30):
        for call in prompt_calls.draw_calls(seed, 4, context=(640, 300, 2_046)[seed % 3]):
            prompt_calls.check_call(call, 37, seed)
            seen.update(prompt_calls.describe(call))
    assert [example for example in EXAMPLES if not seen[example]] == []


def test_a_token_is_cut_out_of_two_chunks_of_a_state() -> None:
    """Rule: FRAME-39"""
    call = run_one(show(Segment(SegmentKind.STATE), size=1_600), b"")
    text = schema.format_state(call.manifest.fields, call.contents.values)
    spans = prompt_calls.list_spans(call)

    assert len(text) > 1_600
    assert any(start < 1_024 < end for start, end in spans)
    prompt_calls.check_call(call)


def test_an_empty_input_takes_no_token() -> None:
    """Rule: FRAME-37, FRAME-38"""
    for segments in (
        (Segment(SegmentKind.INPUT),),
        (literal(7), Segment(SegmentKind.INPUT)),
        (Segment(SegmentKind.INPUT), literal(7)),
        (Segment(SegmentKind.TIME), Segment(SegmentKind.INPUT), Segment(SegmentKind.VALUE)),
        (),
    ):
        call = run_one(show(*segments), b"")
        prompt = call.contents.prompt
        assert prompt is not None
        assert (len(prompt) > 0) == (len(segments) > 1)
        prompt_calls.check_call(call, 3)


def test_the_context_is_full_to_the_last_position_or_overflows() -> None:
    """Rule: FRAME-40, TRANSITION-6"""
    manifest = show(literal(*[9] * 1_000), Segment(SegmentKind.INPUT), output=26)
    for size in (1_020, 1_021):
        call = run_one(manifest, (b"~!" * 512)[:size])
        assert len(call.records.execution.prompt or ()) == 1_000 + size
        is_over = call.records.execution.code is Code.CONTEXT_OVERFLOW
        assert is_over == (size > 1_020)
        prompt_calls.check_call(call, 5)


def test_every_second_lane_says_where_the_prompt_stands() -> None:
    """Rule: INNER-80"""
    shape = ScriptedEngine().shape
    for frame, region, kinds in (
        (Frame.PROMPT, "cursor", ["prompt token", "prompt cursor", "prompt token"]),
        (Frame.PROMPT, "prompt_head", ["prompt head", "prompt head", None]),
        (Frame.OUTPUT, "parse", ["parsed byte", "parsed magnitude", "parsed byte"]),
    ):
        layout = layout_frame(frame, prompt_calls.HEIGHT)
        leaf = layout.get(region).start
        assert [find_kind(shape, layout, leaf, lane) for lane in range(3)] == kinds


def test_a_prompt_beyond_all_lanes_overflows() -> None:
    """Rule: FRAME-40"""
    call = run_one(show(literal(*[9] * 1_500), Segment(SegmentKind.INPUT)), b"~!" * 512)

    assert call.records.execution.code is Code.CONTEXT_OVERFLOW
    assert len(call.records.execution.prompt or ()) > 2_048
    prompt_calls.check_call(call)
