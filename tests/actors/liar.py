"""A sequencer that lies: it holds the real key and posts false assertions with valid proofs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from oyez.derivation import history, replay
from oyez.protocol import merkle, trace
from oyez.protocol.batch_data import encode_rows
from oyez.protocol.constants import LAST_CALL, LAST_POSITION, LAST_SLOT
from oyez.protocol.state import State
from oyez.protocol.transition import BatchResult
from oyez.protocol.types import Claim, Hash32
from tests.actors import lie
from tests.local_rollup import LocalRollup


@dataclass(frozen=True)
class Posted:
    """What the liar posted."""

    assertion_id: Hash32
    claim: Claim


class Liar:
    """Posts one assertion per batch, false where told, with an account's key and stake."""

    def __init__(self, rollup: LocalRollup, *, key: int = 0) -> None:
        self.rollup = rollup
        self.key = key
        self.parent = rollup.sequencer.reader.genesis_id
        self.state = State.empty()
        self.done = 0

    def propose(
        self,
        *,
        false_call: int | None = None,
        false_roots: dict[str, Hash32] | None = None,
        batch_data: bytes | None = None,
    ) -> Posted:
        """Post the next closed batch.

        In `false_call` the model's second best stands for its best, and the calls after it follow
        from that (tests/actors/lie.py);
        `false_roots` replaces roots of the claim, the trace root following from the others;
        `batch_data` replaces the rows.
        """
        rollup = self.rollup
        found = history.fetch_history(rollup.chain, rollup.deployment)
        batch = found.batches[self.done]
        result = self._derive(batch, false_call)
        claim = result.claim
        if false_roots:
            claim = self._force(replace(claim, **false_roots), result)
        rows = encode_rows(result.rows) if batch_data is None else batch_data
        rollup.act(
            self.key,
            rollup.sequencer.rollup.build_propose(
                parent=self.parent,
                attempt=0,
                batch_hash=batch.batch_hash,
                claim=claim,
                last_record_proof=result.last_record_proof,
                batch_data=rows,
            ),
        )
        self.parent = rollup.sequencer.reader.compute_id(self.parent, 0, batch, claim)
        self.state = result.state
        self.done += 1
        return Posted(self.parent, claim)

    def skip(self) -> None:
        """Leave the next batch to the truth, as a first attempt, and go on above it."""
        rollup = self.rollup
        batch = history.fetch_history(rollup.chain, rollup.deployment).batches[self.done]
        result = self._derive(batch, None)
        self.parent = rollup.sequencer.reader.compute_id(self.parent, 0, batch, result.claim)
        self.state = result.state
        self.done += 1

    def _derive(self, batch: history.Batch, false_call: int | None) -> BatchResult:
        manifests = self.rollup.sequencer.reader.collect(batch.entries)
        if false_call is None:
            return replay.derive(self.state, batch, manifests, self.rollup.engine)
        return lie.derive_false(self.state, batch, manifests, self.rollup.engine, false_call)

    def _force(self, claim: Claim, result: BatchResult) -> Claim:
        record = trace.build_last_record(claim.state_root, claim.outbox_root, claim.receipts_root)
        index = trace.compute_outer_index(LAST_CALL, LAST_POSITION, LAST_SLOT)
        root = merkle.fold_proof(record, index, result.last_record_proof, trace.record_tree())
        return replace(claim, trace_root=Hash32(root))
