"""A sequencer with an enclave's key: each of its batches is attested, once, whatever happens."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oyez.chain import events
from oyez.chain.client import Log
from oyez.chain.contracts import Transaction
from oyez.protocol.enclaves import compute_attestation
from oyez.protocol.errors import Fatal, Temporary
from oyez.protocol.types import Hash32
from sequencer.attester import Attester
from tests.actors.liar import Liar
from tests.enclave_world import EnclaveWorld, open_world, register_key, register_signer
from tests.lies import FALSE, honest_ids
from tests.local_rollup import build_counter
from tests.services import ChallengerActor, Cut, KilledError, SequencerActor, kill, run_through
from tests.tdx_keys import new_key

OTHER = new_key("another enclave")
NO_KEY = "rollup: no enclave's key"


@pytest.fixture(scope="module")
def opened() -> Iterator[EnclaveWorld]:
    with open_world() as made:
        made.keep()
        yield made


@pytest.fixture(scope="module")
def needing() -> Iterator[EnclaveWorld]:
    with open_world(needs_enclave=True) as made:
        made.keep()
        yield made


@pytest.fixture
def world(opened: EnclaveWorld) -> Iterator[EnclaveWorld]:
    yield from borrow(opened)


@pytest.fixture
def strict(needing: EnclaveWorld) -> Iterator[EnclaveWorld]:
    yield from borrow(needing)


def borrow(world: EnclaveWorld) -> Iterator[EnclaveWorld]:
    mark = world.rollup.anvil.snapshot()
    yield world
    world.rollup.anvil.restore(mark)


def start(world: EnclaveWorld, home: Path, *, registered: bool = True) -> SequencerActor:
    actor = SequencerActor(world.rollup, home, enclave=True)
    if registered:
        register_signer(world, actor.open_signer())
    return actor


def publish(world: EnclaveWorld) -> Hash32:
    return world.rollup.client(1).publish(build_counter()).action_id


def call(world: EnclaveWorld, action: Hash32, text: bytes) -> None:
    world.rollup.client(1).call(action, text)
    world.rollup.anvil.advance(3)


def flags(world: EnclaveWorld) -> list[bool]:
    """Of the honest assertions, batch 1 first."""
    return [world.rollup.sequencer.rollup.fetch_attested(one) for one in honest_ids(world.rollup)]


def count_sent(world: EnclaveWorld) -> int:
    return world.rollup.chain.fetch_nonce(world.rollup.keys[0].address)


def find_attestations(world: EnclaveWorld) -> list[Log]:
    chain, rollup = world.rollup.chain, world.rollup.sequencer.rollup
    topics = events.compute_topics(["AssertionAttested"])
    return list(chain.fetch_logs([rollup.address], topics, 0, chain.fetch_block().number))


def test_each_batch_is_attested_before_it_is_final(world: EnclaveWorld, tmp_path: Path) -> None:
    """Rule: SEQ-33, ROLLUP-26"""
    action, actor = publish(world), start(world, tmp_path)
    sent = count_sent(world)
    for text in (b"one", b"two"):
        call(world, action, text)
        actor.run()
    assert flags(world) == [True, True]
    assert world.rollup.sequencer.rollup.fetch_head() == 0
    # for each: closed, proposed, attested
    assert count_sent(world) == sent + 2 * 3
    told = actor.log.named("attested")
    assert [facts["assertion"] for facts in told] == honest_ids(world.rollup)
    assert {facts["signer"] for facts in told} == {actor.open_signer().address}
    assert all(facts["gas"] < 45_000 for facts in told)  # type: ignore[operator]  # a number
    world.rollup.anvil.advance(601)
    actor.run()
    assert world.rollup.sequencer.rollup.fetch_head() == 2
    assert count_sent(world) == sent + 2 * 3 + 2
    assert flags(world) == [True, True]
    call(world, action, b"three")
    actor.run()
    # whoever brings it once more changes nothing
    (log, *_) = find_attestations(world)
    sent = world.rollup.chain.request("eth_getTransactionByHash", "0x" + log.transaction.hex())
    again = Transaction(log.address, bytes.fromhex(sent["input"][2:]))
    world.rollup.act(5, again)
    actor.run()
    actor.restart()
    actor.run()
    assert len(find_attestations(world)) == 4
    assert len(actor.log.named("attested")) == 3


def test_without_a_registration_batches_go_on_and_a_later_one_counts(
    world: EnclaveWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: SEQ-33"""
    action, actor = publish(world), start(world, tmp_path, registered=False)
    call(world, action, b"one")
    actor.run()
    world.rollup.anvil.mine(2)
    actor.run()
    assert [facts["reason"] for facts in actor.log.named("unattested")] == [NO_KEY]
    assert flags(world) == [False]
    with monkeypatch.context() as patch:
        # nothing is tried again within a block
        patch.setattr(Attester, "_attest", None)
        assert actor.service.step() is False
    register_signer(world, actor.open_signer())
    actor.run()
    assert flags(world) == [True]


