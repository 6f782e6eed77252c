"""The program's skeleton: help, shared options, errors, exit codes, JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from oyez import cli
from oyez.commands import output, settings
from oyez.protocol.errors import Fatal, Invalid, OyezError, Rewind, Temporary


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OYEZ_HOME", str(tmp_path / "home"))
    for name in ("OYEZ_KEY", "OYEZ_KEYSTORE_PASSWORD", "OYEZ_SEQUENCER"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.main, list(args))
    return result.exit_code, result.stdout, result.stderr


def last(text: str) -> dict[str, object]:
    found = json.loads(text.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_help_names_every_command_and_imports_no_chain_library() -> None:
    code = "import sys, oyez.cli as c\ntry: c.main(['--help'])\nexcept SystemExit as e:\n"
    code += " assert e.code == 0\n"
    code += "assert not {'web3', 'numpy', 'sequencer', 'oyez.client'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in [*cli.COMMANDS, *cli.SERVICES]:
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (Invalid("X-1", "bad"), 2, "invalid"),
        (Temporary("down"), 3, "temporary"),
        (Rewind(7), 3, "temporary"),
        (Fatal("other chain"), 4, "fatal"),
        (click.UsageError("no such option"), 2, "invalid"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_kind_of_error_has_its_exit_code(
    error: BaseException, code: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: CLI-1."""

    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(cli, "_load", lambda *_: settings.add_options(failing))
    status, out, err = run("status", "--json")
    assert status == code
    assert last(out)["error"]["kind"] == kind  # type: ignore[index]
    assert len(out.splitlines()) == 1
    if isinstance(error, OyezError):
        assert err.startswith("oyez: ")
    plain, out, _ = run("status")
    assert (plain, out) == (code, "")


def test_a_result_with_json_is_one_object_on_the_last_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Rule: CLI-2."""
    awkward = {"text": "ü line\nnext\u2028\u0085\x7f end"}
    output.emit(awkward, ["human"], as_json=True)
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 1
    assert json.loads(shown) == awkward
    assert "ü" in shown
    output.emit(awkward, ["human"], as_json=False)
    assert capsys.readouterr().out == "human\n"


def test_an_unparsable_command_line_still_answers_in_json() -> None:
    status, out, err = run("status", "--json", "--no-such-option")
    assert status == 2
    assert "--no-such-option" in str(last(out))
    assert "Usage:" in err


def test_text_after_a_double_dash_is_no_option() -> None:
    assert not cli._asks_json(["call", "--", "--json"])
    assert cli._asks_json(["call", "--json", "--", "x"])


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("frobnicate")[0] == 2


def test_no_deployment_names_the_place_and_the_option(home: Path) -> None:
    """Rule: CLI-3."""
    with pytest.raises(Invalid, match="--deployment") as caught:
        settings.load_deployment(settings.Settings())
    assert str(home) in str(caught.value)


def deployment_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    contracts = {"Inbox": "0x" + "11" * 20}
    document = {"rpc": "http://a", "chain_id": 5, "deployment_block": 1, "contracts": contracts}
    path.write_text(json.dumps(document))
    return path


def test_the_homes_deployment_is_the_default_and_rpc_overrides_it(
    home: Path, tmp_path: Path
) -> None:
    """Rule: CLI-3."""
    deployment_file(home / "deployment.json")
    assert settings.load_deployment(settings.Settings()).rpc == "http://a"
    given = settings.Settings(deployment=deployment_file(tmp_path / "d.json"), rpc="http://b")
    assert settings.load_deployment(given).rpc == "http://b"


def test_shared_options_stand_before_or_after_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[settings.Settings] = []

    @click.command()
    @settings.pass_settings
    def look(given: settings.Settings) -> None:
        seen.append(given)

    monkeypatch.setattr(cli, "_load", lambda *_: settings.add_options(look))
    assert run("--json", "--rpc", "http://x", "status")[0] == 0
    monkeypatch.setattr(cli, "_load", lambda *_: look)
    assert run("status", "--json", "--rpc", "http://x")[0] == 0
    assert seen == [settings.Settings(json=True, rpc="http://x")] * 2


def test_the_key_comes_from_the_environment_and_never_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule: CLI-4."""
    with pytest.raises(Fatal, match="OYEZ_KEY"):
        settings.load_key(settings.Settings())
    monkeypatch.setenv("OYEZ_KEY", "0x" + "5a" * 32)
    key = settings.load_key(settings.Settings())
    assert "5a5a" not in repr(key)
    monkeypatch.setenv("OYEZ_KEY", "5a" * 31)
    with pytest.raises(Fatal) as caught:
        settings.load_key(settings.Settings())
    assert "5a5a" not in str(caught.value)


def test_a_key_file_in_the_home_is_used_after_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: CLI-4."""
    from oyez.chain import keys

    stored = keys.write_keystore(home / "key.json", bytes([7] * 32), "pass", iterations=2)
    monkeypatch.setenv("OYEZ_KEYSTORE_PASSWORD", "pass")
    assert settings.load_key(settings.Settings()).address == stored.address
    monkeypatch.setenv("OYEZ_KEY", "0x" + "5a" * 32)
    assert settings.load_key(settings.Settings()).address != stored.address
    given = settings.Settings(keystore=home / "key.json")
    assert settings.load_key(given).address == stored.address


@pytest.mark.parametrize(
    ("wei", "text"),
    [(0, "0 ETH"), (10**18, "1 ETH"), (-15 * 10**17, "-1.5 ETH"), (1, "0.000000000000000001 ETH")],
)
def test_ether_is_exact(wei: int, text: str) -> None:
    assert output.format_ether(wei) == text
