"""What `oyez serve` and `oyez watch` say when they cannot start: the fix, an exit code, no key."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from oyez import service
from oyez.chain.deployment import Deployment
from oyez.protocol.types import Address
from tests.devnet import Anvil
from tests.processes import Service

KEY = "0x" + "07" * 32
CONTRACTS = {
    name: Address(bytes([index]) * 20)
    for index, name in enumerate(["Inbox", "Rollup", "ActionRegistry", "ModelRegistry"], 1)
}


@pytest.fixture(scope="module")
def other_chain() -> Iterator[str]:
    with Anvil(chain_id=4_242) as node:
        yield node.rpc


def start(command: str, home: Path, deployment: Deployment, **environment: str) -> tuple[int, str]:
    """Run a command that must end by itself; return its exit code and its log."""
    file = home / "deployment.json"
    deployment.save(file)
    arguments = (command, "--deployment", str(file), "--home", str(home / command))
    with Service(*arguments, environment={"HOME": str(home), **environment}) as process:
        code, output = process.wait_end()
    assert output == ""
    return code, "\n".join(process.lines)


@pytest.mark.parametrize("command", ["serve", "watch"])
def test_a_chain_that_is_down_is_named(command: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        rpc = f"http://127.0.0.1:{free.getsockname()[1]}"
    code, text = start(command, tmp_path, Deployment(rpc, 31_337, 0, CONTRACTS), OYEZ_KEY=KEY)
    assert code == 3
    assert f"no chain answers at {rpc}" in text
    assert "start it, or correct `rpc`" in text
    assert KEY[2:] not in text


def test_an_enclave_without_a_registry_is_named(tmp_path: Path, other_chain: str) -> None:
    """Rule: SEQ-33"""
    deployment = Deployment(other_chain, 4_242, 0, CONTRACTS)
    enclave = str(tmp_path / "enclave")
    code, text = start("serve", tmp_path, deployment, OYEZ_KEY=KEY, OYEZ_ENCLAVE=enclave)
    assert code == 4
    assert "it was deployed without enclaves" in text


@pytest.mark.parametrize("command", ["serve", "watch"])
def test_another_chain_is_named(command: str, tmp_path: Path, other_chain: str) -> None:
    deployment = Deployment(other_chain, 31_337, 0, CONTRACTS)
    code, text = start(command, tmp_path, deployment, OYEZ_KEY=KEY)
    assert code == 4
    assert "is chain 4242, the deployment is on chain 31337" in text


@pytest.mark.parametrize("command", ["serve", "watch"])
def test_contracts_that_are_not_there_are_named(
    command: str, tmp_path: Path, other_chain: str
) -> None:
    deployment = Deployment(other_chain, 4_242, 0, CONTRACTS)
    code, text = start(command, tmp_path, deployment, OYEZ_KEY=KEY)
    assert code == 3
    assert "is the deployment file of this chain?" in text


def test_a_sequencer_without_a_key_says_how_to_give_one(tmp_path: Path, other_chain: str) -> None:
    code, text = start("serve", tmp_path, Deployment(other_chain, 4_242, 0, CONTRACTS))
    assert code == 4
    assert "no key: give --keystore FILE, or set OYEZ_KEY" in text


def test_a_challenger_without_a_key_says_how_to_go_without(
    tmp_path: Path, other_chain: str
) -> None:
    code, text = start("watch", tmp_path, Deployment(other_chain, 4_242, 0, CONTRACTS))
    assert code == 4
    assert "set OYEZ_KEY to 64 hex digits; or give --watch-only" in text


@pytest.mark.parametrize("command", ["serve", "watch"])
def test_a_home_that_another_process_uses_is_refused(
    command: str, tmp_path: Path, other_chain: str
) -> None:
    """Rule: SEQ-18."""
    deployment = Deployment(other_chain, 4_242, 0, CONTRACTS)
    with service.lock_home(tmp_path / command):
        code, text = start(command, tmp_path, deployment, OYEZ_KEY=KEY)
        assert code == 4
        assert f"another oyez process uses the home {tmp_path / command}" in text
        # Not even a database was made beside the other process's.
        assert [path.name for path in (tmp_path / command).iterdir()] == ["lock"]
    code, text = start(command, tmp_path, deployment, OYEZ_KEY=KEY)
    assert code == 3  # the lock ended with its holder


@pytest.mark.parametrize("command", ["serve", "watch"])
def test_a_home_that_is_no_folder_is_refused(
    command: str, tmp_path: Path, other_chain: str
) -> None:
    """Rule: SEQ-18."""
    (tmp_path / command).write_text("a file")
    deployment = Deployment(other_chain, 4_242, 0, CONTRACTS)
    code, text = start(command, tmp_path, deployment, OYEZ_KEY=KEY)
    assert code == 4
    assert f"cannot use {tmp_path / command} as home (File exists)" in text


@pytest.mark.parametrize(("command", "file"), [("serve", "sequencer"), ("watch", "challenger")])
def test_a_damaged_database_is_named(
    command: str, file: str, tmp_path: Path, other_chain: str
) -> None:
    path = tmp_path / command / f"{file}.db"
    path.parent.mkdir()
    path.write_bytes(b"no database" * 100)
    deployment = Deployment(other_chain, 4_242, 0, CONTRACTS)
    code, text = start(command, tmp_path, deployment, OYEZ_KEY=KEY)
    assert code == 4
    assert f"cannot use {path} (file is not a database): give another --home" in text
