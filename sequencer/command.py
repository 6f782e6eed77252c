"""`oyez serve`: run a sequencer until it is told to stop."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

import click

from oyez import service
from oyez.attestation.enclave import build_domain, open_signer
from oyez.attestation.signer import EnclaveSigner
from oyez.chain.client import Chain, connect
from oyez.chain.deployment import Deployment
from oyez.chain.sender import Sender
from oyez.commands import settings as options
from oyez.engines.exact import load_engine
from sequencer.app import Server, build_app
from sequencer.batcher import Policy
from sequencer.metrics import Metrics
from sequencer.service import Parts, SequencerService
from sequencer.store import open_store


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="Folder of the store and of serve.json  [default: $OYEZ_HOME/sequencer].",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    show_default=True,
    help="Port to listen on; 0 is a free one.",
)
@click.option(
    "--close-after",
    type=click.IntRange(min=0),
    help="Seconds from a batch's first call to its closing  [default: the Inbox's least].",
)
@click.option(
    "--enclave",
    type=click.Path(path_type=Path),
    envvar="OYEZ_ENCLAVE",
    help="Folder of an enclave's key: it attests what is proposed  [default: $OYEZ_ENCLAVE].",
)
@click.option(
    "--enclave-seal",
    type=click.Path(path_type=Path),
    envvar="OYEZ_ENCLAVE_SEAL",
    help="File of that key's seal  [default: $OYEZ_ENCLAVE_SEAL, else in that folder].",
)
@options.pass_settings
def serve(
    settings: options.Settings,
    home: Path | None,
    host: str,
    port: int,
    close_after: int | None,
    enclave: Path | None,
    enclave_seal: Path | None,
) -> None:
    """Run a sequencer: execute calls, close batches, propose and finalize.

    The key is the sequencer's, from OYEZ_KEY or a keystore file. HOME/serve.json says where the
    HTTP service listens. With --enclave an enclave's own key, as `oyez enclave register` made and
    registered it, signs each assertion, and the sequencer's account brings the signature.
    """
    stop = threading.Event()
    service.stop_on_signals(stop)
    log = service.log_to_stderr
    home = home or options.get_home() / "sequencer"
    deployment = options.load_deployment(settings)
    key = options.load_key(settings)
    chain = connect(deployment.rpc, deployment.chain_id)
    with (
        service.lock_home(home),
        contextlib.closing(open_store(home / "sequencer.db")) as store,
        open_enclave(enclave, enclave_seal, chain, deployment) as signer,
    ):
        log("loading", home=home, rpc=deployment.rpc, sequencer=key.address)
        engine = load_engine(settings.model, prefixes=home / "prefixes")
        metrics = Metrics()
        sequencer = SequencerService(
            Parts(
                chain=chain,
                deployment=deployment,
                engine=engine,
                store=store,
                sender=Sender(chain, key, store, pause=stop.wait),
                metrics=metrics,
                clock=time.monotonic,
                log=log,
                signer=signer,
            ),
            None if close_after is None else Policy(close_after),
        )
        server = Server(build_app(store, engine.shape, metrics), host, port)
        server.start()
        try:
            url = (
                f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"
            )
            document = {"url": url, "host": host, "port": server.port, "pid": os.getpid()}
            service.write_json(home / "serve.json", document)
            log("serving", url=url)
            service.run(sequencer, stop, log)
        finally:
            server.stop()
    log("stopped")


def open_enclave(
    home: Path | None, seal: Path | None, chain: Chain, deployment: Deployment
) -> contextlib.AbstractContextManager[EnclaveSigner | None]:
    """Return what holds an enclave's key while the sequencer runs; None where there is none.

    Raises:
        Fatal: the deployment has no registry of enclaves.
    """
    if home is None:
        return contextlib.nullcontext()
    return open_signer(home, seal, build_domain(chain, deployment))
