"""The SDK on a whole rollup: call, status, state, proofs, verification, and what must fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from oyez import proof
from oyez.chain.client import Reverted
from oyez.chain.contracts import Transaction
from oyez.chain.keys import Key
from oyez.chain.signing import InsufficientBalance
from oyez.client import Client
from oyez.protocol.errors import Fatal, Invalid, Temporary
from oyez.protocol.types import BatchNumber, CallId, CellKind, Code, Finality, Hash32, Outcome
from tests.local_rollup import LocalRollup, build_counter
from tests.rpc_proxy import RpcProxy


@pytest.fixture(scope="module")
def rollup() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@pytest.fixture(scope="module")
def counter(rollup: LocalRollup) -> Hash32:
    """A shared cell with five final calls: ids 0 to 4, the third rejected, two batches."""
    action = rollup.client(1).publish(build_counter()).action_id
    for index, text in enumerate([b"one", b"two", b"bad\nline"]):
        rollup.client(1 + index).call(action, text)
    rollup.close_batch()
    rollup.client(1).call(action, b"four")
    rollup.client(2).call(action, b"five")
    rollup.settle()
    return action


def test_a_call_is_final_with_its_outcome(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: READER-5."""
    found = rollup.client(1).status(CallId(0))
    assert (found.finality, found.outcome, found.source) == (
        Finality.FINAL,
        Outcome.ACCEPTED,
        "final",
    )
    assert found.output.startswith(b'{"mood": "')
    rejected = rollup.client(1).status(CallId(2))
    assert (rejected.code, rejected.detail) == (Code.BAD_INPUT, 3)
    with pytest.raises(Invalid, match="holds 5 calls"):
        rollup.client(1).status(CallId(99))


