"""A random model is a file that an independent reader and the engine take as it was meant."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import gguf
import numpy as np

from oyez.engines.exact import blocks, shape
from oyez.engines.exact.backend import Reference
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.tokens import parse_tokenizer_metadata
from oyez.engines.exact.weights import load_model
from oyez.measure import random_model
from oyez.measure.bench import SIZES
from tests.unit.engine import tiny

SHAPE = shape.Shape(
    layers=3,
    width=64,
    feed_forward=96,
    heads=4,
    kv_heads=2,
    head_size=16,
    vocabulary=300,
    context=128,
    tied=True,
    epsilon=Fraction(1, 100_000),
    rope_base=Fraction(10_000),
    rope_scale=Fraction(1),
    rope_factors=False,
)


def write(folder: Path, seed: int = 1) -> Path:
    other = tiny.write_model(folder / "other.gguf", tiny.SHAPES["plain"])
    path = folder / f"{seed}.gguf"
    random_model.write_random_model(path, SHAPE, parse_tokenizer_metadata(open_gguf(other)), seed)
    return path


def test_the_shape_is_read_again(tmp_path: Path) -> None:
    file = open_gguf(write(tmp_path))
    found = shape.read_shape(file)
    assert abs(found.epsilon - SHAPE.epsilon) < Fraction(1, 10**10)  # a float32 in the file
    assert replace(found, epsilon=SHAPE.epsilon) == SHAPE
    assert parse_tokenizer_metadata(file) == parse_tokenizer_metadata(
        open_gguf(tmp_path / "other.gguf")
    )


def test_an_independent_reader_finds_the_same_tensors(tmp_path: Path) -> None:
    path = write(tmp_path)
    file = open_gguf(path)
    reader = gguf.GGUFReader(path)
    assert {tensor.name for tensor in reader.tensors} == set(file.tensors)
    for tensor in reader.tensors:
        weights = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
        assert np.isfinite(weights).all()
        if "norm" not in tensor.name:
            columns = file.tensors[tensor.name].columns
            assert 0.5 < weights.std() * columns**0.5 < 2
            assert abs(weights.mean()) * columns**0.5 < 0.2


def test_it_runs_on_the_fast_paths_and_is_what_its_seed_says(tmp_path: Path) -> None:
    path, other = write(tmp_path), write(tmp_path, seed=2)
    assert path.read_bytes() == write(tmp_path).read_bytes() != other.read_bytes()
    model = load_model(open_gguf(path))
    assert model.bound < blocks.FLOAT_BOUND
    backend = Reference(model)
    residuals, _ = backend.run(backend.new_cache(), [1, 2, 3])
    logits = backend.logits(residuals[:, -1])
    assert len(np.unique(logits)) > 300


def test_the_sizes_have_as_many_weights_as_they_are_called_after() -> None:
    counts = {
        name: sum(rows * columns for _, rows, columns in size.list_matrices())
        for name, size in SIZES.items()
    }
    assert round(counts["360M"] / 1e6) == 362
    assert round(counts["1B"] / 1e8) == 11
