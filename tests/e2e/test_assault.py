"""Five adversaries at once against two honest challengers, each with its home and its own run."""

from __future__ import annotations

from pathlib import Path

from tests import assault
from tests.contracts.test_step_model import tiny
from tests.courts import build_court_action


def test_five_adversaries_fall_and_every_honest_stake_is_back(tmp_path: Path) -> None:
    """One false lane of a layer, one of a sampler, a champion that falls silent, a tree of zeros
    under the true roots, and a false state that follows from one false choice.

    Invariant 1, Invariant 8, Invariant 26, Invariant 27, Audit 1 C2, Audit 1 C3.
    Rule: INNER-75, DUEL-13, CHAL-30, CHAL-35
    """
    engine = tiny("mixed")[0]
    action = build_court_action(engine, 3, temperature=0)
    counts = assault.play(engine, action, [b"a day", b"two"], tmp_path)
    assert counts == {
        "plays": 1,
        "honest stakes back": 3,
        "slashed: layer lane": 1,
        "slashed: sampler lane": 1,
        "slashed: silent champion": 1,
        "slashed: zero tree": 1,
        "slashed: false choice": 1,
    }
