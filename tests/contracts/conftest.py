"""Fixtures: the deployed contracts in process, and a published ballot."""

from __future__ import annotations

import pytest

from tests.contracts import harness, manifests


@pytest.fixture
def world() -> harness.World:
    return harness.World(harness.settings())


@pytest.fixture
def ballot(world: harness.World) -> bytes:
    """The id of a published ballot: one shared cell, input up to 512 bytes."""
    return publish(world, manifests.BALLOT)


def publish(world: harness.World, draft: manifests.Draft) -> bytes:
    action_id = world.actions.publish(draft.encode(), sender=harness.AUTHOR)
    assert isinstance(action_id, bytes)
    return action_id
