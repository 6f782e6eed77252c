"""The example on the real model: the numbers that README and docs/guides/ballot.md state."""

from __future__ import annotations

from pathlib import Path

import pytest

from oyez.author import analyze, calibrate
from oyez.author.compiler import compile_yaml
from oyez.author.tokenizer import AuthorModel, load_author_model
from oyez.engines.exact import ExactEngine, load_engine

EXAMPLES = Path(__file__).parents[3] / "examples"
GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "ballot.md"


def read(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def engine() -> ExactEngine:
    return load_engine()


@pytest.fixture(scope="module")
def model() -> AuthorModel:
    return load_author_model()


def test_the_ballots_biases_are_what_calibrate_makes_of_the_unlabelled_sample(
    engine: ExactEngine, model: AuthorModel
) -> None:
    yaml = read("ballot.yaml")
    samples = analyze.parse_samples(read("ballot/calibration.txt"))
    made = calibrate.calibrate_yaml(
        yaml, samples, model=model, engine=engine, allowed=engine.allowed
    )

    assert made.text == yaml


@pytest.mark.parametrize(
    ("name", "right", "n"), [("inputs.jsonl", 184, 200), ("unseen.jsonl", 115, 120)]
)
def test_the_ballots_accuracy_is_as_stated(
    engine: ExactEngine, model: AuthorModel, name: str, right: int, n: int
) -> None:
    manifest = compile_yaml(read("ballot.yaml"), model=model).manifest
    rows = analyze.parse_labelled(read(f"ballot/{name}"))
    result = analyze.analyze(manifest, rows, engine=engine, allowed=engine.allowed)
    low, high = result.interval

    assert (round(result.accuracy * n), result.n, result.majority) == (right, n, 0.5)
    assert result.accuracy >= 0.85
    line = f"| `{name}` | {n} | {right / n:.3f} | {low:.3f} to {high:.3f} | 0.500 |"
    assert line in GUIDE.read_text(encoding="utf-8")
