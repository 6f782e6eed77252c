"""How values stand on the command line: ids as hex, inputs as text, file or hex."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from oyez import decimals
from oyez.protocol.errors import Invalid
from oyez.protocol.types import CallId, Hash32

MAX_CALL_ID = 2**64 - 1


class HashType(click.ParamType):
    """0x and 64 hex digits."""

    name = "id"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Hash32:
        """Return the 32 bytes. Any: click also passes values that are converted already."""
        if isinstance(value, bytes) and len(value) == 32:
            return Hash32(value)
        found = decode_hex(str(value))
        if found is None or len(found) != 32:
            self.fail(f"{value!r} is no id: it must be 0x and 64 hex digits", param, ctx)
        return Hash32(found)


class CallIdType(click.ParamType):
    """A call's id: a decimal number from 0."""

    name = "call id"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> CallId:
        """Return the number. Any: click also passes values that are converted already."""
        found = decode_call_id(str(value))
        if found is None:
            self.fail(f"{value!r} is no call id: it must be a whole number from 0", param, ctx)
        return found


class CellType(click.ParamType):
    """A cell's name or address; the chain's rules decide which names there are."""

    name = "cell"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text. Any: click also passes values that are converted already."""
        try:
            str(value).encode()
        except UnicodeEncodeError:
            self.fail(f"{value!r} is not UTF-8: name cells with a-z, 0-9, _ . -", param, ctx)
        return str(value)


class CallOrTransactionType(click.ParamType):
    """A call's id, or the hash of the transaction that queued it."""

    name = "call id or transaction"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> CallId | Hash32:
        """Return the number, or the 32 bytes. Any: click also passes what is converted already."""
        if isinstance(value, int | bytes):
            return CallId(value) if isinstance(value, int) else Hash32(value)
        if str(value).startswith("0x"):
            return HASH.convert(value, param, ctx)
        return CALL_ID.convert(value, param, ctx)


HASH = HashType()
CALL_ID = CallIdType()
CELL = CellType()
CALL_OR_TRANSACTION = CallOrTransactionType()

#: What every command takes that sends a transaction.
confirmations_option = click.option(
    "--confirmations",
    type=click.IntRange(0, 10_000),
    metavar="N",
    help="Blocks to wait for on top of the transaction's  [default: 0 on a local chain, else 8]",
)


def decode_hex(text: str) -> bytes | None:
    """Return the bytes of hex with or without 0x, None when it is no hex."""
    digits = text.removeprefix("0x")
    try:
        return bytes.fromhex(digits) if digits == "".join(digits.split()) else None
    except ValueError:
        return None


def decode_call_id(text: str) -> CallId | None:
    """Return a call id, None when the text is none."""
    number = decimals.decode_decimal(text)
    return CallId(number) if number is not None and number <= MAX_CALL_ID else None


def read_file(path: Path) -> bytes:
    """Return a file's bytes.

    Rule: CLI-5

    Raises:
        Invalid: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        why = f"cannot read {path} ({error.strerror}): correct the path"
        raise Invalid("CLI-5", why) from error


def write_file(path: Path, data: bytes) -> None:
    """Write a file in one step: whoever reads it sees the old bytes or the new ones.

    Raises:
        Invalid: it cannot be written.
    """
    if not path.name:
        raise Invalid("CLI-5", f"cannot write {path}: it is a folder; name a file in it")
    draft = path.with_name(path.name + ".new")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    except OSError as error:
        raise Invalid(
            "CLI-5", f"cannot write {path} ({error.strerror}): choose another place"
        ) from error


def build_input(text: str | None, file: Path | None, digits: str | None) -> bytes:
    """Return a call's input from the one place where it was given.

    A text that is not UTF-8 keeps its bytes: `check_input` names the bad one.

    Rule: CLI-6

    Raises:
        Invalid: it was given nowhere, or twice, or the hex is none.
    """
    if sum(given is not None for given in (text, file, digits)) != 1:
        raise Invalid("CLI-6", "give the input once: as TEXT, with --input-file or --input-hex")
    if text is not None:
        return os.fsencode(text)
    if file is not None:
        return read_file(file)
    found = decode_hex(digits or "")
    if found is None:
        raise Invalid("CLI-6", "--input-hex is no hex: give an even number of hex digits")
    return found


def check_input(data: bytes, bad: int | None, limit: int, *, force: bool) -> str | None:
    """Refuse an input that the inbox would refuse or the call would be rejected for.

    `bad` is the offset of the first byte for which the call would end REJECTED(BAD_INPUT), `limit`
    the action's longest input in bytes. With `force` what would be rejected is sent, and the
    warning returned.

    Rule: CLI-7

    Raises:
        Invalid: it is too long (which nothing can force), or has a bad byte.
    """
    if len(data) > limit:
        raise Invalid(
            "CLI-7", f"the input has {len(data)} bytes, this action takes {limit}: shorten it"
        )
    if bad is None:
        return None
    reason = f"byte {bad} of the input (0x{data[bad]:02x}) {_describe(data[bad])}"
    if force:
        return f"{reason}: the call will end REJECTED(BAD_INPUT), detail {bad}"
    raise Invalid(
        "CLI-7",
        f"{reason}: the call would end REJECTED(BAD_INPUT) and cost its fee; "
        "correct the text, or send it with --force",
    )


def _describe(byte: int) -> str:
    if byte == 0x0A:
        return "is a newline, which an input must not hold"
    if byte < 0x20 or byte == 0x7F:
        return "is a control character"
    return "is not UTF-8, or no token of the model spells it"
