"""Calls that re-orgs of eight blocks remove: sent again, paid once, told as the chain stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oyez.chain.client import to_hex
from oyez.client import Client
from oyez.protocol.errors import Invalid, Temporary
from oyez.protocol.types import CallId, Finality, Hash32
from oyez.sending import KEEP_BLOCKS, compute_confirmations
from oyez.status import CallStatus
from sequencer.app import Server, build_app
from sequencer.metrics import Metrics
from tests.local_rollup import LocalRollup, build_counter
from tests.reorgs import DEPTH, Remove, keep_snapshot, list_sent, replace_blocks, roll_back
from tests.services import SequencerActor

REMOVE = pytest.mark.parametrize("remove", [roll_back, replace_blocks])


@pytest.fixture(scope="module")
def deployed() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@pytest.fixture(scope="module")
def action(deployed: LocalRollup) -> Hash32:
    return deployed.client(1).publish(build_counter()).action_id


@pytest.fixture
def rollup(deployed: LocalRollup, action: Hash32) -> Iterator[LocalRollup]:
    with keep_snapshot(deployed.anvil):
        yield deployed


def count_sent(rollup: LocalRollup, client: Client) -> int:
    return rollup.chain.fetch_nonce(client.address, "latest")


@REMOVE
def test_a_removed_call_is_sent_again_by_whoever_asks_for_it(
    rollup: LocalRollup, action: Hash32, remove: Remove
) -> None:
    """Rule: SDK-11."""
    client = rollup.client(2)
    before = rollup.chain.fetch_balance(client.address)
    queued = client.call(action, b"one")
    once = before - rollup.chain.fetch_balance(client.address)
    rollup.anvil.mine(DEPTH - 1)
    remove(rollup.anvil)
    assert rollup.chain.find_mined(queued.transaction) is None
    found = client.status(queued.call_id)
    assert (found.call_id, found.entry.caller) == (queued.call_id, client.address)
    assert rollup.chain.find_mined(queued.transaction) is not None
    assert client.status(queued.transaction) == found
    assert count_sent(rollup, client) == 1
    # the fee and the gas at the same price, once
    assert before - rollup.chain.fetch_balance(client.address) == pytest.approx(once, rel=0.1)
    assert rollup.sequencer.inbox.read("call_count") == 1


@REMOVE
def test_a_call_that_comes_back_behind_others_is_told_where_it_stands(
    rollup: LocalRollup, action: Hash32, remove: Remove
) -> None:
    """Rule: SDK-11."""
    client, other = rollup.client(2), rollup.client(3)
    queued = client.call(action, b"one")
    remove(rollup.anvil)
    for text in (b"two", b"three"):
        other.call(action, text)
    rollup.close_batch()
    assert (queued.call_id, queued.batch) == (0, 1)
    for subject in (queued.call_id, queued.transaction, CallId(2)):
        found = client.status(subject)
        assert (found.call_id, found.batch, found.entry.input) == (2, 2, b"one")
    # who did not send it sees the chain's own ids
    assert other.status(CallId(0)).entry.input == b"two"
    assert rollup.client(4).status(queued.transaction).call_id == 2


def test_a_reverted_snapshot_is_a_reorg_too(rollup: LocalRollup, action: Hash32) -> None:
    client = rollup.client(2)
    snapshot = rollup.anvil.snapshot()
    queued = client.call(action, b"one")
    rollup.anvil.restore(snapshot)
    rollup.client(3).call(action, b"two")
    assert client.status(queued.call_id).call_id == 1


@REMOVE
def test_confirmations_start_anew_after_a_reorg(
    rollup: LocalRollup, action: Hash32, remove: Remove
) -> None:
    """Rule: SDK-10."""
    client, other = rollup.client(2), rollup.client(3)
    looks = 0

    def mine(_: float) -> None:
        nonlocal looks
        looks += 1
        rollup.anvil.mine()
        if looks == 4:
            remove(rollup.anvil)
            other.call(action, b"two")

    client._sending._pause = mine
    queued = client.call(action, b"one", confirmations=DEPTH)
    head = rollup.chain.fetch_block().number
    assert looks > DEPTH
    assert (queued.call_id, head - queued.block) == (1, DEPTH)
    assert count_sent(rollup, client) == 1
    # as deep as that a re-org of eight blocks leaves it where it is
    remove(rollup.anvil)
    assert client.status(queued.call_id).call_id == queued.call_id


def test_too_few_confirmations_in_time_lose_nothing(rollup: LocalRollup, action: Hash32) -> None:
    """Rule: SDK-10."""
    client = rollup.client(2)
    with pytest.raises(Temporary, match=r"has 0 of 3 confirmations .* not lost"):
        client.call(action, b"one", confirmations=3)
    assert rollup.sequencer.inbox.read("call_count") == 1


def test_only_chains_of_one_machine_need_no_confirmations() -> None:
    """Rule: SDK-10."""
    assert [compute_confirmations(chain) for chain in (31_337, 1_337, 1, 10)] == [0, 0, 8, 8]


@REMOVE
@pytest.mark.parametrize("stage", ["queued", "closed", "posted"])
def test_a_wait_follows_its_call_through_reorgs_at_every_stage(
    rollup: LocalRollup, action: Hash32, remove: Remove, stage: str
) -> None:
    """Rule: SDK-11."""
    client, other = rollup.client(2), rollup.client(3)
    queued = client.call(action, b"one")
    stages = {"queued": 0, "closed": 1, "posted": 2}
    steps: list[Callable[[], object]] = [rollup.close_batch, rollup.propose]

    def disturb() -> None:
        remove(rollup.anvil)
        other.call(action, b"two")

    script: Iterator[Callable[[], object]] = iter(
        [
            *steps[: stages[stage]],
            disturb,
            rollup.close_batch,
            rollup.propose,
            rollup.finalize,
            rollup.settle,
        ]
    )

    def step(_: float) -> None:
        next(script)()

    client._pause = step
    found = client.wait(queued.call_id, until="final", timeout=60)
    assert (found.call_id, found.entry.input, found.finality) == (1, b"one", Finality.FINAL)
    assert count_sent(rollup, client) == 1
    assert client.verify(found.call_id).match


def test_a_reorg_while_the_answer_is_on_its_way_is_seen(
    rollup: LocalRollup, action: Hash32
) -> None:
    """Rule: SDK-11."""
    client, other = rollup.client(2), rollup.client(3)
    queued = client.call(action, b"one")
    rollup.close_batch()
    rollup.propose()
    seen: list[CallId] = []

    def disturb(now: CallStatus) -> None:
        seen.append(now.call_id)
        if len(seen) == 1:
            roll_back(rollup.anvil)
            other.call(action, b"two")

    script: Iterator[Callable[[], object]] = iter([rollup.close_batch, rollup.propose])

    def step(_: float) -> None:
        next(script, lambda: None)()

    client._pause = step
    found = client.wait(queued.call_id, until="posted", timeout=20, report=disturb)
    assert (seen[0], found.call_id, found.entry.input) == (0, 1, b"one")


def test_another_call_under_an_id_that_is_not_ours_is_not_taken_for_it(
    rollup: LocalRollup, action: Hash32
) -> None:
    """Rule: SDK-8."""
    queued = rollup.client(2).call(action, b"one")
    watcher = rollup.client(4)

    def disturb() -> None:
        roll_back(rollup.anvil)
        rollup.client(3).call(action, b"two")
        rollup.close_batch()
        rollup.propose()

    script = iter([disturb])
    watcher._pause = lambda _: next(script)()
    with pytest.raises(Invalid, match="is another call since the chain was re-organised"):
        watcher.wait(queued.call_id, until="final", timeout=60)


@REMOVE
def test_a_nonce_that_went_elsewhere_is_told_and_nothing_is_paid_twice(
    rollup: LocalRollup, action: Hash32, remove: Remove
) -> None:
    """Rule: SDK-12."""
    client = rollup.client(2)
    queued = client.call(action, b"one")
    remove(rollup.anvil)
    account = rollup.anvil.accounts[2].address
    rollup.anvil.send(**{"from": account, "to": account, "value": "0x1"})
    for _ in range(2):
        with pytest.raises(Invalid, match=r"call 0 is no longer in the inbox.* nothing was paid"):
            client.status(queued.call_id)
    with pytest.raises(Invalid, match="call 0 is no longer"):
        client.wait(queued.call_id, timeout=5)
    assert rollup.sequencer.inbox.read("call_count") == 0
    # even if the nonce becomes free again: it was told to be out, and is sent anew
    rollup.anvil.mine(DEPTH - 1)
    remove(rollup.anvil)
    again = client.call(action, b"two")
    client.call(action, b"three")
    assert again.transaction != queued.transaction
    found = [client.status(CallId(index)).entry.input for index in range(2)]
    assert found == [b"two", b"three"]
    assert rollup.sequencer.inbox.read("call_count") == 2


@REMOVE
def test_a_new_transaction_takes_no_nonce_of_one_that_a_reorg_removed(
    rollup: LocalRollup, action: Hash32, remove: Remove
) -> None:
    """Rule: SDK-13."""
    client = rollup.client(2)
    first = rollup.chain.fetch_block().number
    sent = [client.call(action, text) for text in (b"one", b"two")]
    remove(rollup.anvil)
    sent.append(client.call(action, b"three"))
    mined = list_sent(rollup.anvil, client.address, first - DEPTH)
    assert [item["hash"] for item in mined] == [to_hex(queued.transaction) for queued in sent]
    assert [int(item["nonce"], 16) for item in mined] == [0, 1, 2]
    assert [client.status(q.transaction).call_id for q in sent] == [0, 1, 2]


@REMOVE
def test_an_action_and_its_call_come_back_in_order(
    rollup: LocalRollup, action: Hash32, remove: Remove
) -> None:
    """Rule: SDK-13."""
    client = rollup.client(2)
    published = client.publish(build_counter(name=b"late"))
    queued = client.call(published.action_id, b"one")
    remove(rollup.anvil)
    found = client.status(queued.call_id)
    assert found.entry.action_id == published.action_id
    assert client.fetch_action(published.action_id).author == client.address


@REMOVE
def test_a_call_that_is_refused_the_second_time_is_told_with_its_reason(
    rollup: LocalRollup, action: Hash32, remove: Remove
) -> None:
    """Rule: SDK-12."""
    client = rollup.client(2)
    late = rollup.client(3).publish(build_counter(name=b"late")).action_id
    queued = client.call(late, b"one")
    remove(rollup.anvil)
    with pytest.raises(Invalid, match=r"refused it the second time \(.*\): its fee was not taken"):
        client.status(queued.call_id)
    assert rollup.sequencer.inbox.read("call_count") == 0


def test_an_id_that_may_mean_two_calls_is_asked_by_transaction(
    rollup: LocalRollup, action: Hash32
) -> None:
    """Rule: SDK-11."""
    client = rollup.client(2)
    one, two = (client.call(action, text) for text in (b"one", b"two"))
    roll_back(rollup.anvil)
    rollup.client(3).call(action, b"other")
    assert client.status(one.transaction).call_id == 1
    with pytest.raises(Invalid, match=r"call 1 may be either of two: .*0x"):
        client.status(CallId(1))
    assert client.status(two.transaction).entry.input == b"two"
    assert client.status(one.transaction).entry.input == b"one"


def test_what_lies_deep_is_forgotten(rollup: LocalRollup, action: Hash32, tmp_path: Path) -> None:
    """Rule: SDK-14."""
    client = Client(rollup.deployment, rollup.keys[2], journal=tmp_path, pause=lambda _: None)
    told, untold = (client.call(action, text) for text in (b"one", b"two"))
    client.acknowledge(told.record)
    rollup.anvil.mine(KEEP_BLOCKS - 1)
    client.call(action, b"three")
    assert len(list(tmp_path.glob("*/*.json"))) == 3
    rollup.anvil.mine(3)
    client.call(action, b"four")
    kept = {path.stem for path in tmp_path.glob("*/*.json")}
    assert told.record not in kept
    assert untold.record in kept
    assert client.status(told.call_id).entry.input == b"one"
    client.records.close()


def test_what_is_kept_in_memory_is_forgotten_too(rollup: LocalRollup, action: Hash32) -> None:
    """Rule: SDK-14."""
    client = rollup.client(2)
    client.call(action, b"one")
    rollup.anvil.mine(KEEP_BLOCKS + 1)
    last = client.call(action, b"two")
    assert [record.name for record in client.records.list_records()] == [last.record]


def test_a_deposit_comes_back_too(rollup: LocalRollup) -> None:
    client = rollup.client(5)
    assert client.deposit_stake().amount == 10**18
    roll_back(rollup.anvil)
    assert client.fetch_stake().amount == 0
    with pytest.raises(Invalid, match="has its stake already"):
        client.deposit_stake()
    assert count_sent(rollup, client) == 1


def test_a_service_that_has_not_seen_the_reorg_is_not_believed(
    rollup: LocalRollup, action: Hash32, tmp_path: Path
) -> None:
    """Rule: SDK-6."""
    mine = rollup.client(2)
    queued = mine.call(action, b"one")
    sequencer = SequencerActor(rollup, tmp_path)
    sequencer.run()
    server = Server(build_app(sequencer.store, rollup.engine.shape, Metrics()), "127.0.0.1", 0)
    server.start()
    other = rollup.client(3)
    try:
        for client in (mine, other):
            client._sequencer = f"http://127.0.0.1:{server.port}"
        assert mine.wait(queued.call_id, timeout=5).source == "sequencer"
        roll_back(rollup.anvil)
        taken = other.call(action, b"two")
        assert taken.call_id == queued.call_id
        with pytest.raises(Temporary, match="call 0 is QUEUED after 1 s"):
            other.wait(taken.call_id, timeout=1)
        assert mine.status(queued.call_id).call_id == 1
        sequencer.run()
        found = other.wait(taken.call_id, timeout=5)
        assert (found.source, found.entry.input) == ("sequencer", b"two")
    finally:
        server.stop()
        sequencer.store.close()
