"""One step of the challenger: read, replay calls, build one batch, judge what can be judged."""

from __future__ import annotations

from challenger import reports, stakes
from challenger.deriver import Deriver
from challenger.parts import Parts
from challenger.replayer import Replayer
from challenger.results import OwnResults
from challenger.verdict import Verdict, judge
from challenger.watcher import Watcher
from oyez.chain.contracts import Inbox, Rollup
from oyez.derivation import history
from oyez.derivation.follow import Window
from oyez.derivation.history import Batch
from oyez.derivation.manifests import ManifestSource
from oyez.dispute import agent
from oyez.dispute.duels import begin_duels
from oyez.dispute.outer import OuterTraces
from oyez.dispute.view import Own
from oyez.dispute.witness import open_witness
from oyez.protocol import codec
from oyez.protocol.errors import Invalid, Temporary
from oyez.protocol.transition import BatchResult
from oyez.protocol.types import Hash32

#: Every rollup lists a model here; a node with another file must not even start.
FIRST_MODEL = 0
#: Calls that are handed to the replayer before earlier ones have ended.
MOST_CALLS = 32


class ChallengerService:
    """Derives everything from the chain alone, judges each assertion, and acts on what is false."""

    def __init__(self, parts: Parts) -> None:
        """Begin at the deployment; replayed calls come from the store.

        Fatal when the engine runs another model than the rollup's, or the stake is none.
        """
        self._parts = parts
        self._rollup = parts.deployment.address("Rollup")
        self._chain_id = parts.chain.chain_id
        self._watcher = Watcher(parts.chain, parts.deployment)
        self._manifests = ManifestSource(parts.chain, parts.deployment, parts.engine)
        self._manifests.fetch_model(FIRST_MODEL)
        self._no_duels = begin_duels(parts.chain, parts.deployment)
        self._agent = self._build_agent()
        self._begin()
        self._write()

    def step(self) -> bool:
        """Do the next thing; False when there was nothing to do.

        Raises:
            Temporary, Invalid: the node is down, behind or wrong; what was derived is derived
                again where it may be affected.
            Rewind: the chain changed its mind.
        """
        busy = self._read()
        busy = self._replay() or busy
        busy = self._build() or busy
        busy = self._judge() or busy
        return self._act() or busy

    def rewind(self) -> None:
        """Forget all that was derived; it is read again from the chain.

        Rule: CHAL-8
        """
        self._watcher.reset()
        self._begin()
        self._write()

    @property
    def verdicts(self) -> list[Verdict]:
        """What was judged, in order."""
        return list(self._verdicts.values())

    def _begin(self) -> None:
        parts = self._parts
        genesis_id = codec.compute_genesis_id(self._chain_id, self._rollup)
        self._deriver = Deriver(genesis_id, self._no_duels)
        self._own: dict[int, Own] = {}
        self._seen: Window | None = None
        self._is_dirty = True
        if self._agent is not None:
            self._agent.reset()
        self._replayer = Replayer(parts.engine, self._manifests, parts.store)
        self._results: list[tuple[Batch, BatchResult]] = []
        self._verdicts: dict[Hash32, Verdict] = {}
        self._final: set[Hash32] = set()

    def _read(self) -> bool:
        window = self._watcher.fetch()
        if window is None:
            return False
        try:
            self._deriver.add(
                window, lambda batch: self._watcher.verify(batch, window), self._watcher.date
            )
        except (history.SkippedLog, history.AlteredBatch):
            # It may have been lost or altered in an earlier window: nothing can be kept.
            self.rewind()
            raise
        self._watcher.accept(window)
        self._seen = window
        self._is_dirty = self._is_dirty or bool(window.events)
        return True

    def _replay(self) -> bool:
        entries, replayer = self._deriver.entries, self._replayer
        while entries and replayer.waiting < MOST_CALLS:
            header = self._deriver.find_header(entries[0].call_id)
            if not replayer.can_run(entries[0], header):
                break
            replayer.add(entries[0], header)
            entries.popleft()
        if not replayer.waiting:
            return False
        for ended in replayer.run():
            execution = ended.execution
            self._parts.log(
                "replayed",
                call=execution.entry.call_id,
                outcome=execution.outcome.name,
                code=execution.code.name,
                positions=execution.positions,
                source="model" if ended.is_new else "store",
            )
        return True

    def _build(self) -> bool:
        """Build the next batch, once its calls are replayed."""
        batches = self._deriver.batches
        if not batches or not self._replayer.has_all(batches[0].entries):
            return False
        result = self._replayer.build(batches[0])
        batch = batches.popleft()
        self._results.append((batch, result))
        self._is_dirty = True
        header = batch.header
        self._own[batch.number] = Own(
            batch.number, batch.batch_hash, header.opened_at, result.claim
        )
        self._parts.log("derived", batch=batch.number, state_root=result.claim.state_root)
        return True

    def _judge(self) -> bool:
        """Judge every assertion whose batch was built."""
        waiting = self._deriver.proposed
        ready = [event for event in waiting if event.batch <= len(self._results)]
        for event in ready:
            batch, result = self._results[event.batch - 1]
            try:
                verdict = judge(
                    event,
                    batch,
                    result,
                    chain_id=self._chain_id,
                    rollup=self._rollup,
                    parent_is_true=self._is_true(event.parent),
                )
            except Invalid:
                self.rewind()
                raise
            waiting.remove(event)
            self._verdicts[verdict.assertion_id] = verdict
            self._tell(verdict)
        news = self._note_final()
        self._is_dirty = self._is_dirty or bool(ready or news)
        self._write()
        return bool(ready or news)

    def _build_agent(self) -> agent.Agent | None:
        parts, sender = self._parts, self._parts.sender
        if sender is None:
            return None
        rollup = Rollup(parts.chain, parts.deployment)
        stakes.verify_stake(rollup, sender)
        own = OwnResults(parts.engine, self._manifests, parts.store, self._get_result)
        traces = OuterTraces(parts.engine, own)
        machine = parts.open_machine(parts.chain, parts.deployment, parts.engine, own, traces)
        return agent.Agent(
            rollup,
            agent.fetch_periods(rollup, Inbox(parts.chain, parts.deployment)),
            sender,
            parts.store,
            lambda batch: self._get_result(batch)[1],
            parts.log,
            open_witness(parts.chain, parts.deployment, traces, machine),
        )

    def _get_result(self, batch: int) -> tuple[Batch, BatchResult]:
        return self._results[batch - 1]

    def _act(self) -> bool:
        """Make the moves that the chain asks for; the next block shows what they came to.

        Rule: CHAL-25, CHAL-26
        """
        if self._agent is None or self._seen is None or not self._seen.is_newest:
            return False
        tree, blocked = self._deriver.tree, self._agent.blocked
        facts = agent.Facts(
            block=self._seen.last,
            time=self._seen.time,
            tree=tree,
            own=self._own,
            head_is_true=self._is_true(tree.head_id),
            is_complete=not self._deriver.batches,
            duels=self._deriver.duels,
        )
        try:
            done = self._agent.act(facts)
        except history.SkippedLog:
            self.rewind()
            raise
        except Temporary as error:
            if not self._deriver.entries and not self._replayer.waiting:
                raise
            # Replaying waits for no transaction: what is signed is sent again at the next block.
            self._agent.put_off(facts)
            self._parts.log("put_off", reason=error)
            return False
        finally:
            self._is_dirty = self._is_dirty or self._agent.blocked != blocked
            self._write()
        for item in done:
            move, mined = item.move, item.mined
            self._parts.log(
                "moved",
                move=move.kind,
                batch=move.batch,
                assertion=move.assertion_id,
                tx=mined.hash,
                block=mined.block,
                gas=mined.gas_used,
            )
            self._parts.report({"event": "move", **reports.show_move(move.key, mined.hash)})
        return bool(done)

    def _is_true(self, assertion_id: Hash32) -> bool:
        if assertion_id == codec.compute_genesis_id(self._chain_id, self._rollup):
            return True
        verdict = self._verdicts.get(assertion_id)
        return verdict is not None and verdict.matches

    def _note_final(self) -> bool:
        """Say once of each judged assertion that it became final; of a false one, loudly.

        Rule: CHAL-9
        """
        news = (self._deriver.finalized & self._verdicts.keys()) - self._final
        for assertion_id in sorted(news, key=lambda known: self._verdicts[known].batch):
            verdict = self._verdicts[assertion_id]
            self._final.add(assertion_id)
            name = "final" if verdict.matches else "false_final"
            self._parts.log(name, batch=verdict.batch, assertion=assertion_id)
            self._parts.report({"event": name, **verdict.to_json()})
        return bool(news)

    def _tell(self, verdict: Verdict) -> None:
        facts: dict[str, object] = {"batch": verdict.batch, "assertion": verdict.assertion_id}
        if not verdict.matches:
            facts["ours"] = verdict.ours
            facts["differs"] = ",".join(verdict.differs)
            facts["first_call"] = "none" if verdict.first_call is None else verdict.first_call
        facts["data"] = verdict.data
        self._parts.log("match" if verdict.matches else "mismatch", **facts)
        self._parts.report({"event": "verdict", **verdict.to_json()})

    def _write(self) -> None:
        """Write verdicts.json if something happened since."""
        if not self._is_dirty:
            return
        sender = self._parts.sender
        self._parts.store.write_verdicts(
            reports.build_document(
                replayed=len(self._results),
                staker=None if sender is None else sender.address,
                verdicts=self._verdicts.values(),
                final=self._final,
                sent=self._parts.store.list_sent(),
                transactions=self._deriver.transactions,
                blocked=() if self._agent is None else self._agent.blocked,
            )
        )
        self._is_dirty = False
