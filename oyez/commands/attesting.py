"""`oyez attest check` has the contracts judge a TDX quote on a local chain, at a given time."""

from __future__ import annotations

import re
from pathlib import Path

import click

from oyez.commands import output
from oyez.commands.arguments import read_file
from oyez.commands.settings import Settings, pass_settings
from oyez.protocol.errors import Invalid

MAX_FILE = 1 << 20
HEX = re.compile(rb"(?:0[xX])?((?:[0-9a-fA-F]{2})+)")


@click.group()
def attest() -> None:
    """Judge a TDX quote."""


@attest.command()
@click.argument("quote", type=click.Path(path_type=Path))
@click.option(
    "--collateral",
    type=click.Path(path_type=Path),
    required=True,
    help="What judges it: dcap-qvl's QuoteCollateralV3 JSON.",
)
@click.option(
    "--at", type=int, required=True, metavar="UNIX_TIME", help="When: seconds since 1970."
)
@click.option("--simulated", is_flag=True, help="Under the simulated platform's root, not Intel's.")
@pass_settings
def check(settings: Settings, *, quote: Path, collateral: Path, at: int, simulated: bool) -> None:
    """Have the contracts judge QUOTE on a local chain of its own. Exit code 1: refused.

    QUOTE is a file with the quote's bytes or their hex. What dcap-qvl says, where it is installed,
    is shown beside the answer and changes nothing.
    """
    from oyez.attestation.second_opinion import ask_dcap_qvl
    from oyez.attestation.simulated import SimulatedPlatform
    from oyez.attestation.trial import try_quote

    raw, given = read_quote(quote), _read(collateral)
    try:
        text = given.decode()
    except UnicodeDecodeError as error:
        raise Invalid("CLI-8", f"{collateral} is no UTF-8 from byte {error.start} on") from error
    platform = SimulatedPlatform() if simulated else None
    verdict = try_quote(raw, text, at, platform)
    second = ask_dcap_qvl(raw, text, at, None if platform is None else platform.root)
    word = "accept" if verdict.accepted else "reject"
    found = {
        "onchain": word,
        "reason": verdict.reason or None,
        "dcap_qvl": second,
        "gas": verdict.gas,
    }
    lines = [word if verdict.accepted else f"{word}: {verdict.reason}", f"gas {verdict.gas}"]
    lines.append(f"dcap-qvl: {second or 'not importable'}")
    output.emit(found, lines, as_json=settings.json)
    if not verdict.accepted:
        click.get_current_context().exit(output.Exit.NEGATIVE)


def read_quote(path: Path) -> bytes:
    """Return a quote's bytes of a file that holds them or their hex, in one line or in many.

    Raises:
        Invalid: the file cannot be read or is too large.
    """
    raw = _read(path)
    found = HEX.fullmatch(b"".join(raw.split()))
    return bytes.fromhex(found.group(1).decode()) if found else raw


def _read(path: Path) -> bytes:
    data = read_file(path)
    if len(data) > MAX_FILE:
        raise Invalid("CLI-12", f"{path} has more than {MAX_FILE} bytes: give another file")
    return data
