"""What stands around enclaves on the command line: collateral, workloads, a simulated guest."""

from __future__ import annotations

import contextlib
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oyez.commands import arguments, output
from oyez.commands.settings import Settings, get_home, load_deployment, load_key, pass_settings
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Address, Hash32

if TYPE_CHECKING:
    from oyez.attestation.keeper import Outcome
    from oyez.chain.client import Chain, Mined
    from oyez.chain.contracts import Transaction
    from oyez.chain.deployment import Deployment
    from oyez.chain.tdx import TdxRegistry

agent_option = click.option(
    "--agent",
    metavar="ADDRESS",
    help="The guest's agent: a socket or http address  [default: dstack's, else the kernel].",
)


def connect_registry(settings: Settings) -> tuple[Chain, Deployment, TdxRegistry]:
    """Return the chain, the deployment and its registry."""
    from oyez.chain.client import connect
    from oyez.chain.tdx import TdxRegistry

    deployment = load_deployment(settings)
    chain = connect(deployment.rpc, deployment.chain_id)
    return chain, deployment, TdxRegistry(chain, deployment)


def send(settings: Settings, chain: Chain, what: str, transaction: Transaction) -> Mined:
    """Sign with the key of this run, and wait until it is mined."""
    from oyez.chain.sender import MemoryJournal, Sender

    return Sender(chain, load_key(settings), MemoryJournal()).send(what, transaction)


def format_time(seconds: int) -> str:
    """Return a moment in words."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@click.command()
@click.option(
    "--collateral",
    required=True,
    metavar="SOURCE",
    help="A file, a folder, the address of a PCCS, or `simulated`.",
)
@click.option("--fmspc", multiple=True, metavar="HEX", help="Whose machines; for a PCCS.")
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="Folder of the journal  [default: $OYEZ_HOME/keeper].",
)
@click.option(
    "--margin",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="How long before its end a part is renewed  [default: 10 days].",
)
@click.option("--once", is_flag=True, help="End when nothing is lacking, in place of waiting.")
@pass_settings
def keep(
    settings: Settings,
    *,
    collateral: str,
    fmspc: tuple[str, ...],
    home: Path | None,
    margin: int | None,
    once: bool,
) -> None:
    """Keep the chain's collateral fresh, until stopped: without it no key can be registered.

    Any funded key may do it, from OYEZ_KEY or --keystore; the contract judges all that is sent.
    With --once what was done is printed. Exit code 1: a part was refused, or is no collateral.
    """
    from oyez import service
    from oyez.attestation.keeper import ASK_SECONDS, MARGIN, NEVER, Keeper, Parts
    from oyez.attestation.sources import build_source
    from oyez.chain.client import connect
    from oyez.chain.journal import SqlJournal, open_database
    from oyez.chain.sender import Sender
    from oyez.chain.tdx import TdxCollateral

    source = build_source(collateral, [parse_fmspc(text) for text in fmspc])
    stop = threading.Event()
    service.stop_on_signals(stop)
    deployment, log = load_deployment(settings), service.log_to_stderr
    chain, key = connect(deployment.rpc, deployment.chain_id), load_key(settings)
    home = home or get_home() / "keeper"
    with (
        service.lock_home(home),
        contextlib.closing(SqlJournal(open_database(home / "keeper.db"))) as journal,
    ):
        parts = Parts(
            chain=chain,
            kept=TdxCollateral(chain, deployment),
            source=source,
            sender=Sender(chain, key, journal, pause=stop.wait),
            log=log,
            margin=MARGIN if margin is None else margin,
            ask_every=NEVER if once else ASK_SECONDS,
        )
        keeper = Keeper(parts)
        log("keeping", collateral=parts.kept.address, key=key.address)
        if once:
            while keeper.step():
                pass
        else:
            service.run(keeper, stop, log)
    log("stopped")
    if once:
        done = keeper.outcome
        output.emit(*_describe_kept(parts.kept.address, done), as_json=settings.json)
        if done.refused or done.unusable:
            click.get_current_context().exit(output.Exit.NEGATIVE)


def _describe_kept(address: Address, done: Outcome) -> tuple[dict[str, Any], list[str]]:
    """Return what a keeper did as JSON and in words.

    Rule: ENCLAVE-11
    """
    found = {
        "collateral": output.format_hex(address),
        "kept": [
            {
                "what": part.what,
                "why": part.why,
                "transaction": output.format_hex(mined.hash),
                "block": mined.block,
                "gas_used": mined.gas_used,
            }
            for part, mined in done.kept
        ],
        "refused": [{"what": part.what, "reason": reason} for part, reason in done.refused],
        "unusable": done.unusable,
    }
    lines = [f"kept: {part.what} ({part.why}), gas {mined.gas_used}" for part, mined in done.kept]
    lines += [f"refused: {part.what}: {reason}" for part, reason in done.refused]
    lines += [f"unusable: {reason}" for reason in done.unusable]
    return found, lines or ["nothing that the chain lacks"]


def parse_fmspc(text: str) -> bytes:
    """Return the 6 bytes of a family of machines.

    Raises:
        Invalid: ENCLAVE-10, it is none.
    """
    found = arguments.decode_hex(text if text.startswith("0x") else f"0x{text}")
    if found is None or len(found) != 6:
        raise Invalid("ENCLAVE-10", f"{text!r} is no FMSPC: it must be 12 hex digits")
    return found


@click.command()
@click.option("--socket", type=click.Path(path_type=Path), help="A unix socket to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="A loopback port; 0: free.")
@click.option(
    "--compose",
    type=click.Path(path_type=Path),
    help="A compose file to measure into MRCONFIGID, as dstack does.",
)
@pass_settings
def simulate(settings: Settings, *, socket: Path | None, port: int, compose: Path | None) -> None:
    """Serve a simulated guest's agent, for development, until stopped.

    Its quotes are worth nothing under Intel's root. It does not start in a real guest.
    """
    from oyez import service
    from oyez.attestation.simulated import SimulatedPlatform
    from oyez.attestation.simulated_agent import Agent, AgentServer
    from oyez.attestation.simulated_quote import COMPOSE

    stop = threading.Event()
    service.stop_on_signals(stop)
    text = COMPOSE
    if compose is not None:
        text = arguments.read_file(compose).decode("utf-8", "surrogateescape")
    agent = Agent(SimulatedPlatform(), text)
    with AgentServer(agent, socket=socket, port=port) as server:
        lines = [f"SIMULATED guest at {server.endpoint}; for commands of a guest set",
                 f"  DSTACK_SIMULATOR_ENDPOINT={server.endpoint}"]  # fmt: skip
        output.emit({"endpoint": server.endpoint}, lines, as_json=settings.json)
        stop.wait()


@click.command()
@agent_option
@pass_settings
def workload(settings: Settings, *, agent: str | None) -> None:
    """Print this guest's workload, with all that was measured, and since when it is allowed."""
    from oyez.attestation.audit import describe_report
    from oyez.attestation.guest import find_guest
    from oyez.attestation.quote import parse_quote
    from oyez.attestation.submissions import compute_workload

    _, _, registry = connect_registry(settings)
    quote = find_guest(os.environ, agent).fetch_quote(bytes(64))
    own = compute_workload(quote)
    since = registry.fetch_allowed_from(own)
    measured = describe_report(parse_quote(quote).report)
    name = output.format_hex(own)
    found = {"workload": name, "allowed_from": since, "measurements": measured}
    word = f"allowed from {format_time(since)}" if since else "not on the registry's list"
    lines = [f"{name}: {word}", *(f"  {name} {value}" for name, value in measured.items())]
    output.emit(found, lines, as_json=settings.json)