def test_state_is_rebuilt_from_rows_that_hash(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: READER-3, READER-4, READER-10."""
    found = rollup.client(1).state(counter)
    values = dict(zip([f.name for f in found.manifest.fields], found.values, strict=True))
    assert found.version == 4
    assert int(values[b"good"]) + int(values[b"bad"]) == 4  # type: ignore[arg-type]  # counters are numbers
    assert found.state_root == rollup.sequencer.rollup.fetch_root("state_root", 2)


@pytest.mark.parametrize("field", ["mood", "note", "good", "bad"])
def test_a_proof_holds_on_chain_until_a_word_changes(
    rollup: LocalRollup, counter: Hash32, field: str
) -> None:
    """Rule: PROOF-1, READER-6, READER-8."""
    client = rollup.client(1)
    for batch in (1, 2):
        document = client.prove_field(counter, field, batch=batch)
        assert isinstance(document, proof.FieldDocument)
        assert client.check(document)
        assert not client.check(replace(document, batch=BatchNumber(3 - batch)))
        assert not client.check(replace(document, index=(document.index + 1) % 4))
    with pytest.raises(Invalid, match="has no field 'x': it has mood, note, good, bad"):
        client.prove_field(counter, "x")
    with pytest.raises(Invalid, match="not final"):
        client.prove_field(counter, field, batch=3)


def test_an_absent_cell_is_proved_absent(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: PROOF-2."""
    client = rollup.client(4)
    fresh = client.publish(build_counter(CellKind.PER_CALLER, name=b"own")).action_id
    document = client.prove_field(fresh, "mood")
    assert isinstance(document, proof.AbsenceDocument)
    assert client.check(document)
    assert not client.check(replace(document, action_id=counter, k=bytes(32)))
    assert client.state(fresh).version == 0
    assert client.prove_absent(fresh) == document


def test_absence_of_a_cell_that_exists_is_refused(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: READER-11."""
    client = rollup.client(1)
    with pytest.raises(Invalid, match="exists after batch 2, 4 calls were accepted"):
        client.prove_absent(counter)
    assert client.prove_absent(counter, batch=0).batch == 0
    with pytest.raises(Invalid, match="not final"):
        client.prove_absent(counter, batch=3)


def test_an_absence_that_the_chain_refuses_is_not_given(
    rollup: LocalRollup, counter: Hash32, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: READER-11."""
    client = rollup.client(1)
    monkeypatch.setattr(client, "check", lambda document: False)
    with pytest.raises(Fatal, match="verify_absent refuses the proof for batch 0"):
        client.prove_absent(counter, batch=0)


def test_a_receipt_is_proved_in_its_own_place(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: PROOF-3, READER-7."""
    client = rollup.client(1)
    for call_id in range(5):
        document = client.prove_receipt(CallId(call_id))
        assert client.check(document)
        other = replace(document.receipt, detail=document.receipt.detail + 1)
        assert not client.check(replace(document, receipt=other))


def test_every_final_call_matches(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: VERIFY-1, VERIFY-5."""
    for call_id in range(5):
        verdict = rollup.client(3).verify(CallId(call_id))
        assert verdict.first_difference is None
        assert verdict.calls_replayed == call_id + 1
        assert verdict.tokens_run > 0


def test_full_verification_rebuilds_every_root(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: VERIFY-8."""
    verdict = rollup.client(3).verify_full()
    assert verdict.match
    assert verdict.calls_replayed == 5
    assert [item.batch for item in verdict.batches] == [1, 2]
    for item in verdict.batches:
        assert item.assertion_id == rollup.sequencer.rollup.fetch_final_id(item.batch)
    assert rollup.client(3).verify_full(call_id=0).batch == 1
    with pytest.raises(Invalid, match="not final"):
        rollup.client(3).verify_full(batch=9)


def test_a_changed_prompt_token_is_no_match(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: VERIFY-4, VERIFY-6."""
    data = bytearray(build_counter())
    at = bytes(data).rindex(bytes([0, 0, 41]))
    data[at + 2] = 44
    verdict = rollup.client(3).verify(CallId(4), bytes(data))
    found = verdict.first_difference
    assert found is not None
    assert (found.what, found.index, found.ours, found.posted) == ("prompt", 1, 44, 41)
    assert verdict.tokens_run > 0


def test_another_sum_shows_in_a_field(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: VERIFY-6."""
    client = rollup.client(3)
    good = next(i for i in range(5) if b'"good"' in client.status(CallId(i)).output)
    data = build_counter()
    subtract, add = bytes([3, 0, 17, 0, 16, 0]), bytes([3, 0, 16, 0, 16, 0])
    assert data.count(subtract) == 1
    verdict = client.verify(CallId(good), data.replace(subtract, add))
    found = verdict.first_difference
    assert found is not None
    assert (found.what, found.index) == ("field", 3)
    assert found.ours == found.posted + 2


@pytest.mark.parametrize("call_id", [1, 2, 3, 4])
def test_one_changed_byte_of_an_earlier_or_this_input_is_no_match(
    rollup: LocalRollup, counter: Hash32, call_id: int
) -> None:
    """Rule: VERIFY-2."""
    with RpcProxy(rollup.anvil.rpc, {b"two": b"twp"}) as proxy:
        verdict = rollup.client(3, rpc=proxy.url).verify(CallId(call_id))
    assert proxy.changed
    found = verdict.first_difference
    assert found is not None
    assert (found.what, found.index) == ("entry", 1)
    assert found.ours != found.posted


def test_a_changed_later_batch_leaves_earlier_calls_matching(
    rollup: LocalRollup, counter: Hash32
) -> None:
    with RpcProxy(rollup.anvil.rpc, {b"five": b"fivf"}) as proxy:
        client = rollup.client(3, rpc=proxy.url)
        assert client.verify(CallId(1)).match
        assert not client.verify(CallId(3)).match
        assert not client.verify_full().match
        assert client.verify_full(batch=1).match


def test_another_model_is_the_first_difference(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: VERIFY-3."""
    client = rollup.client(3)
    client._engine = type(rollup.engine)(seed=9)
    verdict = client.verify(CallId(0))
    assert verdict.first_difference is not None
    assert (verdict.first_difference.what, verdict.tokens_run) == ("model", 0)
    assert not client.verify_full().match


def test_batch_data_that_does_not_hash_is_refused_by_readers_and_verified_without(
    rollup: LocalRollup, counter: Hash32
) -> None:
    """Rule: READER-4."""
    snapshot = rollup.anvil.snapshot()
    client = rollup.client(1)
    call = client.call(counter, b"six").call_id
    rollup.close_batch()
    rollup.propose(damage=True)
    with pytest.raises(Invalid, match="cannot be believed"):
        client.state(counter, level="posted")
    with pytest.raises(Invalid, match="not final"):
        client.verify(call)
    rollup.finalize()
    assert client.verify(call).match
    rollup.anvil.restore(snapshot)


def test_an_altered_claim_is_noticed(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: READER-10."""
    root = rollup.derive()[0].claim.trace_root
    changed = bytes([root[0] ^ 1]) + root[1:]
    with RpcProxy(rollup.anvil.rpc, {root: changed}, is_text=False) as proxy:
        client = rollup.client(3, rpc=proxy.url)
        for read in (lambda: client.state(counter), lambda: client.verify(CallId(0))):
            with pytest.raises(Invalid, match="does not hash to its id"):
                read()
    assert proxy.changed


def test_a_defeated_assertion_is_not_read(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: READER-3."""
    snapshot = rollup.anvil.snapshot()
    client = rollup.client(1)
    client.call(counter, b"six")
    rollup.close_batch()
    (proposed,) = rollup.propose()
    assert client.state(counter, level="posted").batch == 3
    rollup.defeat(proposed)
    assert client.state(counter, level="posted").batch == 2
    assert client.status(CallId(5)).finality is Finality.QUEUED
    rollup.anvil.restore(snapshot)


def test_posted_state_is_ahead_of_final_state(rollup: LocalRollup, counter: Hash32) -> None:
    snapshot = rollup.anvil.snapshot()
    client = rollup.client(1)
    queued = client.call(counter, b"six")
    assert queued.paid > queued.fee == rollup.sequencer.inbox.fetch_quote(counter, 3)
    assert client.status(queued.call_id).finality is Finality.QUEUED
    rollup.close_batch()
    rollup.propose()
    found = client.wait(queued.call_id, until="executed", timeout=20)
    assert (found.finality, found.source) == (Finality.POSTED, "posted")
    assert client.state(counter, level="posted").version >= client.state(counter).version
    with pytest.raises(Temporary, match="not lost"):
        client.wait(queued.call_id, until="final", timeout=1)
    rollup.finalize()
    assert client.wait(queued.call_id, until="final", timeout=20).finality is Finality.FINAL
    rollup.anvil.restore(snapshot)


def test_a_batch_behind_a_pending_one_is_posted_too(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: READER-3, READER-5."""
    snapshot = rollup.anvil.snapshot()
    client = rollup.client(1)
    calls = []
    for text in (b"six", b"seven"):
        calls.append(client.call(counter, text).call_id)
        rollup.close_batch()

    def step(_: float) -> None:
        rollup.propose()

    client._pause = step
    for call_id in reversed(calls):
        found = client.wait(call_id, until="posted", timeout=20)
        assert (found.finality, found.source) == (Finality.POSTED, "posted")
    assert client.state(counter, level="posted").batch == 4
    assert client.state(counter).batch == 2
    rollup.anvil.restore(snapshot)


def test_wait_sees_what_happens_while_it_waits(rollup: LocalRollup, counter: Hash32) -> None:
    snapshot = rollup.anvil.snapshot()
    client = rollup.client(1)
    steps: Iterator[Callable[[], object]] = iter(
        [rollup.close_batch, rollup.propose, rollup.finalize]
    )

    def step(_: float) -> None:
        next(steps)()

    client._pause = step
    seen: list[Finality] = []
    queued = client.call(counter, b"six")
    client.wait(
        queued.call_id, until="final", timeout=20, report=lambda now: seen.append(now.finality)
    )
    assert seen == [Finality.QUEUED, Finality.QUEUED, Finality.POSTED, Finality.FINAL]
    rollup.anvil.restore(snapshot)


def test_what_the_chain_refuses_names_its_fix(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: SDK-1, SDK-3, SDK-4, SDK-5, READER-1, READER-2."""
    client = rollup.client(1)
    before = rollup.sequencer.inbox.read("call_count")
    with pytest.raises(Invalid, match="leave --fee out"):
        client.call(counter, b"x", fee=1)
    with pytest.raises(Invalid, match="check the id"):
        client.call(Hash32(b"\7" * 32), b"x")
    with pytest.raises(Invalid, match="shorten the input"):
        client.call(counter, b"x" * 65)
    with pytest.raises(Invalid, match="leave --cell out"):
        client.call(counter, b"x", cell=b"name")
    with pytest.raises(Invalid, match="use the action's id"):
        client.publish(build_counter())
    broken = bytearray(build_counter())
    broken[0] = 9
    with pytest.raises(Invalid, match="MANIFEST-2"):
        client.publish(bytes(broken))
    with pytest.raises(Invalid, match="model 7, which is not listed"):
        client.publish(bytes([1, 0, 7]) + build_counter()[3:])
    with pytest.raises(Invalid, match="leave --amount out"):
        client.deposit_stake(10**18 - 1)
    with pytest.raises(Invalid, match="has its stake already"):
        rollup.sequencer.deposit_stake()
    assert rollup.sequencer.inbox.read("call_count") == before


def test_invalid_bytes_published_past_the_compiler_are_refused_on_chain(
    rollup: LocalRollup, counter: Hash32
) -> None:
    """Rule: SDK-5."""
    client = rollup.client(1)
    broken = bytearray(build_counter(name=b"other"))
    broken[0] = 9
    with pytest.raises(Invalid, match="oyez action check"):
        send(client, client.actions.build_publish(bytes(broken)))
    with pytest.raises(Reverted):
        send(client, client.inbox.build("settle", 1, client.address))


def send(client: Client, transaction: Transaction) -> None:
    client._writer.send(client._need_key(), "test", transaction.data, lambda: transaction)


def test_a_poor_account_hears_what_it_lacks(rollup: LocalRollup, counter: Hash32) -> None:
    poor = rollup.client(1)
    poor._key = Key(b"\5" * 32)
    with pytest.raises(InsufficientBalance, match="send it at least"):
        poor.call(counter, b"x")
    with pytest.raises(InsufficientBalance, match="send it at least"):
        poor.deposit_stake()


def test_another_chain_or_none_is_told_apart(rollup: LocalRollup, counter: Hash32) -> None:
    with pytest.raises(Fatal, match="is chain 31337"):
        Client(replace(rollup.deployment, chain_id=5))
    with pytest.raises(Temporary, match="no chain answers"):
        Client(replace(rollup.deployment, rpc="http://127.0.0.1:9"))


def test_named_and_own_cells_are_apart(rollup: LocalRollup, counter: Hash32) -> None:
    """Rule: READER-9."""
    snapshot = rollup.anvil.snapshot()
    client = rollup.client(5)
    named = client.publish(build_counter(CellKind.NAMED, name=b"named")).action_id
    own = client.publish(build_counter(CellKind.PER_CALLER, name=b"mine")).action_id
    client.call(named, b"x", cell=b"a")
    last = client.call(named, b"y", cell=b"b").call_id
    client.call(own, b"z")
    rollup.settle()
    assert client.state(named, "a").version == 1
    assert client.state(named, "c").version == 0
    assert client.state(own).version == 1
    assert client.state(own, "0x" + client.address.hex()).version == 1
    assert rollup.client(6).state(own).version == 0
    assert client.verify(last).calls_replayed == 1
    for action, cell in ((named, ""), (counter, "x"), (own, "x")):
        with pytest.raises(Invalid, match="--cell"):
            client.state(action, cell)
    with pytest.raises(Invalid, match="it is not UTF-8"):
        client.state(named, "x\udce9")
    rollup.anvil.restore(snapshot)
