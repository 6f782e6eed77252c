"""Deploying over JSON-RPC: predicted addresses, checked links, the file, and clear refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import rlp
from click.testing import CliRunner

from oyez.chain import deploy, step_contracts
from oyez.chain.client import Chain, Reverted, connect
from oyez.chain.contracts import Transaction
from oyez.chain.deployment import load_deployment
from oyez.chain.game import Game
from oyez.chain.keys import Key
from oyez.chain.sender import MemoryJournal, Sender
from oyez.chain.signing import InsufficientBalance
from oyez.protocol import codec
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Address, Hash32
from scripts import deploy as script
from tests.contracts.harness import ROOT, SHAPE, encode_call
from tests.contracts.manifests import BALLOT
from tests.contracts.test_step_model import tiny
from tests.devnet import Anvil


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with Anvil() as running:
        yield running


@pytest.fixture
def chain(node: Anvil) -> Chain:
    return connect(node.rpc, node.chain_id)


@pytest.fixture
def key(node: Anvil) -> Key:
    return Key(bytes.fromhex(node.accounts[0].key[2:]))


def settings_of(key: Key) -> deploy.DeploySettings:
    return deploy.DeploySettings(key.address, (deploy.ListedModel(ROOT, SHAPE),))


def call_data(contract: str, name: str, *arguments: object) -> bytes:
    abi = deploy.compile_contracts()[contract].abi
    (entry,) = [e for e in abi if e.get("name") == name]
    return encode_call(entry, *arguments)


def test_five_contracts_know_each_other(chain: Chain, key: Key, node: Anvil) -> None:
    found = deploy.deploy(chain, key, settings_of(key))

    assert list(found.contracts) == list(deploy.CONTRACTS)
    assert (found.rpc, found.chain_id) == (node.rpc, node.chain_id)
    for name, address in found.contracts.items():
        assert 0 < len(chain.fetch_code(address)) <= 24_000, name
        assert chain.fetch_code(address, found.deployment_block - 1) == b""
    links = {
        ("Inbox", "rollup"): "Rollup",
        ("Inbox", "actions"): "ActionRegistry",
        ("ActionRegistry", "gate"): "ManifestGate",
        ("ActionRegistry", "models"): "ModelRegistry",
    }
    for (contract, link), other in links.items():
        answer = chain.call(found.contracts[contract], call_data(contract, link))
        assert answer[12:] == found.contracts[other]


def test_a_published_manifest_is_a_contracts_code_after_one_byte(chain: Chain, key: Key) -> None:
    found = deploy.deploy(chain, key, settings_of(key))
    manifest = BALLOT.encode()
    actions = found.contracts["ActionRegistry"]
    sender = Sender(chain, key, MemoryJournal())
    sender.send("publish", Transaction(actions, call_data("ActionRegistry", "publish", manifest)))
    data = call_data("ActionRegistry", "manifest_pointer", codec.keccak(manifest))
    pointer = Address(chain.call(actions, data)[12:])

    assert chain.fetch_code(pointer) == b"\0" + manifest


def test_a_consumer_is_deployed_after_the_action(chain: Chain, key: Key) -> None:
    found = deploy.deploy(chain, key, settings_of(key))
    address = deploy.deploy_consumer(
        chain,
        key,
        rollup=found.contracts["Rollup"],
        action_id=Hash32(bytes(32)),
        index=1,
        name_hash=codec.keccak(b"positives"),
        type_hash=codec.keccak(b"type"),
    )

    assert chain.call(address, call_data("BallotReader", "batch")) == bytes(32)
    with pytest.raises(Reverted, match="ballot: rollup has no code"):
        deploy.deploy_consumer(
            chain,
            key,
            rollup=key.address,
            action_id=Hash32(bytes(32)),
            index=1,
            name_hash=codec.keccak(b""),
            type_hash=codec.keccak(b""),
        )


def test_a_constructors_refusal_is_shown(chain: Chain, key: Key) -> None:
    with pytest.raises(Reverted, match="rollup: response above window"):
        deploy.deploy(chain, key, replace(settings_of(key), challenge_window=120))
    listed = deploy.ListedModel(ROOT, replace(SHAPE, layers=32))
    with pytest.raises(Reverted, match="models: layers not 1 to 31"):
        deploy.deploy(chain, key, replace(settings_of(key), models=(listed,)))


def test_an_account_without_money_is_told_how_much(chain: Chain) -> None:
    poor = Key(bytes(31) + b"\7")
    with pytest.raises(InsufficientBalance, match="send it at least"):
        deploy.deploy(chain, poor, settings_of(poor))


def test_a_stray_transaction_breaks_the_prediction_and_is_refused(
    chain: Chain, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Had the nonces moved, Inbox would name another rollup, which its constructor refuses."""
    real = deploy.plan_deployment

    def late(
        settings: deploy.DeploySettings, deployer: Address, nonce: int
    ) -> list[tuple[str, Address, bytes]]:
        return real(settings, deployer, nonce + 1)

    monkeypatch.setattr(deploy, "plan_deployment", late)
    with pytest.raises(Fatal, match="did not land on"):
        deploy.deploy(chain, key, settings_of(key))