@click.command()
@click.argument("workload", type=arguments.HashType())
@pass_settings
def allow(settings: Settings, *, workload: Hash32) -> None:
    """Announce WORKLOAD, as the curator: it is allowed after the registry's delay."""
    chain, _, registry = connect_registry(settings)
    transaction = registry.build_announce(workload)
    mined = send(settings, chain, f"announce 0x{workload.hex()}", transaction)
    since = registry.fetch_allowed_from(workload)
    name = output.format_hex(workload)
    found = {"workload": name, "allowed_from": since, "transaction": output.format_hex(mined.hash)}
    output.emit(found, [f"{name} is allowed from {format_time(since)} on"], as_json=settings.json)


@click.command()
@click.argument("workload", type=arguments.HashType())
@pass_settings
def forbid(settings: Settings, *, workload: Hash32) -> None:
    """Take WORKLOAD off the list, as the curator, at once; then anyone revokes what runs it."""
    chain, _, registry = connect_registry(settings)
    transaction = registry.build_withdraw(workload)
    mined = send(settings, chain, f"withdraw 0x{workload.hex()}", transaction)
    found = {"workload": output.format_hex(workload), "transaction": output.format_hex(mined.hash)}
    output.emit(found, [f"{found['workload']} is off the list"], as_json=settings.json)


#: Commands of the group `oyez enclave` that this module has.
COMMANDS = (keep, simulate, workload, allow, forbid)
