"""Inbox: how a batch closes, its one content, and races for it."""

from __future__ import annotations

import itertools

import pytest

from oyez.protocol import codec, merkle
from oyez.protocol.types import BatchHeader, BatchNumber, CallId, Entry, EntryKind, Hash32
from tests.contracts.conftest import publish
from tests.contracts.harness import (
    CALLER,
    ETHER,
    SEQUENCER,
    START,
    STRANGER,
    Event,
    World,
    reverts,
    settings,
)
from tests.contracts.manifests import BALLOT, Draft, enum, string

ZERO = bytes(32)
CHEAP = BALLOT.change(output_tokens=1)


def entry_of(queued: dict[str, object]) -> Entry:
    args = {name: value for name, value in queued.items() if name != "batch"}
    return Entry(**{**args, "kind": EntryKind(args["kind"])})  # type: ignore[arg-type]  # an event by name


def submit(world: World, action_id: bytes, text: bytes = b"", sender: bytes = CALLER) -> Hash32:
    """Queue a call and return its entry's hash as Python computes it."""
    world.inbox.submit(action_id, b"", text, ZERO, 0, value=ETHER, sender=sender)
    return codec.compute_entry_hash(entry_of(world.event("CallQueued")))


def check_closed(world: World, closed: dict[str, object], leaves: list[Hash32]) -> None:
    """Assert that BatchClosed and the view agree with Python over these entries."""
    n = int(str(closed["batch"]))
    header = BatchHeader(
        BatchNumber(n),
        CallId(int(str(closed["first_call"]))),
        len(leaves),
        int(str(closed["opened_at"])),
        Hash32(world.prevrandao),
        merkle.compute_root(leaves, 8),
    )
    assert closed["count"] == len(leaves)
    assert closed["prevrandao"] == world.prevrandao
    assert closed["entries_root"] == header.entries_root
    assert closed["batch_hash"] == codec.compute_batch_hash(header)
    batch = world.inbox.batch(n)
    assert (batch.batch_hash, batch.first_call, batch.count, batch.opened_at) == (
        closed["batch_hash"],
        closed["first_call"],
        closed["count"],
        closed["opened_at"],
    )


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 100, 128, 255, 256])
def test_the_entries_root_is_pythons(count: int) -> None:
    """Rule: INBOX-8"""
    world = World(settings(max_batch_work=2**31))
    action_id = publish(world, CHEAP)
    leaves = [submit(world, action_id, b"%d" % i) for i in range(count)]
    world.pass_time(10)
    world.inbox.close_batch(sender=STRANGER)

    check_closed(world, world.event("BatchClosed"), leaves)


def test_a_full_batch_leaves_nothing_behind() -> None:
    """256 entries put their root where a frontier node was; the next batch does not see it.

    Invariant 42
    """
    world = World(settings(max_batch_work=2**31))
    action_id = publish(world, CHEAP)
    for _ in range(256):
        submit(world, action_id)
    world.pass_time(1)
    leaves = [submit(world, action_id)]
    assert world.event("BatchClosed")["count"] == 256
    first = world.event("BatchClosed")["first_call"]
    leaves += [submit(world, action_id) for _ in range(2)]
    world.pass_time(10)
    world.inbox.close_batch()

    closed = world.event("BatchClosed")
    assert closed["first_call"] == first + 256
    check_closed(world, closed, leaves)


def test_closing_binds_the_closing_block(world: World, ballot: bytes) -> None:
    """Audit 1 M3, Audit 2 H6. Rule: INBOX-6"""
    leaf = submit(world, ballot)
    before = world.prevrandao
    world.pass_time(10)
    world.inbox.close_batch(sender=STRANGER)

    closed = world.event("BatchClosed")
    assert closed["prevrandao"] == world.prevrandao != before
    assert closed["closed_by"] == STRANGER
    assert closed["opened_at"] == START
    check_closed(world, closed, [leaf])


def test_never_in_the_block_of_its_last_entry(world: World, ballot: bytes) -> None:
    """Audit 1 M3, Audit 2 H6: nobody knows the seed when he submits."""
    world.rollup.deposit_stake(sender=SEQUENCER, value=ETHER)
    submit(world, ballot)
    world.pass_time(9, blocks=1)
    submit(world, ballot)
    with reverts("inbox: full until the next block"):
        world.inbox.close_batch(sender=SEQUENCER)
    world.pass_time(0, blocks=1)
    world.inbox.close_batch(sender=SEQUENCER)


def test_a_call_a_block_does_not_keep_a_batch_open(world: World, ballot: bytes) -> None:
    """Whoever stands before the closer in every block closes the batch himself once it is old.

    Rule: INBOX-7
    """
    leaves = []
    for _ in range(10):
        leaves.append(submit(world, ballot))
        world.pass_time(1)
    submit(world, ballot, sender=STRANGER)

    check_closed(world, world.event("BatchClosed"), leaves)
    assert world.event("CallQueued")["batch"] == 2
    assert [world.inbox.batch(n).count for n in (1, 2)] == [10, 1]
    submit(world, ballot)
    assert [world.inbox.batch(n).count for n in (1, 2)] == [10, 2]