@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**32])
def test_addresses_are_those_of_rlp(nonce: int) -> None:
    deployer = Address(bytes(range(20)))
    expected = codec.keccak(rlp.encode([deployer, nonce]))[12:]

    assert deploy.compute_create_address(deployer, nonce) == expected


@pytest.mark.parametrize("game", [True, False])
def test_the_script_writes_the_file(
    node: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, game: bool
) -> None:
    """Rule: INNER-72, DUEL-20"""
    out = tmp_path / "deployment.json"
    monkeypatch.setenv("OYEZ_KEY", node.accounts[1].key)
    monkeypatch.setattr(script, "load_engine", lambda path, sha256: tiny("mixed")[0])
    options = ["--rpc", node.rpc, "--out", str(out), "--window", "900"]
    result = CliRunner().invoke(script.main, options if game else [*options, "--no-game"])

    assert result.exit_code == 0, result.output
    found = load_deployment(out)
    names = list(json.loads(out.read_text())["contracts"])
    everything = [*deploy.REGISTRIES, *step_contracts.STEPS, *deploy.ROLLUP, *deploy.GAME]
    assert names == (everything if game else list(deploy.CONTRACTS))
    assert found.has_game == found.has_steps == game
    if game:
        links = Game(connect(found.rpc, found.chain_id), found).fetch_settings()
        assert (links.steps, links.inner_levels) == (found.address("StepTable"), 3)
    assert found.chain_id == node.chain_id
    chain = connect(found.rpc, found.chain_id)
    answer = chain.call(found.contracts["Rollup"], call_data("Rollup", "settings"))
    assert int.from_bytes(answer[64:96], "big") == 900
    assert node.accounts[1].key[2:] not in result.output


class Wide:
    """A model that runs, and is too wide for a step."""

    model_root = ROOT
    shape = replace(SHAPE, width=2_560)


def test_the_script_offers_no_game_over_a_model_without_steps(
    node: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: INNER-3"""
    out = tmp_path / "d.json"
    monkeypatch.setenv("OYEZ_KEY", node.accounts[1].key)
    monkeypatch.setattr(script, "load_engine", lambda path, sha256: Wide())
    arguments = ["--rpc", node.rpc, "--out", str(out)]

    refused = CliRunner().invoke(script.main, arguments)

    assert refused.exit_code == 1
    assert "width 2560: steps are provable up to 2048" in refused.output
    assert not out.exists()
    assert CliRunner().invoke(script.main, [*arguments, "--no-game"]).exit_code == 0


def test_the_script_names_what_is_wrong(
    node: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ["--out", str(tmp_path / "d.json")]
    monkeypatch.delenv("OYEZ_KEY", raising=False)
    for arguments, words in (
        (["--rpc", node.rpc, *out], "OYEZ_KEY"),
        (["--rpc", node.rpc, "--chain-id", "5", *out], "31337"),
        (["--rpc", "http://127.0.0.1:9", *out], "no chain answers"),
        (["--rpc", node.rpc, "--sequencer", "0x12", *out], "40 hex digits"),
    ):
        result = CliRunner().invoke(script.main, arguments)
        assert result.exit_code != 0
        assert words in result.output
        assert not (tmp_path / "d.json").exists()
    assert "Deploys a rollup" in CliRunner().invoke(script.main, ["--help"]).output
