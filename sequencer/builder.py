"""Builds each closed batch's claim and batch data from stored executions: a pure rule."""

from __future__ import annotations

from oyez.derivation import replay
from oyez.derivation.history import Batch
from oyez.derivation.manifests import ManifestSource
from oyez.engines.base import Engine
from oyez.protocol import codec
from oyez.protocol.errors import Fatal
from oyez.protocol.state import State
from oyez.protocol.transition import BatchResult
from oyez.protocol.types import ZERO_HASH, Address, BatchNumber, Hash32
from oyez.service import Log
from sequencer.rows import Result
from sequencer.store import Store


def build_result(
    batch: Batch, result: BatchResult, *, chain_id: int, rollup: Address, parent: Hash32
) -> Result:
    """Return what to propose for a batch, as first attempt on a parent."""
    assertion_id = codec.compute_assertion_id(
        chain_id=chain_id,
        rollup=rollup,
        parent=parent,
        attempt=0,
        batch=batch.number,
        batch_hash=batch.batch_hash,
        claim=result.claim,
    )
    return Result(
        batch=batch.number,
        parent=parent,
        assertion_id=assertion_id,
        claim=result.claim,
        last_record_proof=tuple(result.last_record_proof),
        batch_data=result.batch_data,
    )


class Builder:
    """Takes the first batch without a result, once all its calls are executed."""

    def __init__(
        self,
        *,
        store: Store,
        manifests: ManifestSource,
        engine: Engine,
        chain_id: int,
        rollup: Address,
        log: Log,
    ) -> None:
        """Take what it reads; the engine only gives its shape, nothing is run."""
        self._store = store
        self._manifests = manifests
        self._engine = engine
        self._chain_id = chain_id
        self._rollup = rollup
        self._log = log
        self._state = State.empty()

    def build_next(self) -> bool:
        """Build one batch and store its result; False when none is ready.

        Rule: SEQ-7
        """
        number = self._store.count_results() + 1
        batch = self._store.get_batch(number)
        if batch is None:
            return False
        executions = self._store.list_executions(batch.entries)
        if len(executions) < len(batch.entries):
            return False
        state, parent = self._find_before(number)
        manifests = self._manifests.collect(batch.entries)
        for execution in executions:
            if execution.cell_before is not None:
                before = execution.cell_before.manifest_hash
                manifests[before] = self._manifests.fetch(before)
        result = replay.derive(
            state,
            batch,
            manifests,
            self._engine,
            known={execution.entry.call_id: execution for execution in executions},
        )
        built = build_result(
            batch, result, chain_id=self._chain_id, rollup=self._rollup, parent=parent
        )
        self._store.put_result(built)
        self._state = result.state
        self._log(
            "built",
            batch=number,
            assertion=built.assertion_id,
            state_root=built.claim.state_root,
            data_bytes=len(built.batch_data),
        )
        return True

    def _find_before(self, number: int) -> tuple[State, Hash32]:
        """Return the state and the assertion id before a batch.

        The state is kept from the last batch; after a start or a rewind it is folded again from
        the stored executions, and must have the root that was built.

        Rule: SEQ-8
        """
        before = self._store.get_result(number - 1)
        root = ZERO_HASH if before is None else before.claim.state_root
        if self._state.root != root:
            self._state = self._fold(BatchNumber(number - 1))
            if self._state.root != root:
                raise Fatal(
                    f"the stored executions do not lead to the state root of batch {number - 1}: "
                    "start with an empty home, everything is derived again from the chain"
                )
        genesis = codec.compute_genesis_id(self._chain_id, self._rollup)
        return self._state, genesis if before is None else before.assertion_id

    def _fold(self, last: BatchNumber) -> State:
        state = State.empty()
        for number in range(1, last + 1):
            batch = self._store.get_batch(number)
            if batch is None:
                raise Fatal(f"the store lost batch {number}: start with an empty home")
            state = replay.fold_state(
                state,
                self._store.list_executions(batch.entries),
                self._manifests.collect(batch.entries),
            )
        return state
