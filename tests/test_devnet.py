import os
import socket
from pathlib import Path

import pytest

from oyez.chain import devnet
from oyez.chain.signing import MAX_TRANSACTION_BYTES
from oyez.protocol.errors import Fatal
from tests.devnet import Anvil


def test_two_devnets_run_side_by_side_and_leave_nothing() -> None:
    with Anvil() as one, Anvil(accounts=2, chain_id=7) as two:
        assert one.rpc != two.rpc
        assert int(one.request("eth_chainId"), 16) == 31_337
        assert int(two.request("eth_chainId"), 16) == 7
        assert len(two.accounts) == 2
        balance = int(one.request("eth_getBalance", one.accounts[0].address, "latest"), 16)
        assert balance == 10_000 * 10**18
        pids = one.pid, two.pid
        port = int(one.rpc.rsplit(":", 1)[1])

    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    one.stop()


def test_clock_moves_by_hand_and_back() -> None:
    with Anvil() as node:
        before = int(node.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        mark = node.snapshot()
        node.advance(600)
        after = node.request("eth_getBlockByNumber", "latest", False)
        assert int(after["timestamp"], 16) >= before + 600
        node.restore(mark)
        node.mine(2)
        assert int(node.request("eth_blockNumber"), 16) == 2


def test_many_requests_do_not_stall_it() -> None:
    with Anvil() as node:
        for _ in range(3_000):
            node.request("eth_chainId")


def test_mixed_mining_gives_a_block_without_a_transaction() -> None:
    with Anvil(block_time=1) as node:
        sender, receiver = node.accounts[0].address, node.accounts[1].address
        receipt = node.send(**{"from": sender, "to": receiver, "value": "0x1"})
        assert receipt["status"] == "0x1"


def test_misuse_and_absence_name_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Anvil()
    with pytest.raises(Fatal, match="start"):
        node.request("eth_chainId")
    with node:
        with pytest.raises(Fatal, match="stop"):
            node.start()
        with pytest.raises(Fatal, match="eth_nonsense"):
            node.request("eth_nonsense")
    monkeypatch.setattr(devnet.sys, "executable", "/nowhere/python")
    monkeypatch.setattr(devnet.shutil, "which", lambda name: None)
    with pytest.raises(Fatal, match="make install"):
        Anvil().start()


def test_a_binary_that_dies_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "anvil"
    broken.write_text("#!/bin/sh\necho no such option\nexit 2\n")
    broken.chmod(0o755)
    monkeypatch.setattr(devnet.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(Fatal, match="no such option"):
        Anvil().start()


def test_a_transaction_takes_at_most_2_to_24_gas() -> None:
    """As on the main network: what costs more can never be sent there (EIP-7825)."""
    with Anvil() as node:
        plain = {"from": node.accounts[0].address, "to": node.accounts[1].address}
        assert node.send(**plain, gas=hex(2**24))["status"] == "0x1"
        with pytest.raises(Fatal, match="gas"):
            node.send(**plain, gas=hex(2**24 + 1))


def test_no_test_sends_more_than_nodes_take() -> None:
    with Anvil() as node:
        plain = {"from": node.accounts[0].address, "to": node.accounts[1].address}
        with pytest.raises(AssertionError):
            node.send(**plain, data="0x" + "00" * MAX_TRANSACTION_BYTES)