def test_who_closes_when(world: World, ballot: bytes) -> None:
    """Rule: INBOX-7"""
    world.rollup.deposit_stake(sender=SEQUENCER, value=ETHER)
    with reverts("inbox: no entries to close"):
        world.inbox.close_batch(sender=SEQUENCER)
    submit(world, ballot)
    world.pass_time(1)
    with reverts("inbox: sequencer too early"):
        world.inbox.close_batch(sender=SEQUENCER)
    world.pass_time(1)
    with reverts("inbox: too early to close"):
        world.inbox.close_batch(sender=STRANGER)
    world.inbox.close_batch(sender=SEQUENCER)
    assert world.event("BatchClosed")["closed_by"] == SEQUENCER
    with reverts("inbox: no entries to close"):
        world.inbox.close_batch(sender=SEQUENCER)

    submit(world, ballot)
    world.pass_time(9)
    with reverts("inbox: too early to close"):
        world.inbox.close_batch(sender=STRANGER)
    world.pass_time(1)
    world.inbox.close_batch(sender=STRANGER)


def test_a_sequencer_without_a_stake_closes_like_anyone(world: World, ballot: bytes) -> None:
    submit(world, ballot)
    world.pass_time(9)
    with reverts("inbox: too early to close"):
        world.inbox.close_batch(sender=SEQUENCER)
    world.pass_time(1)
    world.inbox.close_batch(sender=SEQUENCER)


def test_the_sequencer_closes_at_most_once_per_period(world: World, ballot: bytes) -> None:
    """Audit 2 M1: thin batches are rare."""
    world.rollup.deposit_stake(sender=SEQUENCER, value=ETHER)
    closings = []
    for _ in range(40):
        if world.inbox.batch(world.inbox.open_batch()).count == 0:
            submit(world, ballot)
        world.pass_time(1)
        try_close(world, closings)

    gaps = [b - a for a, b in itertools.pairwise(closings)]
    assert closings
    assert min(gaps) >= 2


def try_close(world: World, closings: list[int]) -> None:
    batch = world.inbox.batch(world.inbox.open_batch())
    if world.now - batch.opened_at >= 2:
        world.inbox.close_batch(sender=SEQUENCER)
        closings.append(world.now)
    else:
        with reverts("inbox: sequencer too early"):
            world.inbox.close_batch(sender=SEQUENCER)


def test_a_race_to_close_has_one_winner(world: World, ballot: bytes) -> None:
    submit(world, ballot)
    world.pass_time(10)
    world.inbox.close_batch(sender=STRANGER)
    with reverts("inbox: no entries to close"):
        world.inbox.close_batch(sender=CALLER)
    assert world.inbox.open_batch() == 2


def closed_by_submit(world: World) -> list[Event]:
    return [log for log in world.logs if log.name == "BatchClosed"]


def test_submit_closes_a_batch_of_256() -> None:
    world = World(settings(max_batch_work=2**31))
    action_id = publish(world, CHEAP)
    leaves = [submit(world, action_id) for _ in range(256)]
    with reverts("inbox: full until the next block"):
        world.inbox.submit(action_id, b"", b"", ZERO, 0, value=ETHER)
    world.pass_time(0, blocks=1)
    submit(world, action_id, sender=STRANGER)

    assert [log.name for log in world.logs] == ["BatchClosed", "CallQueued"]
    closed = world.event("BatchClosed")
    assert closed["closed_by"] == STRANGER
    check_closed(world, closed, leaves)
    assert world.event("CallQueued")["batch"] == 2
    assert world.event("CallQueued")["call_id"] == 256


def test_work_may_fill_a_batch_exactly() -> None:
    world = World(settings(max_batch_work=500, leak_per_second=10**6))
    action_id = publish(world, BALLOT.change(fixed=200))
    submit(world, action_id)
    world.pass_time(1)
    submit(world, action_id, b"x" * 100)
    assert closed_by_submit(world) == []
    assert world.inbox.batch(1).work == 500
    world.pass_time(1)
    submit(world, action_id)
    assert len(closed_by_submit(world)) == 1
    assert (world.inbox.batch(1).work, world.inbox.batch(2).work) == (500, 200)


def test_output_bytes_may_fill_a_batch_exactly() -> None:
    """Audit 1 H5: 98,304 bytes are 96 outputs of 1,024: the 97th closes."""
    world = World(settings(max_batch_work=2**31))
    wide = Draft(rows=(string(b"a", 512), string(b"b", 494)))
    assert wide.output_bytes() == 1_024
    action_id = publish(world, wide.change(output_tokens=1))
    for _ in range(96):
        submit(world, action_id)
    world.pass_time(1)
    submit(world, action_id)

    assert world.event("BatchClosed")["count"] == 96
    small = publish(world, Draft(rows=(enum(b"m", b"a"),)))
    submit(world, small)
    assert world.inbox.batch(2).count == 2
