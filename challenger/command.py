"""`oyez watch`: replay the chain and say which assertions are true, until told to stop."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import click

from challenger.service import ChallengerService, Parts
from challenger.store import open_store
from oyez import service
from oyez.chain.client import connect
from oyez.commands import output
from oyez.commands import settings as options
from oyez.engines.exact import load_engine


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="Folder of the store and of verdicts.json  [default: $OYEZ_HOME/challenger].",
)
@options.pass_settings
def watch(settings: options.Settings, home: Path | None) -> None:
    """Watch a rollup: replay every call and judge every assertion.

    Needs no key and no stake. HOME/verdicts.json holds the verdicts; with --json each is also one
    line on standard output as it falls.
    """
    stop = threading.Event()
    service.stop_on_signals(stop)
    log = service.log_to_stderr
    home = home or options.get_home() / "challenger"
    deployment = options.load_deployment(settings)
    chain = connect(deployment.rpc, deployment.chain_id)
    store = open_store(home)
    log("loading", home=home, rpc=deployment.rpc)
    try:
        engine = load_engine(settings.model)
        challenger = ChallengerService(
            Parts(
                chain=chain,
                deployment=deployment,
                engine=engine,
                store=store,
                log=log,
                report=_print if settings.json else _keep_silent,
            )
        )
        log("watching", rollup=deployment.address("Rollup"))
        service.run(challenger, stop, log)
    finally:
        store.close()
    log("stopped")


def _print(document: dict[str, Any]) -> None:  # Any: JSON
    click.echo(output.format_json(document))


def _keep_silent(_document: dict[str, Any]) -> None:  # Any: JSON
    """Tell nothing: the log and verdicts.json say it."""
