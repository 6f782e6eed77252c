"""The float64 reference against another one, made with the gguf package's own weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oyez.engines import float_reference
from oyez.engines.exact.gguf import open_gguf
from tests.unit.engine import floating, tiny

#: Of every row format, tied and not; the weights that float32 cannot hold differ by 2**-24.
NAMES = ("plain", "wide heads", "8-bit matrices", "old formats", "K formats", "half floats")


@pytest.mark.parametrize("name", NAMES)
def test_it_agrees_with_another_reference(name: str, tiny_paths: dict[str, Path]) -> None:
    tokens = np.random.default_rng(3).integers(0, tiny.SHAPES[name].vocabulary, 12).tolist()
    (found,) = float_reference.compute_logits(open_gguf(tiny_paths[name]), [tokens])
    expected = floating.forward(tiny_paths[name], tokens)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_rotation_may_be_scaled_and_divided(tmp_path: Path) -> None:
    factors = (1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 32.0)
    shapes = {
        "factors": (tiny.Shape(seed=5, rope_factors=factors), None),
        "scale": (tiny.Shape(seed=5), {"llama.rope.scaling.type": "linear",
                                       "llama.rope.scaling.factor": 4.0}),
        "base": (tiny.Shape(seed=5), None),
    }  # fmt: skip
    tokens, found = list(range(40)), {}
    for name, (shape, extra) in shapes.items():
        path = tiny.write_model(tmp_path / f"{name}.gguf", shape, extra)
        (found[name],) = float_reference.compute_logits(open_gguf(path), [tokens])
        expected = floating.forward(path, tokens)
        assert np.abs(found[name] - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(found["scale"] - found["base"]).max() > 1e-3
    assert np.abs(found["factors"] - found["base"]).max() > 1e-3


def test_texts_do_not_see_each_other_nor_what_comes_later(tiny_paths: dict[str, Path]) -> None:
    file = open_gguf(tiny_paths["plain"])
    alone = next(float_reference.compute_logits(file, [[1, 2, 3]]))
    longer, again = float_reference.compute_logits(file, [[1, 2, 3, 4], [1, 2, 3]])
    assert again == pytest.approx(alone, abs=1e-12)
    assert longer[:3] == pytest.approx(alone, abs=1e-12)
