"""One digest whatever the kernel, the batch and the prefix cache."""

from __future__ import annotations

import hashlib
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from oyez.engines.exact import kernels, spec
from oyez.engines.exact.backend import Backend, Reference
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.library import PATHS, Library
from oyez.engines.exact.logit_run import run_tokens
from oyez.engines.exact.prefix_cache import PrefixCache
from oyez.engines.exact.weights import Model, load_model
from oyez.protocol.errors import Fatal, Invalid
from tests.unit.engine import tiny


def digest_of(model: Model, tokens: list[int]) -> str:
    """The digest from the plain arithmetic, a token at a time."""
    lanes = np.zeros((0, len(model.layers), 2 * model.kv_heads * model.head_size), np.int64)
    digest = hashlib.sha256()
    for token in tokens:
        residuals, fresh = spec.run(model, [token], lanes)
        lanes = np.concatenate([lanes, fresh])
        digest.update(spec.compute_logits(model, residuals[0, -1]).astype("<i4").tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("name", ["plain", "old formats", "K formats", "large sums"])
def test_one_digest_for_every_kernel_batch_and_cache(
    tiny_models: dict[str, Model], library: Library, name: str
) -> None:
    # Rule: ENGINE-28
    model = tiny_models[name]
    tokens = [(7 * i * i + 1) % model.vocabulary for i in range(21)]
    expected = digest_of(model, tokens)
    backends: list[Backend] = [Reference(model)]
    backends += [
        kernels.Kernels(library, model, path, threads)
        for path, threads in product(library.paths, (1, 2))
    ]
    for backend, batch, cached in product(backends, (1, 7, 64), (True, False)):
        if batch > 1 and isinstance(backend, Reference) and (batch, name) != (7, "plain"):
            continue
        cache = PrefixCache() if cached else None
        run = run_tokens(model, backend, tokens, batch=batch, prefix_cache=cache)
        assert run.digest == expected, (backend.kernel, batch, cached)
        assert (run.batch, run.tokens, run.kernel) == (batch, 21, backend.kernel)
        assert run.threads == backend.threads
        whole = 21 if batch == 1 else batch
        half = max(10, 11 if batch == 1 else batch)
        assert run.block == (half if cached else whole)
        if cache is not None:
            assert cache.hits == batch


def test_long_batches_are_cut(tiny_models: dict[str, Model], library: Library) -> None:
    model = tiny_models["plain"]
    backend = kernels.Kernels(library, model)
    assert run_tokens(model, backend, [1, 2, 3], batch=300).digest == digest_of(model, [1, 2, 3])


def test_logits_are_handed_over(tiny_models: dict[str, Model], library: Library) -> None:
    model = tiny_models["wide gates"]
    tokens = [i % model.vocabulary for i in range(150)]
    whole = np.zeros((150, model.vocabulary), np.int32)

    def receive(logits: np.ndarray, at: int) -> None:  # type: ignore[type-arg] # int32 rows
        whole[at : at + len(logits)] = logits

    run = run_tokens(
        model, kernels.Kernels(library, model), tokens, prefix_cache=PrefixCache(), receive=receive
    )
    assert hashlib.sha256(whole.tobytes()).hexdigest() == run.digest
    assert run.block == 75


def test_one_bit_and_one_token_change_the_digest(tmp_path: Path, library: Library) -> None:
    # Rule: ENGINE-28
    path = tiny.write_model(tmp_path / "m.gguf", tiny.SHAPES["K formats"])
    tokens = [5, 9, 200]
    model = load_model(open_gguf(path))
    digests = {run_tokens(model, kernels.Kernels(library, model), tokens).digest}
    digests.add(run_tokens(model, kernels.Kernels(library, model), [5, 9, 201]).digest)
    data = bytearray(path.read_bytes())
    tensor = open_gguf(path).tensors["blk.0.ffn_down.weight"]
    data[tensor.offset + 100] ^= 1
    path.write_bytes(data)
    model = load_model(open_gguf(path))
    digests.add(run_tokens(model, kernels.Kernels(library, model), tokens).digest)
    assert len(digests) == 3


def test_copies_that_differ_stop_the_run(
    tiny_models: dict[str, Model], library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_models["plain"]
    backend = kernels.Kernels(library, model)
    real = backend.run_together

    def broken(parts: object) -> object:
        residuals, lanes = real(parts)  # type: ignore[arg-type] # passed on as it came
        residuals[-1, 0, 3] ^= 1
        return residuals, lanes

    monkeypatch.setattr(backend, "run_together", broken)
    with pytest.raises(Fatal, match="copies of one context differ"):
        run_tokens(model, backend, [1, 2], batch=2)


@pytest.mark.parametrize("tokens", [[], [-1], [300], [True], ["1"], [1.0], [1] * 65, [None]])
def test_wrong_tokens_are_refused(tiny_models: dict[str, Model], tokens: list[int]) -> None:
    # Rule: ENGINE-29
    model = tiny_models["plain"]
    with pytest.raises(Invalid, match="ENGINE-29"):
        run_tokens(model, Reference(model), tokens)


def test_a_cache_cannot_be_extended_twice_at_once(
    tiny_models: dict[str, Model], library: Library
) -> None:
    backend = kernels.Kernels(library, tiny_models["plain"])
    cache = backend.new_cache()
    with pytest.raises(ValueError, match="twice"):
        backend.run_together([(cache, [1]), (cache, [2])])


def test_named_kernels(tiny_models: dict[str, Model], library: Library) -> None:
    # Rule: ENGINE-27
    model = tiny_models["plain"]
    for path in library.paths:
        assert kernels.open_kernel(model, PATHS[path]).kernel == PATHS[path]
    assert kernels.open_kernel(model, "spec").kernel == "spec"
    assert kernels.open_kernel(tiny_models["large sums"], "portable").kernel == "portable"
    here = "neon" in {PATHS[path] for path in library.paths}
    absent = "avx2" if here else "neon"
    with pytest.raises(Invalid, match=f"there is no kernel {absent} here, only spec, portable"):
        kernels.open_kernel(model, absent)


def test_a_kernel_of_a_larger_machine_is_refused(
    tiny_models: dict[str, Model], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Rule: ENGINE-27
    monkeypatch.setattr(Library, "paths", (0,))
    with pytest.raises(Invalid, match="no kernel avx512 here, only spec, portable: name"):
        kernels.open_kernel(tiny_models["plain"], "avx512")
    monkeypatch.setattr(kernels.sources, "get_library_path", lambda: tmp_path / "absent.so")
    with pytest.raises(Invalid, match="only spec: name"):
        kernels.open_kernel(tiny_models["plain"], "portable")
