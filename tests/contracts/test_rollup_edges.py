"""Rollup at the very edge of its bounds: what a change by one, found by mutation, would move."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import pytest

from oyez.protocol import codec, sparse
from oyez.protocol.state import AbsenceProof
from oyez.protocol.types import Hash32
from tests.contracts.harness import CURATOR, ETHER, World, settings
from tests.contracts.proposals import noise
from tests.contracts.test_proofs import ACTION, MANIFEST, finalized, k_of, key_of


@pytest.mark.parametrize(
    "changes",
    [
        {"challenge_window": 1, "response_window": 0},
        {"challenge_window": 2**23 - 1},
        {"response_window": 599},
        {"stake": 4},
        {"curator": CURATOR, "model_delay": 600},
        {"model_delay": 0},
        {"sequencer_grace": 0},
    ],
)
def test_the_constructor_takes_the_last_settings_that_are_safe(changes: dict[str, Any]) -> None:
    world = World(settings(**changes))

    found = world.rollup.settings()
    assert found.stake == changes.get("stake", ETHER)
    assert found.challenge_window == changes.get("challenge_window", 600)
    assert found.response_window == changes.get("response_window", 120)
    assert found.sequencer_grace == changes.get("sequencer_grace", 60)


def test_a_leaf_off_the_keys_path_proves_no_absence_even_under_a_root_that_holds_it() -> None:
    """Rule: ROLLUP-13: only a false root could hold it; the path is compared all the same."""
    first = {key_of(cell)[0] >> 7: cell for cell in range(20)}
    asked, other = key_of(first[0]), key_of(first[1])
    leaf = codec.compute_cell_leaf(other, MANIFEST, Hash32(bytes(32)), 1)
    beside = Hash32(noise("beside"))
    world = finalized(codec.keccak(leaf + beside))
    shown = AbsenceProof(other, MANIFEST, Hash32(bytes(32)), 1, (beside,))

    assert sparse.fold_sparse(asked, leaf, shown.siblings) == world.rollup.state_root(1)
    assert not world.rollup.verify_absent(1, ACTION, k_of(first[0]), dataclasses.astuple(shown))
    near = replace(shown, other_key=Hash32(bytes([other[0] & 0x7F]) + other[1:]))
    leaf = codec.compute_cell_leaf(near.other_key, MANIFEST, Hash32(bytes(32)), 1)
    world = finalized(codec.keccak(leaf + beside))
    assert world.rollup.verify_absent(1, ACTION, k_of(first[0]), dataclasses.astuple(near))
