"""Rollup while liars fork it: whose stake, whose name, which clock, and what readers see."""

from __future__ import annotations

import re
from typing import Any

import pytest

from oyez.chain.deploy import ROOT
from tests.contracts.conftest import publish
from tests.contracts.harness import (
    AUTHOR,
    CALLER,
    ETHER,
    GAME,
    SEQUENCER,
    STRANGER,
    Contract,
    World,
    actor,
    reverts,
    settings,
)
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import (
    close_batch_of,
    finalize_one,
    make_proposal,
    noise,
    propose,
    stake,
)
from tests.contracts.test_money import call_of

D, T = 120, 600
NOBODY = actor("nobody")
CONTRACTS = sorted((ROOT / "contracts").rglob("*.vy"))


@pytest.fixture
def world() -> World:
    """With a game, here a plain account, and a stake for all."""
    made = World(settings(game=GAME))
    for who in (SEQUENCER, STRANGER, CALLER, AUTHOR):
        stake(made, who)
    return made


@pytest.fixture
def ballot(world: World) -> bytes:
    return publish(world, BALLOT)


def post(world: World, parent: bytes, salt: object, who: bytes) -> bytes:
    return propose(world, parent, make_proposal(noise(salt), salt=salt), sender=who)


def test_an_honest_stake_comes_back_whole(world: World, ballot: bytes) -> None:
    """Invariant 26: through a lie beside it, above it and below, and its championships."""
    for _ in range(3):
        close_batch_of(world, ballot)
    world.pass_time(D)
    genesis = world.rollup.final_id(0)
    lie = post(world, genesis, "lie", SEQUENCER)
    above = post(world, lie, "on the lie", AUTHOR)
    truth = post(world, genesis, "truth", STRANGER)
    second = post(world, truth, "truth 2", STRANGER)
    beside = post(world, truth, "lie 2", CALLER)
    for side in (truth, second):
        world.rollup.lock(STRANGER, side, sender=GAME)
    for beaten in (lie, beside):
        world.rollup.defeat(beaten, sender=GAME)
    world.rollup.mark_void(above)
    for _ in range(2):
        world.rollup.unlock(STRANGER, sender=GAME)
    world.pass_time(T)
    for won in (truth, second):
        world.rollup.finalize(won)

    assert world.rollup.total_stakes() == 2 * ETHER
    for who in (STRANGER, AUTHOR):
        world.rollup.request_withdrawal(sender=who)
        world.pass_time(D)
        before = world.balance(who)
        world.rollup.withdraw_stake(who, sender=who)
        assert world.balance(who) == before + ETHER
    for who in (SEQUENCER, CALLER):
        assert world.rollup.stake(who).status == 2
    world.rollup.withdraw(GAME, sender=GAME)
    world.rollup.burn()
    assert world.balance(world.rollup.address) == world.rollup.total_stakes() == 0


def test_a_wallet_is_its_own_author(world: World, ballot: bytes) -> None:
    """Invariant 34: whoever sends the transaction through it has no stake and no part."""
    wallet: Contract = world.deploy("tests/contracts/Attacker.vy")
    close_batch_of(world, ballot)
    world.pass_time(D)
    batch_hash = world.inbox.batch(1).batch_hash
    proposal = make_proposal(salt="wallet")
    words = world.rollup.final_id(0), 0, batch_hash, proposal.words, proposal.proof, b""

    def through(name: str, *arguments: Any, value: int = 0) -> None:
        data = call_of(world.rollup, name, *arguments)
        wallet.do(world.rollup.address, data, sender=NOBODY, value=value)

    world.fund(NOBODY, 2 * ETHER)
    with reverts("rollup: no live stake"):
        through("propose", *words)
    through("deposit_stake", value=ETHER)
    through("propose", *words)
    proposed = world.event("AssertionProposed")

    assert proposed["proposer"] == wallet.address
    assert world.rollup.stake(wallet.address).tip == proposed["assertion_id"]
    assert world.rollup.stake(NOBODY).status == 0
    world.rollup.defeat(proposed["assertion_id"], sender=GAME)
    assert world.rollup.stake(wallet.address).status == 2


def test_no_contract_asks_who_began_the_transaction() -> None:
    """Invariant 34"""
    assert [path.name for path in CONTRACTS if "tx.origin" in path.read_text()] == []


def test_blocks_are_not_time(world: World, ballot: bytes) -> None:
    """Invariant 24: a thousand blocks in one second open nothing and close nothing."""
    close_batch_of(world, ballot)
    lie = post(world, world.rollup.final_id(0), "lie", SEQUENCER)
    world.pass_time(T - 1, blocks=1)
    for _ in range(2):
        world.pass_time(0, blocks=1_000)
        with reverts("rollup: too early"):
            world.rollup.finalize(lie)
    mark = world.evm.snapshot()
    truth = post(world, world.rollup.final_id(0), "truth", STRANGER)
    assert world.rollup.assertion(truth).allowance == 1
    world.evm.revert(mark)
    world.pass_time(1, blocks=0)
    world.rollup.finalize(lie)


def test_no_period_is_counted_in_blocks() -> None:
    """Invariant 24: they are counted for the seed, and for how fresh an enclave's quote is."""
    found = {path.name for path in CONTRACTS if re.search(r"\bblock\.number\b", path.read_text())}
    assert found == {"Inbox.vy", "enclaves.vy"}


def read_log(world: World) -> list[Any]:
    """Everything a reader may ask of the log up to the head it knew, and what is not there yet."""
    rollup = world.rollup
    answers: list[Any] = []
    for n in range(3):
        answers += [rollup.final_id(n), rollup.state_root(n), rollup.outbox_root(n)]
        answers += [rollup.receipts_root(n), rollup.finalized_at(n)]
        answers.append(rollup.finality(max(n - 1, 0), n))
    return answers


def test_readers_see_the_same_before_during_and_after_a_dispute(
    world: World, ballot: bytes
) -> None:
    """Invariant 47, Invariant 2: final roots never change, and no read of them ever reverts."""
    finalize_one(world, ballot, make_proposal(noise("one"), salt=1))
    finalize_one(world, ballot, make_proposal(noise("two"), salt=2))
    for _ in range(2):
        close_batch_of(world, ballot)
    seen = read_log(world)
    head = world.rollup.final_id(2)

    lie = post(world, head, "lie", SEQUENCER)
    assert read_log(world) == seen
    truth = post(world, head, "truth", STRANGER)
    above = post(world, lie, "above", SEQUENCER)
    world.rollup.lock(AUTHOR, truth, sender=GAME)
    assert (read_log(world), world.rollup.head()) == (seen, 2)
    world.rollup.defeat(lie, sender=GAME)
    assert read_log(world) == seen
    world.rollup.mark_void(above)
    world.pass_time(T)
    assert read_log(world) == seen
    world.rollup.finalize(truth)

    assert (read_log(world), world.rollup.head()) == (seen, 3)
    assert world.rollup.state_root(3) == noise("truth")
    for parent in (head, world.rollup.final_id(1)):
        with reverts("rollup: parent past or unknown"):
            post(world, parent, "another past", CALLER)
    for past in (head, truth):
        with reverts("rollup: nothing to defeat"):
            world.rollup.defeat(past, sender=GAME)
