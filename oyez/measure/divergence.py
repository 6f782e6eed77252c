"""How far scores are from a reference: divergence of the distributions, loss on the text itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def compute_log_softmax(logits: Floats) -> Floats:
    """Return the logarithm of the probabilities of each row, [positions, vocabulary]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def compute_divergences(expected: Floats, actual: Floats) -> Floats:
    """Return the Kullback-Leibler divergence of each row from the expected one, in nats.

    Args:
        expected: logarithms of the reference's probabilities, [positions, vocabulary].
        actual: those that are judged.
    """
    result: Floats = (np.exp(expected) * (expected - actual)).sum(axis=1)
    return result


def compute_loss(predicted: Floats, tokens: Sequence[int]) -> float:
    """Return the mean negative logarithm of each token's probability after those before it.

    Args:
        predicted: logarithms of probabilities after each token, [positions, vocabulary].
        tokens: the text, one token a position, at least two.
    """
    following = np.asarray(tokens[1:])
    return float(-predicted[np.arange(len(following)), following].mean())
