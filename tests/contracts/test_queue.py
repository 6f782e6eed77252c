"""The open batch's tree at every count there is, closed there and then."""

from __future__ import annotations

from oyez.protocol.constants import MAX_BATCH_ENTRIES
from tests.contracts.conftest import publish
from tests.contracts.harness import World, settings
from tests.contracts.test_batches import CHEAP, check_closed, submit


def test_a_batch_of_any_size_has_pythons_root() -> None:
    """Each level of the root is a line of its own in the contract: none may be another's."""
    world = World(settings(max_batch_work=2**31))
    action_id = publish(world, CHEAP)
    leaves = []
    for _ in range(MAX_BATCH_ENTRIES):
        leaves.append(submit(world, action_id))
        world.pass_time(10)
        mark = world.evm.snapshot()
        world.inbox.close_batch()
        check_closed(world, world.event("BatchClosed"), leaves)
        assert world.inbox.batch(2).first_call == len(leaves)
        assert world.inbox.open_batch() == 2
        world.evm.revert(mark)
        world.pass_time(-10, blocks=-1)  # else the next call would close the batch first
    assert len(leaves) == 256
