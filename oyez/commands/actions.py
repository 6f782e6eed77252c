"""`oyez action`: check and calibrate an author's YAML, publish it, show what is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oyez import proof
from oyez.commands import arguments, output
from oyez.commands.settings import Settings, build_client, pass_settings
from oyez.protocol.constants import MANIFEST_VERSION, UPGRADE_IMMUTABLE
from oyez.protocol.errors import Invalid
from oyez.protocol.transition import is_bound_to_batch
from oyez.protocol.types import Field, FieldType, Hash32, Manifest, SeedRule

if TYPE_CHECKING:
    from oyez.author.compiler import Compiled

FILE = click.Path(path_type=Path)
Q16 = 1 << 16


@click.group()
def action() -> None:
    """Write, check and publish actions."""


@action.command()
@click.argument("file", type=FILE)
@click.option("--out", type=FILE, help="Write the canonical bytes here.")
@pass_settings
def check(settings: Settings, *, file: Path, out: Path | None) -> None:
    """Compile an action's YAML and say what it will cost; needs no chain."""
    compiled = compile_file(file, settings)
    warn(compiled.warnings)
    if out is not None:
        arguments.write_file(out, compiled.data)
    result = build_manifest(compiled.manifest, compiled.data)
    result["warnings"] = list(compiled.warnings)
    output.emit(result, describe(compiled.manifest, compiled.data), as_json=settings.json)


@action.command()
@click.argument("file", type=FILE)
@click.option("--inputs", type=FILE, required=True, help="Unlabelled sample inputs, one a line.")
@click.option("--write", is_flag=True, help="Write the biases into FILE.")
@pass_settings
def calibrate(settings: Settings, *, file: Path, inputs: Path, write: bool) -> None:
    """Set a choice's biases from unlabelled, balanced sample inputs."""
    from oyez.author import analyze, calibrate, tokenizer
    from oyez.engines import exact

    text = read_text(file)
    samples = analyze.parse_samples(read_text(inputs))
    engine = exact.load_engine(settings.model)
    progress = output.Progress()
    found = calibrate.calibrate_yaml(
        text,
        samples,
        model=tokenizer.load_author_model(settings.model),
        engine=engine,
        allowed=engine.allowed,
        progress=lambda done, total: progress.show(f"{done} of {total} inputs"),
    )
    progress.clear()
    if write:
        arguments.write_file(file, found.text.encode())
    result = {
        "field": found.field,
        "biases": found.biases,
        "samples": found.samples,
        "written": write,
    }
    lines = [f"{name}: {calibrate.format_q16(bias)}" for name, bias in found.biases.items()]
    lines.append(f"{found.samples} inputs, {'written to' if write else 'not written to'} {file}")
    output.emit(result, lines, as_json=settings.json)


@action.command()
@click.argument("file", type=FILE)
@arguments.confirmations_option
@pass_settings
def publish(settings: Settings, *, file: Path, confirmations: int | None) -> None:
    """Publish an action: its YAML, or canonical bytes as `action check --out` writes them."""
    data = read_manifest(file, settings)
    client = build_client(settings, signing=True, journal=True, report=output.Notes())
    found = client.publish(data, confirmations=confirmations)
    result = {
        "action_id": output.format_hex(found.action_id),
        "manifest_hash": output.format_hex(found.manifest_hash),
        "transaction": output.format_hex(found.transaction),
        "block": found.block,
        "gas_used": found.gas_used,
    }
    lines = [f"action {result['action_id']}", f"{len(data)} bytes, {found.gas_used} gas"]
    output.emit(result, lines, as_json=settings.json)
    client.acknowledge(found.record)


@action.command()
@click.argument("action_id", type=arguments.HASH)
@click.option("--out", type=FILE, help="Write the published canonical bytes here.")
@pass_settings
def show(settings: Settings, *, action_id: Hash32, out: Path | None) -> None:
    """Show an action as the chain has it now."""
    found = build_client(settings).fetch_action(action_id)
    if out is not None:
        arguments.write_file(out, found.data)
    result = {
        "action_id": output.format_hex(action_id),
        "author": output.format_hex(found.author),
        **build_manifest(found.manifest, found.data),
    }
    lines = [f"author {result['author']}", *describe(found.manifest, found.data)]
    output.emit(result, lines, as_json=settings.json)


