"""Inbox at the very edge of its bounds: what a change by one, found by mutation, would move."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import publish
from tests.contracts.harness import ETHER, World, reverts, settings
from tests.contracts.manifests import BALLOT


@pytest.mark.parametrize(
    ("work", "leak", "most", "least"),
    [(16, 1, 10, 2), (2**32 - 1, 2**32 - 1, 10, 10), (65_536, 250, 0, 0)],
)
def test_the_constructor_takes_the_last_settings_that_work(
    world: World, work: int, leak: int, most: int, least: int
) -> None:
    inbox = world.deploy(
        "contracts/Inbox.vy",
        *(world.actions.address, world.rollup.address, work, leak, most, least),
    )

    found = inbox.max_batch_work(), inbox.max_batch_seconds(), inbox.min_batch_seconds()
    assert found == (work, most, least)


def test_a_call_of_exactly_a_batchs_work_is_the_last_that_fits() -> None:
    draft = BALLOT.change(max_input=20)
    world = World(settings(max_batch_work=draft.need(64) + 9))
    action_id = publish(world, draft)

    assert world.inbox.quote(action_id, 9) > 0
    with reverts("inbox: call above a batch's work"):
        world.inbox.quote(action_id, 10)
    with reverts("inbox: call above a batch's work"):
        world.inbox.submit(action_id, b"", b"x" * 10, bytes(32), 0, value=ETHER)
    assert world.inbox.submit(action_id, b"", b"x" * 9, bytes(32), 0, value=ETHER) == 0
