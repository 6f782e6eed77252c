"""`oyez watch`: replay the chain, judge its assertions and answer the false ones, until stopped."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

import click

from challenger.parts import Parts
from challenger.service import ChallengerService
from challenger.store import Store, open_store
from oyez import service
from oyez.chain.client import Chain, connect
from oyez.chain.keys import Key
from oyez.chain.sender import Sender
from oyez.commands import output
from oyez.commands import settings as options
from oyez.engines.exact import load_engine
from oyez.protocol.errors import Fatal

#: How long one look for a move's receipt takes; what is not mined then is sent again.
MOVE_SECONDS = 5.0


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="Folder of the store and of verdicts.json  [default: $OYEZ_HOME/challenger].",
)
@click.option("--watch-only", is_flag=True, help="Judge and never act; needs no key and no stake.")
@options.pass_settings
def watch(settings: options.Settings, home: Path | None, watch_only: bool) -> None:
    """Watch a rollup: replay every call, judge every assertion, answer the false ones.

    A false assertion gets a true sibling, staked by the key from OYEZ_KEY or a keystore file: put
    up a stake once with `oyez stake deposit`. HOME/verdicts.json holds verdicts and moves; with
    --json each is also one line on standard output.
    """
    stop = threading.Event()
    service.stop_on_signals(stop)
    log = service.log_to_stderr
    home = home or options.get_home() / "challenger"
    deployment = options.load_deployment(settings)
    key = None if watch_only else _load_key(settings)
    chain = connect(deployment.rpc, deployment.chain_id)
    with service.lock_home(home), contextlib.closing(open_store(home)) as store:
        log("loading", home=home, rpc=deployment.rpc)
        engine = load_engine(settings.model, prefixes=home / "prefixes")
        challenger = ChallengerService(
            Parts(
                chain=chain,
                deployment=deployment,
                engine=engine,
                store=store,
                sender=None if key is None else build_sender(chain, key, store, stop),
                log=log,
                report=_print if settings.json else _keep_silent,
            )
        )
        staker = "none" if key is None else key.address
        log("watching", rollup=deployment.address("Rollup"), staker=staker)
        service.run(challenger, stop, log)
    log("stopped")


def build_sender(chain: Chain, key: Key, store: Store, stop: threading.Event) -> Sender:
    """Return the way of a stake's moves; it waits a short while for each, since calls come in."""
    return Sender(chain, key, store, pause=stop.wait, patience=MOVE_SECONDS)


def _load_key(settings: options.Settings) -> Key:
    try:
        return options.load_key(settings)
    except Fatal as error:
        raise Fatal(f"{error}; or give --watch-only to look without acting") from error


def _print(document: dict[str, Any]) -> None:  # Any: JSON
    click.echo(output.format_json(document))


def _keep_silent(_document: dict[str, Any]) -> None:  # Any: JSON
    """Tell nothing: the log and verdicts.json say it."""