def read_text(path: Path) -> str:
    """Return a file's text.

    Rule: CLI-8

    Raises:
        Invalid: it cannot be read, or is not UTF-8.
    """
    data = arguments.read_file(path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Invalid(
            "CLI-8", f"{path} is not UTF-8 at byte {error.start}: save it as UTF-8"
        ) from error


def compile_file(path: Path, settings: Settings) -> Compiled:
    """Compile an action's YAML file."""
    from oyez.author import compiler, tokenizer
    from oyez.engines.exact import known, locate

    text = read_text(path)
    model = settings.model or locate.find_model()
    locate.verify_digest(model, known.SMOLLM2_SHA256)
    return compiler.compile_yaml(text, model=tokenizer.load_author_model(model))


def read_manifest(path: Path, settings: Settings) -> bytes:
    """Return canonical bytes: of a YAML file compiled, or of a file that holds them.

    YAML never begins with the byte that states the version of canonical bytes.

    Rule: CLI-9
    """
    data = arguments.read_file(path)
    if data[:1] == bytes([MANIFEST_VERSION]):
        return data
    compiled = compile_file(path, settings)
    warn(compiled.warnings)
    return compiled.data


def warn(warnings: tuple[str, ...]) -> None:
    """Print a compiler's warnings on standard error."""
    for warning in warnings:
        click.echo(f"oyez: warning: {warning}", err=True)


def build_manifest(found: Manifest, data: bytes) -> dict[str, Any]:
    """Return what a caller or an integrator needs of a manifest, as JSON."""
    immutable = found.upgrade_delay == UPGRADE_IMMUTABLE
    return {
        "manifest_hash": output.format_hex(found.hash),
        "bytes": len(data),
        "name": found.name.decode(),
        "description": found.description.decode(),
        "model": found.model,
        "cell": found.cell_kind.name.lower(),
        "upgrade_delay": None if immutable else found.upgrade_delay,
        "temperature": found.temperature / Q16,
        "seed": describe_seed(found),
        "max_input": found.max_input,
        "output_tokens": found.output_tokens,
        "fixed_positions": found.fixed_positions,
        "prompt_tokens": sum(len(segment.tokens) for segment in found.segments),
        "fields": [
            {
                "index": index,
                "name": field.name.decode(),
                "type": field.type.name.lower(),
                **_build_items(field),
                "role": field.role.name.lower(),
                "initial": proof.build_value(field, field.initial),
            }
            for index, field in enumerate(found.fields)
        ],
    }


def describe_seed(found: Manifest) -> str:
    """Return where the seed of sampling comes from, as YAML writes it."""
    return "batch" if found.seed_rule is SeedRule.BATCH else output.format_hex(found.seed)


def _build_items(field: Field) -> dict[str, Any]:
    """Return what an array's items are; nothing for another field."""
    if field.type is not FieldType.ARRAY:
        return {}
    return {"element": field.base.name.lower(), "items": field.items}


def _describe_type(field: Field) -> str:
    """Return a field's type in words."""
    if field.type is not FieldType.ARRAY:
        return field.type.name.lower()
    return f"array of up to {field.items} {field.base.name.lower()}"


def describe(found: Manifest, data: bytes) -> list[str]:
    """Return a manifest as lines of text."""
    immutable = found.upgrade_delay == UPGRADE_IMMUTABLE
    lines = [
        f"{found.name.decode()}: {found.description.decode()}",
        f"{len(data)} bytes, hash {output.format_hex(found.hash)}",
        f"cells {found.cell_kind.name.lower()}, "
        + ("immutable" if immutable else f"upgrades after {found.upgrade_delay} s"),
        f"input up to {found.max_input} bytes, output up to {found.output_tokens} tokens, "
        f"{found.fixed_positions} fixed positions",
    ]
    if found.temperature:
        when = "runs once its batch is closed" if is_bound_to_batch(found) else "runs at once"
        lines.append(
            f"temperature {found.temperature / Q16:.5f}, seed {describe_seed(found)}: a call {when}"
        )
    for field in found.fields:
        lines.append(f"  {field.name.decode()}: {_describe_type(field)}, {field.role.name.lower()}")
    return lines
