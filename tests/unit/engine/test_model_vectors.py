"""The known answers in tests/vectors/models: files, roots and logits, on every path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oyez.engines.exact import find_model, known
from oyez.engines.exact.backend import Backend, Reference
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.kernels import Kernels
from oyez.engines.exact.library import Library
from oyez.engines.exact.logit_run import run_tokens
from oyez.engines.exact.prefix_cache import PrefixCache
from oyez.engines.exact.weights import load_model
from tests import model_vectors
from tests.unit.engine import floating

FOLDER = Path(__file__).parents[2] / "vectors" / "models"
ANSWERS: dict[str, Any] = json.loads((FOLDER / "answers.json").read_text())
MODELS: list[dict[str, Any]] = ANSWERS["models"]


@pytest.mark.parametrize("plan", model_vectors.PLANS, ids=lambda plan: plan.name)
def test_files_are_those_of_the_generator(plan: model_vectors.Plan) -> None:
    assert (FOLDER / f"{plan.name}.gguf").read_bytes() == model_vectors.build_file(plan)


@pytest.mark.parametrize("answer", MODELS, ids=lambda answer: answer["file"])
def test_every_path_gives_the_known_answers(answer: dict[str, Any], library: Library) -> None:
    # Rule: ENGINE-28
    # Rule: MODEL-12
    path = FOLDER / answer["file"]
    assert model_vectors.build_answer(path) == answer
    model = load_model(open_gguf(path))
    backends: list[Backend] = [Kernels(library, model, p) for p in library.paths]
    for backend in backends:
        for batch in (1, 5):
            run = run_tokens(
                model, backend, answer["tokens"], batch=batch, prefix_cache=PrefixCache()
            )
            assert run.digest == answer["logits"], (backend.kernel, batch)


@pytest.mark.parametrize("answer", MODELS, ids=lambda answer: answer["file"])
def test_known_answers_are_near_float64(answer: dict[str, Any]) -> None:
    path, tokens = FOLDER / answer["file"], answer["tokens"]
    model = load_model(open_gguf(path))
    reference = Reference(model)
    residuals, _ = reference.run(reference.new_cache(), tokens)
    logits = reference.logits(np.ascontiguousarray(residuals[:, -1])) / 65_536
    expected = floating.forward(path, tokens)
    assert floating.divergence(expected, logits).max() < 2e-5
    assert (expected.argmax(axis=1) == logits.argmax(axis=1)).mean() >= 0.95


def test_known_answer_of_the_installed_model(library: Library) -> None:
    # Rule: MODEL-12
    answer = ANSWERS["installed"]
    assert (answer["sha256"], answer["file"]) == (known.SMOLLM2_SHA256, known.MODEL_WHEEL)
    assert answer["root"] == "0x" + known.MODEL_ROOTS[known.SMOLLM2_SHA256, 2_046].hex()
    model = load_model(open_gguf(find_model()))
    run = run_tokens(model, Kernels(library, model), answer["tokens"])
    assert run.digest == answer["logits"]


def test_vectors_cover_every_row_format() -> None:
    kinds = {
        kind for plan in model_vectors.PLANS for _, kind, _ in model_vectors.list_tensors(plan)
    }
    assert kinds == set(model_vectors.FORMATS)
