"""A sequencer that lies, as a process of its own: it holds the real key and runs the real model.

    OYEZ_KEY=... python -m tests.actors.lying_sequencer --deployment FILE --call K --calls N

It waits until the open batch holds N calls, closes it, and proposes a false root for it: false
about its call of index K (tests/actors/lie.py). Then it is done and ends.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from oyez.chain import deployment, keys, sender
from oyez.chain.client import Reverted
from oyez.client import Client
from oyez.derivation import history
from oyez.engines import exact
from oyez.protocol.errors import OyezError
from oyez.protocol.state import State
from oyez.protocol.types import Hash32
from oyez.service import log_to_stderr as log
from tests.actors import lie

LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 120
#: What passes with time: the batch is too young, or its last call is of this block.
PASSING = ("inbox: sequencer too early", "inbox: full until the next block")


class LyingSequencer:
    """Does the sequencer's work for one batch, and lies about one call of it."""

    def __init__(self, client: Client, key: keys.Key) -> None:
        """Load the model."""
        self._client = client
        self._sender = sender.Sender(client.chain, key, sender.MemoryJournal())
        self._engine = client.load_engine()

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

    def propose(self, found: history.History, batch: history.Batch, index: int) -> Hash32:
        """Propose the false root; return its id."""
        reader = self._client.reader
        posted = reader.rebuild(found, reader.select(found, level="posted"))
        state = posted[-1].state if posted else State.empty()
        parent = posted[-1].assertion.assertion_id if posted else reader.genesis_id
        manifests = reader.collect([entry for before in found.batches for entry in before.entries])
        if index >= batch.header.count:
            sys.exit(f"lying sequencer: batch {batch.number} closed early and lacks that call")
        false_call = batch.header.first_call + index
        result = lie.derive_false(state, batch, manifests, self._engine, false_call)
        self._sender.send(
            "propose",
            self._client.rollup.build_propose(
                parent=parent,
                attempt=0,
                batch_hash=batch.batch_hash,
                claim=result.claim,
                last_record_proof=result.last_record_proof,
                batch_data=result.batch_data,
            ),
        )
        return reader.compute_id(parent, 0, batch, result.claim)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deployment", type=Path, required=True)
    parser.add_argument("--call", type=int, required=True, help="index in the batch, from 0")
    parser.add_argument("--calls", type=int, required=True, help="of the batch, when it closes")
    options = parser.parse_args()
    if not 0 <= options.call < options.calls:
        parser.error(f"--call is one of 0 to {options.calls - 1}")
    try:
        key = keys.load_key(None, os.environ)
        place = deployment.load_deployment(options.deployment)
        client = Client(place, key, exact.load_engine())
        liar = LyingSequencer(client, key)
        log("ready", sequencer=key.address)
        found, batch = liar.wait(options.calls)
        log("closed", batch=batch.number, calls=batch.header.count)
        posted = liar.propose(found, batch, options.call)
        log("lied", batch=batch.number, index=options.call, assertion=posted)
    except OyezError as error:
        sys.exit(f"lying sequencer: {error}")


if __name__ == "__main__":
    main()
