"""What a command says and how it ends: results, errors, exit codes, progress.

Result    one dictionary; with `--json` it is the last line of standard output, alone.
Error     one sentence on standard error: what is wrong and what to do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import click

from oyez.protocol.errors import Fatal, Invalid, OyezError, Rewind, Temporary


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    NEGATIVE = 1
    INVALID = 2
    TEMPORARY = 3
    FATAL = 4
    INTERRUPTED = 130
    CLOSED = 141


def compute_exit(error: BaseException) -> tuple[Exit, str]:
    """Return the exit code of an error and the word for its kind.

    Rule: CLI-1
    """
    if isinstance(error, Temporary | Rewind):
        return Exit.TEMPORARY, "temporary"
    if isinstance(error, Fatal):
        return Exit.FATAL, "fatal"
    if isinstance(error, Invalid | click.ClickException):
        return Exit.INVALID, "invalid"
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Exit.INTERRUPTED, "interrupted"
    return Exit.FATAL, "fatal"


def build_error(error: BaseException) -> dict[str, Any]:
    """Return the JSON form of an error: kind, rule (or null) and message."""
    _, kind = compute_exit(error)
    if isinstance(error, Invalid):
        rule, message = error.rule, error.what
    elif isinstance(error, click.ClickException):
        rule, message = None, error.format_message()
    elif isinstance(error, OyezError):
        rule, message = None, str(error)
    elif isinstance(error, KeyboardInterrupt | click.Abort):
        rule, message = None, "interrupted"
    else:
        rule = None
        message = f"a bug, please report it: {type(error).__name__}: {error}"
    return {"error": {"kind": kind, "rule": rule, "message": message}}


def format_json(value: Mapping[str, Any]) -> str:
    """Return one line of JSON; non-ASCII text stays readable, other types are a bug.

    Line separators that some readers split on (U+2028, U+0085, ...) are escaped, so that one
    object is one line for every reader.
    """
    # where the stream cannot write all characters, JSON's own escapes stand for them
    is_unicode = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not is_unicode, allow_nan=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def emit(result: Mapping[str, Any], lines: list[str], *, as_json: bool) -> None:
    """Print a result: the text lines, or with `--json` one object as the only line.

    Rule: CLI-2
    """
    for line in [format_json(result)] if as_json else lines:
        echo(line)


def emit_error(error: BaseException, *, as_json: bool) -> Exit:
    """Say on standard error what is wrong and what to do; return the exit code."""
    code, _ = compute_exit(error)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        echo(error.ctx.get_usage(), err=True)
    described = build_error(error)
    echo(f"oyez: {described['error']['message']}", err=True)
    if as_json:
        echo(format_json(described))
    return code


def echo(text: str, *, err: bool = False) -> None:
    """Print a line; what the stream's encoding cannot write becomes an escape.

    Names of files and arguments may hold bytes that are no text.
    """
    encoding = (sys.stderr if err else sys.stdout).encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)


class Notes:
    """Lines on standard error about what goes on, each said once in a row."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._said = ""

    def __call__(self, text: str) -> None:
        """Say it, unless it was the last thing said."""
        if text != self._said:
            echo(f"oyez: {text}", err=True)
            self._said = text


class Progress:
    """One line on standard error that is rewritten in place; silent when not a terminal."""

    def __init__(self) -> None:
        """Look once whether anyone sees it."""
        self._live = sys.stderr.isatty()
        self._shown = False

    def show(self, text: str) -> None:
        """Replace the line."""
        if self._live:
            click.echo(f"\r\x1b[K{text}", err=True, nl=False)
            self._shown = True

    def clear(self) -> None:
        """Remove the line, so that the result stands alone."""
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._shown = False


def format_hex(data: bytes) -> str:
    """Return bytes as 0x and lower-case hex."""
    return "0x" + bytes(data).hex()


def format_ether(wei: int) -> str:
    """Return wei as a decimal number of ether, without trailing zeros."""
    whole, part = divmod(abs(wei), 10**18)
    digits = f"{part:018d}".rstrip("0")
    sign = "-" if wei < 0 else ""
    return f"{sign}{whole}.{digits} ETH" if digits else f"{sign}{whole} ETH"
