"""The kernels against the plain arithmetic, bit for bit, on every path this machine has."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from oyez.engines.exact import build, kernels, known, selftest, sources, spec, tables
from oyez.engines.exact.backend import Backend, Reference
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.kernel_cache import KernelCache
from oyez.engines.exact.kernels import Kernels
from oyez.engines.exact.library import PORTABLE, Library
from oyez.engines.exact.tokens import build_vocabulary, parse_tokenizer_metadata
from oyez.engines.exact.weights import Model
from oyez.protocol.errors import Fatal
from tests.unit.engine import tiny

TEXT = (
    'Пять старых кораблей stand in the harbour; 12.5 % of them {"leak": true}.\n'
    "def f(x):\n    return x ** 2  # 平方\n"
)
#: sha256 of all logits (int32, little-endian) after each token of TEXT, as spec.py gives them.
TEXT_LOGITS = "aef1b231cac96d7c9c08452cb89a9046e341c6b10766237d2eb14c3a30fae235"


def paths(library: Library) -> tuple[int, ...]:
    return library.paths


def run(backend: Backend, tokens: list[int], parts: list[int]) -> list[np.ndarray]:  # type: ignore[type-arg]  # of any shape
    """Run tokens cut into parts; return residuals, lanes and the logits after each part."""
    cache, begin = backend.new_cache(), 0
    residuals, lanes, logits = [], [], []
    for part in parts:
        x, kv = backend.run(cache, tokens[begin : begin + part])
        residuals.append(x)
        lanes.append(kv)
        logits.append(backend.logits(np.ascontiguousarray(x[-1, -1])))
        begin += part
    assert begin == len(tokens) == cache.count
    return [np.concatenate(residuals), np.concatenate(lanes), np.stack(logits)]


@pytest.mark.parametrize("name", tiny.SHAPES)
def test_kernels_equal_the_spec_on_whole_tiny_models(
    tiny_models: dict[str, Model], library: Library, name: str
) -> None:
    # Rule: ENGINE-20
    model = tiny_models[name]
    rng = np.random.default_rng(11)
    tokens = rng.integers(0, model.vocabulary, 64).tolist()
    tokens[20:30] = [tokens[20]] * 10
    parts = [29, 1, 2, 3, 4, 5, 17, 3]
    expected = run(Reference(model), tokens, parts)
    for path in paths(library):
        actual = run(Kernels(library, model, path), tokens, parts)
        for ours, theirs in zip(actual, expected, strict=True):
            assert (ours == theirs).all(), f"path {path}"


def test_caches_grow_and_read_nothing_beyond_their_count(
    tiny_models: dict[str, Model], library: Library
) -> None:
    model = tiny_models["wide gates"]
    tokens = [(31 * i * i) % model.vocabulary for i in range(300)]
    expected = run(Reference(model), tokens, [300])
    for path in paths(library):
        backend = Kernels(library, model, path)
        for parts in ([300], [100, 27, 1, 1, 99, 72], [127, 173]):
            assert (run(backend, tokens, parts)[0] == expected[0]).all()
        cache = backend.new_cache()
        cache.reserve(300)
        cache.keys[:], cache.values[:] = -30_000, 30_000
        residuals, _ = backend.run(cache, tokens[:299])
        assert (residuals == expected[0][:299]).all()


@pytest.mark.parametrize("name", ["plain", "old formats", "K formats", "large sums", "half floats"])
@pytest.mark.parametrize("threads", [2, 3, 8])
def test_any_number_of_threads_gives_the_same_bits(
    tiny_models: dict[str, Model], library: Library, name: str, threads: int
) -> None:
    # Rule: ENGINE-30
    model = tiny_models[name]
    tokens = [(13 * i * i + 5) % model.vocabulary for i in range(60)]
    for path in paths(library):
        expected = run(Kernels(library, model, path), tokens, [40, 1, 2, 3, 14])
        backend = Kernels(library, model, path, threads)
        assert backend.threads == threads
        for _ in range(3):
            actual = run(backend, tokens, [40, 1, 2, 3, 14])
            for ours, theirs in zip(actual, expected, strict=True):
                assert (ours == theirs).all(), f"path {path}"


def test_threads_end_with_their_backend(tiny_models: dict[str, Model], library: Library) -> None:
    # Rule: ENGINE-30
    def count() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    gc.collect()
    before = count()
    backend = Kernels(library, tiny_models["plain"], threads=5)
    assert count() == before + 4
    backend.run(backend.new_cache(), [1, 2, 3])
    del backend
    gc.collect()
    assert count() == before


def test_a_forked_process_runs_without_its_threads(
    tiny_models: dict[str, Model], library: Library
) -> None:
    """A fork has the caller's thread alone; nobody waits for workers that never join."""
    # Rule: ENGINE-30
    model = tiny_models["plain"]
    backend = Kernels(library, model, threads=3)
    expected, _ = backend.run(backend.new_cache(), [1, 2, 3])
    child = os.fork()
    if child == 0:
        actual, _ = backend.run(backend.new_cache(), [1, 2, 3])
        os._exit(0 if (actual == expected).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("name", tiny.SHAPES)
def test_no_cut_into_blocks_changes_a_bit(
    tiny_models: dict[str, Model], library: Library, name: str
) -> None:
    # Rule: ENGINE-26
    model = tiny_models[name]
    tokens = [(31 * i) % model.vocabulary for i in range(48)]
    for path in paths(library):
        backend = Kernels(library, model, path)
        whole = run(backend, tokens, [48])
        for parts in ([1] * 48, [47, 1], [5, 16, 16, 11]):
            actual = run(backend, tokens, parts)
            assert (actual[0] == whole[0]).all()
            assert (actual[1] == whole[1]).all()
            assert (actual[2][-1] == whole[2][-1]).all()


def test_some_logits_are_those_of_all(tiny_models: dict[str, Model], library: Library) -> None:
    model = tiny_models["8-bit matrices"]
    ids = np.array([0, 17, 305, 306], np.int32)
    for backend in (Reference(model), *(Kernels(library, model, p) for p in paths(library))):
        residuals, _ = backend.run(backend.new_cache(), [3, 1, 4])
        last = np.ascontiguousarray(residuals[-1, -1])
        assert (backend.logits_of(last, ids) == backend.logits(last)[ids]).all()


def test_kernels_equal_the_spec_on_the_real_model(
    model_path: Path, real_model: Model, library: Library
) -> None:
    # Rule: ENGINE-20
    vocabulary = build_vocabulary(parse_tokenizer_metadata(open_gguf(model_path)))
    tokens = list(vocabulary.greedy(TEXT.encode()))
    reference = Reference(real_model)
    residuals, lanes = reference.run(reference.new_cache(), tokens)
    y = spec.normalise(real_model, residuals[:, -1].astype(np.int64), real_model.output_norm)
    logits = spec.multiply(real_model.head, y, spec.LOGIT_FORMAT, spec.SAT32)
    assert hashlib.sha256(logits.astype("<i4").tobytes()).hexdigest() == TEXT_LOGITS
    for path in paths(library):
        backend = Kernels(library, real_model, path)
        ours, kv = backend.run(backend.new_cache(), tokens)
        assert (ours == residuals).all()
        assert (kv == lanes).all()
        digest = hashlib.sha256()
        for x in ours[:, -1]:
            digest.update(backend.logits(np.ascontiguousarray(x)).astype("<i4").tobytes())
        assert digest.hexdigest() == TEXT_LOGITS


def test_large_sums_run_on_the_integer_path(
    tiny_models: dict[str, Model], library: Library
) -> None:
    # Rule: ENGINE-3
    for name in ("large sums", "K sums in int64"):
        assert Kernels(library, tiny_models[name]).path == PORTABLE
    assert Kernels(library, tiny_models["plain"]).path == library.fastest_path


def test_stored_answers_are_the_specs() -> None:
    # Rule: ENGINE-21
    for model, expected in zip(selftest.build_models(), known.SELF_TEST, strict=True):
        assert selftest.compute_answer(Reference(model), model.vocabulary) == expected


def test_a_cache_grows_one_half_after_the_other(tiny_models: dict[str, Model]) -> None:
    """Three arrays of a cache's size live at once, not four: keys and values hold most memory."""
    cache = KernelCache(tiny_models["plain"])
    tracemalloc.start()
    try:
        cache.reserve(1 << 12)
        cache.reserve((1 << 12) + 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3.3 * cache.keys.nbytes


def test_the_self_tests_tables_are_those_of_the_spec() -> None:
    """Made in float64 where the real ones are made of integers, and no entry is near a tie.

    Rule: ENGINE-21
    """
    for plan in selftest.PLANS:
        made = selftest.build_rope_tables(plan.head_size)
        expected = tables.compute_rope_tables(Fraction(10_000), plan.head_size, selftest.CONTEXT)
        for ours, theirs in zip(made, expected, strict=True):
            assert ours.dtype == theirs.dtype
            assert (ours == theirs).all()
        exponents = np.arange(plan.head_size // 2) / (plan.head_size // 2)
        angles = np.arange(selftest.CONTEXT)[1:, None] * 10_000.0**-exponents
        for part in (np.cos(angles), np.sin(angles)):
            assert np.abs((part * 16_384) % 1 - 0.5).min() > 1e-6


def test_stored_answers_hold_on_every_path(library: Library) -> None:
    # Rule: ENGINE-21
    for model, expected in zip(selftest.build_models(), known.SELF_TEST, strict=True):
        for path in paths(library):
            backend = Kernels(library, model, path)
            assert selftest.compute_answer(backend, model.vocabulary) == expected


def test_wrong_kernels_are_refused(
    library: Library, monkeypatch: pytest.MonkeyPatch, tiny_models: dict[str, Model]
) -> None:
    # Rule: ENGINE-21
    monkeypatch.setattr(known, "SELF_TEST", (*known.SELF_TEST[:-1], "00" * 32))
    with pytest.raises(Fatal, match="wrong answers"):
        kernels.open_backend(tiny_models["plain"])


def test_without_a_library_the_plain_backend_warns(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    tiny_models: dict[str, Model],
) -> None:
    # Rule: ENGINE-20
    monkeypatch.setattr(kernels.sources, "get_library_path", lambda: tmp_path / "absent.so")
    with caplog.at_level(logging.WARNING):
        backend = kernels.open_backend(tiny_models["plain"])
    assert isinstance(backend, Reference)
    assert "python -m oyez.engines.exact.build" in caplog.text


def test_a_change_of_any_source_names_another_library() -> None:
    folder = sources.FOLDER
    assert sorted(sources.SOURCES) == sorted(path.name for path in folder.glob("*.[ch]"))


def test_build_failure_shows_the_compilers_words(tmp_path: Path) -> None:
    script = "import sys; print('no such thing', file=sys.stderr); sys.exit(1)"
    with pytest.raises(Fatal, match="no such thing"):
        build.build_library([sys.executable, "-c", script], tmp_path / "k.so")
    assert not (tmp_path / "k.so").exists()


def test_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Fatal, match="pip install ziglang"):
        build.find_compiler()


def test_caches_fork(tiny_models: dict[str, Model], library: Library) -> None:
    model = tiny_models["plain"]
    for backend in (Reference(model), Kernels(library, model)):
        cache = backend.new_cache()
        backend.run(cache, [1, 2, 3])
        fork = cache.fork()
        first, _ = backend.run(cache, [4, 5])
        second, _ = backend.run(fork, [6])
        again, _ = backend.run(cache.fork(), [7])
        assert (cache.count, fork.count) == (5, 4)
        plain = spec.run(
            model, [1, 2, 3, 6], np.zeros((0, len(model.layers), 2 * 2 * 16), np.int64)
        )[0]
        assert (second[0] == plain[3]).all()
        assert first.shape == (2, 2, 64)
        assert again.shape == (1, 2, 64)
