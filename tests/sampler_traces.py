"""Calls of random actions on a tiny model: each sampler's inner trace obeys the steps."""

from __future__ import annotations

import dataclasses
import functools
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.loading import load_engine
from oyez.protocol import inner
from oyez.protocol.constants import LAST_SLOT, RECORD_HEIGHT
from oyez.protocol.errors import Invalid
from oyez.protocol.step import ChunkLanes
from oyez.protocol.step_machine import Mode
from oyez.protocol.types import Manifest, Role
from tests.manifests import random_fields
from tests.real_calls import RealBatch, build_short_action, check_record
from tests.unit.engine import tiny

SHAPE = tiny.Shape(
    seed=31, layers=1, width=32, feed_forward=32, heads=2, kv_heads=1, vocabulary=300, context=700
)
INPUT_BYTES = 12


@functools.cache
def engine() -> ExactEngine:
    """Return an engine whose context holds a whole output."""
    with tempfile.TemporaryDirectory() as folder:
        path = tiny.write_model(Path(folder) / "model.gguf", SHAPE)
        return load_engine(path, sha256=None)


def draw_action(rng: random.Random, made: ExactEngine) -> Manifest:
    """Draw an action of written fields alone, whatever they are."""
    while True:
        fields = random_fields(rng, most=4)[:4]
        fields = tuple(dataclasses.replace(field, role=Role.WRITES) for field in fields)
        limit = rng.choice((1, 9, 60, 250, 250))
        temperature = rng.choice((0, 0, 1, 52_429, 2**32 - 1))
        try:
            return build_short_action(
                made,
                fields=fields,
                temperature=temperature,
                output_tokens=limit,
                fixed_positions=limit + 3,
                max_input=INPUT_BYTES,
            )
        except Invalid:
            continue  # its text holds more than a manifest may


def list_samplers(batch: RealBatch) -> Iterator[tuple[int, Mode]]:
    """Yield a call's sampler records, each held to the outer trace's, and their modes."""
    outer = batch.traces.open_outer(1)
    for record in batch.list_records(0):
        if inner.get_slot(record) == LAST_SLOT:
            tree = batch.machine.open_inner(1, record)
            last = (1 << (tree.height - RECORD_HEIGHT)) - 1
            assert tree.get_node(RECORD_HEIGHT, last) == outer.get_node(0, record)
            yield record, Mode(ChunkLanes(tree.get_chunk(tree.leaves.layout.get("mode").start))[0])


def count_traces(rng: random.Random) -> Counter[str]:
    """Run one call and hold its samplers' lanes to their steps, one in eleven and all first."""
    action = draw_action(rng, engine())
    data = bytes(rng.choice(b"abcdefgh ") for _ in range(rng.randrange(INPUT_BYTES)))
    batch = RealBatch(engine(), action, [data], prevrandao=rng.randrange(256))
    counts: Counter[str] = Counter({f"ended {batch.executions[0].code.name}": 1})
    for record, mode in list_samplers(batch):
        counts["lanes"] += check_record(batch.machine, record, 11, rng.randrange(11))
        counts[f"samplers of mode {mode.name}"] += 1
    return counts