def test_killed_before_every_operation_it_attests_once(
    world: EnclaveWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: SEQ-33, SEQ-6, ENCLAVE-8"""
    action, actor = publish(world), start(world, tmp_path)
    call(world, action, b"one")
    sent, incarnations = count_sent(world), 0
    with monkeypatch.context() as patch:
        executioner = Cut(patch, actor.store, kill)
        while flags(world) != [True]:
            executioner.left = 2
            incarnations += 1
            assert incarnations < 60, executioner.log
            try:
                actor.restart()
                actor.run()
            except KilledError:
                actor.store.close()
    assert incarnations > 5
    actor.restart()
    actor.run()
    assert count_sent(world) == sent + 3
    assert {"save", "put_signed", "send_raw", "apply_window"} <= set(executioner.log)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_reorg_takes_an_attestation_back_and_it_comes_again(
    world: EnclaveWorld, tmp_path: Path, depth: int
) -> None:
    """Rule: SEQ-33, SEQ-3"""
    action, actor = publish(world), start(world, tmp_path)
    call(world, action, b"one")
    actor.run()
    (first,) = honest_ids(world.rollup)
    world.rollup.anvil.request("anvil_reorg", depth, [])
    world.rollup.anvil.mine()
    assert flags(world) == [False]
    actor.run()
    assert honest_ids(world.rollup) == [first]
    assert flags(world) == [True]
    assert actor.log.named("unattested") == []


def test_a_second_id_for_a_batch_is_not_signed(world: EnclaveWorld, tmp_path: Path) -> None:
    """Rule: SEQ-33, ENCLAVE-8"""
    action, actor = publish(world), start(world, tmp_path)
    world.rollup.anvil.mine(8)
    call(world, action, b"before")
    actor.run()
    assert flags(world) == [True]
    world.rollup.anvil.request("anvil_rollback", 8)
    call(world, action, b"after")
    actor.run()
    assert flags(world) == [False]
    (told,) = actor.log.named("unattested")
    assert "for this parent and batch 1" in str(told["reason"])
    # the next batch is another one
    call(world, action, b"next")
    actor.run()
    assert flags(world) == [False, True]


def test_a_second_attempt_is_a_second_id(world: EnclaveWorld, tmp_path: Path) -> None:
    """Rule: SEQ-33, ENCLAVE-8"""
    action, actor = publish(world), start(world, tmp_path)
    call(world, action, b"one")
    actor.run()
    world.rollup.defeat(*honest_ids(world.rollup))
    world.rollup.client(5).deposit_stake()
    ChallengerActor(world.rollup, tmp_path / "c", key=5).run()
    actor.run()
    (told,) = actor.log.named("unattested")
    assert "for this parent and batch 1" in str(told["reason"])
    assert told["assertion"] not in honest_ids(world.rollup)
    assert len(find_attestations(world)) == 1


def test_a_key_set_back_to_an_earlier_time_learns_from_the_chain(
    world: EnclaveWorld, tmp_path: Path
) -> None:
    """Rule: ENCLAVE-8"""
    action, actor = publish(world), start(world, tmp_path)
    shutil.copytree(tmp_path / "enclave", tmp_path / "backup")
    world.rollup.anvil.mine(8)
    call(world, action, b"one")
    actor.run()
    (first,) = honest_ids(world.rollup)
    shutil.rmtree(tmp_path / "enclave")
    shutil.move(tmp_path / "backup", tmp_path / "enclave")
    actor.restart()
    actor.run()
    # the chain forgets, the key does not
    world.rollup.anvil.request("anvil_rollback", 8)
    call(world, action, b"other")
    actor.run()
    assert honest_ids(world.rollup) != [first]
    assert flags(world) == [False]
    assert f"it signed 0x{first.hex()}" in str(actor.log.named("unattested")[-1]["reason"])


def test_where_it_is_needed_it_comes_before_the_proposal(
    strict: EnclaveWorld, tmp_path: Path
) -> None:
    """Rule: SEQ-34, ROLLUP-28"""
    with pytest.raises(Fatal, match="give --enclave"):
        SequencerActor(strict.rollup, tmp_path / "without")
    action, actor = publish(strict), start(strict, tmp_path)
    sent = count_sent(strict)
    for text in (b"one", b"two"):
        call(strict, action, text)
        actor.run()
    assert flags(strict) == [True, True]
    assert count_sent(strict) == sent + 2 * 3
    told = [event for event, facts in actor.log.lines if facts.get("batch") == 2]
    assert [event for event in told if event in ("attested", "proposed")] == [
        "attested", "proposed",
    ]  # fmt: skip
    assert actor.log.named("refused") == []


def test_of_several_closed_batches_the_next_alone_is_attested(
    strict: EnclaveWorld, tmp_path: Path
) -> None:
    """Rule: SEQ-34

    A later one's parent is not there yet.
    """
    action, actor = publish(strict), start(strict, tmp_path)
    for text in (b"one", b"two"):
        call(strict, action, text)
        strict.rollup.close_batch()
    actor.run()
    told = [(e, f["batch"]) for e, f in actor.log.lines if e in ("attested", "proposed")]
    assert told == [("attested", 1), ("proposed", 1), ("attested", 2), ("proposed", 2)]
    assert flags(strict) == [True, True]


def test_where_it_is_needed_and_missing_the_sequencer_waits_for_its_time(
    strict: EnclaveWorld, tmp_path: Path
) -> None:
    """Rule: SEQ-34, ROLLUP-28"""
    action, actor = publish(strict), start(strict, tmp_path, registered=False)
    call(strict, action, b"one")
    actor.run()
    assert [facts["reason"] for facts in actor.log.named("refused")] == [
        "rollup: sequencer needs enclave"
    ]
    strict.rollup.anvil.advance(100)
    actor.run()
    assert flags(strict) == [False]
    (posted,) = honest_ids(strict.rollup)
    assert strict.rollup.sequencer.rollup.fetch_status(posted) == 1


def test_an_answer_to_a_lie_waits_for_no_attestation(strict: EnclaveWorld, tmp_path: Path) -> None:
    """Rule: SEQ-34, ROLLUP-28"""
    action, actor, rollup = publish(strict), start(strict, tmp_path), strict.rollup
    call(strict, action, b"one")
    rollup.close_batch()
    rollup.client(5).deposit_stake()
    rollup.anvil.advance(100)
    lie = Liar(rollup, key=5).propose(false_roots=FALSE).assertion_id
    # another enclave's word for the lie is none of this key's
    register_key(strict, OTHER)
    digest = compute_attestation(strict.registry.address, lie)
    rollup.act(5, rollup.sequencer.rollup.build_attest(lie, OTHER.sign(digest)))
    actor.restart()
    actor.run()
    told = [event for event, _ in actor.log.lines if event in ("attested", "proposed")]
    assert told == ["proposed", "attested"]
    assert flags(strict) == [True]


def test_what_cannot_be_attested_now_holds_up_no_move(
    strict: EnclaveWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: SEQ-34"""
    action, actor = publish(strict), start(strict, tmp_path)

    def fail(*_: object) -> None:
        raise Temporary("no ether")

    with monkeypatch.context() as patch:
        patch.setattr(Attester, "_attest", fail)
        call(strict, action, b"one")
        actor.run()
        assert [facts["reason"] for facts in actor.log.named("unattested")] == ["no ether"]
        # the other moves were decided: the contract said no to one
        assert len(actor.log.named("refused")) == 1
    strict.rollup.anvil.mine()
    actor.run()
    assert flags(strict) == [True]


def test_a_key_for_another_registry_is_refused(world: EnclaveWorld, tmp_path: Path) -> None:
    """Rule: SEQ-33"""
    elsewhere = SequencerActor(world.rollup, tmp_path, enclave=True)
    signer = elsewhere.open_signer()
    signer.domain = type(signer.domain)(31_337, signer.domain.rollup, signer.domain.rollup)
    elsewhere.open_signer = lambda: signer  # type: ignore[method-assign]  # a key of its own
    elsewhere.store.close()
    with pytest.raises(Fatal, match="correct the deployment file"):
        elsewhere.restart()


def test_a_reorg_of_eight_blocks_before_an_operation_ends_attested_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key never signs both; whichever batch stands, the next one is attested.

    One chain that grows, and the operations from the proposal's on: of those before, and of a
    sequencer without a key, test_sequencer_forks tells.

    Rule: SEQ-33, SEQ-3, ENCLAVE-8
    """
    with open_world() as world:
        world.keep()
        action, actor = publish(world), start(world, tmp_path)
        cuts = [(left, dies) for left in (7, 9, 10, 11) for dies in (False, True)]
        for stage, (left, dies) in enumerate(cuts):
            world.rollup.anvil.mine(8)
            call(world, action, b"before %d" % stage)
            with monkeypatch.context() as patch:
                reorg = build_reorg(world, action, stage, dies=dies)
                cut = Cut(patch, actor.store, reorg, left=left)
                for _ in range(2):
                    run_through(actor)
                    world.rollup.anvil.mine()
                assert cut.left < 0, "the re-org came"
            call(world, action, b"next %d" % stage)
            actor.run()
        refused = [
            told["assertion"]
            for told in actor.log.named("unattested")
            if "it signed" in str(told["reason"])
        ]
        made = honest_ids(world.rollup)
        assert flags(world) == [one not in refused for one in made]
        assert len(made) == 2 * len(cuts)
        assert not set(refused) & set(made[1::2])
        assert set(refused) & set(made[::2])


def build_reorg(
    world: EnclaveWorld, action: Hash32, stage: int, *, dies: bool
) -> Callable[[], None]:
    def reorganise() -> None:
        world.rollup.anvil.request("anvil_rollback", 8)
        call(world, action, b"after %d" % stage)
        if dies:
            kill()

    return reorganise
