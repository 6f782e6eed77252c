"""A sequencer that lies, as a process of its own: it holds the real key and runs the real model.

    OYEZ_KEY=... python -m tests.actors.lying_sequencer --deployment FILE --home DIR \\
        --call K --calls N

It waits until the open batch holds N calls, closes it, and proposes a false root for it: false
about its call of index K (tests/actors/lie.py). Then it defends that root in every duel, to the
last lane (tests/actors/defence.py), until it is stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from oyez.chain import deployment, keys, sender
from oyez.chain.client import Reverted
from oyez.client import Client
from oyez.derivation import history
from oyez.dispute import trial
from oyez.dispute.player import Player
from oyez.engines import exact
from oyez.engines.exact.engine import ExactEngine
from oyez.protocol.errors import OyezError, Temporary
from oyez.service import log_to_stderr as log
from tests.actors import defence, lie

LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 120
#: What passes with time: the batch is too young, or its last call is of this block.
PASSING = ("inbox: sequencer too early", "inbox: full until the next block")


class LyingSequencer:
    """Does the sequencer's work for one batch, and lies about one call of it."""

    def __init__(self, client: Client, key: keys.Key, engine: ExactEngine) -> None:
        """Take the model."""
        self._client = client
        self._key = key
        self._sender = sender.Sender(client.chain, key, sender.MemoryJournal())
        self._engine = engine

    def wait(self, calls: int) -> tuple[history.History, history.Batch]:
        """Close the batch once it holds enough calls; return it with all that was before it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            found = self._client.reader.fetch_history()
            path = self._client.reader.select(found, level="posted")
            if len(found.batches) > len(path):
                return found, found.batches[len(path)]
            if len(found.open) >= calls:
                self._close()
            time.sleep(LOOK_SECONDS)
        sys.exit(f"lying sequencer: no batch of {calls} calls within {PATIENCE_SECONDS} s")

    def _close(self) -> None:
        try:
            self._sender.send("close", self._client.inbox.build_close())
        except Reverted as error:
            if not error.reason.startswith(PASSING):
                raise

    def lie(self, found: history.History, batch: history.Batch, index: int, home: Path) -> Player:
        """Run the batch with a lie in it; return who will post and defend it."""
        if index >= batch.header.count:
            sys.exit(f"lying sequencer: batch {batch.number} closed early and lacks that call")
        client, engine = self._client, self._engine
        truth = trial.derive(client.reader, found, batch, engine)
        manifests = client.reader.collect(found.entries)
        false_call = batch.header.first_call + index
        false = lie.run_false(truth.before, batch, manifests, engine, false_call)
        shown, held = defence.defend(engine, truth, false)
        posted = held.hold(false.result.claim, false.result.last_record_proof)
        return Player(
            client.chain,
            client.deployment,
            self._key,
            home,
            posted,
            shown,
            shown,
            log,
        )


def defend(player: Player) -> NoReturn:
    """Post the lie, and answer whatever is done against it."""
    while True:
        try:
            player.step()
        except Temporary as error:
            log("waiting", reason=str(error))
        time.sleep(LOOK_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deployment", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True, help="for what it signs")
    parser.add_argument("--call", type=int, required=True, help="index in the batch, from 0")
    parser.add_argument("--calls", type=int, required=True, help="of the batch, when it closes")
    options = parser.parse_args()
    if not 0 <= options.call < options.calls:
        parser.error(f"--call is one of 0 to {options.calls - 1}")
    try:
        key = keys.load_key(None, os.environ)
        place = deployment.load_deployment(options.deployment)
        engine = exact.load_engine()
        liar = LyingSequencer(Client(place, key, engine), key, engine)
        log("ready", sequencer=key.address)
        found, batch = liar.wait(options.calls)
        log("closed", batch=batch.number, calls=batch.header.count)
        defend(liar.lie(found, batch, options.call, options.home))
    except OyezError as error:
        sys.exit(f"lying sequencer: {error}")


if __name__ == "__main__":
    main()
