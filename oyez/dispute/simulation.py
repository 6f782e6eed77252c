"""`oyez dispute sim`: breaks one number of a real call on a copy of the chain and plays the duel.

The copy goes on from the block at which the call's batch could be answered; contracts, inbox and
parent are the deployment's own, and nothing of what happens there is seen on the real chain.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oyez.chain import client as chain_client
from oyez.chain.client import Chain
from oyez.chain.deployment import Deployment
from oyez.chain.devnet import Devnet
from oyez.chain.events import BatchClosed
from oyez.derivation import follow
from oyez.derivation.history import Batch, History
from oyez.dispute.choosing import Wish, find_spot
from oyez.dispute.trial import Judged, Trial, derive
from oyez.engines.exact.engine import ExactEngine
from oyez.protocol.errors import Fatal, Invalid
from oyez.protocol.types import CallId, Status
from oyez.reader import Reader
from oyez.service import Log


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of it; `gas` is what the honest side spent."""

    call_id: CallId
    judged: Judged
    gas: int

    def build_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        spot, flip = self.judged.lie.spot, self.judged.lie.flip
        lane = self.judged.story.bouts[0].lane
        if lane is None or lane.contract is None or lane.transaction is None:
            raise Fatal("the duel ended without a lane: report this")
        return {
            "call": self.call_id,
            "position": spot.position,
            "layer": spot.layer,
            "op": spot.kind,
            "lane": spot.lane,
            "ours": flip.true,
            "theirs": flip.false,
            "contract": lane.contract,
            "defeated": self.judged.status is Status.DEFEATED,
            "transaction": "0x" + lane.transaction.hex(),
            "gas": self.gas,
        }


def simulate(
    deployment: Deployment,
    engine: ExactEngine,
    call_id: CallId,
    wish: Wish,
    *,
    log: Log,
    report: Callable[[str], None] = lambda _: None,
) -> Simulated:
    """Break a number of a call on a copy of the chain, and play the duel to its end.

    Raises:
        Invalid: there is no such call in a closed batch, or no such number in it; the rollup has no
            game.
        Fatal: the local chain cannot be run, or the duel did not end.

    Rule: INNER-82
    """
    if not deployment.has_game:
        raise Invalid("INNER-82", "this rollup was deployed without a DuelGame: it has no duels")
    chain = chain_client.connect(deployment.rpc, deployment.chain_id)
    reader = Reader(chain, deployment)
    report("reading the chain")
    history = reader.fetch_history()
    batch = history.find_batch(call_id)
    if batch is None:
        raise Invalid("INNER-82", f"call {call_id} is in no closed batch: nothing to dispute yet")
    report("running the batch")
    truth = derive(reader, history, batch, engine)
    block = find_block(chain, deployment, reader, history, batch)
    index = call_id - batch.header.first_call
    with (
        Devnet(chain_id=deployment.chain_id, fork=(deployment.rpc, block)) as devnet,
        tempfile.TemporaryDirectory(prefix="oyez-sim-") as home,
    ):
        copy = replace(deployment, rpc=devnet.rpc)
        copied = chain_client.connect(devnet.rpc, devnet.chain_id)
        trial = Trial(devnet, copied, copy, engine, truth, Path(home), log, report)
        spot = find_spot(trial.machine, batch.number, index, truth.executions[index], wish)
        (judged,) = trial.play([trial.build_lie(spot)])
        return Simulated(call_id, judged, sum(done.mined.gas_used for done in trial.done))


def find_block(
    chain: Chain, deployment: Deployment, reader: Reader, history: History, batch: Batch
) -> int:
    """Return the first block at which the batch was closed and its parent posted."""
    path = reader.select(history, level="posted")[: batch.number - 1]
    found = [event.place.block for event in path[-1:]]
    after: follow.Checkpoint | None = None
    while (window := follow.fetch_window(chain, deployment, after)) is not None:
        found += [
            event.place.block
            for event in window.events
            if isinstance(event, BatchClosed) and event.header.number == batch.number
        ]
        after = window.last
    return max(found)
