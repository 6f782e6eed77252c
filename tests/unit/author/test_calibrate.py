"""Calibration takes a model's preference away and touches nothing but the biases."""

from __future__ import annotations

from fractions import Fraction
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.author.calibrate import calibrate_yaml, compute_biases, format_q16, replace_biases
from oyez.author.compiler import compile_yaml
from oyez.author.reading import read_q16
from oyez.author.yaml_tree import InvalidYaml, Mark, TextNode
from oyez.protocol.errors import Invalid
from tests.unit.author.models import ScriptedEngine, build_tiny_model
from tests.unit.author.yaml_cases import BASE

MOODS = {"bad": -65_536, "good": 65_536}


def prefer_good(text: bytes, token: int) -> int:
    """Score `g` far above `b`, and each a little by how often the input holds its letter."""
    first = (build_tiny_model().vocabulary.tokens[token] or b"?")[:1]
    entry = text.rsplit(b"Entry ", 1)[-1].split(b" paid")[0]
    if first == b'"':
        return 10**9  # a free text closes at once
    return entry.count(first) * 6_553 + (3_000_000 if first == b"g" else 0)


def build_engine() -> ScriptedEngine:
    return ScriptedEngine(build_tiny_model().vocabulary, prefer_good)


# Rule: AUTHOR-17
def test_biases_are_minus_the_mean_logits_centred() -> None:
    result = calibrate_yaml(
        BASE, ["b", "g", "bbb", "x"], model=build_tiny_model(), engine=build_engine()
    )
    means = {"bad": 6_553 * Fraction(4, 4), "good": 6_553 * Fraction(1, 4) + 3_000_000}
    centre = (means["bad"] + means["good"]) / 2

    assert result.field == "mood"
    assert result.samples == 4
    for option, bias in result.biases.items():
        assert abs(bias - (centre - means[option])) <= Fraction(1, 2)


def test_the_calibrated_file_compiles_to_these_biases_and_is_else_the_same() -> None:
    model = build_tiny_model()
    result = calibrate_yaml(BASE, ["b", "g"], model=model, engine=build_engine())
    before, after = BASE.split("\n"), result.text.split("\n")

    fields = compile_yaml(result.text, model=model).manifest.fields
    assert fields[0].biases == tuple(result.biases.values())
    assert [i for i, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == [
        16
    ]


def test_calibrating_twice_changes_nothing_more() -> None:
    model, engine = build_tiny_model(), build_engine()
    once = calibrate_yaml(BASE, ["b", "g"], model=model, engine=engine).text

    assert calibrate_yaml(once, ["b", "g"], model=model, engine=engine).text == once


def test_progress_counts_every_sample() -> None:
    seen: list[tuple[int, int]] = []
    calibrate_yaml(
        BASE,
        ["b", "g", "x"],
        model=build_tiny_model(),
        engine=build_engine(),
        progress=lambda done, count: seen.append((done, count)),
    )

    assert seen == [(1, 3), (2, 3), (3, 3)]


# Rule: AUTHOR-17
@given(
    rows=st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(-(2**31), 2**31), min_size=width, max_size=width),
            min_size=1,
            max_size=6,
        )
    )
)
def test_biased_means_are_equal_up_to_rounding(rows: list[list[int]]) -> None:
    biases = compute_biases(rows)
    columns = zip(*rows, strict=True)
    means = [mean(map(Fraction, column)) + b for column, b in zip(columns, biases, strict=True)]

    assert max(means) - min(means) <= 1
    assert abs(sum(biases)) <= len(biases)


# Rules: AUTHOR-10, AUTHOR-18
@given(number=st.integers(-(2**31) + 1, 2**31 - 1))
def test_a_written_bias_reads_back_exactly(number: int) -> None:
    text = format_q16(number)

    assert read_q16(TextNode(text, "", Mark(1, 1, 0), len(text)), "a bias", 32) == number


# Rule: AUTHOR-18
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (  # flow, replaced
            "state:\n  mood: {type: enum, biases: {bad: 1, good: 2}} # keep\n  n: 1\n",
            "state:\n  mood: {type: enum, biases: {bad: -1.00000, good: 1.00000}} # keep\n  n: 1\n",
        ),
        (  # flow, added
            "state: {mood: {type: enum}}",
            "state: {mood: {biases: {bad: -1.00000, good: 1.00000}, type: enum}}",
        ),
        (  # block, replaced; what follows stays
            "state:\n  mood:\n    biases:\n      bad: 1\n      good: 2\n\n    # x\n    type: x\n",
            "state:\n  mood:\n    biases: {bad: -1.00000, good: 1.00000}\n\n    # x\n    type: x\n",
        ),
        (  # block, added
            "state:\n  mood:   # say\n    type: enum\n    initial: bad\nwrites: [mood]\n",
            "state:\n  mood:   # say\n    biases: {bad: -1.00000, good: 1.00000}\n    type: enum\n"
            "    initial: bad\nwrites: [mood]\n",
        ),
        (  # at the file's end, without a line break
            "state:\n  mood:\n    type: enum\n    biases: {bad: 1, good: 2}",
            "state:\n  mood:\n    type: enum\n    biases: {bad: -1.00000, good: 1.00000}",
        ),
    ],
)  # fmt: skip
def test_only_the_biases_change(old: str, new: str) -> None:
    assert replace_biases(old, "mood", MOODS) == new


