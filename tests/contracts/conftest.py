"""Fixtures: the deployed contracts in process, a published ballot, a chain that judges quotes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts import harness, manifests
from tests.devnet import Anvil
from tests.tdx_chain import TdxChain
from tests.tdx_submissions import NOW, PLATFORM, ROOT


@pytest.fixture
def world() -> harness.World:
    return harness.World(harness.settings())


@pytest.fixture
def ballot(world: harness.World) -> bytes:
    """The id of a published ballot: one shared cell, input up to 512 bytes."""
    return publish(world, manifests.BALLOT)


@pytest.fixture(scope="module")
def node() -> Iterator[TdxChain]:
    with Anvil(timestamp=NOW) as node:
        chain = TdxChain(node, ROOT)
        chain.submit_all(PLATFORM.collateral(NOW))
        yield chain


@pytest.fixture
def chain(node: TdxChain) -> Iterator[TdxChain]:
    """A chain with the usual collateral of a day ago."""
    mark = node.node.snapshot()
    yield node
    node.node.restore(mark)


def publish(world: harness.World, draft: manifests.Draft) -> bytes:
    action_id = world.actions.publish(draft.encode(), sender=harness.AUTHOR)
    assert isinstance(action_id, bytes)
    return action_id
