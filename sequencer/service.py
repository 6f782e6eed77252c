"""One step of the sequencer: read, execute, build, then one action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oyez.chain.client import Chain
from oyez.chain.contracts import Inbox, Rollup, RollupSettings
from oyez.chain.deployment import Deployment
from oyez.chain.sender import Sender, format_ether
from oyez.derivation.manifests import ManifestSource
from oyez.engines.base import Engine
from oyez.protocol.errors import Fatal, Temporary
from oyez.protocol.types import ZERO_HASH, Hash32, Status
from oyez.service import Log
from sequencer import batcher, proposer
from sequencer.builder import Builder
from sequencer.executor import Executor
from sequencer.inbox_reader import InboxReader
from sequencer.metrics import Metrics
from sequencer.rows import Result
from sequencer.store import Store

LIVE = 1
#: Every rollup lists a model here; a node with another file must not even start.
FIRST_MODEL = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a sequencer is made of; each is a seam that a test can replace."""

    chain: Chain
    deployment: Deployment
    engine: Engine
    store: Store
    sender: Sender
    metrics: Metrics
    clock: Callable[[], float]
    log: Log


class SequencerService:
    """One step at a time, each idempotent: what a crash leaves undone the next run does."""

    def __init__(self, parts: Parts, policy: batcher.Policy | None = None) -> None:
        """Check the store, the key and the stake; Fatal names what to mend.

        Without a policy batches are closed as soon as the Inbox allows.
        """
        self._log = parts.log
        self._store = parts.store
        self._sender = parts.sender
        self._metrics = parts.metrics
        chain, deployment = parts.chain, parts.deployment
        self._inbox = Inbox(chain, deployment)
        self._rollup = Rollup(chain, deployment)
        self._settings = self._rollup.fetch_settings()
        verify_sequencer(self._rollup, self._settings, parts.sender)
        parts.store.claim_for(
            {
                "chain id": str(chain.chain_id),
                "rollup": self._rollup.address.hex(),
                "model root": parts.engine.model_root.hex(),
            }
        )
        self._policy = policy or batcher.Policy(self._inbox.fetch_period("min_batch_seconds"))
        self._reader = InboxReader(chain, deployment, parts.store, parts.log)
        manifests = ManifestSource(chain, deployment, parts.engine)
        manifests.fetch_model(FIRST_MODEL)
        self._executor = Executor(
            store=parts.store,
            manifests=manifests,
            engine=parts.engine,
            metrics=parts.metrics,
            clock=parts.clock,
            log=parts.log,
        )
        self._builder = Builder(
            store=parts.store,
            manifests=manifests,
            engine=parts.engine,
            chain_id=chain.chain_id,
            rollup=self._rollup.address,
            log=parts.log,
        )

    def step(self) -> bool:
        """Read a window, run at most one call, build at most one batch, send at most one action.

        Rule: SEQ-1
        """
        busy = self._reader.read()
        busy = self._executor.run_next() or busy
        busy = self._builder.build_next() or busy
        return self._act() or busy

    def rewind(self) -> None:
        """Go back to what the chain still holds."""
        self._reader.rewind()

    def _act(self) -> bool:
        """Decide on one action, and do it."""
        store = self._store
        checkpoint = store.get_checkpoint()
        if checkpoint is None:
            return False
        time = store.get_time()
        if batcher.decide_close(
            store.list_open(), block=checkpoint.number, time=time, policy=self._policy
        ):
            self._close(store.count_batches() + 1)
            return True
        proposer.verify_head(store.find_contradiction())
        match proposer.decide(
            store.list_results(after=store.get_head()),
            store.list_pending(),
            time=time,
            challenge_window=self._settings.challenge_window,
        ):
            case proposer.Propose(result):
                self._propose(result)
            case proposer.Finalize(batch, assertion_id):
                self._finalize(batch, assertion_id)
            case None:
                return False
        return True

    def _close(self, number: int) -> None:
        if self._inbox.fetch_batch(number).batch_hash != ZERO_HASH:
            self._reader.read_again()
            raise Temporary(f"the node's logs lack the closing of batch {number}: reading again")
        mined = self._sender.send(f"close {number}", self._inbox.build_close())
        self._metrics.add_transaction()
        self._log("close_sent", batch=number, block=mined.block, gas=mined.gas_used)

    def _verify_known(self, assertion_id: Hash32, expected: Status) -> None:
        """Check that the logs told all about an assertion; else the node lost one of them."""
        status = self._rollup.fetch_status(assertion_id)
        if status is not expected:
            self._reader.read_again()
            raise Temporary(
                f"assertion 0x{assertion_id.hex()} is {status.name} on the chain and "
                f"{expected.name} by the node's logs: reading again"
            )

    def _propose(self, result: Result) -> None:
        self._verify_known(result.assertion_id, Status.NONE)
        batch = self._store.get_batch(result.batch)
        if batch is None:
            raise Fatal(f"the store lost batch {result.batch}: start with an empty home")
        transaction = self._rollup.build_propose(
            parent=result.parent,
            attempt=0,
            batch_hash=batch.batch_hash,
            claim=result.claim,
            last_record_proof=result.last_record_proof,
            batch_data=result.batch_data,
        )
        mined = self._sender.send(f"propose 0x{result.assertion_id.hex()}", transaction)
        self._metrics.add_transaction()
        self._log(
            "proposed",
            batch=result.batch,
            assertion=result.assertion_id,
            block=mined.block,
            gas=mined.gas_used,
        )

    def _finalize(self, batch: int, assertion_id: Hash32) -> None:
        self._verify_known(assertion_id, Status.PENDING)
        transaction = self._rollup.build_finalize(assertion_id)
        mined = self._sender.send(f"finalize 0x{assertion_id.hex()}", transaction)
        self._metrics.add_transaction()
        self._log("finalize_sent", batch=batch, assertion=assertion_id, gas=mined.gas_used)


def verify_sequencer(rollup: Rollup, settings: RollupSettings, sender: Sender) -> None:
    """Check that this key may propose: it is the Rollup's sequencer and has a live stake.

    Raises:
        Fatal: it does not; the text names the fix.

    Rule: SEQ-14
    """
    expected = rollup.fetch_sequencer()
    if sender.address != expected:
        raise Fatal(
            f"this rollup's sequencer is 0x{expected.hex()}, the key is of "
            f"0x{sender.address.hex()}: use the sequencer's key"
        )
    stake = rollup.fetch_stake(expected)
    if stake.status != LIVE:
        word = "was slashed" if stake.status else "is missing"
        raise Fatal(
            f"the stake of 0x{expected.hex()} {word}: deposit {format_ether(settings.stake)} ETH "
            "with `oyez stake deposit`, under a key that has never been slashed"
        )
    if stake.requested_at:
        raise Fatal(
            f"the stake of 0x{expected.hex()} is being withdrawn: cancel the withdrawal first"
        )
