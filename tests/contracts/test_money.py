"""Who pays and who is paid: parties with code that refuse, burn gas, call back, force ether in.

After everything: balance >= stakes + credits + escrow, and nobody else's money has moved.
"""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.abi import function_abi_to_4byte_selector
from eth_utils.address import to_checksum_address

from tests.contracts.conftest import publish
from tests.contracts.harness import (
    CALLER,
    ETHER,
    GRAVE,
    SEQUENCER,
    STRANGER,
    Contract,
    Reverted,
    World,
    encode_call,
    reverts,
)
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import (
    ZERO,
    close_batch_of,
    finalize_one,
    make_proposal,
    stake,
)

ACCEPT, REFUSE, BURN_GAS, CALL_BACK = range(4)
D = 120


def call_of(contract: Contract, name: str, *arguments: Any) -> bytes:
    (entry,) = [e for e in contract.world.abis[contract.address] if e.get("name") == name]
    return encode_call(entry, *arguments)


@pytest.fixture
def attacker(world: World) -> Contract:
    return world.deploy("tests/contracts/Attacker.vy")


def overpay(world: World, attacker: Contract, ballot: bytes, wei: int) -> None:
    fee = world.inbox.quote(ballot, 0)
    data = call_of(world.inbox, "submit", ballot, b"", b"", ZERO, 0)
    attacker.do(world.inbox.address, data, value=fee + wei)
    assert world.inbox.credit(attacker.address) == wei


def test_credit_is_paid_once_and_to_whomever_its_owner_names(world: World, ballot: bytes) -> None:
    """Invariant 32. Rule: INBOX-10"""
    fee = world.inbox.quote(ballot, 0)
    world.inbox.submit(ballot, b"", b"", ZERO, 0, value=fee + 9)
    before = world.balance(STRANGER)
    world.inbox.withdraw(STRANGER)

    assert world.event("CreditWithdrawn") == {"owner": CALLER, "to": STRANGER, "amount": 9}
    assert world.balance(STRANGER) - before == 9
    assert world.inbox.credit(CALLER) == world.inbox.total_credits() == 0
    for who in (CALLER, STRANGER):
        with reverts("inbox: no credit"):
            world.inbox.withdraw(STRANGER, sender=who)
    assert world.balance(world.inbox.address) == fee


@pytest.mark.parametrize("bit", [88, 207, 230])
def test_made_up_ether_never_spills_into_the_books_neighbours(
    world: World, ballot: bytes, bit: int
) -> None:
    """Rule: INBOX-11"""
    world.evm.set_balance(to_checksum_address(CALLER), 2**240)
    fee = world.inbox.quote(ballot, 0)
    with reverts("inbox: more ether than there is"):
        world.inbox.submit(ballot, b"", b"", ZERO, 0, value=fee + 2**bit + 2**88)
    most = 2**88 - 1 - fee
    world.inbox.submit(ballot, b"", b"", ZERO, 0, value=fee + most)
    assert (world.inbox.escrow(), world.inbox.total_credits()) == (fee, most)
    with reverts("inbox: more ether than there is"):
        world.inbox.submit(ballot, b"", b"", ZERO, 0, value=fee + 1)
    world.inbox.withdraw(STRANGER)
    world.inbox.submit(ballot, b"", b"", ZERO, 0, value=fee + 1)
    assert (world.inbox.escrow(), world.inbox.total_credits()) == (2 * fee, 1)


def test_who_refuses_payment_keeps_the_credit(
    world: World, ballot: bytes, attacker: Contract
) -> None:
    """Audit 2 L3, Invariant 32: another address may be named."""
    overpay(world, attacker, ballot, 5)
    attacker.set(REFUSE, bytes(20), b"")
    pay_self = call_of(world.inbox, "withdraw", attacker.address)
    with reverts("attacker: refused"):
        attacker.do(world.inbox.address, pay_self)
    assert world.inbox.credit(attacker.address) == world.inbox.total_credits() == 5
    attacker.do(world.inbox.address, call_of(world.inbox, "withdraw", STRANGER))
    assert world.inbox.total_credits() == 0


def test_who_burns_gas_burns_his_own(world: World, ballot: bytes, attacker: Contract) -> None:
    """Invariant 32: nobody else waits."""
    overpay(world, attacker, ballot, 5)
    attacker.set(BURN_GAS, bytes(20), b"")
    pay_self = call_of(world.inbox, "withdraw", attacker.address)
    with pytest.raises(Reverted):
        attacker.do(world.inbox.address, pay_self, gas=3_000_000)
    assert world.inbox.credit(attacker.address) == 5


@pytest.mark.parametrize("name", ["withdraw", "burn"])
def test_a_callback_finds_what_pays_locked(
    world: World, ballot: bytes, attacker: Contract, name: str
) -> None:
    overpay(world, attacker, ballot, 5)
    arguments = (attacker.address,) if name == "withdraw" else ()
    attacker.set(CALL_BACK, world.inbox.address, call_of(world.inbox, name, *arguments))
    attacker.do(world.inbox.address, call_of(world.inbox, "withdraw", attacker.address))

    assert attacker.called_back() == 1
    assert not attacker.answered()
    assert world.balance(attacker.address) == 5
    assert world.inbox.total_credits() == 0
    world.solvent()


def test_a_callback_may_close_a_batch_and_gains_nothing(
    world: World, ballot: bytes, attacker: Contract
) -> None:
    """submit and close_batch are not locked: they call views alone, and books are written."""
    overpay(world, attacker, ballot, 5)
    world.pass_time(10)
    attacker.set(CALL_BACK, world.inbox.address, call_of(world.inbox, "close_batch"))
    attacker.do(world.inbox.address, call_of(world.inbox, "withdraw", attacker.address))

    assert attacker.answered()
    assert world.inbox.open_batch() == 2
    assert world.inbox.batch(1).count == 1
    assert world.balance(attacker.address) == 5
    assert world.inbox.total_credits() == 0
    assert world.balance(world.inbox.address) == world.inbox.escrow()


