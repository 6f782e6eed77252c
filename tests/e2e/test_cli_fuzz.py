"""Every command under hostile arguments, environments and RPC answers: known ends alone."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import challenger.command
import sequencer.command
from oyez import cli, service
from oyez.chain import keys
from oyez.chain.delivery import Delivery
from oyez.client import Client
from oyez.protocol.types import Hash32
from tests.cli_fuzz import CODES, LONG, Case, Changer, Drawer
from tests.local_rollup import LocalRollup, build_counter
from tests.rpc_proxy import RpcProxy

SEED = int(os.environ.get("OYEZ_FUZZ_SEED", "1"))
CASES = int(os.environ.get("OYEZ_FUZZ_CASES", "200"))


@pytest.fixture(scope="module")
def rollup() -> Iterator[LocalRollup]:
    with LocalRollup() as made:
        yield made


@pytest.fixture(scope="module")
def action(rollup: LocalRollup) -> Hash32:
    made = rollup.client(1).publish(build_counter()).action_id
    for text in (b"one", b"two", b"bad\nline"):
        rollup.client(1).call(made, text)
    rollup.settle()
    rollup.client(1).call(made, b"three")
    return made


def make_quick(rollup: LocalRollup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for a clock, no model is loaded, and a service that starts ends at once."""
    monkeypatch.setattr(Client, "load_engine", lambda _: rollup.engine)
    for module in (sequencer.command, challenger.command):
        monkeypatch.setattr(module, "load_engine", lambda *_, **__: rollup.engine)
    write = keys.write_keystore
    monkeypatch.setattr(keys, "write_keystore", lambda p, s, w: write(p, s, w, iterations=2))
    monkeypatch.setattr(service, "run", lambda *_: None)
    monkeypatch.setattr(service, "stop_on_signals", lambda *_: None)
    for function, name, value in (
        (Client.__init__, "pause", lambda _: None),
        (Delivery.__init__, "patience", 1.0),
    ):
        defaults = function.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, name, value)
    for name in ("OYEZ_KEY", "OYEZ_KEYSTORE_PASSWORD", "OYEZ_SEQUENCER", "OYEZ_MODEL"):
        monkeypatch.delenv(name, raising=False)


def build_files(folder: Path, rollup: LocalRollup, rpc: str) -> list[Path]:
    """Files as they should be and as they should not, for every option that takes one."""
    texts = {
        "empty": b"",
        "list.json": b"[]",
        "deep.json": b"[" * 5_000,
        "nan.json": b'{"rpc": NaN}',
        "binary": bytes(range(256)),
        "short.bin": build_counter()[:-3],
        "other.bin": build_counter(name=b"other"),
        "text.yaml": b"action: [",
        "key.json": b'{"crypto": {"kdf": "scrypt"}, "version": 3}',
        "long.json": f"[{LONG}]".encode(),
        "long.yaml": f"limits: {{input_bytes: {LONG}}}".encode(),
    }
    for name, data in texts.items():
        (folder / name).write_bytes(data)
    files = [folder, *(folder / name for name in texts)]
    document = json.loads((folder / "deployment.json").read_text())
    for name, change in {
        "rpc": {"rpc": "x"},
        "chain": {"chain_id": 5},
        "late": {"deployment_block": 10**30},
        "later": {"deployment_block": 10**4_000},
        "swapped": {
            "contracts": {**document["contracts"], "Inbox": document["contracts"]["Rollup"]}
        },
        "absent": {"contracts": {}},
        "nowhere": {"contracts": dict.fromkeys(document["contracts"], "0x" + "11" * 20)},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(document | {"rpc": rpc} | change))
        files.append(folder / f"{name}.json")
    return files


def check(case: Case, result: Result) -> None:
    told = (case, result.exit_code, result.stdout, result.stderr)
    assert isinstance(result.exception, SystemExit | None), told
    assert "Traceback" not in result.stderr, told
    assert "a bug, please report" not in result.stderr, told
    assert result.exit_code in CODES, told
    is_json = cli._asks_json(case.arguments)
    if is_json and result.exit_code > 1:
        (line,) = result.stdout.splitlines()
        error = json.loads(line)["error"]
        assert error["kind"] in ("invalid", "temporary", "fatal"), told
        assert error["message"], told
    if result.exit_code > 1:
        assert "oyez: " in result.stderr, told


@pytest.fixture
def quick(rollup: LocalRollup, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_quick(rollup, monkeypatch)
    # a relative path that is drawn lies nowhere else
    monkeypatch.chdir(tmp_path)


def test_whatever_comes_ends_as_documented(
    rollup: LocalRollup, action: Hash32, quick: None, tmp_path: Path
) -> None:
    """Rule: CLI-1, CLI-2, CLI-11."""
    drawn = random.Random(SEED)
    home = tmp_path / "home"
    changer: list[Changer] = []
    seen: dict[int, int] = {}
    before = signal.getsignal(signal.SIGINT)
    with RpcProxy(rollup.anvil.rpc, edit=lambda ask, told: changer[-1](ask, told)) as proxy:
        rollup.deployment.save(home / "deployment.json")
        document = json.loads((home / "deployment.json").read_text()) | {"rpc": proxy.url}
        (home / "deployment.json").write_text(json.dumps(document))
        (tmp_path / "deployment.json").write_text(json.dumps(document))
        files = build_files(tmp_path, rollup, proxy.url)
        drawer = Drawer(drawn, "0x" + action.hex(), files)
        for _ in range(CASES):
            snapshot = rollup.anvil.snapshot()
            case = drawer.draw()
            changer.append(Changer(case))
            base = {"OYEZ_HOME": str(home), "OYEZ_KEY": rollup.anvil.accounts[2].key}
            result = CliRunner().invoke(cli.main, case.arguments, env={**base, **case.environment})
            check(case, result)
            seen[result.exit_code] = seen.get(result.exit_code, 0) + 1
            rollup.anvil.restore(snapshot)
    assert signal.getsignal(signal.SIGINT) is before
    # the cases are worth something: all ends are met
    assert set(seen) == CODES, seen
