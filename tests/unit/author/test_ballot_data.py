"""The ballot's data sets: balanced, disjoint, within the action's input rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

BALLOT = Path(__file__).parents[3] / "examples" / "ballot"


def read_labelled(name: str) -> list[tuple[str, str]]:
    lines = (BALLOT / name).read_text(encoding="utf-8").splitlines()
    return [(row["input"], row["label"]) for row in map(json.loads, lines)]


def read_labelled_texts() -> list[str]:
    names = ("inputs.jsonl", "unseen.jsonl")
    return [text for name in names for text, _ in read_labelled(name)]


def read_calibration() -> list[str]:
    return (BALLOT / "calibration.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(("name", "count"), [("inputs.jsonl", 200), ("unseen.jsonl", 120)])
def test_labelled_sets_are_class_balanced(name: str, count: int) -> None:
    labels = [label for _, label in read_labelled(name)]

    assert len(labels) == count
    assert labels.count("positive") == labels.count("negative") == count // 2


def test_no_text_stands_in_two_sets_or_twice_in_one() -> None:
    labelled = read_labelled_texts()
    texts = [text.casefold() for text in labelled + read_calibration()]

    assert len(read_calibration()) == 80
    assert len(set(texts)) == len(texts)


def test_texts_are_sentences_an_inbox_would_take() -> None:
    labelled = read_labelled_texts()

    for text in labelled + read_calibration():
        assert 4 <= len(text.split()) <= 25, text
        assert text == text.strip()
        assert len(text.encode()) <= 256, text
        assert all(character.isprintable() for character in text), text
