from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oyez.chain.deployment import Deployment, load_deployment
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Address

DEPLOYMENT = Deployment(
    rpc="http://127.0.0.1:8545",
    chain_id=31_337,
    deployment_block=4,
    contracts={"Inbox": Address(b"\x0a" * 20), "Rollup": Address(b"\x0b" * 20)},
    consumer=Address(b"\x0c" * 20),
)


def test_a_saved_deployment_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "deployment.json"
    DEPLOYMENT.save(path)
    assert load_deployment(path) == DEPLOYMENT
    document = json.loads(path.read_text())
    assert set(document) == {"rpc", "chain_id", "deployment_block", "contracts", "consumer"}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rpc", 5),
        ("rpc", None),
        ("chain_id", "31337"),
        ("chain_id", -1),
        ("chain_id", True),
        ("deployment_block", 1.5),
        ("contracts", ["0x"]),
        ("contracts", {"Inbox": "0x12"}),
        ("contracts", {"Inbox": 7}),
        ("consumer", "nobody"),
    ],
)
def test_a_broken_value_is_named(tmp_path: Path, name: str, value: Any) -> None:
    path = tmp_path / "deployment.json"
    DEPLOYMENT.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(Fatal, match=f"{'Inbox' if isinstance(value, dict) else name} must be"):
        load_deployment(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3"])
def test_a_file_that_is_no_deployment_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(text)
    with pytest.raises(Fatal, match="give the file that the deployment wrote"):
        load_deployment(path)
    with pytest.raises(Fatal, match="cannot read"):
        load_deployment(tmp_path / "none.json")


def test_a_contract_that_is_not_named_is_fatal() -> None:
    with pytest.raises(Fatal, match="names no Treasury"):
        DEPLOYMENT.address("Treasury")


def test_json_without_an_end_is_no_deployment(tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    path.write_text("[" * 100_000)
    with pytest.raises(Fatal, match="is not JSON"):
        load_deployment(path)
