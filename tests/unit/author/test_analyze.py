"""An analysis says what the model chose, with which scores, and how sure the share is."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.author.analyze import (
    Labelled,
    analyze,
    compute_wilson,
    parse_labelled,
    parse_samples,
)
from oyez.author.compiler import compile_yaml
from oyez.author.judging import Judge, find_choice
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Manifest
from tests.unit.author.models import ScriptedEngine, build_tiny_model
from tests.unit.author.yaml_cases import BASE, TAGS


def compile_tiny(*edits: tuple[str, str]) -> Manifest:
    text = BASE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return compile_yaml(text, model=build_tiny_model()).manifest


def count_letter(text: bytes, token: int) -> int:
    """Score a word by how often the entry holds its first letter; close free texts at once."""
    first = (build_tiny_model().vocabulary.tokens[token] or b"?")[:1]
    entry = text.rsplit(b"Entry ", 1)[-1].split(b" paid")[0]
    return 10**9 if first == b'"' else entry.count(first) * 65_536


def build_engine() -> ScriptedEngine:
    return ScriptedEngine(build_tiny_model().vocabulary, count_letter)


LABELLED = (
    Labelled("ggggg", "good"),  # 5 + 1.5 against 0 - 2
    Labelled("bbb", "good"),  # 1.5 against 1
    Labelled("bbbb", "bad"),  # 1.5 against 2
    Labelled("bbb", "bad"),  # 1.5 against 1: wrong
)


def test_numbers_of_an_analysis() -> None:
    result = analyze(compile_tiny(), LABELLED, engine=build_engine())

    assert result.to_summary() == {
        "field": "mood",
        "n": 4,
        "accuracy": 0.75,
        "interval": list(compute_wilson(3, 4)),
        "majority": 0.5,
        "recall": {"bad": 0.5, "good": 1.0},
    }


def test_each_prediction_is_a_line_with_both_options_scores() -> None:
    result = analyze(compile_tiny(), LABELLED, engine=build_engine())
    lines = [json.loads(line) for line in result.iterate_lines()]

    assert [line["prediction"] for line in lines] == ["good", "good", "bad", "good"]
    assert lines[2] == {
        "input": "bbbb",
        "label": "bad",
        "prediction": "bad",
        "scores": {
            "bad": {"score": 2.0, "q16": 131_072},
            "good": {"score": 1.5, "q16": 98_304},
        },
    }


def test_a_label_that_never_occurs_has_no_recall() -> None:
    result = analyze(compile_tiny(), LABELLED[:2], engine=build_engine())

    assert result.recall == {"bad": None, "good": 1.0}
    assert result.majority == 1.0


def test_the_majority_is_the_share_of_the_commonest_label() -> None:
    result = analyze(compile_tiny(), LABELLED[:3], engine=build_engine())

    assert result.majority == 2 / 3


# Rule: AUTHOR-15
def test_scores_are_those_of_the_first_step_of_a_choice() -> None:
    manifest = compile_tiny(
        ("[good, bad]", "[good, bad, bald]"), ("good: 1.5, bad: -2", "good: 0, bad: 0, bald: 0")
    )
    judgement = Judge(manifest, build_engine()).judge("bbl")

    assert judgement.option == "bald"
    assert judgement.logits == (131_072, 131_072, 0)


def test_a_boolean_is_a_choice_too() -> None:
    manifest = compile_tiny(
        ("mood: {type: enum, options: [good, bad], initial: bad, biases: {good: 1.5, bad: -2}}",
         "mood: {type: boolean, initial: false, biases: {false: 0.5, true: 0}}"),
        ("mood: good", "mood: true"), ("mood: bad", "mood: false"),
        ("new.mood == good", "new.mood"),
    )  # fmt: skip
    result = analyze(
        manifest, [Labelled("tt", "true"), Labelled("f", "true")], engine=build_engine()
    )

    assert [p.judgement.option for p in result.predictions] == ["true", "false"]
    assert result.biases == {"false": 32_768, "true": 0}


def test_a_free_text_may_come_before_the_choice() -> None:
    manifest = compile_tiny(
        ("  mood: {", "  note: {type: string, limit: 5}\n  mood: {"),
        ("writes: [mood", "writes: [note, mood"),
        ("output: {mood", "output: {note: x, mood"),
    )

    assert Judge(manifest, build_engine()).judge("bbbbb").option == "bad"


# Rule: AUTHOR-15
@pytest.mark.parametrize(
    ("edits", "hint"),
    [
        (
            (
                ("writes: [mood, reply]", "writes: [reply]"),
                ("mood: good, reply", "reply"),
                ("mood: bad, reply", "reply"),
            ),
            "found: none",
        ),
        (
            (
                ("writes: [mood, reply]", "writes: [mood, open]"),
                ("  open: old.open and new.total < 900\n", ""),
                ("reply: thanks", "open: true"),
                ("reply: sorry", "open: true"),
            ),
            "found: mood, open",
        ),
        (
            (
                ("options: [good, bad]", "options: [bad]"),
                ("good: 1.5, ", ""),
                ("mood: good", "mood: bad"),
                ("new.mood == good", "new.mood == bad"),
            ),
            "one option",
        ),
    ],
)
def test_what_is_no_single_choice_is_refused(edits: tuple[tuple[str, str], ...], hint: str) -> None:
    with pytest.raises(Invalid, match=hint):
        find_choice(compile_tiny(*edits))


# Rule: AUTHOR-15
def test_options_that_all_begin_alike_cannot_be_scored() -> None:
    manifest = compile_tiny(
        ("[good, bad]", "[bald, bad]"), ("good: 1.5", "bald: 1.5"),
        ("mood: good", "mood: bald"), ("== good", "== bald"),
    )  # fmt: skip

    with pytest.raises(Invalid, match="begin with the same token"):
        Judge(manifest, build_engine()).judge("x")


# Rule: AUTHOR-16
@pytest.mark.parametrize(
    ("text", "hint"),
    [("a\nb", "at byte 1"), ("x" * 65, "has 65 bytes"), ("\U00040000", "without tokens")],
)
def test_an_input_no_call_could_bring_stops_the_run(text: str, hint: str) -> None:
    with pytest.raises(Invalid, match=hint):
        analyze(compile_tiny(), [Labelled(text, "bad")], engine=build_engine())


# Rule: AUTHOR-16
def test_an_input_beyond_the_models_context_stops_the_run() -> None:
    manifest, engine = compile_tiny(), build_engine()
    engine.shape = replace(engine.shape, context=manifest.fixed_positions - 40)

    with pytest.raises(Invalid, match="exceed the model's context"):
        Judge(manifest, engine).judge("x" * 64)


# Rule: AUTHOR-16
def test_an_answer_that_does_not_end_stops_the_run() -> None:
    manifest = compile_tiny(("output_tokens: 64", "output_tokens: 20"))

    with pytest.raises(Invalid, match="raise 'output_tokens'"):
        Judge(manifest, build_engine()).judge("x")


# Rule: AUTHOR-19
def test_a_label_that_is_no_option_is_refused_before_the_model_runs() -> None:
    with pytest.raises(Invalid, match=r"label 'fine' of input 2 .* bad, good"):
        analyze(
            compile_tiny(),
            [Labelled("x", "bad"), Labelled("x", "fine")],
            engine=build_engine(),
        )


# Rule: AUTHOR-19
def test_labelled_inputs_are_json_lines() -> None:
    text = '{"input": "a\u2028b", "label": "x", "by": "me"}\r\n\n{"label": "", "input": ""}\n'

    assert parse_labelled(text) == (Labelled("a\u2028b", "x"), Labelled("", ""))


# Rule: AUTHOR-19
@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "there are no inputs"),
        ("\n{", "line 2 is not JSON"),
        ("[1, 2]", "line 1 needs"),
        ('{"input": "a"}', "line 1 needs"),
        ('{"input": 1, "label": "a"}', "line 1 needs"),
        ('{"input": "\\ud800", "label": "a"}', "line 1 needs"),
        ("[" * 100_000, "line 1 is not JSON"),
        ("9" * 5_000, "line 1 is not JSON"),
    ],
)
def test_what_is_no_labelled_input_is_named_by_its_line(text: str, hint: str) -> None:
    with pytest.raises(Invalid, match=hint):
        parse_labelled(text)


# Rule: AUTHOR-20
def test_samples_are_lines_or_json_lines() -> None:
    assert parse_samples('one\n\n  two \n{"input": "three"}\n') == ("one", "two", "three")


# Rule: AUTHOR-20
@pytest.mark.parametrize("line", ["{", '{"text": "x"}', '{"input": 1}', "a \ud800"])
def test_what_is_no_sample_is_named_by_its_line(line: str) -> None:
    with pytest.raises(Invalid, match="line 2"):
        parse_samples(f"fine\n{line}")


# Rule: AUTHOR-21
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_of_the_literature(hits: int, n: int, low: float, high: float) -> None:
    interval = compute_wilson(hits, n)

    assert [round(bound, 4) for bound in interval] == [low, high]


# Rule: AUTHOR-21
@given(counts=st.integers(1, 1_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_mirrors(counts: tuple[int, int]) -> None:
    hits, n = counts
    low, high = compute_wilson(hits, n)
    mirrored = compute_wilson(n - hits, n)

    assert 0 <= low <= hits / n <= high <= 1
    assert math.isclose(low, 1 - mirrored[1], abs_tol=1e-12)


# Rule: AUTHOR-15
def test_an_array_has_no_one_label() -> None:
    manifest = compile_yaml(
        TAGS.replace("writes: [moods, words, flags, marks]", "writes: [moods]")
        .replace(", words: [a], flags: [], marks: [3, -1]", "")
        .replace('        words: ["", "b]"]\n        flags: [true]\n', "")
        .replace("        marks:\n          - 7\n", ""),
        model=build_tiny_model(),
    ).manifest
    assert find_choice(manifest) == 0
    with pytest.raises(Invalid, match="'moods' is an array"):
        analyze(manifest, LABELLED, engine=build_engine())
