"""Divergence and loss against hand-made distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from oyez.measure import divergence


def test_log_softmax_is_the_logarithm_of_shares() -> None:
    rows = np.array([[math.log(1), math.log(3)], [1_000.0, 1_000.0], [-2_000.0, 0.0]])
    found = divergence.compute_log_softmax(rows)
    assert np.exp(found[0]) == pytest.approx([0.25, 0.75])
    assert np.exp(found[1]) == pytest.approx([0.5, 0.5])
    assert found[2] == pytest.approx([-2_000.0, 0.0])


def test_a_constant_added_to_all_scores_changes_nothing() -> None:
    rows = np.random.default_rng(1).normal(0, 5, (4, 50))
    moved = divergence.compute_log_softmax(rows + 123.0)
    assert moved == pytest.approx(divergence.compute_log_softmax(rows), abs=1e-9)


def test_divergence_is_the_expected_ones() -> None:
    expected = np.log([[0.5, 0.5], [0.25, 0.75]])
    actual = np.log([[0.25, 0.75], [0.25, 0.75]])
    found = divergence.compute_divergences(expected, actual)
    first = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert found == pytest.approx([first, 0.0], abs=1e-15)
    # it is not symmetric: the expectation is the reference's
    other = divergence.compute_divergences(actual, expected)
    assert other[0] == pytest.approx(0.25 * math.log(0.5) + 0.75 * math.log(1.5))


def test_loss_is_of_each_token_after_those_before_it() -> None:
    predicted = np.log([[0.5, 0.5], [0.1, 0.9], [0.7, 0.3]])
    # after token 0 comes 1 (0.5), after that 0 (0.1); nothing follows the last
    assert divergence.compute_loss(predicted, [0, 1, 0]) == pytest.approx(
        -(math.log(0.5) + math.log(0.1)) / 2
    )
