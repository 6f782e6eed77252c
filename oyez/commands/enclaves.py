"""`oyez enclave`: register a key by a quote, look at those that are, judge their evidence again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oyez.commands import arguments, enclave_side, output
from oyez.commands.enclave_side import agent_option, connect_registry, format_time, send
from oyez.commands.settings import Settings, get_home, pass_settings
from oyez.commands.stakes import parse_address
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Address, Hash32

if TYPE_CHECKING:
    from oyez.chain.client import Chain
    from oyez.chain.deployment import Deployment
    from oyez.chain.tdx import Registered, TdxRegistry

#: A manifest names its model in 16 bits.
MAX_MODEL_INDEX = 65_535


@click.group()
def enclave() -> None:
    """Register an enclave's key, and audit those that are registered."""


for command in enclave_side.COMMANDS:
    enclave.add_command(command)


def _read_models(chain: Chain, deployment: Deployment) -> list[Hash32]:
    """Return the roots of the models that the deployment lists."""
    from oyez.chain.client import Reverted
    from oyez.chain.contracts import ModelRegistry

    registry = ModelRegistry(chain, deployment)
    roots: list[Hash32] = []
    while True:
        try:
            roots.append(registry.fetch_model(len(roots)).root)
        except Reverted:
            return roots


def _find_registered(registry: TdxRegistry, deployment: Deployment, signer: Address) -> Registered:
    """Return a key's newest registration."""
    last = registry.chain.fetch_block().number
    found = None
    for one in registry.fetch_registered(deployment.deployment_block, last):
        if one.signer == signer:
            found = one
    if found is None:
        raise Invalid("ENCLAVE-12", f"{output.format_hex(signer)} was never registered here")
    return found


@enclave.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="Folder of the key's state  [default: $OYEZ_HOME/enclave].",
)
@click.option(
    "--seal",
    type=click.Path(path_type=Path),
    help="File of the seal, in the guest's own memory  [default: in the home].",
)
@click.option(
    "--model-index",
    type=click.IntRange(0, MAX_MODEL_INDEX),
    default=0,
    show_default=True,
    help="Which of the deployment's models the enclave runs.",
)
@agent_option
@pass_settings
def register(
    settings: Settings,
    *,
    home: Path | None,
    seal: Path | None,
    model_index: int,
    agent: str | None,
) -> None:
    """Make the enclave's key if there is none, have it quoted, and register it on chain.

    The account of OYEZ_KEY or --keystore pays; the enclave's key never leaves its home.
    """
    from oyez.attestation.enclave import build_domain, open_signer, request_registration
    from oyez.attestation.engine_build import compute_engine_build
    from oyez.attestation.guest import find_guest
    from oyez.chain.contracts import ModelRegistry
    from oyez.protocol.enclaves import compute_application

    chain, deployment, registry = connect_registry(settings)
    build = compute_engine_build()
    root = ModelRegistry(chain, deployment).fetch_model(model_index).root
    guest = find_guest(os.environ, agent)
    domain = build_domain(chain, deployment)
    with open_signer(home or get_home() / "enclave", seal, domain) as signer:
        application = compute_application(build, root)
        made = request_registration(chain, registry, guest, signer, application)
        _check_allowed(registry, made.workload)
        mined = send(settings, chain, f"register 0x{signer.address.hex()}", made.transaction)
        address = signer.address
    kept = registry.fetch_enclave(address)
    result = {
        "signer": output.format_hex(address),
        "workload": output.format_hex(made.workload),
        "application": output.format_hex(application),
        "engine_build": output.format_hex(build),
        "model_root": output.format_hex(root),
        "expiry": kept.expiry,
        "ref_block": made.ref_block,
        "transaction": output.format_hex(mined.hash),
        "block": mined.block,
        "gas_used": mined.gas_used,
    }
    lines = [
        f"{result['signer']} is registered until {format_time(kept.expiry)}",
        f"workload {result['workload']}",
        f"engine build {result['engine_build']}",
        f"model {model_index}, root {result['model_root']}",
        f"gas {mined.gas_used}",
    ]
    output.emit(result, lines, as_json=settings.json)


def _check_allowed(registry: TdxRegistry, workload: Hash32) -> None:
    """Refuse a workload that the registry would refuse, and say what to do.

    Rule: ENCLAVE-12
    """
    since = registry.fetch_allowed_from(workload)
    word = output.format_hex(workload)
    if since == 0:
        raise Invalid(
            "ENCLAVE-12",
            f"workload {word} is not on the registry's list: the curator announces it with "
            f"`oyez enclave allow {word}`",
        )
    if registry.chain.fetch_block().timestamp < since:
        raise Invalid(
            "ENCLAVE-12", f"workload {word} is announced and allowed from {format_time(since)} on"
        )


