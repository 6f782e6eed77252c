"""Inbox at the very edge of its bounds: what a change by one, found by mutation, would move."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import publish
from tests.contracts.harness import CALLER, ETHER, World, reverts, settings
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


@pytest.mark.parametrize("second", [0, 1])
def test_a_withdrawal_lets_nothing_out_of_the_bucket(second: int) -> None:
    """The books share a word with the bucket's level and clock: paying changes neither."""
    world = World(settings(max_batch_work=600, leak_per_second=1))
    action_id = publish(world, BALLOT.change(fixed=300))
    world.pass_time(second)
    for _ in range(3):
        world.pass_time(0)
        world.inbox.submit(action_id, b"", b"", bytes(32), 0, value=ETHER)
    with reverts("inbox: busy, seconds to wait: 300"):
        world.inbox.quote(action_id, 0)

    world.inbox.withdraw(CALLER)

    with reverts("inbox: busy, seconds to wait: 300"):
        world.inbox.quote(action_id, 0)


def test_a_batch_that_does_not_exist_is_all_zero(world: World, ballot: bytes) -> None:
    nothing = {"batch_hash": bytes(32), "first_call": 0, "count": 0, "opened_at": 0, "work": 0}
    for number in (0, 2, 2**255):
        assert world.inbox.batch(number) == nothing
    world.inbox.submit(ballot, b"", b"", bytes(32), 0, value=ETHER)
    world.pass_time(10)
    world.inbox.close_batch()
    world.inbox.submit(ballot, b"", b"", bytes(32), 0, value=ETHER)
    assert world.inbox.batch(2).first_call == 1
    for number in (0, 3, 2**255):
        assert world.inbox.batch(number) == nothing


def test_a_level_one_above_the_burst_waits_a_second() -> None:
    world = World(settings(max_batch_work=600, leak_per_second=1))
    action_id = publish(world, BALLOT.change(fixed=300))
    for text in (b"", b"x"):
        world.pass_time(0)
        world.inbox.submit(action_id, b"", text, bytes(32), 0, value=ETHER)

    with reverts("inbox: busy, seconds to wait: 1"):
        world.inbox.quote(action_id, 0)
    world.pass_time(1)
    assert world.inbox.quote(action_id, 0) > 0
