"""Verification: re-executes calls from the inbox's entries and compares with what was posted.

Nothing posted is an input to the model. Rows of batch data say where a difference begins, and
their receipts are siblings, after they were found to hash to the roots; without such rows the
siblings come from re-executing every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oyez import comparison
from oyez.comparison import Difference, FetchManifest
from oyez.derivation import history as histories
from oyez.derivation import replay
from oyez.derivation.manifests import AlteredManifest
from oyez.engines.base import Engine
from oyez.protocol import codec, receipts
from oyez.protocol.errors import Invalid
from oyez.protocol.types import CallId, Hash32, Receipt
from oyez.reader import Posted, Reader


@dataclass(frozen=True, slots=True)
class Verdict:
    """What re-executing a call says of what was posted.

    Attributes:
        tokens_run: positions that the model ran, over all calls replayed.
    """

    call_id: CallId
    calls_replayed: int
    tokens_run: int
    first_difference: Difference | None

    @property
    def match(self) -> bool:
        """Whether nothing differs."""
        return self.first_difference is None

    def build_json(self) -> dict[str, Any]:
        """Return the verdict as JSON."""
        found = self.first_difference
        return {
            "call_id": self.call_id,
            "match": self.match,
            "calls_replayed": self.calls_replayed,
            "tokens_run": self.tokens_run,
            "first_difference": found.build_json() if found is not None else None,
        }


class Verifier:
    """Verifies calls of one deployment with one engine."""

    def __init__(
        self,
        reader: Reader,
        load: Callable[[], Engine],
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the reader, what loads the model when it is needed, and who hears of progress."""
        self.reader = reader
        self._load = load
        self._report = report

    def verify_call(self, call_id: CallId, manifest_data: bytes | None = None) -> Verdict:
        """Re-execute a final call and all earlier ones of its cell, and compare.

        `manifest_data` stands in place of the bytes that were published for this call.

        Raises:
            Invalid: VERIFY-1, there is no such call, or it is not final yet.

        Rule: VERIFY-1
        """
        self._report("reading the chain")
        history = self.reader.fetch_history(tolerant=True)
        try:
            return self._verify_in(history, call_id, manifest_data)
        except AlteredManifest as error:
            found = comparison.build_manifest_difference(history.entries, error.ours, error.kept)
            return Verdict(call_id, 0, 0, found)

    def _verify_in(
        self, history: histories.History, call_id: CallId, manifest_data: bytes | None
    ) -> Verdict:
        batch = history.find_batch(call_id)
        if batch is None:
            return self._verify_unseen(history, call_id)
        head = self.reader.rollup.fetch_head(history.block.hash)
        if batch.number > head:
            raise Invalid(
                "VERIFY-1",
                f"call {call_id} is in batch {batch.number}, which is not final (head {head}): "
                f"wait for `oyez status {call_id}` to say FINAL",
            )
        entry = batch.entries[call_id - batch.header.first_call]
        published = self.reader.fetch_manifest(entry.manifest_hash)
        difference = self._compare_model(published.model)
        if difference is not None:
            return Verdict(call_id, 0, 0, difference)
        source = self._substitute(entry.manifest_hash, manifest_data)
        self._report("loading the model")
        replayed = replay.replay_cell(
            history.entries,
            call_id,
            source,
            self._load(),
            find_header=history.find_header,
            report=lambda entry: self._report(f"replaying call {entry.call_id} of {call_id}"),
        )
        posted = self._rebuild(history, batch.number)
        return Verdict(
            call_id,
            len(replayed.executions),
            replayed.tokens_run,
            self._compare(replayed, posted, history, source),
        )

    def _verify_unseen(self, history: histories.History, call_id: CallId) -> Verdict:
        """Say why a call is in no batch that hashes: altered entries, not closed, or unknown.

        Rule: VERIFY-2
        """
        if history.altered is not None:
            altered = history.altered
            found = comparison.build_entry_difference(altered.number, altered.ours, altered.kept)
            return Verdict(call_id, 0, 0, found)
        if history.skipped is not None:
            raise history.skipped
        if call_id < len(history.entries):
            raise Invalid(
                "VERIFY-1",
                f"call {call_id} is queued, its batch is still open: wait for `oyez status "
                f"{call_id}` to say FINAL",
            )
        raise Invalid(
            "VERIFY-1", f"the inbox holds no call {call_id}: it holds {len(history.entries)} calls"
        )

    def _compare_model(self, index: int) -> Difference | None:
        """Compare the loaded model's root and shape with the ModelRegistry's.

        Rule: VERIFY-3
        """
        engine = self._load()
        record = self.reader.models.fetch_model(index)
        ours = (engine.model_root, codec.compute_shape_hash(engine.shape))
        return comparison.find_model_difference(index, ours, (record.root, record.shape_hash))

    def _substitute(self, manifest_hash: Hash32, data: bytes | None) -> FetchManifest:
        """Return where manifests come from; other bytes pass under the published ones' hash.

        Rule: VERIFY-4
        """
        if data is None:
            return self.reader.fetch_manifest
        other = replace(self.reader.parse_manifest(data), hash=manifest_hash)
        return lambda wanted: (
            other if wanted == manifest_hash else self.reader.fetch_manifest(wanted)
        )

    def _rebuild(self, history: histories.History, number: int) -> list[Posted] | None:
        """Return the posted batches, or None where their rows cannot be believed."""
        path = self.reader.select(history, level="final", until=number)
        try:
            return self.reader.rebuild(history, path)
        except Invalid as error:
            self._report(f"{error.what}: re-executing every batch")
            return None

    def _compare(
        self,
        replayed: replay.CellReplay,
        posted: Sequence[Posted] | None,
        history: histories.History,
        source: FetchManifest,
    ) -> Difference | None:
        """Return the first difference: call by call as posted, then the receipt under the root."""
        last = replayed.last.entry.call_id
        batch = history.find_batch(last)
        assert batch is not None, "only calls of closed batches are replayed"
        if posted is not None:
            rows = {
                entry.call_id: row
                for item in posted
                for entry, row in zip(item.batch.entries, item.rows, strict=True)
            }
            calls = [(each.entry, rows[each.entry.call_id]) for each in replayed.executions]
            fetch, vocabulary = self.reader.fetch_manifest, self._load().vocabulary
            theirs = comparison.follow_cell(calls, fetch)
            for ours, call in zip(replayed.executions, theirs, strict=True):
                found = comparison.find_difference(ours, call, fetch, vocabulary)
                if found is not None:
                    return found
        others = self._list_receipts(posted, history, batch.number)
        root = self.reader.rollup.fetch_root("receipts_root", batch.number, history.block.hash)
        ours_last = comparison.build_receipt(replayed.last, source)
        return verify_under_root(ours_last, others, batch, root)

    def _list_receipts(
        self, posted: Sequence[Posted] | None, history: histories.History, number: int
    ) -> Sequence[Receipt]:
        if posted is not None:
            return posted[-1].receipts
        batches = history.batches[:number]
        results = list(replay.derive_all(batches, self.reader.collect, self._load()))
        return results[-1].receipts


def verify_under_root(
    ours: Receipt, others: Sequence[Receipt], batch: histories.Batch, root: Hash32
) -> Difference | None:
    """Check our receipt in its own place under the final receipts root.

    Of `others`, the receipts of the batch, only the other calls' leaves count, as siblings.

    Rule: VERIFY-5
    """
    first = batch.header.first_call
    index = ours.call_id - first
    leaves = [codec.compute_receipt_leaf(receipt) for receipt in others]
    siblings = receipts.build_receipt_proof(leaves, index)
    try:
        receipts.verify_receipt(root=root, first_call=first, receipt=ours, siblings=siblings)
    except Invalid:
        leaf = codec.compute_receipt_leaf(ours)
        return comparison.build_receipt_difference(ours.call_id, leaf, leaves[index])
    return None
