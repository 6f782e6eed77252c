"""Real calls before the verifiers that were deployed for their model."""

from __future__ import annotations

import functools
import random
from collections import Counter
from dataclasses import dataclass

from eth_utils.address import to_canonical_address

from oyez.chain import deploy
from oyez.dispute.machine import get_lane
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.inner_leaves import LANES
from oyez.engines.exact.loading import load_engine
from oyez.engines.exact.step_rows import prove_engine
from oyez.protocol import trace
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.manifest_encode import encode_manifest
from oyez.protocol.trace import ChunkType
from oyez.protocol.types import Address, Field, FieldType, Manifest, Role, Segment, SegmentKind
from tests.contracts import harness
from tests.contracts.harness import AUTHOR, Contract, World
from tests.contracts.test_step_model import tiny
from tests.real_calls import PARENT, RealBatch, build_short_action, check_record

#: SmolLM2-135M-Instruct, beside the names of tiny models.
REAL = "135M"
NAMES = ("mixed", "halves", "super", REAL)
WARM = 52_429
#: Tokens of the real model's constant prefix: records beyond position 1,000.
PREFIX = 1_020
MOOD = Field(
    b"mood",
    FieldType.ENUM,
    Role.WRITES,
    b"good",
    options=(b"bad", b"badly made", b"good"),
    biases=(0, -70_000, 3),
)
NOTE = Field(b"note", FieldType.STRING, Role.WRITES, b"none", limit=5)
COUNT = Field(b"n", FieldType.INTEGER, Role.WRITES, 0, low=-12, high=120, digits=4)


@dataclass(frozen=True)
class Court:
    """A call that ran, and a deployment with the steps of its model."""

    batch: RealBatch
    world: World
    table: Contract

    def judge(self, record: int, leaf: int, lane: int) -> int:
        """Return what the table's verifier makes of a lane."""
        machine = self.batch.machine
        tree = machine.open_inner(1, record)
        proof = machine.prove_step(1, record, leaf, lane, PARENT)
        verifier, op, _ = self.table.step_at(record, leaf)
        step = (
            self.batch.result.claim.trace_root,
            tree.get_node(tree.height, 0),
            record,
            leaf,
            lane,
            op,
            PARENT,
            1,
            self.batch.batch.batch_hash,
        )
        contract = Contract(self.world, Address(to_canonical_address(verifier)))
        value = contract.recompute(step, tree.get_leaf(leaf).raw, proof)
        assert isinstance(value, int)
        return value


@functools.cache
def court(name: str, *more: bytes) -> Court:
    """Return the court of a model by its name, of one call; of further ones with other inputs."""
    engine = load_engine() if name == REAL else tiny(name)[0]
    return build_court(engine, PREFIX if name == REAL else 3, *more)


def build_court(engine: ExactEngine, prefix: int, *more: bytes) -> Court:
    """Run calls behind a prefix of so many tokens, and deploy the steps of their model."""
    return open_batch(run_call(engine, b"a day", prefix, *more))


def open_batch(batch: RealBatch) -> Court:
    """Deploy the steps of the model that ran a batch."""
    engine = batch.engine
    listed = deploy.ListedModel(engine.model_root, engine.shape)
    world = World(harness.settings(models=(listed,), proof=prove_engine(engine)))
    for manifest in batch.manifests.values():
        world.actions.publish(encode_manifest(manifest), sender=AUTHOR)
    return Court(batch, world, world.parts["StepTable"])


def run_call(engine: ExactEngine, data: bytes, prefix: int, *more: bytes) -> RealBatch:
    """Run a call, or some, with a choice, a string and a number after a constant prefix."""
    return RealBatch(engine, build_court_action(engine, prefix), [data, *more])


def build_court_action(engine: ExactEngine, prefix: int, temperature: int = WARM) -> Manifest:
    """Return an action with a choice, a string and a number behind so many constants."""
    vocabulary = engine.shape.vocabulary
    tokens = tuple((7_919 * at + 5) % min(vocabulary, 256) for at in range(prefix))
    return build_short_action(
        engine,
        fields=(MOOD, NOTE, COUNT),
        segments=(Segment(SegmentKind.LITERAL, tokens), Segment(SegmentKind.INPUT)),
        temperature=temperature,
        output_tokens=52,
        fixed_positions=prefix + 52,
        max_input=8,
    )


def count_judged(rng: random.Random, name: str, count: int) -> Counter[str]:
    """Judge so many lanes, all kinds alike, of some records of a call; count them by region."""
    here, counts = court(name), Counter[str]()
    machine = here.batch.machine
    while counts.total() < count:
        record = draw_record(rng, here.batch)
        layout = machine.model.get_layout(record)
        assert layout is not None
        tree = machine.open_inner(1, record)
        for region in layout.regions:
            leaves = range(region.start, region.start + region.leaves)
            alive = [leaf for leaf in leaves if tree.leaves.types[leaf]]
            if not leaves:
                continue
            leaf = rng.choice(alive if alive and rng.random() < 0.9 else leaves)
            chunk = tree.get_chunk(leaf)
            living = chunk.type is not ChunkType.PAD
            lane = rng.randrange(LANES[region.type]) if living else 0
            where = (record, region.name, leaf - region.start, lane)
            assert here.judge(record, leaf, lane) == get_lane(chunk, lane), where
            counts[f"{name}, {region.name}" if living else f"{name}, PAD"] += 1
    return counts


def draw_record(rng: random.Random, batch: RealBatch) -> int:
    """Return a record of a layer or of a sampler, of the call's output more often than not."""
    execution = batch.executions[0]
    prompt, last = len(execution.prompt or ()), execution.positions
    position = rng.randint(prompt if rng.random() < 0.8 else 1, last)
    slot = rng.choice((0, rng.randrange(batch.engine.shape.layers), LAST_SLOT, LAST_SLOT))
    return trace.compute_outer_index(0, position, slot)


def count_traced(rng: random.Random, name: str) -> Counter[str]:
    """Hold every lane of a call's layers to its step; of the real model's a few records'."""
    data = bytes(rng.choices(b"abcdefgh ", k=rng.randint(1, 8)))
    batch = court(name).batch if name == REAL else run_call(tiny(name)[0], data, 3)
    counts = Counter[str]()
    layers, last = batch.engine.shape.layers, batch.executions[0].positions
    positions = [1, PREFIX, rng.randint(PREFIX + 1, last)] if name == REAL else range(1, last + 1)
    for position in positions:
        slots = rng.sample(range(layers), 2) if name == REAL else range(layers)
        for slot in slots:
            record = trace.compute_outer_index(0, position, slot)
            counts[f"{name} lanes"] += check_record(batch.machine, record)
            counts[f"{name} records"] += 1
    return counts
