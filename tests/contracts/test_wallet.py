"""The contract wallet that adversaries use: it acts for its owner and takes no payment."""

from __future__ import annotations

from tests.contracts.harness import CALLER, ETHER, STRANGER, World, encode_call, reverts


def test_it_acts_for_its_owner_alone_and_takes_nothing(world: World) -> None:
    wallet = world.deploy("contracts/mocks/Wallet.vy", CALLER)
    abi = world.abis[world.rollup.address]
    (deposit,) = [entry for entry in abi if entry.get("name") == "deposit_stake"]
    data = encode_call(deposit)
    with reverts("wallet: owner only"):
        wallet.execute(world.rollup.address, data, sender=STRANGER, value=ETHER)
    wallet.execute(world.rollup.address, data, sender=CALLER, value=ETHER)
    assert world.rollup.stake(wallet.address).status == 1
    assert world.rollup.stake(CALLER).status == 0
    with reverts("wallet: no payments"):
        world.call(wallet.address, b"", sender=CALLER, value=1, view=False)
