"""One step of the sequencer: read, execute, build, then one action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oyez.attestation.enclave import resume
from oyez.attestation.signer import EnclaveSigner
from oyez.chain.client import Chain, Reverted
from oyez.chain.contracts import Inbox, Rollup, RollupSettings
from oyez.chain.deployment import Deployment
from oyez.chain.sender import Sender
from oyez.chain.signing import format_ether
from oyez.derivation import history
from oyez.derivation.follow import Checkpoint
from oyez.derivation.manifests import ManifestSource
from oyez.dispute import agent
from oyez.dispute.duels import begin_duels
from oyez.dispute.outer import OuterTraces
from oyez.dispute.own_machine import OpenMachine, open_machine
from oyez.dispute.view import LIVE
from oyez.dispute.witness import open_witness
from oyez.engines.base import Engine
from oyez.protocol import codec
from oyez.protocol.errors import Fatal, Temporary
from oyez.protocol.types import ZERO_HASH
from oyez.service import Log
from sequencer import batcher, proposer
from sequencer.attester import Attester, verify_enclave
from sequencer.builder import Builder
from sequencer.duel_reader import DuelReader
from sequencer.executor import Executor
from sequencer.inbox_reader import InboxReader
from sequencer.metrics import Metrics
from sequencer.results import OwnResults
from sequencer.rows import Result
from sequencer.store import Store

#: The log's words for what a sequencer mostly does.
SAID = {"propose": "proposed", "finalize": "finalize_sent"}
#: How the store's tables are laid out, and what executions hold; an older home is derived again in
#: a new one.
LAYOUT = "5"
#: Every rollup lists a model here; a node with another file must not even start.
FIRST_MODEL = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a sequencer is made of; each is a seam that a test can replace.

    Where `open_machine` gives none it plays all of a duel but champions' moves. The signer is an
    enclave's key, which attests what is proposed; None, and nothing is attested here.
    """

    chain: Chain
    deployment: Deployment
    engine: Engine
    store: Store
    sender: Sender
    metrics: Metrics
    clock: Callable[[], float]
    log: Log
    open_machine: OpenMachine = open_machine
    signer: EnclaveSigner | None = None


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
        settings = self._rollup.fetch_settings()
        verify_sequencer(self._rollup, settings, parts.sender)
        verify_enclave(settings, parts.signer)
        parts.store.claim_for(
            {
                "chain id": str(chain.chain_id),
                "rollup": self._rollup.address.hex(),
                "model root": parts.engine.model_root.hex(),
                "layout": LAYOUT,
            }
        )
        self._attester = open_attester(parts, self._rollup)
        self._genesis_id = codec.compute_genesis_id(chain.chain_id, self._rollup.address)
        self._refused: Checkpoint | None = None
        self._policy = policy or batcher.Policy(self._inbox.fetch_period("min_batch_seconds"))
        self._reader = InboxReader(chain, deployment, parts.store, parts.log)
        manifests = ManifestSource(chain, deployment, parts.engine)
        manifests.fetch_model(FIRST_MODEL)
        own = OwnResults(parts.store, manifests)
        traces = OuterTraces(parts.engine, own)
        machine = parts.open_machine(chain, deployment, parts.engine, own, traces)
        self._agent = agent.Agent(
            self._rollup,
            agent.fetch_periods(self._rollup, self._inbox),
            parts.sender,
            parts.store,
            self._fetch_proposal,
            parts.log,
            open_witness(chain, deployment, traces, machine),
        )
        no_duels = begin_duels(chain, deployment)
        self._duels = None if no_duels is None else DuelReader(chain, deployment, no_duels)
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
        """Read a window, run calls until one ends, build at most one batch, do at most one action.

        Rule: SEQ-1
        """
        busy = self._reader.read()
        busy = self._executor.run_next() or busy
        busy = self._builder.build_next() or busy
        return self._act() or busy

    def rewind(self) -> None:
        """Go back to what the chain still holds."""
        self._reader.rewind()
        self._agent.reset()
        if self._attester is not None:
            self._attester.reset()
        if self._duels is not None:
            self._duels.rewind()

    def _fetch_proposal(self, batch: int) -> Result:
        result = self._store.get_result(batch)
        if result is None:
            raise Fatal(f"the store lost the result of batch {batch}: start with an empty home")
        return result

    def _act(self) -> bool:
        """Decide on one action, and do it; on none from what the chain was like in the past.

        Rule: SEQ-19
        """
        store = self._store
        checkpoint = store.get_checkpoint()
        if checkpoint is None or not self._reader.is_current:
            return False
        time = store.get_time()
        is_due = batcher.decide_close(
            store.list_open(), block=checkpoint.number, time=time, policy=self._policy
        )
        may_close = is_due and checkpoint != self._refused
        if may_close and self._close(store.count_batches() + 1, checkpoint):
            return True
        proposer.verify_head(store.assertions.find_contradiction())
        return self._follow_branch(checkpoint)

    def _follow_branch(self, checkpoint: Checkpoint) -> bool:
        """Make moves on the true branch: propose, step down, finalize, void, answer lies."""
        try:
            duels = None if self._duels is None else self._duels.read(checkpoint)
            facts = proposer.gather(self._store, self._genesis_id, checkpoint, duels)
            if self._attester is not None and self._attester.prepare(facts) is not None:
                self._metrics.add_transaction()
                return True
            done = self._agent.act(facts)
        except history.SkippedLog:
            if self._duels is not None:
                self._duels.reset()
            first_open = self._store.assertions.get_head() + 1
            self._reader.read_again(self._store.get_closing_block(first_open))
            raise
        for item in done:
            move, mined = item.move, item.mined
            self._metrics.add_transaction()
            self._log(
                SAID.get(move.kind, "moved"),
                batch=move.batch,
                assertion=move.assertion_id,
                move=move.kind,
                block=mined.block,
                gas=mined.gas_used,
            )
        if done or self._attester is None or self._attester.act(facts) is None:
            return bool(done)
        self._metrics.add_transaction()
        return True

    def _close(self, number: int, checkpoint: Checkpoint) -> bool:
        """Close the open batch; False when the Inbox refuses, until the next block."""
        if self._inbox.fetch_batch(number).batch_hash != ZERO_HASH:
            self._reader.read_again()
            raise Temporary(f"the node's logs lack the closing of batch {number}: reading again")
        try:
            mined = self._sender.send(f"close {number}", self._inbox.build_close())
        except Reverted as error:
            self._refused = checkpoint
            self._log("refused", move="close", batch=number, reason=error.reason)
            return False
        self._metrics.add_transaction()
        self._log("close_sent", batch=number, block=mined.block, gas=mined.gas_used)
        return True


def open_attester(parts: Parts, rollup: Rollup) -> Attester | None:
    """Have an enclave's key look at the chain, and return what attests with it; None without one.

    Rule: ENCLAVE-8
    """
    if parts.signer is None:
        return None
    resume(parts.signer, parts.chain, parts.deployment)
    return Attester(rollup, parts.signer, parts.sender, parts.store, parts.log)


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
