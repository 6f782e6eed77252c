"""Times how long a challenger takes from seeing an assertion to having his first moves.

A batch of 64 calls, of which the assertion is false about one, at a random index. He has run
nothing before: he runs the batch, finds that the ids differ, and opens the tree from which his
first moves come. Beside it, in the same process, the inference of the batch alone.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from oyez.derivation import replay
from oyez.derivation.history import Batch
from oyez.dispute.outer import OuterTraces
from oyez.dispute.traces import list_children
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.prefix_cache import PrefixCache
from oyez.engines.exact.session import BLOCK
from oyez.gas import long_calls
from oyez.protocol import codec
from oyez.protocol.errors import Fatal
from oyez.protocol.manifest import (
    ModelLimits,
    build_constants,
    encode_manifest,
    parse_manifest,
)
from oyez.protocol.manifest_layout import compute_json_bytes
from oyez.protocol.state import State
from oyez.protocol.transition import BatchResult, Execution
from oyez.protocol.types import (
    ZERO_HASH,
    Address,
    BatchHeader,
    BatchNumber,
    CallId,
    CellKind,
    Claim,
    Entry,
    EntryKind,
    Field,
    FieldType,
    Hash32,
    Manifest,
    Role,
)

CALLS, ROUNDS = 64, 3
PREFIX, INPUT, OUTPUT = 60, 80, 40
WORDS = b"the a good bad soup hotel train was is never very late fine warm cold friend".split()


@dataclass(frozen=True, slots=True)
class Ran:
    """A batch that was run: `oyez.dispute.outer.Results` for it."""

    manifest: Manifest
    batch: Batch
    executions: tuple[Execution, ...]
    result: BatchResult

    def fetch_claim(self, batch: int) -> Claim:
        """Return the claim."""
        return self.result.claim

    def fetch_executed(self, batch: int) -> tuple[State, Batch, Sequence[Execution]]:
        """Return the empty state before it, the batch and its executions."""
        return State.empty(), self.batch, self.executions

    def collect(self, entries: Sequence[Entry]) -> dict[Hash32, Manifest]:
        """Return the one manifest."""
        return {self.manifest.hash: self.manifest}

    def fetch_manifest(self, manifest_hash: Hash32) -> Manifest:
        """Return the one manifest."""
        return self.manifest


def measure_ratio(engine: ExactEngine, report: Callable[[str], None] = lambda _: None) -> float:
    """Return the median ratio of a few rounds, inference and detection interleaved."""
    manifest = build_action(engine)
    batch = build_batch(manifest)
    false = random.Random(3).randrange(CALLS)
    ratios = []
    for round_ in range(ROUNDS):
        report(f"timing detection, round {round_ + 1} of {ROUNDS}")
        begun = time.perf_counter()
        execute(engine, manifest, batch)
        ran = time.perf_counter()
        detect(engine, manifest, batch, false)
        ratios.append((time.perf_counter() - ran) / (ran - begun))
    return round(statistics.median(ratios), 3)


def estimate_ratio(engine: ExactEngine, seconds: float) -> float:
    """Return at most what the ratio is of a model whose layers are not run here.

    Measured is all that a challenger does beside the inference. The inference is counted as if all
    its positions passed a layer in full blocks, and made no logits: it takes longer.

    Args:
        engine: runs anything in place of the layers.
        seconds: that a full block takes in one layer.
    """
    manifest = build_action(engine)
    batch = build_batch(manifest)
    executions = execute(engine, manifest, batch)
    begun = time.perf_counter()
    find_moves(engine, manifest, batch, executions, random.Random(3).randrange(CALLS))
    beside = time.perf_counter() - begun
    positions = PREFIX + sum(item.positions - PREFIX for item in executions)
    inference = seconds * engine.shape.layers * positions / BLOCK
    return round(1 + beside / inference, 3)


def build_action(engine: ExactEngine) -> Manifest:
    """Return an action that judges a text, with a cell for each caller."""
    fields = (
        Field(
            b"mood", FieldType.ENUM, Role.WRITES, b"bad", options=(b"bad", b"good"), biases=(0, 0)
        ),
        Field(b"note", FieldType.STRING, Role.WRITES, b"", limit=24),
    )
    draft = replace(
        long_calls.build_action(PREFIX, min(long_calls.WORDS, engine.shape.vocabulary), INPUT),
        cell_kind=CellKind.PER_CALLER,
        temperature=0,
        output_tokens=OUTPUT,
        fixed_positions=PREFIX + OUTPUT,
        fields=fields,
        constants=build_constants(fields, []),
        name=b"detection",
        state_bytes=compute_json_bytes(fields),
    )
    shape = engine.shape
    limits = ModelLimits(shape.vocabulary, shape.context, shape.missing)
    return parse_manifest(encode_manifest(draft), limits)


def build_batch(manifest: Manifest) -> Batch:
    """Return 64 calls of as many callers."""
    draw = random.Random(2)
    action_id = codec.compute_action_id(Address(bytes(20)), manifest.hash)
    entries = tuple(
        Entry(
            kind=EntryKind.CALL,
            call_id=CallId(index),
            timestamp=1_800_000_000,
            caller=Address(index.to_bytes(20, "big")),
            value=0,
            fee=0,
            action_id=action_id,
            manifest_hash=manifest.hash,
            cell=b"",
            input=b" ".join(draw.choices(WORDS, k=12)),
        )
        for index in range(CALLS)
    )
    header = BatchHeader(
        BatchNumber(1), CallId(0), CALLS, 1_800_000_000, codec.keccak(b"prevrandao"), ZERO_HASH
    )
    return Batch(header, codec.compute_batch_hash(header), entries)


def execute(engine: ExactEngine, manifest: Manifest, batch: Batch) -> list[Execution]:
    """Run the batch's model, nothing cached before."""
    engine.prefix_cache = PrefixCache()
    manifests = {manifest.hash: manifest}
    return replay.execute_all(State.empty(), batch.entries, manifests, engine, header=batch.header)


def detect(engine: ExactEngine, manifest: Manifest, batch: Batch, false: int) -> int:
    """Run the batch, see that the assertion is another, and open the first moves' tree.

    Returns the index of the first call whose root differs from the posted one.

    Raises:
        Fatal: the assertion was not found false.
    """
    return find_moves(engine, manifest, batch, execute(engine, manifest, batch), false)


def find_moves(
    engine: ExactEngine,
    manifest: Manifest,
    batch: Batch,
    executions: Sequence[Execution],
    false: int,
) -> int:
    """See that the assertion is another than what was run, and open the first moves' tree.

    Returns, raises: as `detect`.
    """
    manifests = {manifest.hash: manifest}
    known = {item.entry.call_id: item for item in executions}
    result = replay.derive(State.empty(), batch, manifests, engine, known)
    posted = list(result.call_roots)
    posted[false] = codec.keccak(posted[false])
    claim = replace(result.claim, trace_root=codec.keccak(b"".join(posted)))
    if claim == result.claim:
        raise Fatal("the false assertion was not told from the true one")
    tree = OuterTraces(engine, Ran(manifest, batch, tuple(executions), result)).open_outer(1)
    list_children(tree, tree.height, 0)
    return next(i for i, root in enumerate(result.call_roots) if root != posted[i])