@enclave.command(name="list")
@click.option("--active", is_flag=True, help="Only keys that are active now.")
@pass_settings
def list_(settings: Settings, *, active: bool) -> None:
    """List the registered keys, each with its newest registration. Exit code 1: there is none."""
    _, deployment, registry = connect_registry(settings)
    last = registry.chain.fetch_block().number
    newest = {one.signer: one for one in registry.fetch_registered(
        deployment.deployment_block, last)}  # fmt: skip
    rows, lines = [], []
    for signer, one in newest.items():
        kept = registry.fetch_enclave(signer)
        if active and not kept.is_active:
            continue
        word = "active" if kept.is_active else "pruned" if kept.expiry == 0 else "ended"
        rows.append(
            {
                "signer": output.format_hex(signer),
                "active": kept.is_active,
                "status": word,
                "expiry": one.expiry,
                "application": output.format_hex(one.application),
                "workload": output.format_hex(one.workload),
                "block": one.block,
                "transaction": output.format_hex(one.transaction),
            }
        )
        until = f" until {format_time(one.expiry)}" if kept.is_active else ""
        lines.append(f"{output.format_hex(signer)} {word}{until}")
        lines.append(f"  workload {output.format_hex(one.workload)}")
    found = {"registry": output.format_hex(registry.address), "enclaves": rows,
             "simulated": registry.is_simulated}  # fmt: skip
    output.emit(found, lines or ["no enclave"], as_json=settings.json)
    if not rows:
        click.get_current_context().exit(output.Exit.NEGATIVE)


@enclave.command()
@click.argument("signer")
@click.option(
    "--engine-build",
    type=arguments.HashType(),
    multiple=True,
    help="A build to compare with, beside this checkout's; may be repeated.",
)
@pass_settings
def verify(settings: Settings, *, signer: str, engine_build: tuple[Hash32, ...]) -> None:
    """Judge the evidence of SIGNER's registration again, off chain, and say what it stands for.

    Quote and collateral are put together from the chain's transactions. Exit code 1: the evidence
    does not hold, or the key is not active now.
    """
    from oyez.attestation.archive import Archive
    from oyez.attestation.audit import describe_report, find_application, judge_evidence
    from oyez.attestation.engine_build import compute_engine_build
    from oyez.attestation.second_opinion import ask_dcap_qvl

    chain, deployment, registry = connect_registry(settings)
    one = _find_registered(registry, deployment, parse_address(signer))
    evidence = Archive(chain, deployment).read(one)
    reason: str | None = None
    measured: dict[str, Any] | None = None
    try:
        report = judge_evidence(chain, registry.address, one, evidence).report
        measured = describe_report(report)
    except Invalid as error:
        reason = str(error)
    root = evidence.root if registry.is_simulated else None
    second = ask_dcap_qvl(evidence.quote, evidence.collateral, evidence.at, root)
    own = compute_engine_build()
    models = _read_models(chain, deployment)
    known = find_application(one.application, (own, *engine_build), models)
    kept = registry.fetch_enclave(one.signer)
    found = {
        "signer": output.format_hex(one.signer),
        "match": reason is None,
        "reason": reason,
        "dcap_qvl": second,
        "active": kept.is_active,
        "expiry": one.expiry,
        "registered_at": evidence.at,
        "transaction": output.format_hex(one.transaction),
        "simulated": registry.is_simulated,
        "application": output.format_hex(one.application),
        "engine_build": None if known is None else output.format_hex(known.engine_build),
        "this_checkout": known is not None and known.engine_build == own,
        "model_index": None if known is None else models.index(known.model_root),
        "model_root": None if known is None else output.format_hex(known.model_root),
        "workload": output.format_hex(one.workload),
        "allowed_from": registry.fetch_allowed_from(one.workload),
        "measurements": measured,
    }
    output.emit(found, _tell(found), as_json=settings.json)
    if reason is not None or not kept.is_active:
        click.get_current_context().exit(output.Exit.NEGATIVE)


def _tell(found: dict[str, Any]) -> list[str]:
    """Return what `verify` says in words."""
    word = "holds" if found["match"] else f"does not hold: {found['reason']}"
    lines = [
        f"{found['signer']}: the evidence {word}",
        f"dcap-qvl: {found['dcap_qvl'] or 'not importable'}",
        f"active until {format_time(found['expiry'])}" if found["active"] else "not active",
    ]
    if found["simulated"]:
        lines.append("SIMULATED: no hardware vouches for this key")
    if found["engine_build"] is None:
        lines.append(f"application {found['application']}: of no build and model known here")
    else:
        whose = "this checkout's" if found["this_checkout"] else "as given"
        lines.append(f"engine build {found['engine_build']} ({whose})")
        lines.append(f"model {found['model_index']}, root {found['model_root']}")
    lines.append(f"workload {found['workload']}")
    return lines + [f"  {name} {value}" for name, value in (found["measurements"] or {}).items()]


@enclave.command()
@click.argument("signer")
@pass_settings
def revoke(settings: Settings, *, signer: str) -> None:
    """End SIGNER, whose evidence newer collateral or the list no longer accepts. Anyone may."""
    chain, deployment, registry = connect_registry(settings)
    one = _find_registered(registry, deployment, parse_address(signer))
    transaction = registry.build_prune(one.signer, one.evidence)
    mined = send(settings, chain, f"prune 0x{one.signer.hex()} {one.ref_block}", transaction)
    result = {
        "signer": output.format_hex(one.signer),
        "active": registry.fetch_enclave(one.signer).is_active,
        "transaction": output.format_hex(mined.hash),
        "gas_used": mined.gas_used,
    }
    output.emit(result, [f"{result['signer']} is revoked"], as_json=settings.json)
