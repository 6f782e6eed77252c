"""Calls of odd models before their verifiers: heads across leaves, parts of rows, long tokens."""

from __future__ import annotations

import dataclasses
import functools
import random
import tempfile
from collections import Counter
from pathlib import Path

from oyez.chain import deploy
from oyez.dispute.machine import get_lane
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.inner_leaves import LANES
from oyez.engines.exact.loading import load_engine
from oyez.engines.exact.step_rows import prove_engine
from oyez.protocol import trace
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.inner import DEAD, Region
from oyez.protocol.manifest_encode import encode_manifest
from oyez.protocol.trace import ChunkType
from tests.contracts import harness
from tests.contracts.harness import AUTHOR, World
from tests.courts import Court
from tests.real_calls import RealBatch
from tests.sampler_traces import INPUT_BYTES, draw_action, list_samplers
from tests.unit.engine import tiny

TYPES = tiny.TYPES
#: Tokens that leave a text at every other place, up to the longest that a step walks.
PIECES = (
    *(b'"}', b', "', b'",', b'": "', b'": ', b"true", b"fal", b"],", b'"]', b'", "', b'{"'),
    *(b"12", b"100", b"-1", b"0}", b"00", b"1,", b"1]", b"9" * 78, b"0" * 77),
    *(b"good", b"goo", b"bad ", b"ly", b'ly"', b'day"', b"kkkk", b"k" * 32, b"a" * 33),
    *(b" " * 128, b"a" * 127 + b'"', b"x" * 100 + b'"', b"\xe6\x97\xa5", b"\xe6\x97", b'\xa9"'),
    *(b"\xf0\x9f", b"\x98\x80", b"good", b'"'),  # the last two are there twice
)
SHAPE = tiny.Shape(
    seed=31, layers=1, width=32, feed_forward=32, heads=2, kv_heads=1, context=700, pieces=PIECES
)
SHAPES = {
    "long tokens": SHAPE,
    "heads across leaves": dataclasses.replace(
        SHAPE,
        width=260,
        feed_forward=516,
        heads=6,
        kv_heads=3,
        head_size=204,
        matrices=TYPES.F16,
        head=TYPES.F16,
    ),
    "rows in parts": dataclasses.replace(
        SHAPE, width=36, feed_forward=2_049, matrices=TYPES.F16, head=TYPES.F16, tied=False
    ),
}


@functools.cache
def engine(name: str) -> ExactEngine:
    with tempfile.TemporaryDirectory() as folder:
        path = tiny.write_model(Path(folder) / "model.gguf", SHAPES[name])
        return load_engine(path, sha256=None)


@functools.cache
def world(name: str) -> World:
    made = engine(name)
    listed = deploy.ListedModel(made.model_root, made.shape)
    return World(harness.settings(models=(listed,), proof=prove_engine(made)))


def count_judged(rng: random.Random, name: str, count: int) -> Counter[str]:
    """Judge so many lanes of random calls, of each region at its ends and in between.

    They are counted by region, those of the PAD chunk together.
    """
    counts: Counter[str] = Counter()
    while counts.total() < count:
        action = draw_action(rng, engine(name))
        data = bytes(rng.choice(b"abcdefgh ") for _ in range(rng.randrange(INPUT_BYTES)))
        batch = RealBatch(engine(name), action, [data], prevrandao=rng.randrange(256))
        here = Court(batch, world(name), world(name).parts["StepTable"])
        here.world.actions.publish(encode_manifest(action), sender=AUTHOR)
        samplers = list(list_samplers(batch))
        rng.shuffle(samplers)
        of_modes = {mode: record for record, mode in samplers}
        layer = rng.choice(list(batch.list_records(0)))
        after = trace.compute_outer_index(0, batch.executions[0].positions + 1, LAST_SLOT)
        for record in (*of_modes.values(), layer, after):
            counts += count_record(rng, here, record)
    return counts


def count_record(rng: random.Random, here: Court, record: int) -> Counter[str]:
    """Judge some lanes of each region of a record."""
    counts: Counter[str] = Counter()
    layout = here.batch.machine.model.get_layout(record)
    assert layout is not None
    for region in layout.regions:
        for leaf in pick_leaves(rng, here, record, region):
            chunk = here.batch.machine.open_inner(1, record).get_chunk(leaf)
            last = 0 if chunk.type is ChunkType.PAD else LANES[region.type] - 1
            for lane in sorted({0, rng.randint(0, last), rng.choice((min(last, 2), last))}):
                value = get_lane(chunk, lane)
                assert here.judge(record, leaf, lane) == value, (record, region.name, leaf, lane)
                counts["PAD" if value == DEAD else region.name] += 1
    return counts


def pick_leaves(rng: random.Random, here: Court, record: int, region: Region) -> list[int]:
    """Pick a region's first and last living leaf, its first dead one, and any."""
    tree = here.batch.machine.open_inner(1, record)
    leaves = range(region.start, region.start + region.leaves)
    living = [leaf for leaf in leaves if tree.get_chunk(leaf).type is not ChunkType.PAD]
    dead = [leaf for leaf in leaves if tree.get_chunk(leaf).type is ChunkType.PAD]
    some = [rng.choice(leaves)] if leaves else []
    return sorted({*living[:1], *living[-1:], *dead[:1], *some})
