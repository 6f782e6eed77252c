"""How close each engine's scores are to the float64 reference, text by text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oyez.engines import float_reference
from oyez.engines.exact import logit_run
from oyez.engines.exact.backend import Backend
from oyez.engines.exact.gguf import GgufFile
from oyez.engines.exact.weights import Model
from oyez.engines.llama_context import LlamaContext, Part
from oyez.measure import divergence
from oyez.measure.divergence import Floats
from oyez.measure.spread import round_to

#: Q16.
_UNIT = 65_536


def measure_quality(
    *,
    file: GgufFile,
    model: Model,
    backend: Backend,
    context: LlamaContext,
    texts: Mapping[str, Sequence[int]],
    report: Callable[[str], None],
) -> dict[str, Any]:  # Any: numbers by text
    """Return mean divergences and losses by text, and what else tells how close they are.

    Args:
        file: a model, parsed.
        model: the same, loaded.
        backend: of the exact engine, with that model.
        context: of llama.cpp, with that model and room for the longest text in one block.
        texts: tokens by name.
        report: is told what goes on.
    """
    report("float64 reference")
    names = ("kl_exact", "kl_llamacpp", "nll_float", "nll_exact", "nll_llamacpp")
    result: dict[str, dict[str, Any]] = {name: {} for name in names}
    detail: dict[str, dict[str, Any]] = {}
    references = float_reference.compute_logits(file, list(texts.values()))
    for (name, tokens), reference in zip(texts.items(), references, strict=True):
        expected = divergence.compute_log_softmax(reference)
        exact = run_exact(model, backend, tokens)
        context.clear(0)
        floats = context.run([Part(0, 0, tokens, every=True)]).astype(np.float64)
        result["nll_float"][name] = round_to(divergence.compute_loss(expected, tokens), 7)
        detail[name] = {"tokens": len(tokens)}
        for party, logits in (("exact", exact), ("llamacpp", floats)):
            actual = divergence.compute_log_softmax(logits)
            rows = divergence.compute_divergences(expected, actual)
            result[f"kl_{party}"][name] = round_to(float(rows.mean()))
            result[f"nll_{party}"][name] = round_to(divergence.compute_loss(actual, tokens), 7)
            same = expected.argmax(axis=1) == actual.argmax(axis=1)
            detail[name][party] = {
                "kl_max": round_to(float(rows.max())),
                "agreement": round_to(float(same.mean())),
            }
        report(f"{name}: {result['kl_exact'][name]} against {result['kl_llamacpp'][name]}")
    return {**result, "quality": detail}


def run_exact(model: Model, backend: Backend, tokens: Sequence[int]) -> Floats:
    """Return the exact engine's scores after each token, as real numbers."""
    scores = np.empty((len(tokens), model.vocabulary))

    def receive(logits: NDArray[np.int32], at: int) -> None:
        scores[at : at + len(logits)] = logits / _UNIT

    logit_run.run_tokens(model, backend, list(tokens), receive=receive)
    return scores