def test_options_that_are_no_words_are_quoted() -> None:
    text = replace_biases("state: {m: {type: enum}}", "m", {"very good": 0, "né": 1, "a: b": 2})

    assert '{"very good": 0.00000, "né": 0.00002, "a: b": 0.00003}' in text


@pytest.mark.parametrize("text", ["state: {}", "name: x", "state: {mood: enum}", "[mood]"])
def test_a_field_that_is_not_described_cannot_be_calibrated(text: str) -> None:
    with pytest.raises(InvalidYaml, match="AUTHOR-18"):
        replace_biases(text, "mood", MOODS)


# Rule: AUTHOR-17
def test_too_few_samples_are_refused() -> None:
    with pytest.raises(Invalid, match="at least 2"):
        calibrate_yaml(BASE, ["b"], model=build_tiny_model(), engine=build_engine())


# Rule: AUTHOR-17
def test_biases_too_large_for_the_manifest_are_refused() -> None:
    engine = ScriptedEngine(
        build_tiny_model().vocabulary, lambda text, token: prefer_good(text, token) << 20
    )

    with pytest.raises(Invalid, match="the bias of"):
        calibrate_yaml(BASE, ["b", "g"], model=build_tiny_model(), engine=engine)


LIST = "{type: array, items: 3, of: {type: enum, options: [good, bad]}}"
LISTED = (
    BASE.replace(
        "{type: enum, options: [good, bad], initial: bad, biases: {good: 1.5, bad: -2}}", LIST
    )
    .replace("mood: good", "mood: [good]")
    .replace("mood: bad", "mood: []")
    .replace("old.total + (new.mood == good)", "old.total + 1")
)


def prefer_lists(text: bytes, token: int) -> int:
    """Score as `prefer_good`; an array begins, and ends after an item, unless the input holds x."""
    data = build_tiny_model().vocabulary.tokens[token] or b"?"
    if text.endswith(b"["):
        wants_none = b"x" in text.rsplit(b"Entry ", 1)[-1].split(b" paid")[0]
        return 10**9 * (data == (b"]" if wants_none else b'"'))
    return 10**9 if data == b"]" else prefer_good(text, token)


# Rule: AUTHOR-17
def test_an_array_is_calibrated_at_its_first_item_where_it_has_one() -> None:
    model = build_tiny_model()
    engine = ScriptedEngine(model.vocabulary, prefer_lists)
    alone = calibrate_yaml(BASE, ["b", "g"], model=model, engine=build_engine())
    seen: list[tuple[int, int]] = []
    listed = calibrate_yaml(
        LISTED,
        ["b", "x", "g"],
        model=model,
        engine=engine,
        progress=lambda done, count: seen.append((done, count)),
    )

    assert (listed.field, listed.samples, listed.biases) == ("mood", 2, alone.biases)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    field = compile_yaml(listed.text, model=model).manifest.fields[0]
    assert field.biases == tuple(listed.biases.values())
    assert "of: {biases: {bad: " in listed.text
    with pytest.raises(Invalid, match="has a first item for 1 of the inputs"):
        calibrate_yaml(LISTED, ["b", "x"], model=model, engine=engine)


# Rule: AUTHOR-17
def test_an_array_of_booleans_is_calibrated_with_and_without_items() -> None:
    model = build_tiny_model()
    text = LISTED.replace(LIST, "{type: array, items: 2, of: {type: boolean}}")
    text = text.replace("[good]", "[true]")
    scores = {b"t": 5 << 16, b"f": 1 << 16, b"]": 9 << 16}
    engine = ScriptedEngine(
        model.vocabulary,
        lambda so_far, token: scores.get((model.vocabulary.tokens[token] or b"?")[:1], 0),
    )

    result = calibrate_yaml(text, ["b", "g"], model=model, engine=engine)

    assert result.biases == {"false": 2 << 16, "true": -2 << 16}
    assert result.samples == 2


# Rule: AUTHOR-18
def test_an_arrays_biases_stand_with_its_items() -> None:
    old = "state:\n  mood:\n    type: array\n    of:\n      type: enum\n    items: 3\n"
    biases = "biases: {bad: -1.00000, good: 1.00000}"
    new = old.replace("      type: enum", f"      {biases}\n      type: enum")
    assert replace_biases(old, "mood", MOODS) == new
