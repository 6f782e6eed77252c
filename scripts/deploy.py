"""Deploys a rollup that runs one model, and writes the deployment file that every command takes.

With it go the steps of the model's traces, and a game that decides false results lane by lane.

The key comes from --keystore, or from OYEZ_KEY. Defaults are the local periods; docs/spec/rollup.md
has those of production. Nobody can change a setting afterwards.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from eth_utils.address import is_address, to_canonical_address, to_checksum_address

from oyez.chain import client, deploy, keys
from oyez.engines.exact import known
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.loading import load_engine
from oyez.engines.exact.step_rows import ConfigProof, prove_engine
from oyez.protocol.errors import Invalid, OyezError
from oyez.protocol.types import Address

DEFAULTS = deploy.DeploySettings(sequencer=Address(bytes(20)), models=())


def parse_address(_: click.Context, __: click.Parameter, text: str | None) -> Address | None:
    """Read a 0x address."""
    if text is None:
        return None
    if not is_address(text):
        raise click.BadParameter("give 0x and 40 hex digits")
    return Address(to_canonical_address(text))


def ask_password(text: str) -> str:
    """Ask for a keystore's password without showing it."""
    return str(click.prompt(text, prompt_suffix="", hide_input=True))


def prove_steps(engine: ExactEngine) -> ConfigProof:
    """Return what the steps of a model's traces are deployed with.

    Raises:
        ClickException: no step can be proven of this model; it says what to do.
    """
    try:
        return prove_engine(engine)
    except Invalid as error:
        raise click.ClickException(
            f"{error}: use another model, or --no-game, with which a false result is shown and "
            "never defeated"
        ) from error


@click.command(help=__doc__)
@click.option("--rpc", default="http://127.0.0.1:8545", show_default=True, help="Chain's URL.")
@click.option("--chain-id", default=31_337, show_default=True, help="Chain expected there.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option("--keystore", type=click.Path(path_type=Path), help="Encrypted key of the deployer.")
@click.option("--model", type=click.Path(path_type=Path), help="Any GGUF; default: the pinned one.")
@click.option("--sequencer", callback=parse_address, help="Default: the deployer.")
@click.option("--window", default=DEFAULTS.challenge_window, show_default=True, help="T, seconds.")
@click.option("--response", default=DEFAULTS.response_window, show_default=True, help="D, seconds.")
@click.option("--grace", default=DEFAULTS.sequencer_grace, show_default=True, help="Seconds.")
@click.option("--max-batch", default=DEFAULTS.max_batch_seconds, show_default=True, help="Seconds.")
@click.option("--min-batch", default=DEFAULTS.min_batch_seconds, show_default=True, help="Seconds.")
@click.option("--stake", default=DEFAULTS.stake, show_default=True, help="Wei.")
@click.option("--game/--no-game", default=True, help="Whether duels decide about false results.")
def main(
    rpc: str,
    chain_id: int,
    out: Path,
    keystore: Path | None,
    model: Path | None,
    sequencer: Address | None,
    window: int,
    response: int,
    grace: int,
    max_batch: int,
    min_batch: int,
    stake: int,
    game: bool,
) -> None:
    """Deploy, and write the file."""
    try:
        chain = client.connect(rpc, chain_id)
        key = keys.load_key(keystore, os.environ, ask_password)
        engine = load_engine(model, sha256=known.SMOLLM2_SHA256 if model is None else None)
        settings = deploy.DeploySettings(
            sequencer=sequencer or key.address,
            models=(deploy.ListedModel(engine.model_root, engine.shape),),
            proof=prove_steps(engine) if game else None,
            challenge_window=window,
            response_window=response,
            sequencer_grace=grace,
            max_batch_seconds=max_batch,
            min_batch_seconds=min_batch,
            stake=stake,
        )
        deployment = deploy.deploy(chain, key, settings)
        deployment.save(out)
    except OyezError as error:
        raise click.ClickException(str(error)) from error
    for name, address in deployment.contracts.items():
        click.echo(f"{name:16} {to_checksum_address(address)}")
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
