"""`oyez call` that is cut off: what it signed is kept, sent again, found again, and paid once."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oyez import cli
from oyez.chain.record_files import FileRecords
from oyez.client import Client
from oyez.protocol.errors import Fatal
from oyez.protocol.types import CallId, Hash32
from tests.local_rollup import LocalRollup, build_counter
from tests.processes import ROOT
from tests.reorgs import keep_snapshot, roll_back
from tests.rpc_proxy import RpcProxy


@pytest.fixture(scope="module")
def deployed() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@pytest.fixture(scope="module")
def action(deployed: LocalRollup) -> str:
    return "0x" + deployed.client(1).publish(build_counter()).action_id.hex()


@pytest.fixture
def rollup(deployed: LocalRollup, action: str) -> Iterator[LocalRollup]:
    with keep_snapshot(deployed.anvil):
        yield deployed


class Home:
    """A user's home, with the deployment and a key."""

    def __init__(self, rollup: LocalRollup, path: Path) -> None:
        self.rollup = rollup
        self.path = path
        rollup.deployment.save(path / "deployment.json")
        self.environment = {
            "OYEZ_HOME": str(path),
            "OYEZ_KEY": rollup.anvil.accounts[2].key,
            "OYEZ_SEQUENCER": "",
        }

    def run(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        result = CliRunner().invoke(cli.main, [*arguments, "--json"], env=self.environment)
        assert result.exit_code == code, (result.stdout, result.stderr)
        self.stderr = result.stderr
        found = json.loads(result.stdout)
        assert isinstance(found, dict)
        return found

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "oyez.cli", *arguments],
            cwd=ROOT,
            env={"PATH": "", **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def list_records(self) -> list[Path]:
        return sorted(self.path.glob("transactions/*/*.json"))

    def count_sent(self) -> int:
        address = self.rollup.keys[2].address
        return self.rollup.chain.fetch_nonce(address, "latest")


@pytest.fixture
def home(rollup: LocalRollup, tmp_path: Path) -> Home:
    return Home(rollup, tmp_path / "home")


class Gate:
    """Keeps a request waiting until it is opened, and tells that one came."""

    def __init__(self, is_met: Callable[[bytes], bool]) -> None:
        self.came, self.opened = threading.Event(), threading.Event()
        self._is_met = is_met

    def __call__(self, request: bytes) -> None:
        if self._is_met(request):
            self.came.set()
            assert self.opened.wait(120)


@pytest.mark.parametrize("last", [b"eth_sendRawTransaction", b"eth_getTransactionReceipt"])
def test_a_command_killed_around_its_broadcast_goes_on_with_the_same_transaction(
    home: Home, action: str, last: bytes
) -> None:
    """Rule: SDK-15."""
    gate = Gate(lambda request: last in request)
    with RpcProxy(home.rollup.anvil.rpc, ask=gate) as proxy:
        process = home.start("call", action, "one", "--rpc", proxy.url)
        assert gate.came.wait(60)
        # while it lives nobody takes its transaction for broken off
        assert home.count_sent() == (last == b"eth_getTransactionReceipt")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        (record,) = home.list_records()
        assert record.stat().st_mode & 0o077 == 0
        gate.opened.set()
    found = home.run("call", action, "one")
    assert "going on with transaction" in home.stderr
    assert (found["call_id"], found["transaction"]) == (0, "0x" + record.stem)
    assert home.count_sent() == 1
    # told now: the same words are another call
    assert home.run("call", action, "one")["call_id"] == 1
    assert home.count_sent() == 2


def test_two_commands_at_once_are_two_calls(home: Home, action: str) -> None:
    """Rule: SDK-15."""
    gate = Gate(lambda request: b"eth_getTransactionReceipt" in request)
    with RpcProxy(home.rollup.anvil.rpc, ask=gate) as proxy:
        process = home.start("call", action, "one", "--rpc", proxy.url, "--json")
        assert gate.came.wait(60)
        assert home.run("call", action, "one")["call_id"] == 1
        gate.opened.set()
        output, _ = process.communicate()
    assert json.loads(output)["call_id"] == 0
    assert home.count_sent() == 2


def test_one_command_at_a_time_chooses_a_nonce(
    home: Home, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: SDK-13."""
    home.run("call", action, "one")
    folder = home.list_records()[0].parent
    asked: list[bytes] = []
    waits = threading.Event()
    lock = fcntl.flock

    def note(descriptor: int, operation: int) -> None:
        if os.path.samestat(os.fstat(descriptor), folder.stat()):
            waits.set()
        lock(descriptor, operation)

    with RpcProxy(home.rollup.anvil.rpc, ask=asked.append) as proxy:
        place = replace(home.rollup.deployment, rpc=proxy.url)
        client = Client(place, home.rollup.keys[2], journal=folder.parent)
        wish = Hash32(bytes.fromhex(action[2:]))
        thread = threading.Thread(target=client.call, args=(wish, b"two"), daemon=True)
        with FileRecords(folder).lock():
            monkeypatch.setattr(fcntl, "flock", note)
            thread.start()
            assert waits.wait(60)
            # the account's next nonce is asked for under the lock alone
            assert not any(b"eth_getTransactionCount" in request for request in asked)
            home.rollup.client(2).call(wish, b"between")
        thread.join(60)
        client.records.close()
    assert any(b"eth_getTransactionCount" in request for request in asked)
    inputs = [home.rollup.client(3).status(CallId(i)).entry.input for i in range(3)]
    assert inputs == [b"one", b"between", b"two"]


def test_a_wait_that_is_cut_off_goes_on_with_its_call(home: Home, action: str) -> None:
    """Rule: SDK-15."""
    home.run("call", action, "one", "--wait=final", "--timeout=0", code=3)
    home.run("call", action, "one", "--wait=posted", "--timeout=0", code=3)
    assert "going on with transaction" in home.stderr
    roll_back(home.rollup.anvil)
    home.rollup.client(3).call(Hash32(bytes.fromhex(action[2:])), b"other")
    home.run("call", action, "one", "--wait=posted", "--timeout=0", code=3)
    assert home.count_sent() == 1
    home.rollup.settle()
    found = home.run("call", action, "one", "--wait=final")
    assert (found["call_id"], found["finality"], found["input"]) == (1, "FINAL", "one")
    assert home.count_sent() == 1
    assert home.run("call", action, "one")["call_id"] == 2


def test_another_call_is_sent_where_the_user_says_so(home: Home, action: str) -> None:
    home.run("call", action, "one", "--wait", "--timeout=0", code=3)
    found = home.run("call", action, "one", "--again")
    assert (found["call_id"], home.count_sent()) == (1, 2)


def test_status_in_another_process_sends_a_removed_call_again(home: Home, action: str) -> None:
    """Rule: SDK-11."""
    sent = home.run("call", action, "one")
    assert sent["moved_from"] is None
    roll_back(home.rollup.anvil)
    home.rollup.client(3).call(Hash32(bytes.fromhex(action[2:])), b"other")
    del home.environment["OYEZ_KEY"]
    found = home.run("status", "0")
    assert "sending the same transaction" in home.stderr
    assert (found["call_id"], found["moved_from"], found["input"]) == (1, 0, "one")
    assert home.run("status", sent["transaction"])["moved_from"] is None
    text = CliRunner().invoke(cli.main, ["status", "0"], env=home.environment).stdout
    assert text.startswith("call 0 is call 1 since the chain was re-organised\n")
    stranger = {**home.environment, "OYEZ_HOME": str(home.path.parent / "empty")}
    home.environment = {**stranger}
    file = str(home.path / "deployment.json")
    assert home.run("status", "0", "--deployment", file)["input"] == "other"
    assert not (home.path.parent / "empty").exists()


def test_confirmations_are_waited_for(home: Home, action: str) -> None:
    """Rule: SDK-10."""
    with RpcProxy(home.rollup.anvil.rpc, ask=lambda request: mine_at(home, request)) as proxy:
        found = home.run("call", action, "one", "--confirmations", "3", "--rpc", proxy.url)
    (record,) = home.list_records()
    block = json.loads(record.read_text())["block"]
    assert home.rollup.chain.fetch_block().number - block == 3
    assert found["call_id"] == 0


def mine_at(home: Home, request: bytes) -> None:
    if b"eth_getTransactionReceipt" in request:
        home.rollup.anvil.mine()


def test_a_nonce_that_went_elsewhere_is_a_clear_error(home: Home, action: str) -> None:
    """Rule: SDK-12."""
    home.run("call", action, "one")
    roll_back(home.rollup.anvil)
    account = home.rollup.anvil.accounts[2].address
    home.rollup.anvil.send(**{"from": account, "to": account, "value": "0x1"})
    error = home.run("status", "0", code=2)["error"]
    assert (error["kind"], error["rule"]) == ("invalid", "SDK-12")
    assert "call 0 is no longer in the inbox" in error["message"]
    assert home.run("call", action, "one")["call_id"] == 0
    assert home.run("status", "0")["input"] == "one"


def test_a_call_sent_anew_after_its_nonce_was_lost_is_the_one_to_go_on_with(
    home: Home, action: str
) -> None:
    """Rule: SDK-15, SDK-12."""
    cut_off = ("call", action, "one", "--wait=final", "--timeout=0")
    home.run(*cut_off, code=3)
    roll_back(home.rollup.anvil)
    account = home.rollup.anvil.accounts[2].address
    home.rollup.anvil.send(**{"from": account, "to": account, "value": "0x1"})
    assert "went to another" in home.run(*cut_off, code=3)["error"]["message"]
    for _ in range(2):
        assert "is QUEUED" in home.run(*cut_off, code=3)["error"]["message"]
    # the other transaction, and the call once
    assert home.count_sent() == 2
    assert home.rollup.sequencer.inbox.read("call_count") == 1


def test_publish_and_deposit_go_on_too(home: Home, action: str, tmp_path: Path) -> None:
    """Rule: SDK-15."""
    file = tmp_path / "action.bin"
    file.write_bytes(build_counter(name=b"kept"))
    for command in (("action", "publish", str(file)), ("stake", "deposit")):
        gate = Gate(lambda request: b"eth_getTransactionReceipt" in request)
        with RpcProxy(home.rollup.anvil.rpc, ask=gate) as proxy:
            process = home.start(*command, "--rpc", proxy.url)
            assert gate.came.wait(60)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            gate.opened.set()
        before = home.count_sent()
        home.run(*command)
        assert home.count_sent() == before


def test_a_home_that_cannot_be_written_sends_nothing(home: Home, action: str) -> None:
    """Rule: SDK-15."""
    (home.path / "transactions").write_text("a file in the folder's place")
    error = home.run("call", action, "one", code=2)["error"]
    assert "signed transactions are kept there before they are sent" in error["message"]
    assert home.count_sent() == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"intent": 1}', "\xff"])
def test_a_damaged_record_is_named(rollup: LocalRollup, tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    with pytest.raises(Fatal, match=r"x\.json is damaged"):
        FileRecords(tmp_path)


def test_a_new_local_chain_of_the_same_id_is_sent_nothing_old(
    rollup: LocalRollup, action: str, tmp_path: Path
) -> None:
    """Rule: SDK-15."""
    first = rollup.chain.fetch_block(0).hash.hex().encode()
    wish = Hash32(bytes.fromhex(action[2:]))
    for edit in (lambda _, answer: answer, lambda _, answer: answer.replace(first, b"5a" * 32)):
        with RpcProxy(rollup.anvil.rpc, edit=edit) as proxy:
            place = replace(rollup.deployment, rpc=proxy.url)
            client = Client(place, rollup.keys[2], journal=tmp_path)
            assert client.records.list_records() == []
            client.call(wish, b"one")
            client.records.close()
    assert len(list(tmp_path.iterdir())) == 2
