"""Extreme lanes, scales and shapes that no other test names: every path equals the spec."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oyez.engines.exact import build
from oyez.engines.exact.backend import Reference
from oyez.engines.exact.blocks import FLOAT_BOUND
from oyez.engines.exact.kernels import Kernels
from oyez.engines.exact.library import PATHS, PORTABLE, Library
from scripts.soak import kernels
from tests.kernel_driver import models, ops, wire
from tests.kernel_driver.build import build_driver
from tests.kernel_driver.models import SCALES, Sizes
from tests.kernel_driver.rows import KINDS


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("driver")
    return str(build_driver(folder / "driver", build.find_compiler(), ["-O1"]))


@st.composite
def sizes(draw: st.DrawFn) -> Sizes:
    """Shapes up to 3 layers; F16 rows have any width, the others what their blocks fill."""
    kv_heads = draw(st.integers(1, 3))
    step = draw(st.sampled_from((1, 32, 256)))
    width = st.integers(8, 96) if step == 1 else st.integers(1, 256 // step).map(lambda n: n * step)
    return Sizes(
        layers=draw(st.integers(1, 3)),
        width=draw(width),
        feed_forward=draw(width),
        heads=kv_heads * draw(st.integers(1, 4)),
        kv_heads=kv_heads,
        head_size=4 * draw(st.integers(8, 32)),
        vocabulary=draw(st.integers(3, 50)),
        kinds=tuple(draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))),
        scales=draw(st.sampled_from(SCALES)),
    )


@given(sizes=sizes(), seed=st.integers(0, 2**32), threads=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_any_shape_with_extreme_weights_runs_alike(
    library: Library, sizes: Sizes, seed: int, threads: int
) -> None:
    # Rule: ENGINE-20
    rng = np.random.default_rng(seed)
    model = models.build_model(rng, sizes)
    tokens = rng.integers(0, model.vocabulary, 24).tolist()
    reference = Reference(model)
    residuals, lanes = reference.run(reference.new_cache(), tokens)
    logits = models.compute_logits(model, residuals)
    for path in library.paths:
        backend = Kernels(library, model, path, threads)
        assert backend.path == (path if model.bound < FLOAT_BOUND else PORTABLE)
        cache, begin = backend.new_cache(), 0
        for count in (13, 1, 2, 3, 5):
            x, kv = backend.run(cache, tokens[begin : begin + count])
            assert (x == residuals[begin : begin + count]).all()
            assert (kv == lanes[begin : begin + count]).all()
            begin += count
        assert (backend.logits(np.ascontiguousarray(residuals[:, -1])) == logits).all()


@pytest.mark.parametrize("seed", range(4))
def test_every_op_on_extreme_lanes(library: Library, driver: str, seed: int) -> None:
    """All +max, all -max, zeros, one huge lane; every shift; scales at the loader's bound."""
    # Rule: ENGINE-20
    rng = np.random.default_rng(seed)
    cases = [case for _ in range(5) for case in ops.build_op_cases(rng)]
    counts = wire.run_cases([driver], cases)
    assert counts["portable: cases"] == len(cases)
    exact = sum(case.mask == wire.EVERY_PATH for case in cases)
    assert len(cases) > exact > 100
    for path in library.paths[1:]:
        assert counts[f"{PATHS[path]}: cases"] == exact


def test_the_driver_runs_whole_models(library: Library, driver: str) -> None:
    # Rule: ENGINE-20
    rng = np.random.default_rng(3)
    drawn = Sizes(2, 64, 96, 4, 2, 36, 21, KINDS[:3], "modest")
    model = models.build_model(rng, drawn)
    case = models.build_model_case("drawn", model, models.draw_steps(rng, 21), 2)
    assert len(wire.run_cases([driver], [case])) == 2 * len(library.paths)


def test_a_wrong_answer_and_a_broken_driver_are_seen(driver: str) -> None:
    case = next(ops.build_op_cases(np.random.default_rng(1)))
    assert case.result is not None
    wrong = wire.OpCase(case.label, case.op, case.numbers, case.arrays, {}, case.result + 1)
    with pytest.raises(AssertionError, match="portable: sum of squares"):
        wire.run_cases([driver], [wrong])
    right = case.arrays[0]
    other = wire.OpCase(case.label, case.op, case.numbers, case.arrays, {0: right + 1}, case.result)
    with pytest.raises(AssertionError, match=r"array 0: .* differ"):
        wire.run_cases([driver], [other])
    with pytest.raises(AssertionError, match="ended with 2"):
        wire.run_cases([driver], [wire.OpCase("no op", 99, (), (), {})])
    assert subprocess.run([driver], input=b"", check=True).returncode == 0


def test_missing_tools_stop_the_soak_and_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="apt-get install qemu-user"):
        kernels.require_tools()
    with pytest.raises(SystemExit, match="apt-get install gcc"):
        kernels.find_watching_compiler()
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "ziglang", raising=False)
    with pytest.raises(SystemExit, match=r"install\.py --soak"):
        kernels.require_tools()
