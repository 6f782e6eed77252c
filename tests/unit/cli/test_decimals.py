"""Numbers of more digits than Python reads, wherever one is asked for, are refused in words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from oyez import cli, decimals, unposted
from oyez.chain.client import connect
from oyez.commands.arguments import CallIdType, CallOrTransactionType
from oyez.protocol.errors import Temporary
from scripts import demo
from tests.cli_fuzz import LONG

NUMBERS = (click.types.IntParamType, CallIdType, CallOrTransactionType)


@given(st.integers(0, 10**20 - 1))
def test_a_number_of_twenty_digits_is_read(number: int) -> None:
    assert decimals.decode_decimal(str(number)) == number
    assert decimals.decode_decimal(f"{number:020}") == number


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1_0", "\u00b2", "\u0661", "9" * 21, LONG])
def test_another_text_is_no_number(text: str) -> None:
    assert decimals.decode_decimal(text) is None


def list_numbers() -> Iterator[tuple[str, list[str]]]:
    """Yield each parameter of a command that takes a whole number, and a line that gives it one."""
    root = cli.main
    context = click.Context(root)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        below = command.commands if isinstance(command, click.Group) else {"": command}
        for sub, one in below.items():
            words = [name, sub] if sub else [name]
            for parameter in one.params:
                if isinstance(parameter.type, NUMBERS):
                    given = (
                        [LONG]
                        if isinstance(parameter, click.Argument)
                        else [f"{parameter.opts[0]}={LONG}"]
                    )
                    yield " ".join([*words, str(parameter.name)]), [*words, *given]


LINES = dict(list_numbers())


def test_the_commands_take_numbers_in_many_places() -> None:
    names = {name.rpartition(" ")[2] for name in LINES}
    assert {"fee", "at", "amount", "batch", "margin", "close_after", "call_id"} <= names
    assert len(LINES) >= 15


@pytest.mark.parametrize("name", LINES)
def test_a_number_too_long_is_a_wrong_input_of_every_command(name: str) -> None:
    """Rule: CLI-1"""
    result = CliRunner().invoke(cli.main, LINES[name])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "oyez: Invalid value for " in result.stderr
    assert "Traceback" not in result.stderr


def test_a_number_too_long_in_a_lie_is_a_wrong_input() -> None:
    """Rule: INNER-83, CLI-1"""
    for flip in (f"token:{LONG}", f"token:1:{LONG}"):
        result = CliRunner().invoke(cli.main, ["dispute", "sim", "--call", "0", "--flip", flip])
        assert result.exit_code == 2
        assert "is not OP[:POSITION[:LANE]]" in result.stderr
        assert "Traceback" not in result.stderr
    assert demo.choose(LONG) is None


class Talker(BaseHTTPRequestHandler):
    """Answers with a number that no JSON reader takes."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        data = f'{{"result": {LONG}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def talker() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Talker) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_node_and_a_service_that_answer_such_numbers_are_temporary(talker: str) -> None:
    """Rule: CLI-1"""
    with pytest.raises(Temporary, match="a number too long"):
        connect(talker, 1)
    with pytest.raises(Temporary, match="answers as no sequencer does"):
        unposted._fetch(talker, {})
