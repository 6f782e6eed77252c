"""Inbox: submission, prices, and what each check refuses."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from eth_utils.crypto import keccak

from oyez.chain.deploy import ListedModel
from oyez.protocol import constants
from tests.contracts.conftest import publish
from tests.contracts.harness import (
    AUTHOR,
    CALLER,
    ETHER,
    ROOT,
    SHAPE,
    START,
    STRANGER,
    World,
    reverts,
    settings,
)
from tests.contracts.manifests import BALLOT

FIXED = BALLOT.need(64)
ZERO = bytes(32)
BASE, PRICE = 10**15, 10**11
BURST, LEAK = 65_536, 100


def fee_of(work: int, level: int = 0) -> int:
    step = level * 16 // BURST
    return BASE + PRICE * work + PRICE * work * 15 * step * step // 256


def test_submit_queues_a_call(world: World, ballot: bytes) -> None:
    """Rule: INBOX-1"""
    world.pass_time(5)
    fee = world.inbox.quote(ballot, 5)
    call_id = world.inbox.submit(ballot, b"", b"hello", ZERO, 0, value=fee)

    assert call_id == 0
    assert fee == fee_of(FIXED + 5)
    assert world.event("CallQueued") == {
        "call_id": 0,
        "batch": 1,
        "action_id": ballot,
        "kind": 1,
        "caller": CALLER,
        "value": 0,
        "fee": fee,
        "manifest_hash": keccak(BALLOT.encode()),
        "timestamp": START + 5,
        "cell": b"",
        "input": b"hello",
    }
    assert world.inbox.batch(1) == {
        "batch_hash": ZERO,
        "first_call": 0,
        "count": 1,
        "opened_at": START + 5,
        "work": FIXED + 5,
    }
    assert world.inbox.open_batch() == 1
    assert world.inbox.call_count() == 1
    assert world.inbox.escrow() == fee
    assert world.inbox.total_credits() == 0


def test_ids_count_up_over_batches(world: World, ballot: bytes) -> None:
    ids = []
    for _ in range(3):
        ids += [world.inbox.submit(ballot, b"", b"", ZERO, 0, value=ETHER) for _ in range(2)]
        world.pass_time(10)
        world.inbox.close_batch()

    assert ids == list(range(6))
    assert [world.inbox.batch(n).first_call for n in (1, 2, 3, 4)] == [0, 2, 4, 6]
    assert [world.inbox.batch(n).count for n in (1, 2, 3, 4, 5)] == [2, 2, 2, 0, 0]
    assert world.inbox.batch(0) == world.inbox.batch(5)


def test_what_is_paid_above_the_fee_is_credited(world: World, ballot: bytes) -> None:
    fee = world.inbox.quote(ballot, 0)
    world.inbox.submit(ballot, b"", b"", ZERO, 0, value=fee + 7)
    world.inbox.submit(ballot, b"", b"", ZERO, 0, value=fee + 5)
    world.inbox.submit(ballot, b"", b"", ZERO, 0, value=fee + 3, sender=STRANGER)

    assert world.inbox.credit(CALLER) == 12
    assert world.inbox.credit(STRANGER) == 3
    assert world.inbox.total_credits() == 15
    assert world.inbox.escrow() == 3 * fee
    assert world.balance(world.inbox.address) == 3 * fee + 15


def test_too_low_a_fee(world: World, ballot: bytes) -> None:
    fee = world.inbox.quote(ballot, 9)
    for paid in (0, fee - 1):
        with reverts("inbox: fee too low"):
            world.inbox.submit(ballot, b"", b"x" * 9, ZERO, 0, value=paid)
    assert world.inbox.call_count() == 0
    assert world.balance(world.inbox.address) == 0


def test_an_unknown_action(world: World) -> None:
    with reverts("actions: unknown action"):
        world.inbox.submit(ZERO, b"", b"", ZERO, 0, value=ETHER)
    with reverts("actions: unknown action"):
        world.inbox.quote(ZERO, 0)


def test_the_manifest_expected(world: World, ballot: bytes) -> None:
    expected = keccak(BALLOT.encode())
    world.inbox.submit(ballot, b"", b"", expected, 0, value=ETHER)
    with reverts("inbox: manifest not expected one"):
        world.inbox.submit(ballot, b"", b"", keccak(b"another"), 0, value=ETHER)


def test_an_upgrade_between_quote_and_submit_is_caught(world: World) -> None:
    """Audit 1 H10: submit resolves the manifest."""
    slow = BALLOT.change(delay=60)
    action_id = publish(world, slow)
    world.actions.announce_upgrade(action_id, BALLOT.encode(), sender=AUTHOR)
    world.pass_time(60)

    with reverts("inbox: manifest not expected one"):
        world.inbox.submit(action_id, b"", b"", keccak(slow.encode()), 0, value=ETHER)
    world.inbox.submit(action_id, b"", b"", ZERO, 0, value=ETHER)
    assert world.event("CallQueued")["manifest_hash"] == keccak(BALLOT.encode())


def test_an_amount_waits_for_a_treasury(world: World, ballot: bytes) -> None:
    with reverts("inbox: amount without treasury"):
        world.inbox.submit(ballot, b"", b"", ZERO, 1, value=ETHER)


def test_input_length(world: World, ballot: bytes) -> None:
    """Rule: INBOX-3"""
    world.inbox.submit(ballot, b"", b"x" * 512, ZERO, 0, value=ETHER)
    assert world.event("CallQueued")["input"] == b"x" * 512
    with reverts("inbox: input too long"):
        world.inbox.submit(ballot, b"", b"x" * 513, ZERO, 0, value=ETHER)
    with reverts("inbox: input too long"):
        world.inbox.quote(ballot, 513)


def test_any_bytes_are_queued_as_they_are(world: World, ballot: bytes) -> None:
    """Forbidden bytes end REJECTED by rule; the inbox does not read them."""
    for text in (bytes(range(256)), b"\xff\xfe", b"\0" * 33, b"", b"<|im_end|>\n"):
        world.inbox.submit(ballot, b"", text, ZERO, 0, value=ETHER)
        assert world.event("CallQueued")["input"] == text


def test_work_stops_at_the_context_and_counts_the_models_cost() -> None:
    world = World(settings(models=(ListedModel(ROOT, replace(SHAPE, position_cost=7)),)))
    action_id = publish(world, BALLOT.change(fixed=1_900))

    assert world.inbox.quote(action_id, 100) == fee_of(7 * 2_000)
    assert world.inbox.quote(action_id, 146) == fee_of(7 * 2_046)
    assert world.inbox.quote(action_id, 512) == fee_of(7 * 2_046)


def test_a_call_that_no_batch_can_hold() -> None:
    world = World(settings(models=(ListedModel(ROOT, replace(SHAPE, position_cost=40)),)))
    action_id = publish(world, BALLOT.change(fixed=1_638))

    assert world.inbox.quote(action_id, 0) == fee_of(65_520)
    with reverts("inbox: call above a batch's work"):
        world.inbox.submit(action_id, b"", b"x", ZERO, 0, value=ETHER)


def test_shared_and_per_caller_cells_have_no_name(world: World) -> None:
    for kind in (1, 2):
        action_id = publish(world, BALLOT.change(cell_kind=kind))
        world.inbox.submit(action_id, b"", b"", ZERO, 0, value=ETHER)
        with reverts("inbox: this action has no names"):
            world.inbox.submit(action_id, b"a", b"", ZERO, 0, value=ETHER)


def test_names_of_cells(world: World) -> None:
    """Audit 2 L4. Rule: INBOX-2"""
    action_id = publish(world, BALLOT.change(cell_kind=3))
    allowed = (string.ascii_lowercase + string.digits + "_.-").encode()

    with reverts("inbox: this action needs a name"):
        world.inbox.submit(action_id, b"", b"", ZERO, 0, value=ETHER)
    for byte in range(256):
        if byte in allowed:
            world.inbox.submit(action_id, b"ok" + bytes([byte]), b"", ZERO, 0, value=ETHER)
            assert world.event("CallQueued")["cell"] == b"ok" + bytes([byte])
        else:
            with reverts("inbox: name not of a-z0-9_.-"):
                world.inbox.submit(action_id, b"no" + bytes([byte]), b"", ZERO, 0, value=ETHER)
    world.inbox.submit(action_id, allowed + b"x" * (64 - len(allowed)), b"", ZERO, 0, value=ETHER)
    with reverts("inbox: name not of a-z0-9_.-"):
        world.inbox.submit(action_id, b"a" * 63 + b"A", b"", ZERO, 0, value=ETHER)
    with pytest.raises(Exception, match="no reason"):
        world.inbox.submit(action_id, b"a" * 65, b"", ZERO, 0, value=ETHER)


def test_the_price_rises_in_sixteenths_and_the_surge_is_booked_nowhere(world: World) -> None:
    """Rule: INBOX-4"""
    action_id = publish(world, BALLOT.change(fixed=2_046))
    level, escrow, surge = 0, 0, 0
    for _ in range(32):
        fee = world.inbox.quote(action_id, 0)
        assert fee == fee_of(2_046, level)
        world.inbox.submit(action_id, b"", b"", ZERO, 0, value=fee)
        escrow += fee_of(2_046)
        surge += fee - fee_of(2_046)
        level += 2_046
        world.pass_time(0)
        assert world.inbox.escrow() == escrow

    assert surge > 0
    assert world.inbox.total_credits() == 0
    assert world.balance(world.inbox.address) == escrow + surge


def test_the_bucket_admits_one_overshoot_then_says_how_long_to_wait(world: World) -> None:
    """Rule: INBOX-5"""
    action_id = publish(world, BALLOT.change(fixed=2_046))
    for _ in range(33):
        world.inbox.submit(action_id, b"", b"", ZERO, 0, value=ETHER)
        world.pass_time(0)
    over = 33 * 2_046 - BURST
    wait = -(-over // LEAK)

    with reverts(f"inbox: busy, seconds to wait: {wait}"):
        world.inbox.submit(action_id, b"", b"", ZERO, 0, value=ETHER)
    with reverts(f"inbox: busy, seconds to wait: {wait}"):
        world.inbox.quote(action_id, 0)
    world.pass_time(wait - 1)
    with reverts("inbox: busy, seconds to wait: 1"):
        world.inbox.submit(action_id, b"", b"", ZERO, 0, value=ETHER)
    world.pass_time(1)
    assert world.inbox.quote(action_id, 0) == fee_of(2_046, BURST - BURST % 16 - 1)
    world.inbox.submit(action_id, b"", b"", ZERO, 0, value=ETHER)


def test_a_level_of_exactly_the_burst_admits() -> None:
    world = World(settings(max_batch_work=600, leak_per_second=1))
    action_id = publish(world, BALLOT.change(fixed=300))
    for _ in range(3):
        world.pass_time(0)
        world.inbox.submit(action_id, b"", b"", ZERO, 0, value=ETHER)
    with reverts("inbox: busy, seconds to wait: 300"):
        world.inbox.submit(action_id, b"", b"", ZERO, 0, value=ETHER)


def test_a_quiet_quote_is_exact_at_inclusion(world: World, ballot: bytes) -> None:
    """Below a sixteenth of the burst others may come first: the price is the same."""
    fee = world.inbox.quote(ballot, 3)
    for _ in range(20):
        world.inbox.submit(ballot, b"", b"abc", ZERO, 0, value=fee, sender=STRANGER)
    world.inbox.submit(ballot, b"", b"abc", ZERO, 0, value=fee)

    assert world.inbox.total_credits() == 0


def test_constants_are_the_documented_ones(world: World) -> None:
    assert (BASE, PRICE) == (constants.BASE_FEE_WEI, constants.PRICE_WEI_PER_WORK)
    assert world.inbox.max_batch_work() == constants.MAX_BATCH_WORK
    assert world.inbox.max_batch_seconds() == 10
    assert world.inbox.min_batch_seconds() == 2
    assert world.inbox.messenger() == bytes(20)
    assert world.inbox.actions() == world.actions.address
    assert world.inbox.rollup() == world.rollup.address


def test_the_constructor_refuses_what_would_break_it(world: World) -> None:
    actions, rollup = world.actions.address, world.rollup.address
    for reason, arguments in (
        ("inbox: actions has no code", (STRANGER, rollup, BURST, LEAK, 10, 2)),
        ("inbox: batch work", (actions, rollup, 15, LEAK, 10, 2)),
        ("inbox: batch work", (actions, rollup, 2**32, LEAK, 10, 2)),
        ("inbox: leak", (actions, rollup, BURST, 0, 10, 2)),
        ("inbox: leak", (actions, rollup, BURST, 2**32, 10, 2)),
        ("inbox: min above max seconds", (actions, rollup, BURST, LEAK, 10, 11)),
    ):
        with reverts(reason):
            world.deploy("contracts/Inbox.vy", *arguments)
