"""A node that keeps logs back or alters code, and deployment files that point elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from oyez.chain import events
from oyez.client import Client
from oyez.protocol.errors import Fatal, Invalid, Temporary
from oyez.protocol.types import CallId, Hash32
from tests.local_rollup import LocalRollup, build_counter
from tests.rpc_proxy import RpcProxy

QUEUED, CLOSED = (
    "0x" + topic.hex() for topic in events.compute_topics(["CallQueued", "BatchClosed"])
)


@pytest.fixture(scope="module")
def rollup() -> Iterator[LocalRollup]:
    """Two final batches of two calls each."""
    with LocalRollup() as made:
        action = made.client(1).publish(build_counter()).action_id
        for texts in ((b"one", b"two"), (b"three", b"four")):
            for text in texts:
                made.client(1).call(action, text)
            made.settle()
        yield made


@pytest.fixture(scope="module")
def action(rollup: LocalRollup) -> Hash32:
    return rollup.client(1).status(CallId(0)).entry.action_id


def drop_log(topic: str, *places: int) -> Callable[[bytes, bytes], bytes]:
    """Keep back the logs of an event that stand at these places among them."""
    seen: list[str] = []

    def edit(request: bytes, answer: bytes) -> bytes:
        if b"eth_getLogs" not in request:
            return answer
        document = json.loads(answer)
        kept = []
        for log in document["result"]:
            name = log["transactionHash"]
            if log["topics"][0] == topic and name not in seen:
                seen.append(name)
            if log["topics"][0] != topic or seen.index(name) not in places:
                kept.append(log)
        return json.dumps({**document, "result": kept}).encode()

    return edit


@pytest.mark.parametrize(
    ("topic", "place", "batch"),
    [
        (QUEUED, 0, 1),
        (QUEUED, 1, 1),
        (QUEUED, 2, 2),
        (QUEUED, 3, 2),
        (CLOSED, 0, 1),
        (CLOSED, 1, 2),
    ],
)
def test_a_log_kept_back_is_no_match_for_what_comes_after_it(
    rollup: LocalRollup, topic: str, place: int, batch: int
) -> None:
    """Rule: DERIVE-10, VERIFY-2."""
    with RpcProxy(rollup.anvil.rpc, edit=drop_log(topic, place)) as proxy:
        client = rollup.client(3, rpc=proxy.url)
        for call_id, of in ((0, 1), (1, 1), (2, 2), (3, 2)):
            found = client.verify(CallId(call_id)).first_difference
            if of < batch:
                assert found is None
            else:
                assert found is not None
                assert (found.what, found.index) == ("entry", batch)
        full = client.verify_full().first_difference
        assert full is not None
        assert (full.what, full.index) == ("entry", batch)
        # a reader is told, and told to use another node
        with pytest.raises((Temporary, Invalid), match="logs"):
            client.state(rollup.client(1).status(CallId(0)).entry.action_id)


def test_a_log_of_the_open_batch_kept_back_leaves_final_calls_matching(
    rollup: LocalRollup, action: Hash32
) -> None:
    """Rule: DERIVE-10."""
    for text in (b"five", b"six"):
        # by the wall clock the first may be so old that the second closes its batch
        now = rollup.chain.fetch_block().timestamp
        rollup.anvil.request("evm_setNextBlockTimestamp", now + 1)
        rollup.client(1).call(action, text)
    with RpcProxy(rollup.anvil.rpc, edit=drop_log(QUEUED, 4)) as proxy:
        client = rollup.client(3, rpc=proxy.url)
        assert client.verify(CallId(3)).match
        assert client.verify_full().match
        with pytest.raises(Temporary, match="logs jump to call 5"):
            client.verify(CallId(5))


def test_an_altered_manifest_is_no_match(rollup: LocalRollup, action: Hash32) -> None:
    """Rule: VERIFY-10, DERIVE-6."""
    whole = build_counter()
    # of the code alone: the inbox and the logs give the bytes' hash
    with RpcProxy(rollup.anvil.rpc, edit=alter_code) as proxy:
        client = rollup.client(3, rpc=proxy.url)
        for verdict in (client.verify(CallId(2)), client.verify_full()):
            found = verdict.first_difference
            assert found is not None
            assert (found.what, found.index) == ("manifest", 0)
            assert found.ours != found.posted
        with pytest.raises(Invalid, match="alters code"):
            client.state(action)
    assert rollup.client(1).fetch_action(action).data == whole


def alter_code(request: bytes, answer: bytes) -> bytes:
    if b"eth_getCode" not in request:
        return answer
    document = json.loads(answer)
    code = document["result"]
    changed = code[:-2] + ("00" if code[-2:] != "00" else "01")
    return json.dumps({**document, "result": changed}).encode()


def test_a_file_that_names_another_inbox_is_told(rollup: LocalRollup, action: Hash32) -> None:
    """Rule: DERIVE-11."""
    theirs = rollup.deployment.contracts
    for other in (theirs["Rollup"], rollup.client(1).address):
        place = replace(rollup.deployment, contracts={**theirs, "Inbox": other})
        client = Client(place, engine=rollup.engine)
        told = r"its Rollup reads 0x.*: correct `contracts\.Inbox`"
        with pytest.raises(Fatal, match=told):
            client.verify(CallId(0))
        with pytest.raises(Fatal, match=told):
            client.state(action)


def test_a_block_after_the_first_logs_is_told(rollup: LocalRollup, action: Hash32) -> None:
    """Rule: DERIVE-11, DERIVE-12."""
    head = rollup.chain.fetch_block().number
    right = rollup.deployment.deployment_block
    late = rollup.client(1).chain.fetch_logs(
        [rollup.deployment.address("Inbox")], [bytes.fromhex(QUEUED[2:])], 0, head
    )
    blocks = [log.block for log in late]
    for block in (blocks[0] + 1, blocks[1] + 1, head):
        client = Client(replace(rollup.deployment, deployment_block=block), engine=rollup.engine)
        with pytest.raises(Fatal, match=f"`deployment_block` {block} is too late"):
            client.verify(CallId(0))
        with pytest.raises(Fatal, match=f"`deployment_block` {block} is too late"):
            client.state(action)
    client = Client(replace(rollup.deployment, deployment_block=head + 1), engine=rollup.engine)
    with pytest.raises(Temporary, match="wait until the node has synced, or correct it"):
        client.verify(CallId(0))
    for block in (0, right):
        client = Client(replace(rollup.deployment, deployment_block=block), engine=rollup.engine)
        assert client.verify(CallId(0)).match


def test_a_node_without_old_state_cannot_blame_the_file(
    rollup: LocalRollup, action: Hash32
) -> None:
    """Rule: DERIVE-12."""

    def edit(request: bytes, answer: bytes) -> bytes:
        if b"eth_getCode" not in request:
            return answer
        return b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "pruned"}}'

    late = replace(rollup.deployment, deployment_block=rollup.chain.fetch_block().number)
    with RpcProxy(rollup.anvil.rpc, edit=edit) as proxy:
        client = Client(replace(late, rpc=proxy.url), engine=rollup.engine)
        found = client.verify(CallId(0)).first_difference
    assert found is not None
    assert (found.what, found.index) == ("entry", 1)
