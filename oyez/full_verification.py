"""Full verification: re-executes every batch from the first and compares whole assertions.

Nothing posted is read but the final ids and the events that they name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oyez import comparison
from oyez.chain import events
from oyez.comparison import Difference
from oyez.derivation import history as histories
from oyez.derivation import replay
from oyez.derivation.manifests import AlteredManifest
from oyez.engines.base import Engine
from oyez.protocol import codec
from oyez.protocol.errors import Invalid
from oyez.protocol.types import BatchNumber, Claim, Hash32
from oyez.reader import Reader

ROOTS = ("trace_root", "state_root", "outbox_root", "receipts_root")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One batch re-executed: what it claims and the assertion's id that this makes."""

    batch: BatchNumber
    assertion_id: Hash32
    claim: Claim

    def build_json(self) -> dict[str, Any]:
        """Return the batch as JSON."""
        roots = {name: "0x" + getattr(self.claim, name).hex() for name in ROOTS}
        return {"batch": self.batch, "assertion_id": "0x" + self.assertion_id.hex(), **roots}


@dataclass(frozen=True, slots=True)
class FullVerdict:
    """What re-executing every batch says of the final assertions.

    Attributes:
        batch: the last batch compared, or that should have been.
        tokens_run: positions that the model ran, over all calls replayed.
    """

    batch: BatchNumber
    calls_replayed: int
    tokens_run: int
    batches: tuple[Rebuilt, ...]
    first_difference: Difference | None

    @property
    def match(self) -> bool:
        """Whether nothing differs."""
        return self.first_difference is None

    def build_json(self) -> dict[str, Any]:
        """Return the verdict as JSON."""
        found = self.first_difference
        return {
            "batch": self.batch,
            "match": self.match,
            "calls_replayed": self.calls_replayed,
            "tokens_run": self.tokens_run,
            "batches": [item.build_json() for item in self.batches],
            "first_difference": found.build_json() if found is not None else None,
        }


def verify_batches(
    reader: Reader,
    load: Callable[[], Engine],
    *,
    batch: int | None = None,
    call_id: int | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> FullVerdict:
    """Re-execute batches 1 to `batch` and compare all four roots and the id of each.

    Without `batch` it is the batch of `call_id`, without both the last final one.

    Raises:
        Invalid: VERIFY-8, that batch is not final.

    Rule: VERIFY-8
    """
    report("reading the chain")
    history = reader.fetch_history(tolerant=True)
    head = reader.rollup.fetch_head(history.block.hash)
    number = _choose(history, head, batch, call_id)
    if history.altered is not None and history.altered.number <= number:
        altered = history.altered
        found = comparison.build_entry_difference(altered.number, altered.ours, altered.kept)
        return FullVerdict(BatchNumber(number), 0, 0, (), found)
    if not 0 <= number <= head:
        raise Invalid(
            "VERIFY-8", f"batch {number} is not final, {head} is the last: choose another"
        )
    try:
        return _replay(reader, load, history, number, report)
    except AlteredManifest as error:
        found = comparison.build_manifest_difference(history.entries, error.ours, error.kept)
        return FullVerdict(BatchNumber(number), 0, 0, (), found)


def _replay(
    reader: Reader,
    load: Callable[[], Engine],
    history: histories.History,
    number: int,
    report: Callable[[str], None],
) -> FullVerdict:
    """Re-execute and compare until something differs."""
    path = reader.select(history, level="final", until=number)
    report("loading the model")
    engine = load()
    difference = _compare_models(reader, engine, history.batches[:number])
    rebuilt: list[Rebuilt] = []
    calls = tokens = 0
    parent = reader.genesis_id
    if difference is None:
        batches = history.batches[:number]
        for item, event, result in zip(
            batches, path, replay.derive_all(batches, reader.collect, engine), strict=True
        ):
            made = Rebuilt(
                item.number,
                reader.compute_id(parent, event.attempt, item, result.claim),
                result.claim,
            )
            rebuilt.append(made)
            calls += item.header.count
            tokens += sum(receipt.positions for receipt in result.receipts)
            report(f"batch {item.number} of {number}: {calls} calls, {tokens} tokens")
            difference = compare_claims(made, event)
            if difference is not None:
                break
            parent = made.assertion_id
    return FullVerdict(BatchNumber(number), calls, tokens, tuple(rebuilt), difference)


def compare_claims(ours: Rebuilt, posted: events.AssertionProposed) -> Difference | None:
    """Compare the four roots, then the id, which binds batch, parent and attempt too.

    Rule: VERIFY-9
    """
    for name in ROOTS:
        left, right = getattr(ours.claim, name), getattr(posted.claim, name)
        if left != right:
            return Difference(name, ours.batch, "0x" + left.hex(), "0x" + right.hex())
    if ours.assertion_id != posted.assertion_id:
        left, right = ours.assertion_id, posted.assertion_id
        return Difference("assertion_id", ours.batch, "0x" + left.hex(), "0x" + right.hex())
    return None


def _choose(history: histories.History, head: int, batch: int | None, call_id: int | None) -> int:
    if batch is not None or call_id is None:
        return head if batch is None else batch
    found = history.find_batch(call_id)
    if found is not None:
        return found.number
    if history.altered is not None:
        return history.altered.number
    if history.skipped is not None:
        raise history.skipped
    raise Invalid(
        "VERIFY-8", f"call {call_id} is in no closed batch: see `oyez status {call_id}`, and wait"
    )


def _compare_models(
    reader: Reader, engine: Engine, batches: tuple[histories.Batch, ...]
) -> Difference | None:
    entries = [entry for batch in batches for entry in batch.entries]
    ours = (engine.model_root, codec.compute_shape_hash(engine.shape))
    for index in sorted({found.model for found in reader.collect(entries).values()}):
        record = reader.models.fetch_model(index)
        difference = comparison.find_model_difference(index, ours, (record.root, record.shape_hash))
        if difference is not None:
            return difference
    return None
