"""Reads what is posted: state and receipts rebuilt from batch data, believed only if it hashes.

No model and no sequencer is needed: a row of batch data carries each call's output, code computes
the rest, and every batch's state root and receipts root must come out as posted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from oyez.chain import contracts, events, proposals
from oyez.chain.client import Chain, Reverted
from oyez.chain.deployment import Deployment
from oyez.derivation import history as histories
from oyez.derivation.manifests import fetch_manifest_bytes
from oyez.protocol import batch_data, codec, manifest
from oyez.protocol.errors import Invalid, Temporary
from oyez.protocol.manifest_layout import ModelLimits
from oyez.protocol.state import State
from oyez.protocol.types import (
    ZERO_HASH,
    BatchNumber,
    Claim,
    Entry,
    Hash32,
    Manifest,
    Receipt,
    Status,
)


@dataclass(frozen=True, slots=True)
class Posted:
    """One batch as posted, after its rows were found to hash to the assertion's roots."""

    batch: histories.Batch
    assertion: events.AssertionProposed
    state: State
    receipts: tuple[Receipt, ...]
    rows: tuple[batch_data.Row, ...]


class Reader:
    """Reads one deployment; keeps manifests, which never change, and nothing else."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        """Take the chain and the place to read."""
        self._chain = chain
        self._deployment = deployment
        self.rollup = contracts.Rollup(chain, deployment)
        self._actions = contracts.ActionRegistry(chain, deployment)
        self.models = contracts.ModelRegistry(chain, deployment)
        self._manifests: dict[Hash32, Manifest] = {}

    def fetch_block_number(self) -> int:
        """Return the chain's newest block."""
        return self._chain.fetch_block().number

    def fetch_id_preimage(self, assertion_id: Hash32) -> bytes:
        """Return the bytes whose Keccak-256 is a proposed assertion's id."""
        return proposals.fetch_id_preimage(self._chain, self._deployment, assertion_id)

    def fetch_history(self, *, tolerant: bool = False) -> histories.History:
        """Return everything the chain says, checked against the Inbox's hashes."""
        return histories.fetch_history(self._chain, self._deployment, tolerant=tolerant)

    def fetch_current_manifest(self, action_id: Hash32) -> Hash32:
        """Return the hash of the manifest that a call would run now.

        Raises:
            Invalid: READER-1, no such action was published here.

        Rule: READER-1
        """
        unknown = Invalid(
            "READER-1",
            f"no action 0x{action_id.hex()} is published here: check the id and --deployment",
        )
        try:
            terms = self._actions.read("terms", action_id)
        except Reverted as error:
            raise unknown from error
        found = Hash32(terms[0])
        if found == ZERO_HASH:
            raise unknown
        return found

    def fetch_manifest_bytes(self, manifest_hash: Hash32) -> bytes:
        """Return a published manifest's canonical bytes."""
        return fetch_manifest_bytes(self._actions, manifest_hash)

    def collect(self, entries: Sequence[Entry]) -> dict[Hash32, Manifest]:
        """Return the manifests that these entries run."""
        hashes = dict.fromkeys(entry.manifest_hash for entry in entries)
        return {manifest_hash: self.fetch_manifest(manifest_hash) for manifest_hash in hashes}

    def fetch_manifest(self, manifest_hash: Hash32) -> Manifest:
        """Return a published manifest."""
        if manifest_hash not in self._manifests:
            self._manifests[manifest_hash] = self.parse_manifest(
                self.fetch_manifest_bytes(manifest_hash)
            )
        return self._manifests[manifest_hash]

    def parse_manifest(self, data: bytes) -> Manifest:
        """Parse canonical bytes by the bounds of the model that they name.

        Raises:
            Invalid: MANIFEST-n, or READER-2: no such model is listed here.

        Rule: READER-2
        """
        index = int.from_bytes(data[1:3], "big")
        try:
            shape = self.models.fetch_shape(index)
        except Reverted as error:
            raise Invalid(
                "READER-2", f"the manifest names model {index}, which is not listed here"
            ) from error
        limits = ModelLimits(shape.vocabulary, shape.context, shape.missing)
        return manifest.parse_manifest(data, limits)

    def select(
        self, history: histories.History, *, level: str, until: int | None = None
    ) -> list[events.AssertionProposed]:
        """Return the assertions to read, batch 1 first: the final ones, or on along the pending.

        Of several living siblings the first proposed is taken: "posted" is not yet certain, and
        `find_dispute` tells where.

        Raises:
            Temporary: the node lacks an assertion's event.

        Rule: READER-3
        """
        head = self.rollup.fetch_head(history.block.hash)
        wanted = head if until is None else min(head, until)
        by_id = {event.assertion_id: event for event in history.proposed}
        path: list[events.AssertionProposed] = []
        for number in range(1, wanted + 1):
            found = by_id.get(self.rollup.fetch_final_id(number, history.block.hash))
            if found is None:
                raise Temporary(
                    f"the node lacks the assertion of batch {number}: use another RPC, or an "
                    "archive node"
                )
            self._verify_event(history, path, found)
            path.append(found)
        if level == "posted" and wanted == head:
            self._follow_pending(history, path)
        return path[:until]

    def _verify_event(
        self,
        history: histories.History,
        path: Sequence[events.AssertionProposed],
        found: events.AssertionProposed,
    ) -> None:
        """Check that an event's facts make its id: a node may alter logs.

        Raises:
            Invalid: READER-10.

        Rule: READER-10
        """
        number = len(path) + 1
        computed = None
        if number <= len(history.batches):
            parent = path[-1].assertion_id if path else self.genesis_id
            batch = history.batches[number - 1]
            computed = self.compute_id(parent, found.attempt, batch, found.claim)
        if computed != found.assertion_id:
            raise Invalid(
                "READER-10",
                f"the assertion of batch {number} does not hash to its id: the node's logs are "
                "incomplete or altered, use another RPC",
            )

    def _follow_pending(
        self, history: histories.History, path: list[events.AssertionProposed]
    ) -> None:
        parent = path[-1].assertion_id if path else self.genesis_id
        for event in history.proposed:
            # a child is proposed after its parent, so one pass in the chain's order suffices
            if event.parent != parent or event.batch != len(path) + 1:
                continue
            status = self.rollup.fetch_status(event.assertion_id, history.block.hash)
            if status is Status.PENDING:
                self._verify_event(history, path, event)
                path.append(event)
                parent = event.assertion_id

    def list_siblings(
        self, history: histories.History, chosen: events.AssertionProposed
    ) -> tuple[Hash32, ...]:
        """Return what lives under the parent of a living assertion, itself too, oldest first.

        Rule: READER-12
        """
        children = [e.assertion_id for e in history.proposed if e.parent == chosen.parent]
        if len(children) == 1:
            return tuple(children)
        dead = (Status.NONE, Status.DEFEATED, Status.VOID)
        return tuple(
            child
            for child in dict.fromkeys(children)
            if self.rollup.fetch_status(child, history.block.hash) not in dead
        )

    def find_dispute(
        self, history: histories.History, path: Sequence[events.AssertionProposed]
    ) -> BatchNumber | None:
        """Return the first batch of a path of which several siblings live, None where none has."""
        children = Counter(event.parent for event in history.proposed)
        for event in path:
            if children[event.parent] > 1 and len(self.list_siblings(history, event)) > 1:
                return event.batch
        return None

    def fetch_attested(self, history: histories.History, number: int) -> bool:
        """Tell whether a registered enclave signed the assertion that a reader takes of a batch.

        The final one, else the first proposed of those that are PENDING; False without one.

        Rule: READER-13
        """
        rollup, block = self.rollup, history.block.hash
        if number <= rollup.fetch_head(block):
            return rollup.fetch_attested(rollup.fetch_final_id(number, block), block)
        for event in history.proposed:
            if event.batch != number:
                continue
            if rollup.fetch_status(event.assertion_id, block) is Status.PENDING:
                return rollup.fetch_attested(event.assertion_id, block)
        return False

    @property
    def genesis_id(self) -> Hash32:
        """The id of batch 0."""
        return codec.compute_genesis_id(self._deployment.chain_id, self.rollup.address)

    def compute_id(
        self, parent: Hash32, attempt: int, batch: histories.Batch, claim: Claim
    ) -> Hash32:
        """Return the id of an assertion of this deployment."""
        return codec.compute_assertion_id(
            chain_id=self._deployment.chain_id,
            rollup=self.rollup.address,
            parent=parent,
            attempt=attempt,
            batch=batch.number,
            batch_hash=batch.batch_hash,
            claim=claim,
        )

    def rebuild(
        self, history: histories.History, path: Sequence[events.AssertionProposed]
    ) -> list[Posted]:
        """Rebuild every batch of a path from its rows.

        Raises:
            Invalid: READER-4, a batch's rows do not hash to its roots.

        Rule: READER-4
        """
        state = State.empty()
        # a cell met was stored under the manifest of an earlier entry
        manifests: dict[Hash32, Manifest] = {}
        rebuilt: list[Posted] = []
        for batch, assertion in zip(history.batches, path, strict=False):
            manifests |= self.collect(batch.entries)
            try:
                rows = batch_data.decode_rows(assertion.batch_data)
                applied = batch_data.apply_rows(
                    state=state, entries=batch.entries, rows=rows, manifests=manifests
                )
                batch_data.verify_rows(applied, rows, assertion.claim)
            except Invalid as error:
                raise Invalid(
                    "READER-4",
                    f"the batch data of batch {batch.number} cannot be believed ({error.what}): "
                    "re-execute it with `oyez verify --full`",
                ) from error
            state = applied.state
            rebuilt.append(Posted(batch, assertion, state, applied.receipts, tuple(rows)))
        return rebuilt
