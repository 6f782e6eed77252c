"""Kernels compiled once, the real model loaded once, and tiny models written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.library import Library
from oyez.engines.exact.locate import find_model
from oyez.engines.exact.weights import Model, load_model
from tests.unit.engine import tiny
from tests.unit.engine.compiled import open_library


@pytest.fixture(scope="session")
def library() -> Library:
    return open_library()


@pytest.fixture(scope="session")
def model_path() -> Path:
    return find_model()


@pytest.fixture(scope="session")
def tiny_paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tiny")
    return {
        name: tiny.write_model(folder / f"{index}.gguf", shape)
        for index, (name, shape) in enumerate(tiny.SHAPES.items())
    }


@pytest.fixture(scope="session")
def tiny_models(tiny_paths: dict[str, Path]) -> dict[str, Model]:
    return {name: load_model(open_gguf(path)) for name, path in tiny_paths.items()}


@pytest.fixture(scope="session")
def real_model(model_path: Path) -> Model:
    return load_model(open_gguf(model_path))