def test_a_callback_may_read(world: World, ballot: bytes, attacker: Contract) -> None:
    """Views are never locked: what they answer is what will stand."""
    overpay(world, attacker, ballot, 5)
    credit = call_of(world.inbox, "credit", attacker.address)
    attacker.set(CALL_BACK, world.inbox.address, credit)
    attacker.do(world.inbox.address, call_of(world.inbox, "withdraw", attacker.address))

    assert attacker.answered()


def test_a_stake_is_not_paid_twice_to_one_who_calls_back(world: World, attacker: Contract) -> None:
    """Invariant 32: re-entry finds it locked."""
    stake(world)
    attacker.do(world.rollup.address, call_of(world.rollup, "deposit_stake"), value=ETHER)
    attacker.do(world.rollup.address, call_of(world.rollup, "request_withdrawal"))
    world.pass_time(D)
    again = call_of(world.rollup, "withdraw_stake", attacker.address)
    attacker.set(CALL_BACK, world.rollup.address, again)
    attacker.do(world.rollup.address, again)

    assert attacker.called_back() == 1
    assert not attacker.answered()
    assert world.balance(attacker.address) == ETHER
    assert world.balance(world.rollup.address) == world.rollup.total_stakes() == ETHER


def test_who_refuses_his_stake_may_name_another(world: World, attacker: Contract) -> None:
    attacker.do(world.rollup.address, call_of(world.rollup, "deposit_stake"), value=ETHER)
    attacker.do(world.rollup.address, call_of(world.rollup, "request_withdrawal"))
    world.pass_time(D)
    attacker.set(REFUSE, bytes(20), b"")
    with reverts("attacker: refused"):
        to_self = call_of(world.rollup, "withdraw_stake", attacker.address)
        attacker.do(world.rollup.address, to_self)
    assert world.rollup.total_stakes() == ETHER
    attacker.do(world.rollup.address, call_of(world.rollup, "withdraw_stake", STRANGER))
    assert world.rollup.total_stakes() == 0


def test_surge_is_burned_by_anyone_and_by_nobody_earned(world: World) -> None:
    """Rule: INBOX-11"""
    action_id = publish(world, BALLOT.change(fixed=2_046))
    surge = 0
    for _ in range(20):
        fee = world.inbox.quote(action_id, 0)
        world.inbox.submit(action_id, b"", b"", ZERO, 0, value=fee + 1)
        world.pass_time(0)
        surge += fee - 10**15 - 2_046 * 10**11
    owed = world.inbox.escrow() + world.inbox.total_credits()
    assert world.balance(world.inbox.address) == owed + surge
    grave = world.balance(GRAVE)
    world.inbox.burn(sender=STRANGER)

    assert surge > 0
    assert world.event("SurgeBurned") == {"amount": surge}
    assert world.balance(GRAVE) - grave == surge
    assert world.balance(world.inbox.address) == owed
    with reverts("inbox: nothing to burn"):
        world.inbox.burn(sender=STRANGER)


def test_forced_ether_is_burned_and_books_stay(
    world: World, ballot: bytes, attacker: Contract
) -> None:
    """Invariant 33: no decision reads a balance but burn."""
    stake(world)
    fee = world.inbox.quote(ballot, 0)
    world.inbox.submit(ballot, b"", b"", ZERO, 0, value=fee + 3)
    attacker.force(world.inbox.address, value=77)
    attacker.force(world.rollup.address, value=88)
    assert (world.inbox.escrow(), world.inbox.total_credits()) == (fee, 3)
    assert world.balance(world.inbox.address) == fee + 3 + 77
    world.inbox.burn()
    assert world.event("SurgeBurned") == {"amount": 77}
    assert world.balance(world.inbox.address) == fee + 3
    assert world.rollup.total_stakes() == ETHER
    assert world.balance(world.rollup.address) == ETHER + 88
    world.solvent()


def test_plain_ether_is_refused(world: World) -> None:
    for contract in (world.inbox, world.rollup, world.actions, world.models, world.gate):
        with pytest.raises(Reverted):
            world.call(contract.address, b"", sender=CALLER, value=1, view=False)
        assert world.balance(contract.address) == 0


def test_what_is_not_payable_takes_nothing(world: World, ballot: bytes) -> None:
    for contract in (world.inbox, world.rollup, world.actions):
        for entry in world.abis[contract.address]:
            if entry["type"] == "function" and entry["stateMutability"] == "nonpayable":
                empty = bytes(32 * 64)
                selector = function_abi_to_4byte_selector(entry)
                with pytest.raises(Reverted):
                    world.call(
                        contract.address, selector + empty, sender=CALLER, value=1, view=False
                    )
    payable = {
        entry["name"]
        for contract in (world.inbox, world.rollup, world.actions)
        for entry in world.abis[contract.address]
        if entry.get("stateMutability") == "payable" and entry["type"] == "function"
    }
    assert payable == {"submit", "deposit_stake"}


def test_close_then_finalize_leaves_only_credit(world: World, ballot: bytes) -> None:
    """Invariant 25: nothing is left when all is withdrawn."""
    stake(world)
    for i in range(3):
        finalize_one(world, ballot, make_proposal(salt=i), calls=i + 1)
    assert world.inbox.escrow() == 0
    world.inbox.withdraw(SEQUENCER, sender=SEQUENCER)
    world.inbox.withdraw(CALLER)
    assert world.inbox.total_credits() == 0
    assert world.balance(world.inbox.address) == 0
    close_batch_of(world, ballot)
