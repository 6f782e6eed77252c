"""The program's skeleton: help, shared options, errors, exit codes, JSON."""

from __future__ import annotations

import json
import os
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
    assert last(out)["error"]["kind"] == kind  # type: ignore[index]  # JSON
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


def test_a_bug_shows_where_it_is_and_ends_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: CLI-1, CLI-2."""

    @click.command()
    def broken() -> None:
        raise KeyError("something")

    monkeypatch.setattr(cli, "_load", lambda *_: settings.add_options(broken))
    status, out, err = run("status", "--json")
    assert status == 4
    assert "Traceback (most recent call last)" in err
    error = last(out)["error"]
    assert error == {
        "kind": "fatal",
        "rule": None,
        "message": "a bug, please report it: KeyError: 'something'",
    }
    assert len(out.splitlines()) == 1


def start(script: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    """Rule: CLI-1."""
    script = "import sys, oyez.cli as c\nsys.stdin.read(1)\nc.main(['--help'])"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(b"x")
    assert (process.returncode, err) == (141, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_a_stream_cannot_write_is_escaped(encoding: str) -> None:
    """Rule: CLI-2."""
    script = "from oyez.commands import output as o\n"
    script += (
        "v = {'a': 'ü€\\udcff'}\no.emit(v, [], as_json=True)\no.emit(v, [v['a']], as_json=False)"
    )
    process = start(script, PYTHONIOENCODING=encoding)
    out, err = process.communicate()
    assert err == b""
    first, second = out.decode(encoding).splitlines()
    assert json.loads(first) == {"a": "ü€\udcff"}
    assert second.endswith("\\udcff")


@pytest.mark.parametrize("option", ["--rpc", "--sequencer"])
@pytest.mark.parametrize("text", ["http://[::1", "127.0.0.1:8545", "http://a:99999", ""])
def test_an_address_that_is_none_is_an_input_error(home: Path, option: str, text: str) -> None:
    """Rule: CLI-11."""
    deployment_file(home / "deployment.json")
    status, out, _ = run("status", "0", option, text, "--json")
    assert status == 2
    assert f"{option} {text!r} is no address" in str(last(out))


def test_a_deployment_file_with_an_address_that_is_none_is_an_input_error(home: Path) -> None:
    """Rule: CLI-11."""
    path = deployment_file(home / "deployment.json")
    path.write_text(path.read_text().replace("http://a", "a"))
    status, out, _ = run("status", "0", "--json")
    assert status == 2
    assert "the chain's address 'a' is no address" in str(last(out))


def test_a_key_that_is_none_is_left_aside_by_what_only_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rule: CLI-4."""
    monkeypatch.setenv("OYEZ_KEY", "zz")
    assert not settings.has_key()
    assert "OYEZ_KEY is no private key" in capsys.readouterr().err
    with pytest.raises(Fatal, match="OYEZ_KEY is no private key"):
        settings.load_key(settings.Settings())
    monkeypatch.setenv("OYEZ_KEY", "07" * 32)
    assert settings.has_key()


def test_a_new_key_without_a_terminal_asks_for_the_password_in_the_environment(home: Path) -> None:
    status, out, _ = run("key", "new", "--json")
    assert status == 4
    assert "set OYEZ_KEYSTORE_PASSWORD" in str(last(out))
    assert not (home / "key.json").exists()


@pytest.mark.parametrize("port", ["-1", "65536", "99999", "x"])
def test_a_port_out_of_range_is_an_input_error(port: str) -> None:
    status, out, _ = run("serve", "--port", port, "--json")
    assert status == 2
    assert "--port" in str(last(out))
